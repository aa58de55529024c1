"""What the quasi-likelihood needs of a model: moments of factors and scaling variables given the contrasts.

Given the contrasts c = R o, R H = 0 with H = F E[:, T], the factors ξ are normal with mean a = P o + b_a and
covariance Φ, and the scaling variables t = U o + b_t are t = w + ½ [ξᵀ T_s ξ]_s with w normal, independent of
c, of covariance V, and cov(w, ξ | c) = K. With Σ, C = cov(ξ, o) and Ω as the arrows imply them and W = Σ⁻¹,

    V = (Hᵀ W H)⁻¹,  U = V Hᵀ W,  K = U Cᵀ,  P = C W − Kᵀ Hᵀ W,  Φ = Ω_ξξ − P Cᵀ,  Γ = U H A[T, P].

All functions take any batch axes before the groups g or patterns t, and complex arrays: the derivative along
a direction d is the imaginary part of f(θ + i h d) / h, exact to rounding (Squire & Trapp, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, Array, IntArray, RamModel
from sem_models.moderation.latent.quadratic_plan import QuadraticPlan
from sem_models.observed.patterns import BoolArray

Numbers = NDArray[Any]
"""Real, or complex along a direction."""


def _t(matrix: Numbers) -> Numbers:
    return np.swapaxes(matrix, -1, -2)


@dataclass(frozen=True, slots=True)
class Arrows:
    """A (..., g, v, v), E = (I − A)⁻¹, S-implied Ω = E S Eᵀ, means η = E m (..., g, v)."""

    a_mat: Numbers
    total: Numbers
    omega: Numbers
    eta: Numbers


@dataclass(frozen=True, slots=True)
class QuasiMoments:
    """By pattern (..., t): see the module's formulas.

    p_mat (m, p), b_a (m,), u_mat (r, p), b_t (r,), gamma (r, n), k_mat (r, m), phi (m, m), v_mat (r, r).
    """

    p_mat: Numbers
    b_a: Numbers
    u_mat: Numbers
    b_t: Numbers
    gamma: Numbers
    k_mat: Numbers
    phi: Numbers
    v_mat: Numbers


@dataclass(frozen=True, slots=True)
class Within:
    """What the reverse pass needs again, by pattern: W (p, p), H and its active part (p, r), B, C, G."""

    weight: Numbers
    h_full: Numbers
    h_active: Numbers
    b_mat: Numbers
    c_mat: Numbers
    g_mat: Numbers
    paths: Numbers
    mean: Numbers


@dataclass(frozen=True, eq=False)
class Layout:
    """A RAM model with its plan and patterns: group (t,), seen (t, p); slot_map (g · n, k) to parameters."""

    ram: RamModel
    plan: QuadraticPlan
    group: IntArray
    seen: BoolArray
    slot_map: Array


def layout(ram: RamModel, plan: QuadraticPlan, group: IntArray, seen: BoolArray) -> Layout:
    free = ram.slots.free
    to_rows = np.zeros((free.size, ram.n_free))
    flat = free.reshape(-1)
    used = np.flatnonzero(flat >= 0)
    to_rows[used, flat[used]] = 1.0
    return Layout(ram, plan, group, seen, to_rows @ ram.reduction)


def arrows(ram: RamModel, params: Numbers) -> Arrows:
    """E, Ω and η of the parameters (..., k)."""
    free = params @ ram.reduction.T + ram.offset
    filled: list[Numbers] = []
    for base, (place, index) in zip((ram.a_base, ram.s_base, ram.m_base), ram.places.filled, strict=True):
        flat = np.empty((*free.shape[:-1], base.size), dtype=free.dtype)
        flat[...] = base.reshape(-1)
        flat[..., place] = free[..., index]
        filled.append(flat.reshape(free.shape[:-1] + base.shape))
    a_mat, s_mat, m_vec = filled
    total = inverse(np.eye(len(ram.variables)) - a_mat)
    return Arrows(a_mat, total, total @ s_mat @ _t(total), (total @ m_vec[..., None])[..., 0])


def inverse(matrix: Numbers) -> Numbers:
    """The inverse; of complex matrices, that of a real one, common to the first axis, and its tangents."""
    if not np.iscomplexobj(matrix):
        return np.asarray(np.linalg.inv(matrix))
    center = np.linalg.inv(matrix[0].real)
    return np.asarray(center - 1j * (center @ matrix.imag @ center))


def seen_inverse(omega: Numbers, at: Layout) -> Numbers:
    """W = Σ⁻¹ of the variables seen in each pattern (..., t, p, p), padded with zeros."""
    p = at.ram.n_observed
    sigma = omega[..., at.group, :p, :p]
    if at.seen.all():
        return inverse(sigma)
    both = at.seen[:, :, None] & at.seen[:, None, :]
    padded = np.where(both, sigma, 0.0)
    diagonal = np.arange(p)
    padded[..., diagonal, diagonal] += ~at.seen
    return np.where(both, inverse(padded), 0.0)


def quasi_moments(here: Arrows, weight: Numbers, at: Layout) -> tuple[QuasiMoments, Within]:
    """The moments given the contrasts, and what their derivatives need."""
    plan, p = at.plan, at.ram.n_observed
    group = at.group
    omega, eta = here.omega[..., group, :, :], here.eta[..., group, :]
    c_mat = omega[..., plan.factors[:, None], np.arange(p)]
    h_full = here.total[..., group, :p, :][..., plan.targets]
    h_active = h_full * plan.active[:, None, :]
    paths = here.a_mat[..., group, :, :][..., plan.targets[:, None], plan.products]
    b_mat = _t(h_active) @ weight
    spare = np.zeros((len(group), len(plan.targets), len(plan.targets)))
    diagonal = np.arange(len(plan.targets))
    spare[:, diagonal, diagonal] = ~plan.active
    v_mat = inverse(b_mat @ h_active + spare)
    u_mat = v_mat @ b_mat
    k_mat = u_mat @ _t(c_mat)
    p_mat = c_mat @ weight - _t(k_mat) @ b_mat
    phi = omega[..., plan.factors[:, None], plan.factors] - p_mat @ _t(c_mat)
    g_mat = h_full @ paths
    mean = np.where(at.seen, eta[..., :p], 0.0)
    moments = QuasiMoments(
        p_mat, eta[..., plan.factors] - (p_mat @ mean[..., None])[..., 0],
        u_mat, -(u_mat @ mean[..., None])[..., 0],
        u_mat @ g_mat, k_mat, 0.5 * (phi + _t(phi)), v_mat,
    )  # fmt: skip
    return moments, Within(weight, h_full, h_active, b_mat, c_mat, g_mat, paths, mean)


def pull_back(adjoint: QuasiMoments, of: QuasiMoments, within: Within, here: Arrows, at: Layout) -> Numbers:
    """∂ℓ/∂params (..., k) from ∂ℓ/∂moments: the chain rule run backwards.

    `adjoint` has the derivatives by every entry, phi's and v_mat's symmetric.
    """
    plan = at.plan
    w, b, c = within.weight, within.b_mat, within.c_mat
    phi = 0.5 * (adjoint.phi + _t(adjoint.phi))
    by_p = adjoint.p_mat - adjoint.b_a[..., :, None] * within.mean[..., None, :] - phi @ c
    by_u = (
        adjoint.u_mat
        - adjoint.b_t[..., :, None] * within.mean[..., None, :]
        + adjoint.gamma @ _t(within.g_mat)
    )
    by_g = _t(of.u_mat) @ adjoint.gamma
    by_mean = -(_t(of.p_mat) @ adjoint.b_a[..., None] + _t(of.u_mat) @ adjoint.b_t[..., None])[..., 0]
    by_h = by_g @ _t(within.paths)
    by_paths = _t(within.h_full) @ by_g
    by_c = by_p @ w - phi @ of.p_mat
    by_w = _t(c) @ by_p
    by_k = adjoint.k_mat - b @ _t(by_p)
    by_b = -of.k_mat @ by_p
    by_u = by_u + by_k @ c
    by_c = by_c + _t(by_k) @ of.u_mat
    by_v = adjoint.v_mat + by_u @ _t(b)
    by_b = by_b + of.v_mat @ by_u
    by_x = -of.v_mat @ by_v @ of.v_mat
    by_b = by_b + by_x @ _t(within.h_active)
    by_active = _t(b) @ by_x + w @ _t(by_b)
    by_w = by_w + within.h_active @ by_b
    by_sigma = -w @ (0.5 * (by_w + _t(by_w))) @ w
    by_h = by_h + by_active * plan.active[:, None, :]
    return _to_params(by_sigma, by_c, phi, by_mean, adjoint.b_a, by_h, by_paths, here, at)


def _to_params(
    by_sigma: Numbers, by_c: Numbers, by_phi: Numbers, by_mean: Numbers, by_factor: Numbers, by_h: Numbers,
    by_paths: Numbers, here: Arrows, at: Layout,
) -> Numbers:  # fmt: skip
    ram, plan = at.ram, at.plan
    p, v = ram.n_observed, len(ram.variables)
    g = ram.n_groups
    batch = by_sigma.shape[:-3]
    by_omega = np.zeros((*batch, g, v, v), dtype=by_sigma.dtype)
    by_total, by_arrow = np.zeros_like(by_omega), np.zeros_like(by_omega)
    by_eta = np.zeros((*batch, g, v), dtype=by_sigma.dtype)
    factors, targets = plan.factors, plan.targets
    first = np.searchsorted(at.group, np.arange(g))

    def by_group(values: Numbers, trailing: int) -> Numbers:
        return np.add.reduceat(values, first, axis=values.ndim - 1 - trailing)

    by_omega[..., :p, :p] += by_group(by_sigma, 2)
    crossed = 0.5 * by_group(by_c, 2)
    by_omega[..., factors, :p] += crossed
    by_omega[..., :p, factors] += _t(crossed)
    by_omega[..., factors[:, None], factors] += by_group(by_phi, 2)
    by_eta[..., :p] += by_group(by_mean, 1)
    by_eta[..., factors] += by_group(by_factor, 1)
    by_total[..., :p, targets] += by_group(by_h, 2)
    by_arrow[..., targets[:, None], plan.products] += by_group(by_paths, 2)
    e_t = _t(here.total)
    half = e_t @ by_omega
    sources = (e_t @ by_eta[..., None])[..., 0]
    directed = 2.0 * half @ here.omega + sources[..., :, None] * here.eta[..., None, :]
    directed += e_t @ by_total @ e_t + by_arrow
    spread = half @ here.total
    slots = ram.slots
    by_slot = np.zeros((*batch, g, len(slots.kind)), dtype=by_sigma.dtype)
    d, s, m = (np.flatnonzero(slots.kind == kind) for kind in (DIRECTED, SYMMETRIC, MEAN))
    by_slot[..., d] = directed[..., slots.row[d], slots.col[d]]
    by_slot[..., s] = 2.0 * slots.weight[s] * spread[..., slots.row[s], slots.col[s]]
    by_slot[..., m] = sources[..., slots.row[m]]
    return by_slot.reshape(*batch, -1) @ at.slot_map
