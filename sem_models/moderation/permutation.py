"""Are groups different beyond chance? Group labels dealt out anew, the models refitted each time, as batches.

Jorgensen, T. D., Kite, B. A., Chen, P.-Y., & Short, S. D. (2018). Permutation randomization methods for
testing measurement equivalence and detecting differential item functioning in multiple-group confirmatory
factor analysis. Psychological Methods, 23, 708–728. Made for small groups, where χ² and z do not keep
their level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError, SpecError
from sem_models.estimation.batches import Batch, IncompleteBatch, incomplete_rows
from sem_models.estimation.fit import solve
from sem_models.estimation.kernels import expected_information, implied
from sem_models.estimation.objective import NormalTheory
from sem_models.inference.measures import cfi, rmsea
from sem_models.inference.refits import NUMBERS, batchable, refit_batch, row_values, watched
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array
from sem_models.observed.patterns import complete_patterns, discrepancy
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.moderation.groups import Invariance

CHUNK = 128
FEWEST = 99
"""Permutations below which no p value can be as small as .01."""


@dataclass(frozen=True)
class Labels:
    """The rows of all groups together (n, p), NaN where missing, and the sizes (g,) that the groups keep."""

    values: Array
    sizes: tuple[int, ...]
    complete: bool
    centered: bool

    def batches(self, n: int, rng: np.random.Generator, chunk: int) -> Iterator[Batch | IncompleteBatch]:
        """The groups' data under n random labelings, `chunk` at a time."""
        share = np.array(self.sizes) / sum(self.sizes)
        bounds = np.cumsum(self.sizes)[:-1]
        rows = incomplete_rows(self.values) if not self.complete else None
        i, j = np.tril_indices(self.values.shape[1])
        for start in range(0, n, chunk):
            b = min(chunk, n - start)
            order = rng.permuted(np.tile(np.arange(len(self.values)), (b, 1)), axis=1)
            weights = np.zeros((len(self.sizes), b, len(self.values)))
            for g, part in enumerate(np.split(order, bounds, axis=1)):
                np.put_along_axis(weights[g], part, 1.0 / self.sizes[g], axis=1)
            shares = np.tile(share, (b, 1))
            p = self.values.shape[1]
            if rows is not None:
                blank = np.zeros((b, len(self.sizes), p, p))
                yield IncompleteBatch((rows,) * len(self.sizes), tuple(weights), shares, blank, blank[..., 0])
                continue
            first = np.moveaxis(weights @ self.values, 0, 1)
            second = np.moveaxis(weights @ (self.values[:, i] * self.values[:, j]), 0, 1)
            cov = np.empty((b, len(self.sizes), p, p))
            cov[..., i, j] = cov[..., j, i] = second - first[..., i] * first[..., j]
            yield Batch(cov, first, shares)


def labels_of(solved: Solved, *, centered: bool) -> Labels:
    """The rows that labels are dealt to; centered takes each group's means off first.

    SpecError where the fit's refits cannot run as batches.
    """
    sample = solved.sample
    if sample.rows is None or sample.weighted or sample.clustered or sample.ordinal is not None:
        raise SpecError(
            "Permutation tests deal out rows, which are exchangeable only without weights and clusters, "
            "and need continuous items and the rows themselves. Leave out sampling_weights=, cluster= and "
            "ordered=."
        )
    if not batchable(solved) or (len(solved.ram.exogenous) and not sample.complete):
        raise SpecError(
            "Permutation tests refit by maximum likelihood, without inequalities; with missing "
            "answers covariates must be complete, or few rows share a pattern of answers. Use "
            "estimator='ML' or 'MLR'."
        )
    values = row_values(solved)
    centers = sample.mean if centered else np.zeros_like(sample.mean)
    together = np.concatenate([x - c for x, c in zip(values, centers, strict=True)])
    sizes = tuple(len(x) for x in values)
    return Labels(together, sizes, sample.complete, centered)


def where_groups_are_alike(solved: Solved, labels: Labels) -> tuple[Solved, Array]:
    """The fit at the parameters that all labelings scatter around, and the curvature there.

    Those fit the moments of all rows together in every group.
    """
    sample, objective = solved.sample, solved.objective
    assert isinstance(objective, NormalTheory)
    within = np.einsum("g,gij->ij", sample.share, sample.cov)
    mean = sample.share @ sample.mean
    away = sample.mean - mean
    if labels.centered:
        away, mean = np.zeros_like(away), np.zeros_like(mean)
    cov = within + np.einsum("g,gi,gj->ij", sample.share, away, away)
    g = len(sample.groups)
    moments = np.tile(cov, (g, 1, 1)), np.tile(mean, (g, 1))
    patterns = complete_patterns(sample.n_by_group, moments[1], moments[0])
    alike = replace(sample, cov=moments[0], mean=moments[1], patterns=patterns)
    plain = replace(solved.options, se="standard", test=("standard",), check_identification=False)
    point = objective.at(np.asarray(solve(solved.table, alike, plain).point.params))
    if point is None:
        raise ConvergenceError(
            "The model has no solution for all groups taken together, so permutations have no start."
        )
    there = replace(solved, solution=replace(solved.solution, point=point))
    return there, np.asarray(objective.information(point))


