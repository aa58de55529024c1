"""Many refits of one model of ordered items at once, by Gauss–Newton steps from the first solution.

Replicates stand side by side as if they were groups of one model, so that thresholds, correlations and their
derivatives come from the functions of a single fit; what has converged leaves the batch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sem_models.estimation import kernels
from sem_models.estimation.ordinal_least_squares import OrdinalPoint, ordinal_point
from sem_models.estimation.refit import TOLERANCE, Refits
from sem_models.model.ram import Array, RamModel

MAX_STEPS = 30
HALVINGS = 6
"""Times a step that does not gain is halved before the replicate is given up."""

NUMBERS = 4_000_000
"""Largest number of derivatives in a batch."""


def chunk_of_items(ram: RamModel, n_statistics: int) -> int:
    """Replicates in a batch; it does not change a number."""
    return int(max(1, min(256, NUMBERS // (ram.n_groups * n_statistics * max(len(ram.slots.row), 1)))))


def refit_items(
    ram: RamModel, start: Array, moments: Array, weight: Array, share: Array, n_rows: float
) -> Refits:
    """Search from `start` (k,) on statistics (b, g, s) with diagonal weights (b, g, s).

    The values are Σ share eᵀ V e, NaN where a search did not arrive: for the caller to take up by itself.
    """
    b, k = len(moments), len(start)
    params, value = np.tile(np.asarray(start, dtype=np.float64), (b, 1)), np.full(b, np.nan)
    active = np.arange(b)
    at = _point(ram, params, moments, weight)
    for _ in range(MAX_STEPS):
        gradient, curvature = _slopes(ram, at, weight[active], share, k)
        try:
            step = -np.linalg.solve(curvature, gradient[..., None])[..., 0]
        except np.linalg.LinAlgError:
            step = -(np.linalg.pinv(curvature, hermitian=True) @ gradient[..., None])[..., 0]
        length = np.sqrt(np.maximum(-(step * gradient).sum(axis=1), 0.0) * n_rows)
        now = _values(at, share)
        arrived = length < TOLERANCE
        # one more step costs nothing here, and squares what is left of the distance
        params[active[arrived]] += step[arrived]
        value[active[arrived]] = now[arrived]
        keep = ~arrived & np.isfinite(length)
        if not keep.any():
            break
        active, step, now = active[keep], step[keep], now[keep]
        before = params[active]
        size = np.ones(len(active))
        for _ in range(HALVINGS):
            params[active] = before + size[:, None] * step
            at = _point(ram, params[active], moments[active], weight[active])
            worse = ~(_values(at, share) <= now * (1.0 + 1e-12))
            if not worse.any():
                break
            size[worse] *= 0.5
        gone = ~np.isfinite(_values(at, share))
        if gone.any():
            params[active[gone]] = start
            active = active[~gone]
            if not len(active):
                break
            at = _point(ram, params[active], moments[active], weight[active])
    return Refits(params, value)


def _side_by_side(ram: RamModel, b: int) -> RamModel:
    """The model with its groups b times, for the functions that count groups."""
    assert ram.ordinal is not None
    tile = (b, 1)
    part = replace(ram.ordinal, tau=np.tile(ram.ordinal.tau, tile), scale=np.tile(ram.ordinal.scale, tile))
    slots = replace(ram.slots, free=np.tile(ram.slots.free, tile))
    return replace(
        ram, a_base=np.tile(ram.a_base, (b, 1, 1)), s_base=np.tile(ram.s_base, (b, 1, 1)),
        m_base=np.tile(ram.m_base, tile), slots=slots, ordinal=part,
    )  # fmt: skip


def _point(ram: RamModel, params: Array, moments: Array, weight: Array) -> OrdinalPoint:
    """The replicates' groups as groups of one point, (b g, …); NaN where a response has no variance."""
    b, g = len(params), ram.n_groups
    free = ram.free_values(params)
    with np.errstate(all="ignore"):
        a_mat, s_mat, m_vec = (m.reshape(b * g, *m.shape[2:]) for m in ram.matrices(free))
        tau, scale = (m.reshape(b * g, -1) for m in ram.scales(free))
        at = kernels.implied(a_mat, s_mat, m_vec, ram.n_observed, ram.places.sources)
        together = _side_by_side(ram, b)
        return ordinal_point(
            together, params, free, at, tau, scale, moments.reshape(b * g, -1), weight.reshape(b * g, -1)
        )


def _values(at: OrdinalPoint, share: Array) -> Array:
    """Σ share eᵀ V e of each replicate, (b,)."""
    by_group = (at.residual * at.weighted).sum(axis=1).reshape(-1, len(share))
    return np.asarray(by_group @ share)


def _slopes(ram: RamModel, at: OrdinalPoint, weight: Array, share: Array, k: int) -> tuple[Array, Array]:
    """Gradient (b, k) and Gauss–Newton curvature (b, k, k) of ½ Σ share eᵀ V e."""
    g = ram.n_groups
    jac = at.slopes.statistics
    b, n = len(jac) // g, jac.shape[-1]
    by_slot = -(np.swapaxes(jac, 1, 2) @ at.weighted[..., None])[..., 0].reshape(b, g, n) * share[:, None]
    pairs = np.swapaxes(jac, 1, 2) @ (weight.reshape(b * g, -1, 1) * jac)
    pairs = pairs.reshape(b, g, n, n) * share[:, None, None]
    return ram.to_parameters(by_slot), ram.reduce(ram.to_row_pairs(pairs)).reshape(b, k, k)
