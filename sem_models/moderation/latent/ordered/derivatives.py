"""Derivatives of log f(y, η) in the model's entries: by row, by node, and of second order.

Summed over a row's nodes with their posterior weights, first derivatives are those of the row's
log-likelihood (Fisher's identity), and −Σ ∂² less the variance of the scores is the observed information
(Louis, 1982, Journal of the Royal Statistical Society B 44, 226–233), both exact for the nodes in force.
"""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.moderation.latent.ordered.equations import Equations, Values
from sem_models.moderation.latent.ordered.responses import Given, Responses

TAU, A, PATHS, NU, ALPHA, V, PSI = range(7)
"""The parts of a row's derivatives, in order."""


def row_scores(
    equations: Equations, own: Values, rows: Responses, at: Given, z: Array, zeta: Array, posterior: Array
) -> Array:
    """Derivatives of each row's log-likelihood by slot (n, s), from its nodes' posterior weights (n, k)."""
    n = len(rows)
    tau = np.zeros((n, equations.n_thresholds + 2))
    weights = posterior[:, None, :]
    for numbers, slopes in ((rows.upper, at.by_upper), (rows.lower, at.by_lower)):
        np.add.at(tau, (np.arange(n)[:, None], numbers), (weights @ slopes)[:, 0])
    pull = at.by_level * posterior[..., None]
    lead = zeta @ own.inverse
    push = lead * posterior[..., None]
    parts = [
        tau[:, : equations.n_thresholds],
        (np.swapaxes(pull, 1, 2) @ z).reshape(n, -1),
        (np.swapaxes(push, 1, 2) @ z).reshape(n, -1),
        pull.sum(axis=1),
        push.sum(axis=1),
        np.zeros((n, len(own.v))) if at.by_variance is None else (weights @ at.by_variance)[:, 0],
        (0.5 * (np.swapaxes(lead, 1, 2) @ push - own.inverse)).reshape(n, -1),
    ]
    return np.asarray(np.concatenate(parts, axis=1)[:, equations.entry] * equations.weight)


def node_scores(
    equations: Equations, own: Values, rows: Responses, at: Given, z: Array, zeta: Array
) -> Array:
    """Derivatives of log f(y, η) at each node by slot, (n, k, s)."""
    n, k, d = z.shape
    out = np.empty((n, k, len(equations.entry)))
    part, place = parts_of(equations)
    tau = np.zeros((n, k, equations.n_thresholds + 2))
    each = np.arange(n)
    for j in range(rows.upper.shape[1]):
        tau[each, :, rows.upper[:, j]] += at.by_upper[..., j]
        tau[each, :, rows.lower[:, j]] += at.by_lower[..., j]
    pull, lead = at.by_level, zeta @ own.inverse
    for kind, values in ((TAU, tau), (NU, pull), (ALPHA, lead), (V, at.by_variance)):
        if values is not None:
            out[..., part == kind] = values[..., place[part == kind]]
    for kind, values in ((A, pull), (PATHS, lead)):
        i, column = np.divmod(place[part == kind], d)
        out[..., part == kind] = values[..., i] * z[..., column]
    i, j = np.divmod(place[part == PSI], len(own.alpha))
    own_psi = 0.5 * (lead[..., i] * lead[..., j] - own.inverse[i, j])
    out[..., part == PSI] = own_psi * equations.weight[part == PSI]
    return out


def parts_of(equations: Equations) -> tuple[IntArray, IntArray]:
    """Part and place within it of each slot, (s,) and (s,)."""
    part = np.searchsorted(equations.starts, equations.entry, side="right") - 1
    return part, equations.entry - equations.starts[part]


