"""The refits of a bootstrap as batches, where maximum likelihood allows it; single_refits.py has the others.

Rows without missing values enter as moments, and so do incomplete rows of fits to pairwise or two-stage
moments (moment_draws.py). Others enter with the weights that the draw gives them (estimation/batches.py);
many rows of few missing patterns are cheaper one replicate at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.batches import Batch, IncompleteBatch
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.refit import refit
from sem_models.estimation.saturated_refit import Beginning, refit_saturated
from sem_models.inference.drawing import Units, drawn_times, times_without, units_of
from sem_models.inference.moment_draws import Moments, exists, moments_of, of_moments
from sem_models.inference.moved_rows import moved_rows
from sem_models.inference.replicates import Replicates
from sem_models.inference.resampling import (
    Gaps,
    Kind,
    drawn_from_model,
    gaps_from_model,
    gaps_of,
    resampled,
    resampled_gaps,
    rows_to_draw,
    without_units,
)
from sem_models.model.ram import Array
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import complete_patterns
from sem_models.observed.rows import Rows

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

CHUNK = 256
"""Replicates in a batch of moments; it fits the processor's cache and does not change a number."""

NUMBERS = 250_000
"""Numbers in a batch of incomplete rows, for the same reason."""

FEW_PER_PATTERN = 20
"""Rows of each missing pattern up to which incomplete rows are refitted in batches."""

SHOWN_AFTER = 2.0
"""Seconds after which a progress bar appears."""


@dataclass(frozen=True)
class Draws:
    """Replicates that converged, in the order drawn, with χ² (b,) where there is one, and how many failed."""

    replicates: Replicates
    statistic: Array
    failed: int


