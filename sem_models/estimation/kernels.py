"""Normal-theory kernels: Σ, μ, discrepancy, gradient and curvature, all batched and all gathers.

Every free entry of the RAM matrices has a rank-two derivative, ∂Σ = w (z_a z_bᵀ + z_b z_aᵀ) with z the
columns of Z = [L Mᵀ], L = F E and M = E S Eᵀ Fᵀ, and ∂μ = c z_a'. Traces such as tr(W ∂Σᵢ W ∂Σⱼ) are then
products of entries of ZᵀWZ, so no p² × q Jacobian is formed.

Shapes: ... any batch axes, g groups, v variables, p observed, n slots, t patterns of observed values.
A group without missing values is one pattern.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import DIRECTED, MEAN, Array, Slots
from sem_models.observed.patterns import Discrepancy, Patterns, sum_by_group


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


def implied(a_mat: Array, s_mat: Array, m_vec: Array, n_observed: int) -> Implied:
    """Σ = F (I − A)⁻¹ S (I − A)⁻ᵀ Fᵀ and μ = F (I − A)⁻¹ m. McArdle & McDonald (1984), eq. 6.

    Raises numpy.linalg.LinAlgError where I − A is singular.
    """
    v = a_mat.shape[-1]
    total = np.asarray(np.linalg.inv(np.eye(v) - a_mat), dtype=np.float64)
    cov_all = total @ s_mat @ np.swapaxes(total, -1, -2)
    lead = total[..., :n_observed, :]
    z_cols = np.concatenate([lead, cov_all[..., :n_observed, :]], axis=-1)
    eta = (total @ m_vec[..., None])[..., 0]
    return Implied(total, cov_all, z_cols, eta, cov_all[..., :n_observed, :n_observed], eta[..., :n_observed])


def mean_slopes(slots: Slots, eta: Array) -> Array:
    """c (..., g, n) with ∂μ/∂slot = c L[:, row]."""
    by_kind = np.where(slots.kind == DIRECTED, eta[..., slots.col], 0.0)
    return np.where(slots.kind == MEAN, 1.0, by_kind)


def gradient(slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns) -> Array:
    """½ ∂ Σ_t share_t value_t / ∂slot, (..., g, n)."""
    v_mat, u_vec = _residual_weights(parts, patterns, at.sigma.shape[-3])
    z = at.z_cols
    k_mat = np.swapaxes(z, -1, -2) @ v_mat @ z
    along_mean = (np.swapaxes(z, -1, -2) @ u_vec[..., None])[..., 0]
    covariance_part = slots.weight * k_mat[..., slots.left, slots.right]
    return covariance_part - mean_slopes(slots, at.eta) * along_mean[..., slots.row]


def _residual_weights(parts: Discrepancy, patterns: Patterns, n_groups: int) -> tuple[Array, Array]:
    """V = Σ_t share W (Σ − second) W and u = Σ_t share W shift, by group."""
    share = patterns.share
    weight = parts.weight
    v_t = share[..., None, None] * (weight - weight @ parts.second @ weight)
    u_t = share[..., None] * (weight @ parts.shift[..., None])[..., 0]
    return sum_by_group(v_t, patterns.group, n_groups, -3), sum_by_group(u_t, patterns.group, n_groups, -2)


def _pair(g_mat: Array, h_mat: Array, slots: Slots) -> Array:
    """tr(W ∂Σᵢ V ∂Σⱼ) / 2 from G = ZᵀWZ and H = ZᵀVZ, (..., n, n), symmetric in i and j."""
    a, b = slots.left, slots.right
    aa, bb = (a[:, None], a[None, :]), (b[:, None], b[None, :])
    ab, ba = (a[:, None], b[None, :]), (b[:, None], a[None, :])
    if h_mat is g_mat:
        gathered = g_mat[..., *aa] * g_mat[..., *bb] + g_mat[..., *ab] * g_mat[..., *ba]
    else:
        gathered = 0.5 * (
            g_mat[..., *aa] * h_mat[..., *bb] + g_mat[..., *bb] * h_mat[..., *aa]
            + g_mat[..., *ab] * h_mat[..., *ba] + g_mat[..., *ba] * h_mat[..., *ab]
        )  # fmt: skip
    return slots.weight[:, None] * slots.weight * gathered


def expected_information(slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns) -> Array:
    """Expected information per row, ½ tr(W ∂Σᵢ W ∂Σⱼ) + ∂μᵢᵀ W ∂μⱼ, (..., g, n, n)."""
    z = at.z_cols[..., patterns.group, :, :]
    g_mat = np.swapaxes(z, -1, -2) @ parts.weight @ z
    slopes = mean_slopes(slots, at.eta)[..., patterns.group, :]
    row = slots.row
    info = _pair(g_mat, g_mat, slots)
    info += slopes[..., :, None] * slopes[..., None, :] * g_mat[..., row[:, None], row[None, :]]
    info *= patterns.share[..., None, None]
    return sum_by_group(info, patterns.group, at.sigma.shape[-3], -3)


def hessian(slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns) -> Array:
    """Observed information per row: the exact second derivative of ½ Σ_t share_t value_t, (..., g, n, n).

    With V = W(Σ − T)W, u = W(x̄ − μ) and T the second moments about μ, F_ij = tr(WΣᵢWΣⱼ) − 2 tr(WΣᵢVΣⱼ)
    + 2uᵀ(ΣᵢWμⱼ + ΣⱼWμᵢ) + 2μᵢᵀWμⱼ + tr(VΣᵢⱼ) − 2uᵀμᵢⱼ, indices denoting derivatives.
    """
    z = at.z_cols[..., patterns.group, :, :]
    z_t = np.swapaxes(z, -1, -2)
    weight = parts.weight
    v_mat = weight - weight @ parts.second @ weight
    u_vec = weight @ parts.shift[..., None]
    g_mat, h_mat = z_t @ weight @ z, z_t @ v_mat @ z
    along = (z_t @ u_vec)[..., 0]
    slopes = mean_slopes(slots, at.eta)[..., patterns.group, :]
    a, b, row = slots.left, slots.right, slots.row
    bent = (
        along[..., a][..., :, None] * g_mat[..., b[:, None], row[None, :]]
        + along[..., b][..., :, None] * g_mat[..., a[:, None], row[None, :]]
    )
    mixed = slots.weight[:, None] * bent * slopes[..., None, :]
    curve = _pair(g_mat, g_mat - 2.0 * h_mat, slots) + mixed + np.swapaxes(mixed, -1, -2)
    curve += slopes[..., :, None] * slopes[..., None, :] * g_mat[..., row[:, None], row[None, :]]
    curve *= patterns.share[..., None, None]
    curve = sum_by_group(curve, patterns.group, at.sigma.shape[-3], -3)
    return curve + second_order(slots, at, parts, patterns)


def second_order(slots: Slots, at: Implied, parts: Discrepancy, patterns: Patterns) -> Array:
    """What the second derivatives of Σ and μ themselves add to the Hessian, (..., g, n, n)."""
    return bend(slots, at, *_residual_weights(parts, patterns, at.sigma.shape[-3]))


def bend(slots: Slots, at: Implied, v_mat: Array, u_vec: Array) -> Array:
    """½ tr(V ∂²Σ) − uᵀ ∂²μ for all pairs of slots; only pairs with a directed path bend Σ."""
    z_t = np.swapaxes(at.z_cols, -1, -2)
    k_mat = z_t @ v_mat @ at.z_cols
    along = (z_t @ u_vec[..., None])[..., 0]
    v = at.total.shape[-1]
    row, col = slots.row, slots.col
    directed = slots.kind == DIRECTED
    r_i, c_i = row[:, None], col[:, None]
    r_j, c_j = row[None, :], col[None, :]
    reach = at.total[..., c_i, r_j]  # E[col_i, row_j]: how slot j's target moves slot i's source
    covariance = reach * k_mat[..., r_i, v + c_j]
    both = covariance + np.swapaxes(covariance, -1, -2) + at.cov_all[..., c_i, c_j] * k_mat[..., r_i, r_j]
    means = reach * along[..., r_i] * at.eta[..., None, col]
    both = both - means - np.swapaxes(means, -1, -2)
    to_variance = slots.weight * (
        reach * k_mat[..., r_i, c_j] + at.total[..., c_i, c_j] * k_mat[..., r_i, r_j]
    )
    to_mean = -reach * along[..., r_i]
    d_d = directed[:, None] & directed[None, :]
    d_s = directed[:, None] & (slots.kind == 1)[None, :]
    d_m = directed[:, None] & (slots.kind == MEAN)[None, :]
    one_way = np.where(d_s, to_variance, np.where(d_m, to_mean, 0.0))
    return np.where(d_d, both, 0.0) + one_way + np.swapaxes(one_way, -1, -2)


def case_scores(slots: Slots, at: Implied, weight: Array, centered: Array, group: int) -> Array:
    """∂ log-likelihood / ∂slot of each row of one pattern, (n_rows, n).

    weight (p, p) padded Σ_oo⁻¹; centered (n_rows, p) x − μ, zero where unseen.
    """
    z = at.z_cols[group]
    projected = centered @ weight @ z
    trace = np.einsum("ia,ij,jb->ab", z, weight, z, optimize=True)[slots.left, slots.right]
    quadratic = projected[:, slots.left] * projected[:, slots.right]
    slopes = mean_slopes(slots, at.eta)[group]
    return slots.weight * (quadratic - trace) + slopes * projected[:, slots.row]