def pvalue(reached: int, permutations: int) -> tuple[float, float]:
    """p with the observed labeling among the permutations (Phipson & Smyth, 2010), and the half-width of its
    95 % Monte Carlo interval."""
    if not permutations:
        return float("nan"), float("nan")
    p = (reached + 1) / (permutations + 1)
    return p, 1.96 * sqrt(p * (1.0 - p) / permutations)


def check_number(n: int) -> None:
    """SpecError for too few permutations."""
    if not isinstance(n, int) or n < FEWEST:
        raise SpecError(f"n={n!r}: a permutation test needs at least {FEWEST} permutations; 999 is usual.")


@single_threaded
def level_tests(steps: Invariance, n: int, seed: int | None, *, progress: bool) -> pd.DataFrame:
    """Permutation tests of the ladder's steps; see `Invariance.permutation_tests`."""
    check_number(n)
    rng = np.random.default_rng(seed)
    rows = []
    for level, rung in steps.rungs.items():
        if not rung.against and not rung.fit.solved.sample.complete:
            continue  # χ² of one model needs the saturated moments of every labeling
        if rung.released or (rung.against and steps.rungs[rung.against].released):
            continue  # what was released after a search has no permutation distribution of its own
        fits = [rung.fit.solved] + ([steps.rungs[rung.against].fit.solved] if rung.against else [])
        means_held = "intercepts" in fits[0].table.options.group_equal
        labels = labels_of(fits[0], centered=not means_held)
        drawn = _statistics(fits, labels, n, rng, level, progress=progress)
        if not rung.against:
            observed = {"chisq": fits[0].minimum}
        else:
            general = fits[1].minimum
            observed = {"chisq_diff": fits[0].minimum - general}
            if labels.complete:
                one, two = (_indices(f, _baseline(f), f.minimum) for f in fits)
                observed |= {"delta_cfi": one[0] - two[0], "delta_rmsea": one[1] - two[1]}
        for name, value in observed.items():
            values = drawn[name]
            values = values[np.isfinite(values)]
            reached = values <= value + 1e-9 if name == "delta_cfi" else values >= value - 1e-9
            p, accuracy = pvalue(int(reached.sum()), len(values))
            rows.append(
                (level, rung.against, name, value, float(np.median(values)), p, accuracy, len(values))
            )
    columns = ["level", "against", "statistic", "observed", "median", "pvalue", "accuracy", "permutations"]
    return pd.DataFrame(rows, columns=columns)