def batchable(solved: Solved) -> bool:
    """Whether refits can run as batches."""
    sample = solved.sample
    if not isinstance(solved.objective, NormalTheory) or sample.unbiased or solved.ram.unheld is not None:
        return False
    if sample.complete:
        return True
    few = sum(sample.counts) <= FEW_PER_PATTERN * len(sample.patterns.group)
    return solved.ram.has_means and (few or sum(sample.counts) * len(sample.variables) <= NUMBERS // 10)


def row_values(solved: Solved) -> tuple[Array, ...]:
    """The rows' values by group. DataError for a fit that was saved without them."""
    rows = solved.sample.rows or ()
    if not all(isinstance(block, Rows) for block in rows):
        raise DataError(
            "This fit was saved without its rows. Save it with include_rows=True, or fit the data anew."
        )
    return tuple(block.values for block in rows)


def row_units(solved: Solved) -> Units:
    """What is drawn: rows or clusters, with their weights."""
    row_values(solved)
    return units_of(solved.sample.rows or (), solved.options.rows.sampling_weights_normalization)


def implied(solved: Solved) -> tuple[Array, Array]:
    """The model's Σ and μ; without a mean structure μ is the sample's."""
    at = solved.point.at
    return at.sigma, at.mu if solved.ram.has_means else solved.sample.mean


def values_to_draw(solved: Solved, kind: Kind) -> tuple[Array, ...]:
    """The rows' values, moved for "bollen.stine" so that the model holds in them."""
    values = row_values(solved)
    if kind != "bollen.stine":
        return values
    if not solved.sample.complete:
        return moved_rows(values, *implied(solved))
    moved = rows_to_draw(values, *implied(solved), kind)
    return tuple(x + c for x, c in zip(moved.centered, moved.center, strict=True))


def row_moments(solved: Solved, kind: Kind = "ordinary") -> Moments:
    """Of a fit to moments of incomplete rows, what makes them of the rows to draw."""
    found = moments_of(solved, row_values(solved))
    return found.moved(*implied(solved)) if kind == "bollen.stine" else found


def row_gaps(solved: Solved, kind: Kind = "ordinary") -> Gaps:
    values, near = values_to_draw(solved, kind), (solved.sample.cov, solved.sample.mean)
    return gaps_of(values, solved.ram.exogenous, *(near if kind == "ordinary" else implied(solved)))


def chunk_of(solved: Solved) -> int:
    """Replicates in a batch."""
    if solved.sample.complete and not of_moments(solved):
        return CHUNK
    return max(1, min(CHUNK, NUMBERS // (sum(solved.sample.counts) * len(solved.sample.variables))))


def _batches(
    solved: Solved, n: int, kind: Kind, rng: np.random.Generator
) -> Iterator[Batch] | Iterator[IncompleteBatch]:
    chunk, size = chunk_of(solved), solved.sample.n
    sigma, mu = implied(solved)
    if of_moments(solved):
        moments = row_moments(solved, kind)
        if kind == "parametric":
            return moments.from_model(sigma, mu, n, rng, chunk, size)
        return moments.resampled(drawn_times(row_units(solved), n, rng, chunk), size)
    if not solved.sample.complete:
        gaps = row_gaps(solved, kind)
        if kind == "parametric":
            return gaps_from_model(gaps, sigma, mu, n, rng, chunk)
        units = row_units(solved)
        return resampled_gaps(gaps, drawn_times(units, n, rng, chunk), units)
    if kind == "parametric":
        return drawn_from_model(sigma, mu, solved.sample.counts, n, rng, chunk)
    rows = rows_to_draw(row_values(solved), sigma, mu, kind)
    return resampled(rows, n, rng, chunk, row_units(solved))


def batches_without(solved: Solved) -> Iterator[Batch] | Iterator[IncompleteBatch]:
    """What a batch of refits sees without each row or cluster in turn."""
    units, chunk = row_units(solved), chunk_of(solved)
    if of_moments(solved):
        return row_moments(solved).resampled(times_without(units, chunk), solved.sample.n)
    if not solved.sample.complete:
        return resampled_gaps(row_gaps(solved), times_without(units, chunk), units)
    return without_units(rows_to_draw(row_values(solved), *implied(solved), "ordinary"), units, chunk)


def batched(solved: Solved, n: int, kind: Kind, rng: np.random.Generator, progress: bool) -> Draws:
    params, moments, stats = [], [], []
    hessian, begin = curvature(solved), _saturated_beginning(solved, kind)
    for batch in watched(_batches(solved, n, kind, rng), n, "bootstrap", progress):
        found, value = refit_batch(solved, batch, hessian)
        kept = np.flatnonzero(np.isfinite(value))
        batch = batch.at(kept)
        params.append(found[kept])
        moments.append(Batch(batch.cov, batch.mean, batch.share))
        stats.append(_statistic(solved, value[kept], batch, begin))
    statistic = np.concatenate(stats)
    free = solved.ram.free_values(np.concatenate(params))
    return Draws(Replicates(free, joined(moments)), statistic, n - len(statistic))


def joined(batches: list[Batch]) -> Batch:
    return Batch(*(np.concatenate([getattr(b, name) for b in batches]) for name in ("cov", "mean", "share")))


def curvature(solved: Solved) -> Array:
    """The Hessian at the first solution, in whose coordinates the refits search."""
    objective: Any = solved.objective
    hessian = objective.hessian(solved.point)
    if np.linalg.eigvalsh(hessian)[0] <= 0:
        hessian = objective.information(solved.point)
    return np.asarray(hessian)


def refit_batch(solved: Solved, batch: Batch | IncompleteBatch, hessian: Array) -> tuple[Array, Array]:
    """Parameters (b, k) and values (b,) of a batch, NaN where it failed; strays are taken up carefully."""
    start = np.asarray(solved.point.params)
    if isinstance(batch, Batch) and not np.isfinite(batch.cov).all():
        return _where_moments_exist(solved, batch, hessian)
    found = refit(solved.ram, start, hessian, batch, solved.sample.n)
    params, value = found.params.copy(), found.value.copy()
    for b in np.flatnonzero(~np.isfinite(value)):
        params[b], value[b] = _carefully(solved, batch.at(np.array([b])))
    return params, value


def _where_moments_exist(solved: Solved, batch: Batch, hessian: Array) -> tuple[Array, Array]:
    start = np.asarray(solved.point.params)
    params, value = np.tile(start, (len(batch.share), 1)), np.full(len(batch.share), np.nan)
    there = exists(batch)
    if len(there):
        params[there], value[there] = refit_batch(solved, batch.at(there), hessian)
    return params, value


def _carefully(solved: Solved, batch: Batch | IncompleteBatch) -> tuple[Array, float]:
    if isinstance(batch, Batch):
        patterns = complete_patterns(batch.share[0] * solved.sample.n, batch.mean[0], batch.cov[0])
    else:
        used = [np.flatnonzero(w[0] > 0) for w in batch.weights]
        blocks = []
        for rows, kept in zip(batch.rows, used, strict=True):
            values = rows.values if rows.values.ndim == 2 else rows.values[0]
            blocks.append(np.where(rows.seen > 0, values, np.nan)[kept])
        sizes = batch.share[0] * solved.sample.n
        weights = [w[0, kept] * size for w, kept, size in zip(batch.weights, used, sizes, strict=True)]
        patterns, _ = group_patterns(blocks, weights)
    objective = NormalTheory(solved.ram.with_covariates(batch.cov[0], batch.mean[0]), patterns, batch.mean[0])
    try:
        end = minimize(objective, np.asarray(solved.point.params), n_rows=solved.sample.n)
    except np.linalg.LinAlgError:
        return solved.point.params, np.nan
    value = 2.0 * float(end.point.value) if end.outcome is Outcome.CONVERGED else np.nan
    return np.asarray(end.point.params), value


def _saturated_beginning(solved: Solved, kind: Kind) -> Beginning | None:
    """Where the saturated moments of incomplete replicates are searched from; None where they are not needed,
    or do not exist."""
    sample = solved.sample
    if sample.complete or kind == "ordinary" or not sample.saturated:
        return None
    return Beginning.at(*implied(solved), sample.patterns)


def _statistic(
    solved: Solved, value: Array, batch: Batch | IncompleteBatch, begin: Beginning | None
) -> Array:
    """χ² (b,) from the discrepancy's values; NaN for incomplete rows that test nothing."""
    n = solved.sample.n
    if isinstance(batch, IncompleteBatch):
        if begin is None or not len(value):
            return np.full(len(value), np.nan)
        return np.asarray(n * (value - refit_saturated(batch, begin, n)[1]))
    log_det = np.linalg.slogdet(batch.cov)[1]
    at_best = (batch.share * (log_det + solved.ram.n_observed)).sum(axis=1)
    return np.asarray(n * (value - at_best))


def watched(batches: Iterable[Any], n: int, what: str, shown: bool) -> Iterator[Any]:
    """With a progress bar over replicates where that takes more than two seconds."""
    if not shown:
        yield from batches
        return
    from tqdm.auto import tqdm

    with tqdm(total=n, desc=what, unit="refit", leave=False, delay=SHOWN_AFTER) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch.share) if isinstance(batch, Batch | IncompleteBatch) else 1)
