"""Least squares on thresholds and correlations of latent responses: f = ½ Σ_g share eᵀ V e.

With Σ, μ and Π the covariances, means and slopes on the covariates that the model implies for the latent
responses given the covariates, and D the scalings (1 for continuous variables), the statistics are D(τ − μ),
DΠ, the variances of continuous variables, and DΣD off the diagonal. Muthén (1984), Psychometrika 49; the
scalings are parameters under delta and 1/√diag Σ under theta.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation import kernels, moment_space
from sem_models.estimation.least_squares import LeastSquares, MomentPoint, inverse_of_gamma, times
from sem_models.model.ordinal import OrdinalPart
from sem_models.model.ram import DIRECTED, SCALING, THRESHOLD, Array, IntArray, RamModel, Slots
from sem_models.observed.sample import Sample


@dataclass(frozen=True)
class OrdinalPoint(MomentPoint):
    """As MomentPoint; `at` holds the moments with the covariates, `given` those conditional on them; tau
    (g, t) thresholds, scale (g, p) scalings of the variables seen; ram the model it is a point of."""

    given: kernels.Implied
    tau: Array
    scale: Array
    ram: RamModel

    @cached_property
    def slopes(self) -> Slopes:
        """Derivatives by slot, made once for gradient and curvature."""
        return _slopes(self.ram, self)


@dataclass(frozen=True, slots=True)
class OrdinalLeastSquares(LeastSquares):
    """moments (g, s) are the sample's statistics; weight is V, (g, s, s), or its diagonal (g, s)."""

    def at(self, params: Array) -> OrdinalPoint | None:
        """The point at `params`; None where I − A is singular or a latent response has no variance."""
        free = self.ram.free_values(params)
        try:
            at = kernels.implied(*self.ram.matrices(free), self.ram.n_observed, self.ram.places.sources)
        except np.linalg.LinAlgError:
            return None
        tau, scale = self.ram.scales(free)
        point = ordinal_point(self.ram, params, free, at, tau, scale, self.moments, self.weight)
        value = 0.5 * (self.share * (point.residual * point.weighted).sum(axis=1)).sum()
        return replace(point, value=np.asarray(value)) if np.isfinite(value) else None

    @property
    def _part(self) -> OrdinalPart:
        assert self.ram.ordinal is not None
        return self.ram.ordinal

    def jacobian(self, point: MomentPoint) -> Array:
        """∂ statistics / ∂ slot, (g, s, n)."""
        assert isinstance(point, OrdinalPoint)
        return point.slopes.statistics

    def free_information(self, point: MomentPoint, *, observed: bool) -> Array:
        """Curvature of the free rows before equality constraints, (q, q)."""
        assert isinstance(point, OrdinalPoint)
        slopes = point.slopes
        jac = slopes.statistics
        share = self.share.reshape(-1, *(1,) * (self.weight.ndim - 1))
        by_slot = np.swapaxes(jac, -1, -2) @ times(share * self.weight, jac)
        if observed and (self._part.theta or not self._part.passed):
            by_slot = by_slot + _bend(self.ram, point, slopes, -self.share[:, None] * point.weighted)
        return self.ram.to_row_pairs(by_slot)


def ordinal_point(
    ram: RamModel, params: Array, free: Array, at: kernels.Implied, tau: Array, scale: Array, moments: Array,
    weight: Array,
) -> OrdinalPoint:  # fmt: skip
    """The point from its moments, thresholds and scalings; residuals are NaN where, under theta, a latent
    response has no variance."""
    part = ram.ordinal
    assert part is not None
    given = given_covariates(ram, at)
    if part.theta:
        variance = np.diagonal(given.sigma, axis1=-2, axis2=-1)[:, part.y]
        root = 1.0 / np.sqrt(np.where(variance > 0, variance, np.nan))
        scale = np.where(part.layout.ordered, root, 1.0)
    residual = moments - statistics(part, given, tau, scale)
    weighted = times(weight, residual[..., None])[..., 0]
    return OrdinalPoint(params, free, at, residual, weighted, np.asarray(np.nan), given, tau, scale, ram)


