"""The likelihood's gradient for many replicates of a model at once; the derivatives are those of kernels.py.

With u the variables that have outgoing paths, y = e_o + Λ e_u for Λ = A_ou (I − A_uu)⁻¹, so that only u × u
matrices and Σ are inverted. Where items load on factors and their residuals are independent of each other,
u × u matrices are enough (Woodbury, 1950).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sem_models.estimation.batches import Replicated, Seen
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, Array, IntArray, RamModel

INVERTED = 1e-8
"""Largest entry of I − ΣW at which W counts as the inverse."""

DROWNED = 1e-3
"""Ratio r of a residual variance to its item's communality below which Σ⁻¹ is not made from residuals, whose
rounding errors would grow with r⁻²."""

Slope = Callable[[Array, Replicated, Array | None], tuple[Array, Array, Seen]]
"""∂f/∂params (b, k) of f = ½ Σ share (log|Σ| + tr Σ⁻¹T) at params (b, k), W = Σ⁻¹ and the data, from W at a
point not far from it or None. Raises numpy.linalg.LinAlgError where a matrix is singular."""


def batched_gradient(ram: RamModel) -> Slope:
    """By factors where all sources are latent and covary with no residual of an item; else by variables."""
    p, u, slots = ram.n_observed, ram.places.sources, ram.slots
    row, col = slots.row, slots.col
    both = slots.kind == SYMMETRIC
    crossed = both & ((row < p) != (col < p))
    used = np.append(row, col[both])
    latent = bool((u >= p).all()) and bool(np.isin(used[used >= p], u).all())
    apart = not crossed.any() and not ram.s_base[:, :p, p:].any() and not len(ram.exogenous)
    return FactorGradient(ram) if latent and apart else VariableGradient(ram)


class FactorGradient:
    """Products with Λ (p × u): of V = W − WTW only VΛ and the entries of free residuals are made."""

    def __init__(self, ram: RamModel) -> None:
        slots, p, u = ram.slots, ram.n_observed, ram.places.sources
        items, variables = np.arange(p), np.arange(len(ram.variables))
        self.ram, self.u, self.reach = ram, u, Reach(ram)
        self.outgoing = ram.part(DIRECTED, variables[:, None], u)
        self.inner = ram.part(SYMMETRIC, u[:, None], u)
        self.unique = ram.part(SYMMETRIC, items, items)
        self.own = ram.part(SYMMETRIC, items[:, None], items)
        place = np.arange(len(variables))  # in the rows of [V; ΛᵀV]
        place[u] = p + np.arange(len(u))
        row, col = place[slots.row], place[slots.col]
        self.directed, self.means = (np.flatnonzero(slots.kind == kind) for kind in (DIRECTED, MEAN))
        self.to, self.source, self.mean = row[self.directed], col[self.directed] - p, row[self.means]
        both = slots.kind == SYMMETRIC
        self.variances = np.flatnonzero(both & (row < p) & (row == col))
        self.covariances = np.flatnonzero(both & (row < p) & (row != col))
        self.inside = np.flatnonzero(both & (row >= p))
        self.row, self.col = np.where(row < p, row, row - p), np.where(col < p, col, col - p)
        self.independent = not len(self.covariances)
        self.independent &= not (self.own.base * (1.0 - np.eye(p))).any()

    def __call__(
        self, params: Array, batch: Replicated, near: Array | None = None
    ) -> tuple[Array, Array, Seen]:
        ram, p, weights = self.ram, self.ram.n_observed, self.ram.slots.weight
        free = ram.free_values(params)
        outgoing, inner = self.outgoing(free), self.inner(free)
        reach = self.reach(outgoing[..., self.u, :])
        lead = outgoing[..., :p, :] @ reach
        lead_t = np.swapaxes(lead, -1, -2)
        weight, loaded = self._inverse(free, lead, inner, near)
        mu, eta = None, None
        if ram.has_means:
            m_vec = ram.matrices(free)[2]
            mu, eta = _expected(m_vec, self.u, p, reach, lead)
        seen = batch.about(mu, weight)
        across = weight @ seen.second
        to_items = loaded - across @ loaded
        among = lead_t @ to_items
        to_all = np.concatenate([to_items, among], axis=-2) @ (inner @ np.swapaxes(reach, -1, -2))
        by_slot = np.empty((*lead.shape[:-2], len(weights)))
        by_slot[..., self.directed] = to_all[..., self.to, self.source]
        i = self.variances
        own = np.einsum("...ii->...i", weight) - np.einsum("...ij,...ij->...i", across, weight)
        by_slot[..., i] = weights[i] * own[..., self.row[i]]
        i = self.covariances
        row, col = self.row[i], self.col[i]
        shared = weight[..., row, col] - (across[..., row, :] * weight[..., col, :]).sum(axis=-1)
        by_slot[..., i] = weights[i] * shared
        i = self.inside
        by_slot[..., i] = weights[i] * among[..., self.row[i], self.col[i]]
        if seen.shift is not None and eta is not None:
            pull = weight @ seen.shift[..., None]
            along = np.concatenate([pull, lead_t @ pull], axis=-2)[..., 0]
            by_slot[..., self.directed] -= along[..., self.to] * eta[..., self.source]
            by_slot[..., self.means] = -along[..., self.mean]
        return _by_parameter(ram, by_slot, batch), weight, seen

    def _inverse(self, free: Array, lead: Array, inner: Array, near: Array | None) -> tuple[Array, Array]:
        """W = Σ⁻¹ and WΛ of Σ = ΛΨΛᵀ + Θ, from residuals where they are independent and not drowned."""
        if self.independent:
            weight, loaded = inverse_by_factors(self.unique(free), lead, inner)
            lost = ~np.isfinite(weight[..., 0, 0])
            if not lost.any():
                return weight, loaded
        sigma = self.own(free) + lead @ inner @ np.swapaxes(lead, -1, -2)
        if not self.independent or lost.all():
            weight = inverse(sigma, near)
            return weight, weight @ lead
        weight[lost] = inverse(sigma[lost], None if near is None else near[lost])
        loaded[lost] = weight[lost] @ lead[lost]
        return weight, loaded


class VariableGradient:
    """Products with L = F (I − A)⁻¹ = [I 0] + Λ P_u: any model, fixed covariates among it."""

    def __init__(self, ram: RamModel) -> None:
        slots, u = ram.slots, ram.places.sources
        self.ram, self.u, self.reach = ram, u, Reach(ram)
        kinds = (DIRECTED, SYMMETRIC, MEAN)
        self.directed, self.symmetric, self.means = (np.flatnonzero(slots.kind == kind) for kind in kinds)
        place = np.zeros(len(ram.variables), dtype=np.intp)
        place[u] = np.arange(len(u))
        self.source = place[slots.col[self.directed]]

    def __call__(
        self, params: Array, batch: Replicated, near: Array | None = None
    ) -> tuple[Array, Array, Seen]:
        ram, u, p, slots = self.ram, self.u, self.ram.n_observed, self.ram.slots
        a_mat, s_mat, m_vec = filled(ram, ram.free_values(params), batch)
        outgoing = a_mat[..., u]
        reach = self.reach(outgoing[..., u, :])
        lead = outgoing[..., :p, :] @ reach
        whole = np.zeros((*s_mat.shape[:-2], p, s_mat.shape[-1]))
        whole[..., np.arange(p), np.arange(p)] = 1.0
        whole[..., u] += lead
        whole_t = np.swapaxes(whole, -1, -2)
        sideways = whole @ s_mat
        weight = inverse(sideways @ whole_t, near)
        mu, eta = _expected(m_vec, u, p, reach, lead) if ram.has_means else (None, None)
        seen = batch.about(mu, weight)
        with_sources = sideways[..., u] @ np.swapaxes(reach, -1, -2)
        k_mat = whole_t @ (weight - weight @ seen.second @ weight)
        by_slot = np.empty((*weight.shape[:-2], len(slots.row)))
        i, j = self.directed, self.symmetric
        by_slot[..., i] = (k_mat @ with_sources)[..., slots.row[i], self.source]
        by_slot[..., j] = slots.weight[j] * (k_mat @ whole)[..., slots.row[j], slots.col[j]]
        if seen.shift is not None and eta is not None:
            along = (whole_t @ (weight @ seen.shift[..., None]))[..., 0]
            by_slot[..., i] -= along[..., slots.row[i]] * eta[..., self.source]
            by_slot[..., self.means] = -along[..., slots.row[self.means]]
        return _by_parameter(ram, by_slot, batch), weight, seen


def _expected(m_vec: Array, u: IntArray, p: int, reach: Array, lead: Array) -> tuple[Array, Array]:
    """Expectations of the items (…, p) and of the sources (…, u)."""
    own = m_vec[..., u, None]
    return m_vec[..., :p] + (lead @ own)[..., 0], (reach @ own)[..., 0]


def _by_parameter(ram: RamModel, by_slot: Array, batch: Replicated) -> Array:
    if batch.share.shape[-1] > 1:
        by_slot = by_slot * batch.share[..., None]
    return ram.to_parameters(by_slot)


class Reach:
    """(I − A)⁻¹ of the paths among sources; where these close no loop, the finite sum I + A + A² + …"""

    def __init__(self, ram: RamModel) -> None:
        u, slots = ram.places.sources, ram.slots
        paths = np.asarray(ram.a_base.any(axis=0), dtype=bool)
        paths[slots.row[slots.kind == DIRECTED], slots.col[slots.kind == DIRECTED]] = True
        along = paths[np.ix_(u, u)].astype(float)
        chains, self.longest = along, 0
        while chains.any() and self.longest < len(u):
            chains, self.longest = ((chains @ along) > 0).astype(float), self.longest + 1
        self.loop = bool(chains.any())

    def __call__(self, paths: Array) -> Array:
        one = np.eye(paths.shape[-1])
        if self.loop:
            return np.asarray(np.linalg.inv(one - paths), dtype=np.float64)
        out, power, covered = one + paths, paths, 1
        while covered < self.longest:
            power, covered = power @ power, 2 * covered + 1
            out = out + power @ out
        return out


def inverse_by_factors(unique: Array, lead: Array, inner: Array) -> tuple[Array, Array]:
    """W = Σ⁻¹ (…, p, p) and WΛ (…, p, u) of Σ = ΛΨΛᵀ + diag(θ) from θ (…, p), Λ and Ψ (…, u, u).

    With D = diag(θ)⁻¹, WΛ = DΛ(I + ΨΛᵀDΛ)⁻¹ and W = D − WΛ Ψ ΛᵀD; Ψ may be singular. Where a residual is
    drowned in its item, W is NaN.
    """
    sideways = lead @ inner
    drowned = ~(np.abs(unique) > DROWNED * np.abs(np.einsum("...ij,...ij->...i", sideways, lead)))
    lost = drowned.any(axis=-1)
    precision = 1.0 / np.where(drowned, 1.0, unique)
    scaled = lead * precision[..., None]
    among = np.eye(lead.shape[-1]) + np.swapaxes(sideways, -1, -2) @ scaled
    loaded = scaled @ np.asarray(np.linalg.inv(among), dtype=np.float64)
    weight = (loaded @ -inner) @ np.swapaxes(scaled, -1, -2)
    np.einsum("...ii->...i", weight)[...] += precision
    if lost.any():
        weight[lost] = np.nan
    return weight, loaded


def inverse(matrices: Array, near: Array | None) -> Array:
    """Inverses (…, p, p), polished from those of nearby matrices by Newton's iteration (Schulz, 1933)."""
    if near is None:
        return np.asarray(np.linalg.inv(matrices))
    twice = 2.0 * np.eye(matrices.shape[-1])
    found = near
    for _ in range(5):
        product = twice - matrices @ found
        off = np.abs(product - 0.5 * twice).max(initial=0.0)
        if off < INVERTED:
            return found
        found = found @ product
        if off < 1e-4:  # its square is below INVERTED
            return found
    return np.asarray(np.linalg.inv(matrices))


def filled(ram: RamModel, free: Array, batch: Replicated | None) -> tuple[Array, Array, Array]:
    """A, S, m at free rows (b, q), fixed covariates at the replicates' own moments where there are any."""
    a_mat, s_mat, m_vec = ram.matrices(free)
    x = ram.exogenous
    if len(x) and batch is not None:
        s_mat[..., x[:, None], x] = batch.cov[..., x[:, None], x]
        if ram.has_means:
            m_vec[..., x] = batch.mean[..., x]
    return a_mat, s_mat, m_vec