def response_curvature(
    equations: Equations, own: Values, rows: Responses, at: Given, z: Array, posterior: Array
) -> Array:
    """Σ posterior · ∂² log f(y | η) by pairs of slots, (s, s)."""
    part, place = parts_of(equations)
    d = z.shape[-1]
    out = np.zeros((len(part), len(part)))
    of_tau = equations.layout.th_variable
    variable = np.where(part == A, place // d, place)
    variable[part == TAU] = of_tau[place[part == TAU]]
    for j in range(len(own.nu)):
        mine = np.flatnonzero((variable == j) & np.isin(part, (TAU, A, NU, V)))
        if len(mine):
            curve = _ordered if rows.ordered[j] else _continuous
            seen = posterior * rows.seen[:, j, None]
            out[mine[:, None], mine] += curve(j, part[mine], place[mine], own, rows, at, z, seen)
    return out


def _ordered(
    j: int, part: IntArray, place: IntArray, own: Values, rows: Responses, at: Given, z: Array, weight: Array
) -> Array:
    """For the slots (m,) of one ordered item: log (Φ(h) − Φ(l)) bends in h and l, which move with them."""
    v, sd = float(own.v[j]), float(np.sqrt(own.v[j]))
    high, low, up, down = (x[..., j] for x in (at.high, at.low, at.up, at.down))
    by_high, by_low = (np.zeros((*weight.shape, len(part))) for _ in range(2))
    for m, (kind, entry) in enumerate(zip(part.tolist(), place.tolist(), strict=True)):
        if kind == TAU:
            by_high[..., m] = (rows.upper[:, j, None] == entry) / sd
            by_low[..., m] = (rows.lower[:, j, None] == entry) / sd
        elif kind == V:
            by_high[..., m], by_low[..., m] = -high / (2.0 * v), -low / (2.0 * v)
        else:
            by_high[..., m] = by_low[..., m] = -(1.0 if kind == NU else z[..., entry % z.shape[-1]]) / sd
    hh, hl, ll = weight * up * (-high - up), weight * up * down, weight * down * (low - down)
    bent_high = hh[..., None] * by_high + hl[..., None] * by_low
    bent_low = hl[..., None] * by_high + ll[..., None] * by_low
    out = _across(bent_high, by_high) + _across(bent_low, by_low)
    if V in part:  # ∂²h / ∂v ∂slot = −∂h/∂slot / 2v, and 3h / 4v² twice in v
        at_v = int(np.flatnonzero(part == V)[0])
        along = np.einsum("nk,nkm->m", weight * up, by_high) - np.einsum("nk,nkm->m", weight * down, by_low)
        turn = -along / (2.0 * v)
        turn[at_v] = float((weight * (up * high - down * low)).sum()) * 0.75 / v**2 / 2.0
        out[at_v] += turn
        out[:, at_v] += turn
    return out


def _continuous(
    j: int, part: IntArray, place: IntArray, own: Values, rows: Responses, at: Given, z: Array, weight: Array
) -> Array:
    """For the slots (m,) of one continuous response: its normal density bends in level and variance."""
    v = float(own.v[j])
    away = at.by_level[..., j] * v
    along = np.zeros((*weight.shape, len(part)))
    for m, (kind, entry) in enumerate(zip(part.tolist(), place.tolist(), strict=True)):
        if kind != V:
            along[..., m] = 1.0 if kind == NU else z[..., entry % z.shape[-1]]
    out = _across(-weight[..., None] / v * along, along)
    if V in part:
        at_v = int(np.flatnonzero(part == V)[0])
        turn = -np.einsum("nk,nkm->m", weight * away, along) / v**2
        turn[at_v] = 0.5 * float((weight * (0.5 - away * away / v)).sum()) / v**2
        out[at_v] += turn
        out[:, at_v] += turn
    return out


def _across(left: Array, right: Array) -> Array:
    m = left.shape[-1]
    return np.asarray(left.reshape(-1, m).T @ right.reshape(-1, m))


def structural_curvature(equations: Equations, own: Values, moments: Array, n: float) -> Array:
    """Σ posterior · ∂² log N(ζ; 0, Ψ) by pairs of slots (s, s), from Σ posterior (1, z)(1, z)ᵀ of n rows.

    With R = (−α, I − A), the disturbances are R (1, z) and the sum is
    −½ n log |Ψ| − ½ tr Ψ⁻¹ R M Rᵀ.
    """
    part, place = parts_of(equations)
    n_l, d = len(own.alpha), moments.shape[0] - 1
    r = np.concatenate([-own.alpha[:, None], np.eye(n_l, d) - own.paths], axis=1)
    p, rm = own.inverse, r @ moments
    spread = p @ rm @ r.T @ p
    out = np.zeros((len(part), len(part)))
    mine = np.flatnonzero((part == PATHS) | (part == ALPHA))
    row = np.where(part[mine] == PATHS, place[mine] // d, place[mine])
    column = np.where(part[mine] == PATHS, place[mine] % d + 1, 0)
    out[mine[:, None], mine] = -p[row[:, None], row] * moments[column[:, None], column]
    of_psi = np.flatnonzero(part == PSI)
    directions = np.zeros((len(of_psi), n_l, n_l))
    i, j = np.divmod(place[of_psi], n_l)
    directions[np.arange(len(of_psi)), i, j] = directions[np.arange(len(of_psi)), j, i] = 1.0
    turned = p @ directions @ p
    cross = -(turned @ rm)[:, row, column]
    out[mine[:, None], of_psi], out[of_psi[:, None], mine] = cross.T, cross
    first = np.einsum("aij,bji->ab", directions @ p, directions @ p)
    second = np.einsum("aij,bji->ab", directions @ spread, directions @ p)
    out[of_psi[:, None], of_psi] = 0.5 * n * first - 0.5 * (second + second.T)
    return out
