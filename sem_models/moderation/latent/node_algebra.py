"""The coefficients of products at every node, and what they make of the linear part; forth and back.

Shapes: b batch, s classes (groups, or cells where moderators are observed), K nodes, k products, z factors,
r moderators, o = z − r factors that stay normal, j of the products have one, v = j + o, d = r + k + o.
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
    kept = gamma[..., plan.still :, r:]
    left = parts.left[..., group, None, :, :]
    j, o = kept.shape[-2:]
    spread = np.zeros((*gamma.shape[:-2], j + o, j + o))
    spread[..., :j, :j] = kept @ left @ _t(kept)
    spread[..., :j, j:] = kept
    spread[..., j:, :j] = _t(kept)
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
    kept = at.gamma[..., plan.still :, r:]
    j = kept.shape[-2]
    left = parts.left[..., group, None, :, :]
    d_mean = d_shift[..., r : r + k]
    d_top = d_spread[..., :j, :j]
    d_gamma = d_mean[..., :, None] * at.factors[..., None, :]
    d_gamma[..., plan.still :, r:] += 2.0 * (d_top @ kept @ left + d_spread[..., :j, j:])
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
    """Rank-v change of an inverse (Woodbury): spread (..., K, v, v) D, gram (..., v, v) G = VᵀWV = R Rᵀ.

    Σ_k is positive definite when I + RᵀDR is.
    """
    root = _factor(gram)[..., None, :, :]
    v = spread.shape[-1]
    changed = _t(root) @ spread @ root
    changed[..., np.arange(v), np.arange(v)] += 1.0
    found = _inverse(changed)
    if found is None:
        return None
    inverse, log_det = found
    turned = spread @ root
    inner = spread - turned @ inverse @ _t(turned)
    return Update(0.5 * (inner + _t(inner)), log_det)


def _factor(gram: Array) -> Array:
    """Lower R with R Rᵀ = G for many small positive semidefinite matrices: 0 where a pivot is."""
    v = gram.shape[-1]
    out = np.zeros_like(gram)
    for j in range(v):
        done = out[..., j, :j]
        pivot = gram[..., j, j] - (done * done).sum(axis=-1)
        usable = pivot > 1e-14 * gram[..., j, j]
        size = np.sqrt(np.where(usable, pivot, 1.0))
        out[..., j, j] = np.where(usable, size, 0.0)
        rest = gram[..., j + 1 :, j] - (out[..., j + 1 :, :j] @ done[..., None])[..., 0]
        out[..., j + 1 :, j] = np.where(usable[..., None], rest / size[..., None], 0.0)
    return out


def _inverse(matrix: Array) -> tuple[Array, Array] | None:
    """Inverse and log determinant of many small symmetric matrices; None where one is not positive.

    Gauss–Jordan elimination on whole arrays: for thousands of 2 × 2 matrices ten times a LAPACK loop's speed.
    """
    v = matrix.shape[-1]
    out = matrix.copy()
    log_det = np.zeros(matrix.shape[:-2])
    for j in range(v):
        pivot = out[..., j, j].copy()
        if not (pivot > 0.0).all():
            return None
        log_det += np.log(pivot)
        row = out[..., j, :] / pivot[..., None]
        column = out[..., :, j].copy()
        column[..., j] = 0.0
        out -= column[..., :, None] * row[..., None, :]
        out[..., :, j] = -column / pivot[..., None]
        out[..., j, :] = row
        out[..., j, j] = 1.0 / pivot
    return out, log_det