def given_covariates(ram: RamModel, at: kernels.Implied) -> kernels.Implied:
    """The moments conditional on the covariates, with intercepts at covariates of zero."""
    x, p = ram.exogenous, ram.n_observed
    if not len(x):
        return at
    along = at.total[..., x]
    cov_all = at.cov_all - along @ ram.s_base[:, x[:, None], x] @ np.swapaxes(along, -1, -2)
    eta = at.eta - (along @ ram.m_base[:, x, None])[..., 0]
    z_cols = np.concatenate([at.total[..., :p, :], cov_all[..., :p, :]], axis=-1)
    return kernels.Implied(at.total, cov_all, z_cols, eta, cov_all[..., :p, :p], eta[..., :p])


def statistics(part: OrdinalPart, given: kernels.Implied, tau: Array, scale: Array) -> Array:
    """The implied statistics (g, s) in the order of the layout."""
    layout, y = part.layout, part.y
    i, j = layout.first, layout.second
    mu = given.mu[:, y]
    return np.concatenate(
        [
            scale[:, layout.th_variable] * (tau - mu[:, layout.th_variable]),
            scale[:, layout.slope_variable] * _reach(part, given),
            given.sigma[:, y[layout.variances], y[layout.variances]],
            scale[:, i] * scale[:, j] * given.sigma[:, y[i], y[j]],
        ],
        axis=1,
    )


def _reach(part: OrdinalPart, given: kernels.Implied) -> Array:
    """Total effects of the covariates on the variables seen, (g, p c)."""
    layout = part.layout
    return np.asarray(given.total[:, part.y[layout.slope_variable], part.x[layout.slope_covariate]])


@dataclass(frozen=True, slots=True)
class Slopes:
    """∂/∂slot of the statistics (g, s, n), of Σ and μ seen (vech, means) (g, r, n), of the total effects
    (g, p c, n), of the thresholds (g, t, n), and of the scalings (g, p, n), None where they are fixed."""

    statistics: Array
    moments: Array
    reach: Array
    tau: Array
    scale: Array | None


