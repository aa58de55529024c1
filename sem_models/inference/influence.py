"""Influential customers: how far the estimates would move without each of them.

With s_i the score of row i and N A the observed information of all rows, leaving row i out moves the free
parameters by −(N A)⁻¹ s_i to first order: one Newton step from the full solution (Cook, 1986, Journal of the
Royal Statistical Society B, 48, 133–169). From the move d_i follow the generalized Cook's distance
d_iᵀ V⁻¹ d_i and the likelihood displacement 2 [L(θ̂) − L(θ̂₍ᵢ₎)], here d_iᵀ N A d_i (Pek & MacCallum, 2011,
Multivariate Behavioral Research, 46, 202–228, eq. 6 and 8). `exact` refits without each row instead.

Least squares have no likelihood: there the step solves the discrepancy's gradient without the row, and the
displacement is that of χ².
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.moves import one_step
from sem_models.inference.row_tables import by_row, fitted_rows
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.rows import Rows
from sem_models.observed.sample import Sample

COLUMNS = ["cooks_distance", "likelihood_displacement"]
SHOWN_AFTER = 2.0
"""Seconds after which a progress bar appears."""


@dataclass(frozen=True, slots=True)
class Influence:
    """Rows in the order of the groups: moved (n, q) free parameters without the row less with it; cook (n,)
    and displacement (n,). NaN where a refit did not converge."""

    moved: Array
    cook: Array
    displacement: Array


def influence_table(solved: Solved, *, exact: bool) -> pd.DataFrame:
    """Columns cooks_distance and likelihood_displacement, a row a customer in the order of the data."""
    if solved.sample.ordinal is not None:
        raise SpecError(
            "The engine has no influence measures of ordered items yet. Leave out ordered= to see those "
            "of the "
            "items as continuous."
        )
    blocks, index = fitted_rows(solved, "Influence measures")
    if solved.options.missing in ("pairwise", "two.stage", "robust.two.stage"):
        raise SpecError(
            f"With missing='{solved.options.missing}' a row has no part of its own in the discrepancy. Fit "
            "the model with missing='listwise' or 'fiml'."
        )
    found = exact_influence(solved) if exact else one_step_influence(solved)
    values, parts, start = np.stack([found.cook, found.displacement], axis=1), [], 0
    for block, position in blocks:
        parts.append((values[start : start + len(block)], position, COLUMNS))
        start += len(block)
    return by_row(solved, parts, index)


def one_step_influence(solved: Solved) -> Influence:
    """The first-order measures of all rows at once."""
    step, curve = one_step(solved)
    moved = step @ solved.ram.reduction.T
    return Influence(moved, _cook(solved.covariance.free, moved), ((step @ curve) * step).sum(axis=1))


def exact_influence(solved: Solved) -> Influence:
    """The measures from one refit without each row, the distance in the refit's own covariance.

    Shows a progress bar when it takes more than two seconds.
    """
    from tqdm import tqdm

    from sem_models.estimation.fit import solve

    full = replace(solved.ram, reduction=np.eye(solved.ram.n_free), offset=np.zeros(solved.ram.n_free))
    likelihood = solved.objective_for(full)
    best = float(solved.point.value)
    options = replace(solved.options, check_identification=False)
    moved, cook, displacement = [], [], []
    rows = solved.sample.rows or ()
    units = [(g, k) for g, block in enumerate(rows) for k in range(len(block.values))]
    for group, row in tqdm(units, desc="Refits without one row", delay=SHOWN_AFTER, leave=False):
        without = solve(solved.table, without_row(solved.sample, group, row), options)
        at = likelihood.at(without.point.free) if without.status.converged else None
        if at is None:
            moved.append(np.full(solved.ram.n_free, np.nan))
            cook.append(np.nan)
            displacement.append(np.nan)
            continue
        step = without.point.free - solved.point.free
        moved.append(step)
        cook.append(float(_cook(without.covariance.free, step[None])[0]))
        displacement.append(2.0 * solved.sample.n * (float(at.value) - best))
    return Influence(np.array(moved), np.array(cook), np.array(displacement))


def _cook(covariance: Array, moved: Array) -> Array:
    """dᵀ V⁻ d of each row, the generalized inverse in the parameters' own scales."""
    scale = np.sqrt(np.diagonal(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    if not np.isfinite(covariance).all():
        return np.full(len(moved), np.nan)
    inverse = np.linalg.pinv(covariance / np.outer(scale, scale), rcond=1e-10, hermitian=True)
    scaled = moved / scale
    return np.asarray(((scaled @ inverse) * scaled).sum(axis=1))


def without_row(sample: Sample, group: int, row: int) -> Sample:
    """The sample less one row; incomplete data keep the saturated moments of all rows, as a start only."""
    assert sample.rows is not None
    rows = tuple(_drop(block, row) if g == group else block for g, block in enumerate(sample.rows))
    patterns, member = group_patterns([r.values for r in rows], [r.weight for r in rows])
    rows = tuple(replace(r, pattern=p) for r, p in zip(rows, member, strict=True))
    sizes = tuple(len(r.values) for r in rows)
    smaller = replace(
        sample, rows=rows, patterns=patterns, sizes=sizes, digest="", unbiased=False,
        n_available=sample.n_available - 1,
    )  # fmt: skip
    if not patterns.complete:
        return smaller
    smaller = replace(smaller, cov=patterns.cov.copy(), mean=patterns.mean.copy())
    return smaller.with_unbiased_moments() if sample.unbiased else smaller


def _drop(block: Rows, row: int) -> Rows:
    keep = np.arange(len(block.values)) != row
    return replace(
        block, values=block.values[keep], position=block.position[keep], pattern=block.pattern[keep],
        weight=None if block.weight is None else block.weight[keep],
        cluster=None if block.cluster is None else np.unique(block.cluster[keep], return_inverse=True)[1],
    )  # fmt: skip
