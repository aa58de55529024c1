"""Many refits of one model at once: maximum likelihood from the first solution, as a batch.

Each replicate's gradient is taken in the coordinates in which the first solution's Hessian is the identity,
so that a limited-memory quasi-Newton search (Nocedal & Wright, 2006, algorithm 7.4) needs a handful of steps;
what has converged leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sem_models.estimation.batches import Replicated, Seen, chosen, joined, values
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, Array, RamModel

TOLERANCE = 5e-4
"""Distance to the optimum, in standard errors, at which a refit counts as done: far below what a draw differs
from the next, and 1e-9 in the discrepancy of 300 rows."""

INVERTED = 1e-8
"""Largest entry of I − ΣW at which W counts as the inverse."""

MAX_STEPS = 40
MEMORY = 8
"""Pairs of steps and gradient changes that the search remembers."""


@dataclass(frozen=True, slots=True)
class Refits:
    """params (b, k), the value Σ share (log|Σ| + tr Σ⁻¹T) there (b,), NaN where a search did not arrive."""

    params: Array
    value: Array


Slope = Callable[[Array, Replicated, Array | None], tuple[Array, Array, Seen]]
"""∂f/∂params (b, k) at params (b, k), W = Σ⁻¹ and the data, from W at a point not far from it or None."""


class Gradient:
    """The gradient of ½ Σ share (log|Σ| + tr Σ⁻¹T) for a batch; the derivatives are those of kernels.py.

    With u the variables that have outgoing paths, y = e_o + Λ e_u for Λ = A_ou (I − A_uu)⁻¹. Where all u are
    latent and no residual of an item covaries with a latent variable, everything is a product with Λ (p × u);
    else with L = F (I − A)⁻¹ = [I 0] + Λ P_u. Only u × u matrices are inverted.
    """

    def __init__(self, ram: RamModel) -> None:
        slots, p, v = ram.slots, ram.n_observed, len(ram.variables)
        self.ram, self.u = ram, ram.places.sources
        self.directed = np.flatnonzero(slots.kind == DIRECTED)
        self.symmetric = np.flatnonzero(slots.kind == SYMMETRIC)
        self.means = np.flatnonzero(slots.kind == MEAN)
        place = np.zeros(v, dtype=np.intp)
        place[self.u] = np.arange(len(self.u))
        self.source = place[slots.col[self.directed]]
        row, col = slots.row, slots.col
        both = slots.kind == SYMMETRIC
        crossed = both & ((row < p) != (col < p))
        apart = not crossed.any() and not ram.s_base[:, :p, p:].any()
        used = np.append(row, col[both])
        self.factors = apart and bool((self.u >= p).all()) and bool(np.isin(used[used >= p], self.u).all())
        self.place = np.where(np.arange(v) < p, np.arange(v), p + place)  # in the rows of [V; ΛᵀV]
        self.among_items = np.flatnonzero(both & (row < p))
        self.among_sources = np.flatnonzero(both & (row >= p))

    def __call__(
        self, params: Array, batch: Replicated, near: Array | None = None
    ) -> tuple[Array, Array, Seen]:
        """∂f/∂params (b, k) at params (b, k), W = Σ⁻¹ and the data; `near` is W at a point not far from it.

        Raises numpy.linalg.LinAlgError where a matrix is singular.
        """
        ram, u = self.ram, self.u
        a_mat, s_mat, m_vec = filled(ram, ram.free_values(params), batch)
        outgoing = a_mat[..., u]
        reach = np.asarray(np.linalg.inv(np.eye(len(u)) - outgoing[..., u, :]), dtype=np.float64)
        lead = outgoing[..., : ram.n_observed, :] @ reach
        eta = (reach @ m_vec[..., u, None])[..., 0] if ram.has_means else m_vec[..., u]
        along = self._by_factors if self.factors else self._by_variables
        by_slot, weight, seen = along(s_mat, m_vec, reach, lead, eta, batch, near)
        return ram.to_parameters(by_slot), weight, seen

    def _by_factors(
        self,
        s_mat: Array,
        m_vec: Array,
        reach: Array,
        lead: Array,
        eta: Array,
        batch: Replicated,
        near: Array | None,
    ) -> tuple[Array, Array, Seen]:
        ram, u, p, slots = self.ram, self.u, self.ram.n_observed, self.ram.slots
        lead_t = np.swapaxes(lead, -1, -2)
        sideways = lead @ s_mat[..., u[:, None], u]
        sigma = s_mat[..., :p, :p] + sideways @ lead_t
        mu = m_vec[..., :p] + (lead @ m_vec[..., u, None])[..., 0] if ram.has_means else None
        weight, seen, v_mat, pull = _residual_weights(sigma, mu, batch, near)
        loaded = v_mat @ lead
        among = lead_t @ loaded
        moves = np.swapaxes(reach, -1, -2)
        to_items = v_mat @ (sideways @ moves)
        stacked = np.concatenate([to_items, lead_t @ to_items], axis=-2)
        by_slot = np.empty((*v_mat.shape[:-2], len(slots.row)))
        i = self.directed
        by_slot[..., i] = stacked[..., self.place[slots.row[i]], self.source]
        j = self.among_items
        by_slot[..., j] = slots.weight[j] * v_mat[..., slots.row[j], slots.col[j]]
        j = self.among_sources
        row, col = self.place[slots.row[j]] - p, self.place[slots.col[j]] - p
        by_slot[..., j] = slots.weight[j] * among[..., row, col]
        if pull is not None:
            along = np.concatenate([pull, lead_t @ pull], axis=-2)[..., 0]
            by_slot[..., i] -= along[..., self.place[slots.row[i]]] * eta[..., self.source]
            by_slot[..., self.means] = -along[..., self.place[slots.row[self.means]]]
        return by_slot, weight, seen

    def _by_variables(
        self,
        s_mat: Array,
        m_vec: Array,
        reach: Array,
        lead: Array,
        eta: Array,
        batch: Replicated,
        near: Array | None,
    ) -> tuple[Array, Array, Seen]:
        ram, u, p, slots = self.ram, self.u, self.ram.n_observed, self.ram.slots
        whole = np.zeros((*s_mat.shape[:-2], p, s_mat.shape[-1]))
        whole[..., np.arange(p), np.arange(p)] = 1.0
        whole[..., u] += lead
        whole_t = np.swapaxes(whole, -1, -2)
        sideways = whole @ s_mat
        mu = (whole @ m_vec[..., None])[..., 0] if ram.has_means else None
        weight, seen, v_mat, pull = _residual_weights(sideways @ whole_t, mu, batch, near)
        with_sources = sideways[..., u] @ np.swapaxes(reach, -1, -2)
        k_mat = whole_t @ v_mat
        by_slot = np.empty((*v_mat.shape[:-2], len(slots.row)))
        i, j = self.directed, self.symmetric
        by_slot[..., i] = (k_mat @ with_sources)[..., slots.row[i], self.source]
        by_slot[..., j] = slots.weight[j] * (k_mat @ whole)[..., slots.row[j], slots.col[j]]
        if pull is not None:
            along = (whole_t @ pull)[..., 0]
            by_slot[..., i] -= along[..., slots.row[i]] * eta[..., self.source]
            by_slot[..., self.means] = -along[..., slots.row[self.means]]
        return by_slot, weight, seen


def _residual_weights(
    sigma: Array, mu: Array | None, batch: Replicated, near: Array | None
) -> tuple[Array, Seen, Array, Array | None]:
    """W, the data about μ, share (W − WTW) and, with means, share W (x̄ − μ) as a column."""
    weight = inverse(sigma, near)
    seen = batch.about(mu, weight)
    share = batch.share[..., None, None]
    pull = None if seen.shift is None else (weight @ seen.shift[..., None]) * share
    v_mat = weight - weight @ seen.second @ weight
    if batch.share.shape[-1] > 1:
        v_mat = v_mat * share
    return weight, seen, v_mat, pull


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


def refit(ram: RamModel, start: Array, hessian: Array, batch: Replicated, n_rows: float) -> Refits:
    """Search from `start` (k,) on every replicate; hessian (k, k) is the first solution's, per row.

    A search that strays is given up, for the caller to take up with the careful optimizer.
    """
    return search(Gradient(ram), start, np.linalg.inv(np.linalg.cholesky(hessian)).T, batch, n_rows)


def search(gradient: Slope, start: Array, root: Array, batch: Replicated, n_rows: float) -> Refits:
    """The same by a gradient, in coordinates z with params = start + root z."""
    b, k = len(batch.cov), len(start)
    params, value = np.tile(start, (b, 1)), np.full(b, np.nan)
    active = np.arange(b)
    where, at, size = np.zeros((b, k)), batch, np.full(b, np.inf)
    steps = np.zeros((0, b, k))
    changes = np.zeros((0, b, k))
    _, one, _ = _slope(gradient, params[:1], batch.at(np.zeros(1, dtype=np.intp)), root, None)
    near = np.broadcast_to(one, batch.cov.shape)  # all begin at the same Σ, up to fixed covariates
    slope, weight, seen = _slope(gradient, params, at, root, near if np.isfinite(one).all() else None)
    for _ in range(MAX_STEPS):
        length = np.sqrt(np.maximum((slope * slope).sum(axis=1), 0.0) * n_rows)
        arrived = length < TOLERANCE
        params[active] = start + where @ root.T
        if arrived.any():
            value[active[arrived]] = values(weight[arrived], chosen(seen, arrived), at.share[arrived])
        keep = ~arrived & (length < np.maximum(10.0 * size, 1e3))
        if not keep.any():
            break
        if not keep.all():
            active, where, slope, weight = active[keep], where[keep], slope[keep], weight[keep]
            steps, changes, at = steps[:, keep], changes[:, keep], at.at(np.flatnonzero(keep))
        size = length[keep]
        step = -_inverse_times(slope, steps, changes)
        where = where + step
        new, weight, seen = _slope(gradient, start + where @ root.T, at, root, weight)
        steps = np.concatenate([steps[-MEMORY + 1 :], step[None]])
        changes = np.concatenate([changes[-MEMORY + 1 :], (new - slope)[None]])
        slope = new
    return Refits(params, value)


def _slope(
    gradient: Slope, params: Array, batch: Replicated, root: Array, near: Array | None
) -> tuple[Array, Array, Seen]:
    """Gradient in z, W and the data; huge where a matrix cannot be inverted: the replicate then leaves."""
    try:
        with np.errstate(all="ignore"):
            out, weight, seen = gradient(params, batch, near)
    except np.linalg.LinAlgError:
        if len(params) == 1:
            blank = np.full(batch.cov.shape, np.nan)
            lost = Seen(blank, blank[..., 0], blank[..., 0, 0])
            return np.full(params.shape, np.inf), blank, lost
        half = len(params) // 2
        parts = [
            _slope(gradient, params[part], batch.at(part), root, None)
            for part in (np.arange(half), np.arange(half, len(params)))
        ]
        slope, weight = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        return slope, weight, joined([part[2] for part in parts])
    slope = out @ root
    return np.where(np.isfinite(slope).all(axis=1, keepdims=True), slope, np.inf), weight, seen


def _inverse_times(slope: Array, steps: Array, changes: Array) -> Array:
    """L-BFGS: the inverse Hessian's estimate times the gradient; pairs of no curvature are passed over."""
    out = slope.copy()
    curvature = (steps * changes).sum(axis=2)
    usable = curvature > 1e-10 * (changes * changes).sum(axis=2)
    rho = np.where(usable, 1.0 / np.where(usable, curvature, 1.0), 0.0)
    alphas = []
    for s, y, r in zip(steps[::-1], changes[::-1], rho[::-1], strict=True):
        alpha = r * (s * out).sum(axis=1)
        alphas.append(alpha)
        out -= alpha[:, None] * y
    for s, y, r, alpha in zip(steps, changes, rho, reversed(alphas), strict=True):
        out += (alpha - r * (y * out).sum(axis=1))[:, None] * s
    return out
