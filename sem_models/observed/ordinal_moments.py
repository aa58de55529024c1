"""Thresholds, polychoric and polyserial correlations of all variables, with their asymptotic covariance.

Muthén, B. (1984). A general structural equation model with dichotomous, ordered categorical, and continuous
latent variable indicators. Psychometrika, 49, 115–132. Each margin is estimated by itself, then each
correlation given its margins; Γ is N times the sum of products of the rows' influences on all of them at
once. Sampling weights enter the influences, so that Γ holds their squares (Asparouhov, 2005, Structural
Equation Modeling 12); influences of a cluster's rows are added up before they are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sem_models.model.ordinal import Layout
from sem_models.observed.margins import Array, IntArray, Margin, continuous_margin, ordered_margin
from sem_models.observed.pair_correlations import Pairs, pearson, polychoric, polyserial
from sem_models.observed.rows import Rows, score_products


@dataclass(frozen=True, slots=True)
class GroupMoments:
    """One group's statistics (s,) in the order of the layout; gamma (s, s) n times their covariance.

    correlation (p, p) of the (residual) latent responses; sd (p,) their residual standard deviations, 1 for
    ordered items; origin (p,) the first threshold, or the negative mean; slopes (p, c) on the covariates;
    empty the number of pairs of ordered items whose table has an empty cell.
    """

    statistics: Array
    gamma: Array
    correlation: Array
    sd: Array
    origin: Array
    slopes: Array
    empty: int


@dataclass(frozen=True, eq=False)
class OrdinalMoments:
    """What a sample of ordered items adds: statistics (g, s), Γ (g, s, s) as n_g times their covariance, the
    number of pairs with an empty cell by group, and the answers behind each item's categories."""

    layout: Layout
    statistics: Array
    gamma: Array
    empty: tuple[int, ...]
    labels: dict[str, tuple[object, ...]]

    def sparse(self) -> str:
        """A sentence on the pairs whose table has an empty cell."""
        n = sum(self.empty)
        return (
            f"{n} pair{'s' if n > 1 else ''} of ordered items with an empty cell: merging rare categories "
            f"makes {'their correlations' if n > 1 else 'its correlation'} safer."
        )


def group_moments(
    values: Array, layout: Layout, x: Array | None = None, *, weight: Array | None = None,
    cluster: IntArray | None = None,
) -> GroupMoments:  # fmt: skip
    """The moments of one group's rows: values (n, p) with categories from 0, NaN where missing; x (n, c).

    weight (n,) are sampling weights, cluster (n,) numbers from 0 without gaps. Γ refers to Σ weight rows.
    """
    margins = [_margin(values[:, j], size, x, weight) for j, size in enumerate(layout.n_categories)]
    p, n = layout.n_variables, len(values)
    kinds = _pairs(margins, layout)
    rho, empty = np.eye(p), 0
    influence_1 = np.column_stack([m.influence for m in margins])
    start = np.cumsum([0, *(m.influence.shape[1] for m in margins)])
    place = np.full((p, p), 0, dtype=np.intp)
    place[layout.first, layout.second] = place[layout.second, layout.first] = np.arange(len(layout.first))
    influence_2 = np.zeros((n, len(layout.first)))
    for pairs in kinds:
        rho[pairs.first, pairs.second] = rho[pairs.second, pairs.first] = pairs.rho
        empty += int((pairs.empty > 0).sum())
        influence_2[:, place[pairs.first, pairs.second]] = _influence(pairs, influence_1, start, weight)
    sd = np.sqrt([m.variance for m in margins])
    statistics, influence = _assembled(margins, layout, rho, sd, influence_1, influence_2, start)
    rows = Rows(influence, np.arange(n), np.zeros(n, dtype=np.intp), None, cluster)
    total = float(n if weight is None else weight.sum())
    return GroupMoments(
        statistics, total * score_products(rows, lambda piece: influence[piece], layout.size), rho, sd,
        np.array([m.tau[0] for m in margins]), np.stack([m.slopes for m in margins]), empty,
    )  # fmt: skip


def _margin(column: Array, size: int, x: Array | None, weight: Array | None) -> Margin:
    if size == 1:
        return continuous_margin(column, x, weight)
    codes = np.where(np.isnan(column), -1.0, column).astype(np.intp)
    return ordered_margin(codes, size, x, weight)


def _pairs(margins: Sequence[Margin], layout: Layout) -> list[Pairs]:
    """The pairs by kind; in a mixed one the ordered variable comes first."""
    ordered = layout.ordered
    a, b = ordered[layout.first], ordered[layout.second]
    out = []
    if (a & b).any():
        out.append(polychoric(margins, layout.first[a & b], layout.second[a & b], layout.n_covariates))
    if (a != b).any():
        mixed = a != b
        first, second = layout.first[mixed], layout.second[mixed]
        swap = ~ordered[first]
        out.append(polyserial(margins, np.where(swap, second, first), np.where(swap, first, second)))
    if (~a & ~b).any():
        out.append(pearson(margins, layout.first[~a & ~b], layout.second[~a & ~b]))
    return out


def _influence(pairs: Pairs, influence_1: Array, start: IntArray, weight: Array | None) -> Array:
    """What each row moves the correlations, also by way of the margins, (n, r)."""
    weighted = pairs.scores if weight is None else pairs.scores * weight[:, None]
    through = np.zeros((influence_1.shape[1], len(pairs.rho)))
    for r, (i, j) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        through[start[i] : start[i + 1], r] = pairs.cross_first[r]
        through[start[j] : start[j + 1], r] = pairs.cross_second[r]
    information = (weighted * pairs.scores).sum(axis=0)
    return np.asarray((weighted - influence_1 @ through) / np.where(information > 0, information, np.nan))


def _assembled(
    margins: Sequence[Margin], layout: Layout, rho: Array, sd: Array, influence_1: Array, influence_2: Array,
    start: IntArray,
) -> tuple[Array, Array]:  # fmt: skip
    """Statistics (s,) and influences (n, s); correlations with continuous variables become covariances by the
    delta method."""
    th, slopes, variances, covariances = layout.parts
    statistics = np.empty(layout.size)
    influence = np.empty((len(influence_1), layout.size))
    statistics[th] = np.concatenate([m.tau for m in margins])
    influence[:, th] = influence_1[:, start[layout.th_variable] + layout.th_number]
    if layout.n_covariates:
        of_slope = (
            start[layout.slope_variable] + np.array([len(m.tau) for m in margins])[layout.slope_variable]
        )
        statistics[slopes] = np.stack([m.slopes for m in margins])[
            layout.slope_variable, layout.slope_covariate
        ]
        influence[:, slopes] = influence_1[:, of_slope + layout.slope_covariate]
    of_variance = influence_1[:, start[layout.variances + 1] - 1]
    statistics[variances] = sd[layout.variances] ** 2
    influence[:, variances] = of_variance
    i, j = layout.first, layout.second
    unit = sd[i] * sd[j]
    statistics[covariances] = rho[i, j] * unit
    influence[:, covariances] = influence_2 * unit
    relative = np.zeros((len(influence), layout.n_variables))
    relative[:, layout.variances] = of_variance / (2.0 * sd[layout.variances] ** 2)
    if len(layout.variances):
        influence[:, covariances] += statistics[covariances] * (relative[:, i] + relative[:, j])
    return statistics, influence