@single_threaded
def path_permutations(
    solved: Solved, pairs: Mapping[tuple[str, str, str, str], tuple[int, int]], n: int, seed: int | None, *,
    progress: bool,
) -> pd.DataFrame:  # fmt: skip
    """Studentized permutation tests of differences between rows of the table.

    pairs maps (lhs, rhs, group, reference) to the two rows' numbers. Columns lhs, op, rhs, group,
    reference_group, est, z, pvalue, accuracy, pvalue_family, permutations.
    """
    check_number(n)
    labels = labels_of(solved, centered=True)
    contrast = np.zeros((len(pairs), len(solved.table.rows)))
    for k, (of_group, of_reference) in enumerate(pairs.values()):
        contrast[k, of_group], contrast[k, of_reference] = 1.0, -1.0
    free = contrast[:, solved.ram.row_of_free]
    value = contrast @ solved.rows.value
    observed = np.abs(value) / _errors(solved, np.asarray(solved.point.params)[None], None, free)[0]
    start, hessian = where_groups_are_alike(solved, labels)
    drawn = []
    chunk = _chunk(solved, labels)
    dealt = labels.batches(n, np.random.default_rng(seed), chunk)
    for batch in watched(dealt, n, "permuting", progress):
        params, ends = refit_batch(start, batch, hessian)
        kept = np.flatnonzero(np.isfinite(ends))
        if len(kept):
            found = solved.ram.free_values(params[kept]) @ free.T
            drawn.append(np.abs(found) / _errors(solved, params[kept], batch.at(kept), free))
    z = np.concatenate(drawn) if drawn else np.empty((0, len(pairs)))
    largest = z.max(axis=1) if len(z) else np.empty(0)
    rows = []
    for k, (lhs, rhs, group, base) in enumerate(pairs):
        p, accuracy = pvalue(int((z[:, k] >= observed[k] - 1e-9).sum()), len(z))
        family, _ = pvalue(int((largest >= observed[k] - 1e-9).sum()), len(z))
        signed = float(np.copysign(observed[k], value[k]))
        rows.append((lhs, "~", rhs, group, base, value[k], signed, p, accuracy, family, len(z)))
    columns = ["lhs", "op", "rhs", "group", "reference_group", "est", "z", "pvalue", "accuracy",
               "pvalue_family", "permutations"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _statistics(
    fits: list[Solved], labels: Labels, n: int, rng: np.random.Generator, level: str, *, progress: bool
) -> dict[str, Array]:
    """χ² of one model, or the differences between two, under n labelings; NaN where a refit failed."""
    starts = [where_groups_are_alike(f, labels) for f in fits]
    out: dict[str, list[Array]] = {}
    for batch in watched(labels.batches(n, rng, _chunk(fits[0], labels)), n, level, progress):
        values = [f.sample.n * refit_batch(f, batch, h)[1] for f, h in starts]
        if len(fits) == 2:
            out.setdefault("chisq_diff", []).append(values[0] - values[1])
        if isinstance(batch, IncompleteBatch):
            if len(fits) == 1:
                out.setdefault("chisq", []).append(np.full(len(values[0]), np.nan))
            continue
        log_det = np.linalg.slogdet(batch.cov)[1]
        best = fits[0].sample.n * (batch.share * (log_det + fits[0].ram.n_observed)).sum(axis=1)
        if len(fits) == 1:
            out.setdefault("chisq", []).append(values[0] - best)
            continue
        diagonal = np.log(np.diagonal(batch.cov, axis1=-2, axis2=-1)).sum(axis=-1)
        base = fits[0].sample.n * (batch.share * (diagonal - log_det)).sum(axis=1)
        one, two = (
            np.array([_indices(f, b, v) for b, v in zip(base, value - best, strict=True)])
            for f, value in zip(fits, values, strict=True)
        )  # fmt: skip
        out.setdefault("delta_cfi", []).append(one[:, 0] - two[:, 0])
        out.setdefault("delta_rmsea", []).append(one[:, 1] - two[:, 1])
    return {name: np.concatenate(parts) for name, parts in out.items()}


def _indices(solved: Solved, baseline: float, chisq: float) -> tuple[float, float]:
    """CFI and RMSEA of a χ², against uncorrelated items."""
    if not np.isfinite(chisq):
        return float("nan"), float("nan")
    p, g = solved.ram.n_observed, solved.ram.n_groups
    df = float(solved.df)
    return cfi(chisq, df, baseline, g * p * (p - 1) / 2), rmsea(chisq, df, solved.sample.n, g)


def _baseline(solved: Solved) -> float:
    """χ² of uncorrelated items in the data."""
    sample = solved.sample
    diagonal = np.log(np.diagonal(sample.cov, axis1=-2, axis2=-1)).sum(axis=-1)
    return float(sample.n * (sample.share * (diagonal - np.linalg.slogdet(sample.cov)[1])).sum())


def _chunk(solved: Solved, labels: Labels) -> int:
    if labels.complete:
        return CHUNK
    return max(1, min(CHUNK, NUMBERS // (labels.values.size * len(labels.sizes))))


def _errors(solved: Solved, params: Array, batch: Batch | IncompleteBatch | None, free: Array) -> Array:
    """Normal-theory errors (b, k) of sums of the free rows, weights free (k, q), at b parameter vectors.

    Of the expected information for complete rows: what studentizes must be the same for all labelings.
    """
    ram, sample = solved.ram, solved.sample
    if batch is not None and len(ram.exogenous):
        ram = ram.with_covariates(batch.cov[0], batch.mean[0])
    at = implied(*ram.matrices(ram.free_values(params)), ram.n_observed, ram.places.sources)
    mu = at.mu if ram.has_means else np.broadcast_to(sample.mean, at.mu.shape)
    out = np.empty((len(params), len(free)))
    for b in range(len(params)):
        one = type(at)(*(getattr(at, name)[b] for name in at.__dataclass_fields__))
        patterns = complete_patterns(sample.n_by_group, mu[b], one.sigma)
        information = expected_information(ram.slots, one, discrepancy(one.sigma, mu[b], patterns), patterns)
        reduced = ram.reduce(ram.to_row_pairs(information))
        weights = free @ ram.reduction
        cov = np.linalg.pinv(reduced, hermitian=True) / sample.n
        out[b] = np.sqrt(np.maximum(((weights @ cov) * weights).sum(axis=1), 0.0))
    return out
