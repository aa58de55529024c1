"""The probability of each answer to an ordered item along the construct that it measures.

P(category c | η) = Φ(z_c) − Φ(z_{c−1}) with z_c = (τ_c − ν − λ η) / √v, where v is the variance of the
response given η: its own scale (1/Δ² under delta, 1 under theta), so that delta and theta give the same
curves. Samejima's (1969, Psychometrika Monograph 17) graded model with the normal ogive.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.ordinal_fit import parts_of
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array

COLUMNS = ("group", "construct", "item", "category", "answer", "value", "probability")
REACH, POINTS = 3.0, 121
"""Standard deviations of the construct on either side of its mean, and points, of the default grid."""


def category_curves(
    solved: Solved, items: str | Sequence[str] | None = None, *, at: Sequence[float] | None = None
) -> pd.DataFrame:
    """Columns group, construct, item, category (from 1), answer (its label), value, probability.

    value is the construct in standard deviations from its mean, both of the first group, so that groups share
    an axis. All other constructs are at their means given this one. SpecError for fits without ordered items
    and for names that are none.
    """
    moments, part = solved.sample.ordinal, solved.ram.ordinal
    if moments is None or part is None:
        raise SpecError(
            "Category probabilities need ordered items, and this fit treats all variables as continuous. Fit "
            "with ordered=."
        )
    known = list(moments.labels)
    wanted = known if items is None else [items] if isinstance(items, str) else list(items)
    strange = [name for name in wanted if name not in known]
    if strange:
        raise SpecError(f"'{strange[0]}' is no ordered item. {did_you_mean(strange[0], known, noun='items')}")
    pairs = [(r.lhs, r.rhs) for r in solved.table.rows if r.op == "=~" and r.rhs in wanted and r.block == 1]
    grid = np.linspace(-REACH, REACH, POINTS) if at is None else np.asarray(at, dtype=np.float64)
    frames = [
        _curves(solved, g, group, construct, item, grid)
        for construct, item in pairs
        for g, group in enumerate(solved.table.groups)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def _curves(solved: Solved, g: int, group: str, construct: str, item: str, grid: Array) -> pd.DataFrame:
    _, point = parts_of(solved)
    moments, part, ram = solved.sample.ordinal, solved.ram.ordinal, solved.ram
    assert moments is not None
    assert part is not None
    layout = moments.layout
    f, i = ram.variables.index(construct), ram.variables.index(item)
    j = int(np.flatnonzero(part.y == i)[0])
    unit, origin = float(np.sqrt(point.at.cov_all[0, f, f])), float(point.at.eta[0, f])
    # the response regressed on the construct; other constructs and covariates follow it along
    variance = _response_variance(solved, g, j)
    slope = point.at.cov_all[g, i, f] / point.at.cov_all[g, f, f]
    left = variance - slope**2 * point.at.cov_all[g, f, f]
    tau = point.tau[g][layout.th_variable == j]
    center = point.at.eta[g, i] + slope * (origin + unit * grid - point.at.eta[g, f])
    z = (tau[:, None] - center) / np.sqrt(left) if left > 0 else np.full((len(tau), len(grid)), np.nan)
    edge = np.zeros((1, len(grid)))
    probability = np.diff(np.concatenate([edge, ndtr(z), edge + 1.0]), axis=0)
    k = len(probability)
    labels = [str(label) for label in moments.labels[item]]
    return pd.DataFrame(
        {
            "group": group, "construct": construct, "item": item,
            "category": np.repeat(np.arange(1, k + 1), len(grid)), "answer": np.repeat(labels, len(grid)),
            "value": np.tile(grid, k), "probability": probability.reshape(-1),
        }
    )  # fmt: skip


def _response_variance(solved: Solved, g: int, j: int) -> float:
    """Variance of a latent response with what covariates add: 1/Δ² is that given them."""
    _, point = parts_of(solved)
    part = solved.ram.ordinal
    assert part is not None
    i = int(part.y[j])
    of_covariates = float(point.at.cov_all[g, i, i] - point.given.cov_all[g, i, i])
    return 1.0 / float(point.scale[g, j]) ** 2 + of_covariates
