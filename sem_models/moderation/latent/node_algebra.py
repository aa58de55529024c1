"""The coefficients of products at every node, and what they make of the linear part; forth and back.

Shapes: b batch, s classes (groups, or cells where moderators are observed), K nodes, k products, z factors,
r moderators, o = z − r factors that stay normal, v = k + o, d = r + v.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.moderation.latent.conditioning import Plan, Split


@dataclass(frozen=True, slots=True)
class Nodes:
    """The conditional normal distribution of y at every node, relative to `Split.base` and `Split.mean`.

    Σ_k = base + V D_k Vᵀ and μ_k = mean + basis a_k, with V the last v columns of the basis: shift
    (b, s, K, d) a; spread (b, s, K, v, v) D; gamma (b, s, K, k, z) effects of the factors through the
    products; factors (b, s, K, z) conditional means of the factors.
    """

    shift: Array
    spread: Array
    gamma: Array
    factors: Array


@dataclass(frozen=True, slots=True)
class NodeSlopes:
    """Derivatives by the parts of a Split that nodes depend on, by class."""

    slopes: Array
    left: Array
    level: Array
    feed: Array


def _t(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


def at_nodes(parts: Split, plan: Plan, x: Array, group: IntArray, known: Array) -> Nodes:
    """x (K, r) standardized nodes; group (s,) of each class; known (s, k) products of observed moderators."""
    r, k = plan.r, len(plan.products)
    factors = parts.level[..., group, None, :] + x @ _t(parts.slopes[..., group, :, :])
    coefficient = known[:, None, :] * _powers(factors[..., :r], plan.powers)
    gamma = np.zeros((*coefficient.shape, factors.shape[-1]))
    gamma[..., np.arange(k), plan.other] = coefficient
    if plan.fed:
        inner = np.eye(k) - parts.feed[..., group, None, :, :] * coefficient[..., None, :]
        gamma = coefficient[..., :, None] * (np.linalg.inv(inner) @ _chosen(plan, factors.shape[-1]))
    kept = gamma[..., r:]
    left = parts.left[..., group, None, :, :]
    o = kept.shape[-1]
    spread = np.zeros((*gamma.shape[:-2], k + o, k + o))
    spread[..., :k, :k] = kept @ left @ _t(kept)
    spread[..., :k, k:] = kept
    spread[..., k:, :k] = _t(kept)
    shift = np.zeros((*gamma.shape[:-2], r + k + o))
    shift[..., :r] = x
    shift[..., r : r + k] = (gamma @ factors[..., None])[..., 0]
    return Nodes(shift, spread, gamma, factors)


def nodes_back(
    parts: Split,
    plan: Plan,
    x: Array,
    group: IntArray,
    known: Array,
    at: Nodes,
    d_shift: Array,
    d_spread: Array,
) -> NodeSlopes:
    """The chain rule from a and D back to the Split; d_spread symmetric. All by class."""
    r, k = plan.r, len(plan.products)
    kept = at.gamma[..., r:]
    left = parts.left[..., group, None, :, :]
    d_mean = d_shift[..., r : r + k]
    d_top = d_spread[..., :k, :k]
    d_gamma = d_mean[..., :, None] * at.factors[..., None, :]
    d_gamma[..., r:] += 2.0 * (d_top @ kept @ left + d_spread[..., :k, k:])
    d_left = (_t(kept) @ d_top @ kept).sum(axis=-3)
    d_factors = (_t(at.gamma) @ d_mean[..., None])[..., 0]
    coefficient = known[:, None, :] * _powers(at.factors[..., :r], plan.powers)
    if plan.fed:
        inner = np.linalg.inv(
            np.eye(k) - parts.feed[..., group, None, :, :] * coefficient[..., None, :]
        )  # X = (I − K₀C)⁻¹
        through = inner @ _chosen(plan, at.factors.shape[-1])
        outer = np.eye(k) + coefficient[..., :, None] * (inner @ parts.feed[..., group, None, :, :])
        d_coefficient = (_t(outer) @ d_gamma * through).sum(axis=-1)
        d_feed = (_t(coefficient[..., :, None] * inner) @ d_gamma @ _t(at.gamma)).sum(axis=-3)
    else:
        d_coefficient = d_gamma[..., np.arange(k), plan.other]
        d_feed = np.zeros((*d_left.shape[:-2], k, k))
    d_factors[..., :r] += _powers_back(at.factors[..., :r], plan.powers, known[:, None, :] * d_coefficient)
    return NodeSlopes(_t(d_factors) @ x, d_left, d_factors.sum(axis=-2), d_feed)


def _chosen(plan: Plan, z: int) -> Array:
    """(k, z) the factor that stays of each product."""
    out = np.zeros((len(plan.products), z))
    out[np.arange(len(plan.products)), plan.other] = 1.0
    return out


def _powers(values: Array, powers: IntArray) -> Array:
    """Π_j values_j ^ powers_kj: (..., r) to (..., k)."""
    return np.asarray(np.prod(values[..., None, :] ** powers, axis=-1))


def _powers_back(values: Array, powers: IntArray, d: Array) -> Array:
    out = np.zeros_like(values)
    for j in range(values.shape[-1]):
        lower = powers.copy()
        lower[:, j] = np.maximum(lower[:, j] - 1, 0)
        out[..., j] = (d * powers[:, j] * _powers(values, lower)).sum(axis=-1)
    return out


@dataclass(frozen=True, slots=True)
class Update:
    """B = (I + D G)⁻¹ D and log |I + D G| of each node; None of them where a Σ_k is not positive."""

    inner: Array
    log_det: Array


def update(spread: Array, gram: Array) -> Update | None:
    """Rank-v change of an inverse (Woodbury): spread (..., K, v, v) D, gram (..., v, v) G = VᵀWV.

    Σ_k is positive definite when I + G½ D G½ is.
    """
    values, vectors = np.linalg.eigh(gram)
    half = (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :] @ _t(vectors))[..., None, :, :]
    changed = half @ spread @ half
    v = spread.shape[-1]
    changed[..., np.arange(v), np.arange(v)] += 1.0
    if v == 2:
        a, b, c = changed[..., 0, 0], changed[..., 0, 1], changed[..., 1, 1]
        det = a * c - b * b
        if not ((a > 0).all() and (det > 0).all()):
            return None
        inverse = np.empty_like(changed)
        inverse[..., 0, 0], inverse[..., 1, 1] = c / det, a / det
        inverse[..., 0, 1] = inverse[..., 1, 0] = -b / det
        log_det = np.log(det)
    else:
        try:
            chol = np.linalg.cholesky(changed)
        except np.linalg.LinAlgError:
            return None
        inverse = np.linalg.inv(changed)
        log_det = 2.0 * np.log(np.diagonal(chol, axis1=-2, axis2=-1)).sum(axis=-1)
    turned = spread @ half
    inner = spread - turned @ inverse @ _t(turned)
    return Update(0.5 * (inner + _t(inner)), log_det)
