"""The bootstrap's refits of ordered items: thresholds and correlations of all resamples of a batch at once.

Diagonally weighted and unweighted least squares of ordered items alone run in batches. Covariates, continuous
variables beside the items, sampling weights, clusters, WLS and active inequalities are refitted one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SpecError
from sem_models.estimation.batches import Batch
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.ordinal_least_squares import OrdinalLeastSquares
from sem_models.estimation.ordinal_refit import chunk_of_items, refit_items
from sem_models.inference.drawing import Times, drawn_times, times_without
from sem_models.inference.refits import Draws, row_units, row_values, watched
from sem_models.inference.replicates import Replicates
from sem_models.inference.single_refits import Block
from sem_models.model.ram import Array
from sem_models.observed.item_tables import ItemTables, resampled_items
from sem_models.observed.ordered_sample import PERFECT, moments_of_rows
from sem_models.observed.rows import Rows

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

CELLS = 2_000_000
"""Largest number of cells of the tables of a batch."""


def items_batchable(solved: Solved) -> bool:
    """Whether refits of a model of ordered items can run as batches."""
    objective, moments = solved.objective, solved.sample.ordinal
    if moments is None or type(objective) is not OrdinalLeastSquares or objective.weight.ndim != 2:
        return False
    layout = moments.layout
    plain = bool(layout.ordered.all()) and not layout.n_covariates and layout.n_variables > 1
    return plain and solved.ram.unheld is None and row_units(solved).plain


def batched_items(solved: Solved, n: int, rng: np.random.Generator, progress: bool) -> Draws:
    """n resamples with replacement within groups."""
    tables = _tables(solved)
    chunk = _chunk(solved, tables)
    draws = drawn_times(row_units(solved), n, rng, chunk)
    params, value = _refitted(solved, tables, watched(_counted(draws), n, "bootstrap", progress))
    return Draws(_replicates(solved, params), value * solved.sample.n, n - len(params))


def jackknifed_items(solved: Solved, n: int) -> Replicates:
    """The free rows without each row in turn."""
    tables = _tables(solved)
    draws = times_without(row_units(solved), _chunk(solved, tables))
    return _replicates(solved, _refitted(solved, tables, watched(_counted(draws), n, "jackknife", True))[0])


def items_again(
    solved: Solved, blocks: list[Block], again: Callable[[Any, Array], Solved]
) -> tuple[Array, float, Batch] | None:
    """Free rows, χ² and moments of the model on other rows; None where that fails."""
    sample = solved.sample
    rows = tuple(
        Rows(
            b.values, np.arange(len(b.values)), np.full(len(b.values), g, dtype=np.intp), b.weight, b.cluster
        )
        for g, b in enumerate(blocks)
    )
    try:
        found = again(moments_of_rows(sample, rows, solved.ram.exogenous), np.asarray(solved.point.params))
    except (DataError, SpecError, ConvergenceError, np.linalg.LinAlgError):
        return None
    if not found.status.converged:
        return None
    fresh = found.sample
    return found.point.free, found.minimum, Batch(fresh.cov[None], fresh.mean[None], fresh.share[None])


def _tables(solved: Solved) -> list[ItemTables]:
    moments, part = solved.sample.ordinal, solved.ram.ordinal
    assert moments is not None
    assert part is not None
    return [ItemTables.of(values[:, part.y], moments.layout) for values in row_values(solved)]


def _chunk(solved: Solved, tables: list[ItemTables]) -> int:
    of_model = chunk_of_items(solved.ram, tables[0].layout.size)
    return int(max(1, min(of_model, CELLS // max(t.numbers for t in tables))))


class _Counted(list[Array]):
    """How often each row is drawn, by group; `share` tells a progress bar the number of replicates."""

    @property
    def share(self) -> Array:
        return self[0]


def _counted(draws: Iterator[Times]) -> Iterator[_Counted]:
    for times in draws:
        yield _Counted(times)


def _refitted(solved: Solved, tables: list[ItemTables], draws: Iterable[Times]) -> tuple[Array, Array]:
    """Parameters (b, k) and values (b,) of the replicates that converged, in the order drawn."""
    params, values = [], []
    for times in draws:
        found = [resampled_items(t, drawn, PERFECT) for t, drawn in zip(tables, times, strict=True)]
        moments = np.stack([f.statistics for f in found], axis=1)
        variance = np.stack([f.variance for f in found], axis=1)
        whole = np.isfinite(moments).all(axis=(1, 2)) & np.isfinite(variance).all(axis=(1, 2))
        end, value = _refit(solved, moments[whole], variance[whole])
        kept = np.isfinite(value)
        params.append(end[kept])
        values.append(value[kept])
    return np.concatenate(params), np.concatenate(values)


def _refit(solved: Solved, moments: Array, variance: Array) -> tuple[Array, Array]:
    """One batch; what strays is taken up by the careful optimizer."""
    objective: Any = solved.objective
    start = np.asarray(solved.point.params)
    if not len(moments):
        return np.zeros((0, len(start))), np.zeros(0)
    weight = np.ones_like(moments) if solved.options.discrepancy == "ULS" else 1.0 / variance
    try:
        found = refit_items(solved.ram, start, moments, weight, objective.share, solved.sample.n)
        params, value = found.params.copy(), found.value.copy()
    except np.linalg.LinAlgError:
        params, value = np.tile(start, (len(moments), 1)), np.full(len(moments), np.nan)
    for b in np.flatnonzero(~np.isfinite(value)):
        other = replace(objective, moments=moments[b], weight=weight[b])
        try:
            end: Any = minimize(other, start, n_rows=solved.sample.n)
        except np.linalg.LinAlgError:
            continue
        if end.outcome is Outcome.CONVERGED:
            params[b], value[b] = end.point.params, 2.0 * float(end.point.value)
    return params, value


def _replicates(solved: Solved, params: Array) -> Replicates:
    return Replicates(solved.ram.free_values(params), None)