def _triangle(i: IntArray, j: IntArray) -> IntArray:
    """Position of σ_ij in the lower triangle by rows."""
    high, low = np.maximum(i, j), np.minimum(i, j)
    return np.asarray(high * (high + 1) // 2 + low)


def _slopes(ram: RamModel, point: OrdinalPoint) -> Slopes:
    part, slots, given = ram.ordinal, ram.slots, point.given
    assert part is not None
    layout, y = part.layout, part.y
    n, n_groups = len(slots.row), ram.n_groups
    moments = moment_space.jacobian(slots, given)
    p = ram.n_observed
    if part.passed and not part.theta:
        moments = moments + _through_residuals(ram, part, point, moments)
    variance = moments[:, _triangle(y, y)]
    mu = moments[:, p * (p + 1) // 2 + y]
    tau = np.zeros((n_groups, len(layout.th_variable), n))
    at = np.flatnonzero(slots.kind == THRESHOLD)
    tau[:, slots.where[at], at] = 1.0
    scale: Array | None = None
    if part.theta:
        factor = np.where(layout.ordered, -0.5 * point.scale**3, 0.0)
        scale = factor[..., None] * variance
    elif (slots.kind == SCALING).any():
        scale = np.zeros((n_groups, len(y), n))
        at = np.flatnonzero(slots.kind == SCALING)
        scale[:, slots.where[at], at] = 1.0
    reach = _reach_slopes(part, slots, given)
    d, i, j = point.scale, layout.first, layout.second
    pair = moments[:, _triangle(y[i], y[j])]
    parts = [
        d[:, layout.th_variable, None] * (tau - mu[:, layout.th_variable]),
        d[:, layout.slope_variable, None] * reach,
        variance[:, layout.variances],
        (d[:, i] * d[:, j])[..., None] * pair,
    ]
    if scale is not None:
        level = point.tau - given.mu[:, y][:, layout.th_variable]
        parts[0] = parts[0] + scale[:, layout.th_variable] * level[..., None]
        parts[1] = parts[1] + scale[:, layout.slope_variable] * _reach(part, given)[..., None]
        sigma = given.sigma[:, y[i], y[j]][..., None]
        parts[3] = parts[3] + sigma * (d[:, j, None] * scale[:, i] + d[:, i, None] * scale[:, j])
    return Slopes(np.concatenate(parts, axis=1), moments, reach, tau, scale)


def _reach_slopes(part: OrdinalPart, slots: Slots, given: kernels.Implied) -> Array:
    """∂ total effects / ∂ slot: E[y, i] E[j, x] for a path j → i."""
    layout = part.layout
    n_groups = len(given.total)
    out = np.zeros((n_groups, len(layout.slope_variable), len(slots.row)))
    if len(layout.slope_variable):
        at = np.flatnonzero(slots.kind == DIRECTED)
        to = given.total[:, part.y[layout.slope_variable]][:, :, slots.row[at]]
        source = given.total[:, slots.col[at]][:, :, part.x[layout.slope_covariate]]
        out[..., at] = to * np.swapaxes(source, 1, 2)
    return out


def residual_slopes(ram: RamModel, point: OrdinalPoint, moments: Array) -> Array:
    """∂ of the residual variances that follow from the others under delta, (g, o, n).

    `moments` (g, r, n) are the slopes of the moments while those variances stay.
    """
    part = ram.ordinal
    assert part is not None
    o = part.ordered
    seen = np.flatnonzero(part.layout.ordered)
    target = np.zeros((ram.n_groups, len(o), len(ram.slots.row)))
    scaling = np.flatnonzero(ram.slots.kind == SCALING)
    local = {int(j): k for k, j in enumerate(seen)}
    for n in scaling.tolist():
        j = int(ram.slots.where[n])
        target[:, local[j], n] = -2.0 / point.scale[:, j] ** 3
    left = target - moments[:, _triangle(o, o)]
    if not part.passed:
        return left
    reach = point.given.total[:, o[:, None], o] ** 2
    return np.asarray(np.linalg.solve(reach, left))


def _through_residuals(ram: RamModel, part: OrdinalPart, point: OrdinalPoint, moments: Array) -> Array:
    """What the derived residual variances of ordered predictors add to the slopes of Σ."""
    o = part.ordered
    i, j = np.tril_indices(ram.n_observed)
    lead = point.given.total[:, : ram.n_observed][:, :, o]
    carried = lead[:, i] * lead[:, j]
    out = np.zeros_like(moments)
    out[:, : len(i)] = carried @ residual_slopes(ram, point, moments)
    return out


def _bend(ram: RamModel, point: OrdinalPoint, slopes: Slopes, pull: Array) -> Array:
    """Σ c ∂² statistic / ∂slot², (g, n, n), for c = `pull` (g, s)."""
    part, given = ram.ordinal, point.given
    assert part is not None
    layout, y = part.layout, part.y
    th, slope, var, cov = layout.parts
    i, j = layout.first, layout.second
    d, p, groups = point.scale, ram.n_observed, len(pull)
    per_pair = np.zeros((groups, len(y), len(y)))
    per_pair[:, i, j] = per_pair[:, j, i] = pull[:, cov]
    dual = np.zeros((groups, p, p))
    dual[:, y[:, None], y] = per_pair * d[:, :, None] * d[:, None, :]
    dual[:, y[layout.variances], y[layout.variances]] += 2.0 * pull[:, var]
    u_vec = np.zeros((groups, p))
    by_variable = _by_variable(pull[:, th], layout.th_variable, len(y))
    u_vec[:, y] = by_variable * d
    extra: Array | float = 0.0
    if slopes.scale is not None:
        sigma = given.sigma[:, y[:, None], y]
        mu = given.mu[:, y]
        level = point.tau - mu[:, layout.th_variable]
        rise = _by_variable(pull[:, th] * level, layout.th_variable, len(y))
        rise += _by_variable(pull[:, slope] * _reach(part, given), layout.slope_variable, len(y))
        rise += (per_pair * sigma * d[:, None, :]).sum(axis=2)
        p_tri = p * (p + 1) // 2
        lean = _rows_by_variable(pull[:, th, None] * slopes.tau, layout.th_variable, len(y))
        lean -= by_variable[..., None] * slopes.moments[:, p_tri + y]
        lean += _rows_by_variable(pull[:, slope, None] * slopes.reach, layout.slope_variable, len(y))
        pair = slopes.moments[:, _triangle(y[i], y[j])] * pull[:, cov, None]
        lean += _rows_by_variable(pair * d[:, j, None], i, len(y)) + _rows_by_variable(
            pair * d[:, i, None], j, len(y)
        )
        across = np.swapaxes(slopes.scale, 1, 2) @ lean
        extra = across + np.swapaxes(across, 1, 2)
        extra += np.swapaxes(slopes.scale, 1, 2) @ (per_pair * sigma) @ slopes.scale
        if part.theta:
            variance = slopes.moments[:, _triangle(y, y)]
            ordered = layout.ordered
            quarter = np.where(ordered, 0.75 * d**5 * rise, 0.0)
            extra += np.swapaxes(variance, 1, 2) @ (quarter[..., None] * variance)
            dual[:, y, y] += np.where(ordered, -(d**3) * rise, 0.0)
    out = kernels.bend(ram.slots, given, dual, u_vec) + extra
    return out + _reach_bend(ram, part, given, pull[:, slope] * d[:, layout.slope_variable])


def _by_variable(values: Array, variable: IntArray, p: int) -> Array:
    """Sums (g, p) of values (g, m) by variable."""
    out = np.zeros((p, len(values)))
    np.add.at(out, variable, values.T)
    return out.T


def _rows_by_variable(rows: Array, variable: IntArray, p: int) -> Array:
    """Sums (g, p, n) of rows (g, m, n) by variable."""
    pick = np.zeros((p, rows.shape[1]))
    pick[variable, np.arange(rows.shape[1])] = 1.0
    return pick @ rows


def _reach_bend(ram: RamModel, part: OrdinalPart, given: kernels.Implied, pull: Array) -> Array:
    """Σ c ∂² total effect: paths j → i and l → k bend it by E[y, i] E[j, k] E[l, x] and the reverse."""
    slots, layout = ram.slots, part.layout
    n = len(slots.row)
    out = np.zeros((len(pull), n, n))
    if not pull.shape[1]:
        return out
    at = np.flatnonzero(slots.kind == DIRECTED)
    i, j = slots.row[at], slots.col[at]
    matrix = np.zeros((len(pull), layout.n_variables, layout.n_covariates))
    matrix[:, layout.slope_variable, layout.slope_covariate] = pull
    ends = np.swapaxes(given.total[:, part.y], 1, 2) @ matrix @ np.swapaxes(given.total[..., part.x], 1, 2)
    one_way = ends[:, i[:, None], j] * given.total[:, j[:, None], i]
    out[:, at[:, None], at] = one_way + np.swapaxes(one_way, 1, 2)
    return out


def ordinal_least_squares(ram: RamModel, sample: Sample, kind: str) -> OrdinalLeastSquares:
    """The objective of DWLS, WLS or ULS; its χ² is Σ (n_g − 1) eᵀ V e.

    DWLS weighs by the reciprocal variances of the statistics, WLS by the inverse of their covariance, ULS
    equally. Raises DataError for WLS with fewer rows than statistics or a covariance that has no inverse.
    """
    moments = sample.ordinal
    assert moments is not None
    diagonal = np.diagonal(moments.gamma, axis1=-2, axis2=-1)
    if kind == "ULS":
        weight = np.ones_like(moments.statistics)
    elif kind == "DWLS":
        weight = 1.0 / diagonal
    else:
        counts = [r.n_clusters for r in sample.rows or ()] if sample.clustered else sample.counts
        unit = "clusters" if sample.clustered else "rows"
        for label, rows in zip(sample.groups, counts, strict=True):
            if rows <= moments.layout.size:
                where = f" in group '{label}'" if label else ""
                raise DataError(
                    f"WLS needs more {unit} than statistics: {rows} {unit}{where} for {moments.layout.size} "
                    "thresholds and correlations. Use WLSMV, which needs only their variances, or fewer "
                    "items."
                )
        weight = np.stack(
            [inverse_of_gamma(gamma, g) for gamma, g in zip(moments.gamma, sample.groups, strict=True)]
        )
    return OrdinalLeastSquares(ram, moments.statistics, weight, sample.n_by_group / sample.n_by_group.sum())
