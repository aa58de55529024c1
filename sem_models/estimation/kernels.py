"""Normal-theory kernels: Σ, μ, discrepancy, gradient and curvature, all batched and all gathers.

Every free entry of the RAM matrices has a rank-two derivative, ∂Σ = w (z_a z_bᵀ + z_b z_aᵀ) with z the
columns of Z = [L Mᵀ], L = F E and M = E S Eᵀ Fᵀ, and ∂μ = c z_a'. Traces such as tr(W ∂Σᵢ W ∂Σⱼ) are then
products of entries of ZᵀWZ, so no p² × q Jacobian is formed.

Shapes: ... any batch axes, g groups, v variables, p observed, n slots, t patterns of observed values.
A group without missing values is one pattern.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sem_models.linear_algebra import inverse
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, Array, IntArray, Slots
from sem_models.observed.patterns import Discrepancy, Patterns, by_pattern, fitted_second, sum_by_group


@dataclass(frozen=True, slots=True)
class Implied:
    """Model-implied moments and what their derivatives need.

    total (..., g, v, v) E = (I − A)⁻¹; cov_all (..., g, v, v) E S Eᵀ; z_cols (..., g, p, 2v) [L Mᵀ];
    eta (..., g, v) E m; sigma (..., g, p, p); mu (..., g, p).
    """

    total: Array
    cov_all: Array
    z_cols: Array
    eta: Array
    sigma: Array
    mu: Array


@dataclass(frozen=True, slots=True)
class Projected:
    """What gradient, information and Hessian at one point have in common, by pattern.

    g_mat ZᵀWZ and h_mat ZᵀVZ with V = W (Σ − second) W, (..., t, 2v, 2v); along ZᵀW shift (..., t, 2v), or
    None where every shift is zero.
    """

    g_mat: Array
    h_mat: Array
    along: Array | None


@dataclass(frozen=True, slots=True)
class Gathers:
    """Flat positions (n, n) in a 2v × 2v matrix, or v × v where said, of pairs of slots i and j.

    aa = (left_i, left_j), bb = (right_i, right_j), ab = (left_i, right_j); row and column pairs of v × v
    matrices: reach (col_i, row_j), cc (col_i, col_j); and the rows where slot i is a directed path, the only
    ones that bend Σ. left_right (n,) are positions of (left_i, right_i); means says whether a slot is a mean.
    """

    aa: IntArray
    bb: IntArray
    ab: IntArray
    right_row: IntArray
    left_row: IntArray
    row_row: IntArray
    weights: Array
    directed: IntArray
    reach: IntArray
    cc: IntArray
    row_row_bent: IntArray
    row_right: IntArray
    row_col: IntArray
    with_directed: NDArray[np.bool_]
    with_symmetric: Array
    with_mean: NDArray[np.bool_]
    left_right: IntArray
    means: bool


@lru_cache(maxsize=32)
def _gathers(slots: Slots, v: int) -> Gathers:
    def flat(i: IntArray, j: IntArray, width: int) -> IntArray:
        return i[:, None] * width + j

    a, b, row, col = slots.left, slots.right, slots.row, slots.col
    d = np.flatnonzero(slots.kind == DIRECTED)
    return Gathers(
        flat(a, a, 2 * v), flat(b, b, 2 * v), flat(a, b, 2 * v), flat(b, row, 2 * v), flat(a, row, 2 * v),
        flat(row, row, 2 * v), slots.weight[:, None] * slots.weight,
        d, flat(col[d], row, v), flat(col[d], col, v), flat(row[d], row, 2 * v), flat(row[d], v + col, 2 * v),
        flat(row[d], col, 2 * v),
        slots.kind == DIRECTED, np.where(slots.kind == SYMMETRIC, slots.weight, 0.0), slots.kind == MEAN,
        a * 2 * v + b, bool((slots.kind == MEAN).any()),
    )  # fmt: skip


def _take(matrix: Array, positions: IntArray) -> Array:
    """Entries of (..., a, b) matrices at flat positions."""
    return np.asarray(matrix.reshape(*matrix.shape[:-2], -1).take(positions, axis=-1))


def implied(
    a_mat: Array, s_mat: Array, m_vec: Array, n_observed: int, sources: IntArray | None = None
) -> Implied:
    """Σ = F (I − A)⁻¹ S (I − A)⁻ᵀ Fᵀ and μ = F (I − A)⁻¹ m. McArdle & McDonald (1984), eq. 6.

    `sources` are the variables with outgoing paths, all by default: only their part is inverted, since
    (I − A)⁻¹ = I + A_u (I − A_uu)⁻¹ P_u. Raises numpy.linalg.LinAlgError where I − A is singular.
    """
    v = a_mat.shape[-1]
    if sources is None or 2 * len(sources) > v:
        total = inverse(np.eye(v) - a_mat)
    elif not len(sources):
        total = np.broadcast_to(np.eye(v), a_mat.shape)
    else:
        outgoing = a_mat.take(sources, axis=-1)
        total = np.zeros(a_mat.shape)
        total[..., sources] = outgoing @ inverse(np.eye(len(sources)) - outgoing.take(sources, axis=-2))
        total.reshape(*a_mat.shape[:-2], -1)[..., :: v + 1] += 1.0  # the diagonals
    paths = sources is None or len(sources) > 0
    cov_all = total @ s_mat @ np.swapaxes(total, -1, -2) if paths else s_mat
    lead = total[..., :n_observed, :]
    z_cols = np.concatenate([lead, cov_all[..., :n_observed, :]], axis=-1)
    eta = (total @ m_vec[..., None])[..., 0] if m_vec.any() else m_vec
    return Implied(total, cov_all, z_cols, eta, cov_all[..., :n_observed, :n_observed], eta[..., :n_observed])


def mean_slopes(slots: Slots, eta: Array) -> Array:
    """c (..., g, n) with ∂μ/∂slot = c L[:, row]."""
    by_kind = np.where(slots.kind == DIRECTED, eta[..., slots.col], 0.0)
    return np.where(slots.kind == MEAN, 1.0, by_kind)


def _slopes(slots: Slots, at: Implied) -> Array | None:
    """The same, or None where μ follows no slot."""
    return mean_slopes(slots, at.eta) if _gathers(slots, at.total.shape[-1]).means or at.eta.any() else None


def project(z: Array, parts: Discrepancy) -> Projected:
    """Z (..., t, p, 2v) by pattern in the metric of W and of V."""
    w_z = parts.weight @ z
    w_z_t = np.swapaxes(w_z, -1, -2)
    g_mat = np.swapaxes(z, -1, -2) @ w_z
    along = (w_z_t @ parts.shift[..., None])[..., 0] if parts.shift.any() else None
    return Projected(g_mat, g_mat - w_z_t @ parts.second @ w_z, along)


def gradient(
    slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns, projected: Projected | None = None
) -> Array:
    """½ ∂ Σ_t share_t value_t / ∂slot, (..., g, n); `projected` is for one pattern a group, where at hand."""
    if projected is None:
        v_mat, u_vec = _residual_weights(parts, patterns, at.sigma.shape[-3])
        return -slopes_along(slots, at, -v_mat, u_vec)
    along = None if projected.along is None else -projected.along
    return patterns.share[..., None] * _slopes_of(slots, at, projected.h_mat, along)


def slopes_along(slots: Slots, at: Implied, v_mat: Array, u_vec: Array) -> Array:
    """½ tr(V ∂Σ) + uᵀ ∂μ by slot, (..., g, n), for symmetric V (..., g, p, p) and u (..., g, p)."""
    z_t = np.swapaxes(at.z_cols, -1, -2)
    along = (z_t @ u_vec[..., None])[..., 0] if u_vec.any() else None
    return _slopes_of(slots, at, z_t @ v_mat @ at.z_cols, along)


def _slopes_of(slots: Slots, at: Implied, k_mat: Array, along: Array | None) -> Array:
    """The same from ZᵀVZ and Zᵀu."""
    out = slots.weight * _take(k_mat, _gathers(slots, at.total.shape[-1]).left_right)
    if along is not None:
        out = out + mean_slopes(slots, at.eta) * along[..., slots.row]
    return out


def _residual_weights(parts: Discrepancy, patterns: Patterns, n_groups: int) -> tuple[Array, Array]:
    """V = Σ_t share W (Σ − second) W and u = Σ_t share W shift, by group."""
    share = patterns.share
    weight = parts.weight
    v_t = share[..., None, None] * (weight - fitted_second(parts, patterns))
    u_t = share[..., None] * (weight @ parts.shift[..., None])[..., 0]
    return sum_by_group(v_t, patterns.group, n_groups, -3), sum_by_group(u_t, patterns.group, n_groups, -2)


def _pair(g_mat: Array, at: Gathers) -> Array:
    """tr(W ∂Σᵢ W ∂Σⱼ) / 2 from G = ZᵀWZ, (..., n, n)."""
    crossed = _take(g_mat, at.ab)
    gathered = _take(g_mat, at.aa) * _take(g_mat, at.bb) + crossed * np.swapaxes(crossed, -1, -2)
    return at.weights * gathered


def _mixed_pair(g_mat: Array, h_mat: Array, at: Gathers) -> Array:
    """tr(W ∂Σᵢ V ∂Σⱼ) / 2 from G = ZᵀWZ and H = ZᵀVZ, made symmetric in i and j, (..., n, n)."""
    crossed = _take(g_mat, at.ab) * np.swapaxes(_take(h_mat, at.ab), -1, -2)
    gathered = _take(g_mat, at.aa) * _take(h_mat, at.bb) + _take(g_mat, at.bb) * _take(h_mat, at.aa)
    return 0.5 * at.weights * (gathered + crossed + np.swapaxes(crossed, -1, -2))


def expected_information(
    slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns, projected: Projected | None = None
) -> Array:
    """Expected information per row, ½ tr(W ∂Σᵢ W ∂Σⱼ) + ∂μᵢᵀ W ∂μⱼ, (..., g, n, n)."""
    pairs = _gathers(slots, at.total.shape[-1])
    if projected is None:
        z = by_pattern(at.z_cols, patterns, 2)
        g_mat = np.swapaxes(z, -1, -2) @ parts.weight @ z
    else:
        g_mat = projected.g_mat
    info = _pair(g_mat, pairs)
    slopes = _slopes(slots, at)
    if slopes is not None:
        slopes = by_pattern(slopes, patterns, 1)
        info += slopes[..., :, None] * slopes[..., None, :] * _take(g_mat, pairs.row_row)
    info *= patterns.share[..., None, None]
    return sum_by_group(info, patterns.group, at.sigma.shape[-3], -3)


def hessian(
    slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns, projected: Projected | None = None
) -> Array:
    """Observed information per row: the exact second derivative of ½ Σ_t share_t value_t, (..., g, n, n).

    With V = W(Σ − T)W, u = W(x̄ − μ) and T the second moments about μ, F_ij = tr(WΣᵢWΣⱼ) − 2 tr(WΣᵢVΣⱼ)
    + 2uᵀ(ΣᵢWμⱼ + ΣⱼWμᵢ) + 2μᵢᵀWμⱼ + tr(VΣᵢⱼ) − 2uᵀμᵢⱼ, indices denoting derivatives.
    """
    if projected is None:
        projected = project(by_pattern(at.z_cols, patterns, 2), parts)
    pairs = _gathers(slots, at.total.shape[-1])
    g_mat, h_mat, along = projected.g_mat, projected.h_mat, projected.along
    curve = _mixed_pair(g_mat, g_mat - 2.0 * h_mat, pairs)
    slopes = _slopes(slots, at)
    if slopes is not None:
        slopes = by_pattern(slopes, patterns, 1)
        if along is not None:
            bent = along[..., slots.left, None] * _take(g_mat, pairs.right_row)
            bent += along[..., slots.right, None] * _take(g_mat, pairs.left_row)
            mixed = slots.weight[:, None] * bent * slopes[..., None, :]
            curve += mixed + np.swapaxes(mixed, -1, -2)
        curve += slopes[..., :, None] * slopes[..., None, :] * _take(g_mat, pairs.row_row)

    def by_group(values: Array, trailing: int) -> Array:
        share = patterns.share.reshape(patterns.share.shape + (1,) * trailing)
        return sum_by_group(share * values, patterns.group, at.sigma.shape[-3], -1 - trailing)

    pull = None if along is None else by_group(along, 1)
    return by_group(curve, 2) + _bend(slots, at, by_group(h_mat, 2), pull)


def second_order(slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns) -> Array:
    """What the second derivatives of Σ and μ themselves add to the Hessian, (..., g, n, n)."""
    return bend(slots, at, *_residual_weights(parts, patterns, at.sigma.shape[-3]))


def bend(slots: Slots, at: Implied, v_mat: Array, u_vec: Array) -> Array:
    """½ tr(V ∂²Σ) − uᵀ ∂²μ for all pairs of slots; only pairs with a directed path bend Σ."""
    z_t = np.swapaxes(at.z_cols, -1, -2)
    along = (z_t @ u_vec[..., None])[..., 0] if u_vec.any() else None
    return _bend(slots, at, z_t @ v_mat @ at.z_cols, along)


def _bend(slots: Slots, at: Implied, k_mat: Array, along: Array | None) -> Array:
    """The same from ZᵀVZ and Zᵀu."""
    pairs = _gathers(slots, at.total.shape[-1])
    i = pairs.directed
    reach = _take(at.total, pairs.reach)  # E[col_i, row_j]: how slot j's target moves slot i's source
    covariance = reach * _take(k_mat, pairs.row_right)
    row_row = _take(k_mat, pairs.row_row_bent)
    double = _take(at.cov_all, pairs.cc) * row_row
    to_variance = reach * _take(k_mat, pairs.row_col) + _take(at.total, pairs.cc) * row_row
    half = covariance + 0.5 * double
    if along is not None:
        pull = reach * along[..., slots.row[i], None]
        half -= pull * at.eta[..., None, slots.col]
        to_variance = pairs.with_symmetric * to_variance - pairs.with_mean * pull
    else:
        to_variance = pairs.with_symmetric * to_variance
    one_way = np.zeros((*half.shape[:-2], len(slots.row), len(slots.row)))
    one_way[..., i, :] = pairs.with_directed * half + to_variance
    return one_way + np.swapaxes(one_way, -1, -2)


def case_scores(slots: Slots, at: Implied, weight: Array, centered: Array, group: int) -> Array:
    """∂ log-likelihood / ∂slot of each row of one pattern, (n_rows, n).

    weight (p, p) padded Σ_oo⁻¹; centered (n_rows, p) x − μ, zero where unseen.
    """
    z = at.z_cols[group]
    projected = centered @ weight @ z
    trace = (z.T @ weight @ z)[slots.left, slots.right]
    quadratic = projected[:, slots.left] * projected[:, slots.right]
    slopes = mean_slopes(slots, at.eta)[group]
    return slots.weight * (quadratic - trace) + slopes * projected[:, slots.row]
