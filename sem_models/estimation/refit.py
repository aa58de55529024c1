"""Many refits of one model at once: maximum likelihood from the first solution, as a batch.

Each replicate's gradient is taken in the coordinates in which the first solution's Hessian is the identity,
so that a limited-memory quasi-Newton search (Nocedal & Wright, 2006, algorithm 7.4) needs a handful of steps;
what has converged leaves the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.estimation.batched_gradient import Slope, batched_gradient
from sem_models.estimation.batches import Replicated, Seen, chosen, joined, values
from sem_models.estimation.secants import MEMORY, Pair, inverse_times, pair_of
from sem_models.model.ram import Array, RamModel

TOLERANCE = 5e-4
"""Distance to the optimum, in standard errors, at which a refit counts as done: far below what a draw differs
from the next, and 1e-9 in the discrepancy of 300 rows."""

MAX_STEPS = 40


@dataclass(frozen=True, slots=True)
class Refits:
    """params (b, k), the value Σ share (log|Σ| + tr Σ⁻¹T) there (b,), NaN where a search did not arrive."""

    params: Array
    value: Array


def refit(ram: RamModel, start: Array, hessian: Array, batch: Replicated, n_rows: float) -> Refits:
    """Search from `start` (k,) on every replicate; hessian (k, k) is the first solution's, per row.

    A search that strays is given up, for the caller to take up with the careful optimizer.
    """
    return search(batched_gradient(ram), start, np.linalg.inv(np.linalg.cholesky(hessian)).T, batch, n_rows)


def search(gradient: Slope, start: Array, root: Array, batch: Replicated, n_rows: float) -> Refits:
    """The same by a gradient, in coordinates z with params = start + root z."""
    b, k = len(batch.cov), len(start)
    params, value = np.tile(start, (b, 1)), np.full(b, np.nan)
    active = np.arange(b)
    where, at, size = np.zeros((b, k)), batch, np.full(b, np.inf)
    pairs: list[Pair] = []
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
            pairs, at = [pair.of(keep) for pair in pairs], at.at(np.flatnonzero(keep))
        size = length[keep]
        step = -inverse_times(slope, pairs)
        where = where + step
        new, weight, seen = _slope(gradient, start + where @ root.T, at, root, weight)
        pairs = [*pairs[-MEMORY + 1 :], pair_of(step, new - slope)]
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
