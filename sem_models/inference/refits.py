"""The refits of a bootstrap: as batches where maximum likelihood allows it, else one by one.

Rows without missing values enter as moments. Incomplete rows enter with the weights that the draw gives them
(estimation/batches.py); many rows of few missing patterns are cheaper one replicate at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SpecError
from sem_models.estimation.batches import Batch, IncompleteBatch, saturated
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.refit import refit
from sem_models.inference.drawing import Units, drawn_times, drawn_units, units_of
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
)
from sem_models.model.ram import Array, IntArray
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

ENOUGH = 1e-6
"""Change of χ² in a step at which the saturated moments of a replicate count as found."""

Again = Callable[[Any, Array], "Solved"]
"""Fits the model on another sample from given parameters."""


@dataclass(frozen=True)
class Draws:
    """Replicates that converged, in the order drawn, with χ² (b,) where there is one, and how many failed."""

    replicates: Replicates
    statistic: Array
    failed: int


def refitter(solved: Solved) -> Again:
    """The whole way of a fit for another sample, without its errors and tests."""
    from sem_models.estimation.fit import solve

    plain = replace(solved.options, se="standard", test=("standard",), check_identification=False)
    held = solved.ram.unheld is not None  # its parameters run along the constraints and are no start

    def again(sample: Any, start: Array) -> Solved:
        return solve(solved.table, sample, plain, None if held else start)

    return again


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


def row_gaps(solved: Solved) -> Gaps:
    return gaps_of(row_values(solved), solved.ram.exogenous, solved.sample.cov, solved.sample.mean)


def chunk_of(solved: Solved) -> int:
    """Replicates in a batch."""
    if solved.sample.complete:
        return CHUNK
    return max(1, min(CHUNK, NUMBERS // (sum(solved.sample.counts) * len(solved.sample.variables))))


def _batches(
    solved: Solved, n: int, kind: Kind, rng: np.random.Generator
) -> Iterator[Batch] | Iterator[IncompleteBatch]:
    at, chunk = solved.point.at, chunk_of(solved)
    mu = at.mu if solved.ram.has_means else solved.sample.mean
    if not solved.sample.complete:
        gaps = row_gaps(solved)
        if kind == "parametric":
            return gaps_from_model(gaps, at.sigma, mu, n, rng, chunk)
        units = row_units(solved)
        return resampled_gaps(gaps, drawn_times(units, n, rng, chunk), units)
    if kind == "parametric":
        return drawn_from_model(at.sigma, mu, solved.sample.counts, n, rng, chunk)
    rows = rows_to_draw(row_values(solved), at.sigma, mu, kind)
    return resampled(rows, n, rng, chunk, row_units(solved))


def batched(solved: Solved, n: int, kind: Kind, rng: np.random.Generator, progress: bool) -> Draws:
    params, moments, stats = [], [], []
    hessian = curvature(solved)
    for batch in watched(_batches(solved, n, kind, rng), n, "bootstrap", progress):
        found, value = refit_batch(solved, batch, hessian)
        kept = np.flatnonzero(np.isfinite(value))
        batch = batch.at(kept)
        params.append(found[kept])
        moments.append(Batch(batch.cov, batch.mean, batch.share))
        stats.append(_statistic(solved, value[kept], batch, kind))
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
    found = refit(solved.ram, start, hessian, batch, solved.sample.n)
    params, value = found.params.copy(), found.value.copy()
    for b in np.flatnonzero(~np.isfinite(value)):
        params[b], value[b] = _carefully(solved, batch.at(np.array([b])))
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


def _statistic(solved: Solved, value: Array, batch: Batch | IncompleteBatch, kind: Kind) -> Array:
    """χ² (b,) from the discrepancy's values; NaN for incomplete rows that test nothing."""
    if isinstance(batch, IncompleteBatch):
        if kind == "ordinary" or not solved.sample.saturated or not len(value):
            return np.full(len(value), np.nan)
        n = solved.sample.n
        _, best = saturated(batch, solved.sample.cov, solved.sample.mean, tolerance=ENOUGH / n)
        return np.asarray(n * (value - best))
    log_det = np.linalg.slogdet(batch.cov)[1]
    at_best = (batch.share * (log_det + solved.ram.n_observed)).sum(axis=1)
    return np.asarray(solved.sample.n * (value - at_best))


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one group that the model is fitted on: values (n, p), weight (n,) and cluster (n,) or None."""

    values: Array
    weight: Array | None = None
    cluster: IntArray | None = None


def one_by_one(
    solved: Solved, n: int, kind: Kind, rng: np.random.Generator, again: Again, progress: bool
) -> Draws:
    """Every refit by itself: other estimators, constraints that bend, many rows of few missing patterns."""
    samples = _from_model(solved, n, rng) if kind == "parametric" else _drawn(solved, n, kind, rng)
    found = [end for blocks in watched(samples, n, "bootstrap", progress)
             if (end := again_on(solved, blocks, again)) is not None]  # fmt: skip
    free = np.array([end[0] for end in found]).reshape(len(found), solved.ram.n_free)
    together = joined([end[2] for end in found]) if found and solved.sample.complete else None
    return Draws(Replicates(free, together), np.array([end[1] for end in found]), n - len(found))


def _drawn(solved: Solved, n: int, kind: Kind, rng: np.random.Generator) -> Iterator[list[Block]]:
    values, units = row_values(solved), row_units(solved)
    if kind == "bollen.stine":
        at = solved.point.at
        mu = at.mu if solved.ram.has_means else solved.sample.mean
        moved = rows_to_draw(values, at.sigma, mu, kind)
        values = tuple(x + c for x, c in zip(moved.centered, moved.center, strict=True))
    members = [_members(c, len(x)) for c, x in zip(units.cluster, values, strict=True)]
    for _ in range(n):
        drawn = [d[0] for d in drawn_units(units.counts, 1, rng)]
        rows = [np.concatenate([m[u] for u in d]) for m, d in zip(members, drawn, strict=True)]
        # a cluster that is drawn twice counts as two
        again = [
            np.repeat(np.arange(len(d)), [len(m[u]) for u in d]) for m, d in zip(members, drawn, strict=True)
        ]
        yield _blocks(values, units, rows, again)


def _members(cluster: IntArray | None, n: int) -> Sequence[IntArray]:
    """The rows of each unit."""
    if cluster is None:
        return list(np.arange(n, dtype=np.intp)[:, None])
    order = np.argsort(cluster, kind="stable")
    return np.split(order, np.searchsorted(cluster[order], np.arange(1, int(cluster.max()) + 1)))


def _blocks(
    values: tuple[Array, ...],
    units: Units,
    rows: Sequence[IntArray],
    members: Sequence[IntArray] | None = None,
) -> list[Block]:
    """Chosen rows; their weights normalized within groups where those of the fit were. members number their
    clusters, by default those of the fit."""
    out = []
    for g, (x, w, at) in enumerate(zip(values, units.weight, rows, strict=True)):
        weight = None if w is None else w[at] * (len(at) / w[at].sum() if units.by_group else 1.0)
        of_rows = units.cluster[g]
        cluster: IntArray | None = None
        if of_rows is not None:
            cluster = np.unique(of_rows[at] if members is None else members[g], return_inverse=True)[1]
        out.append(Block(x[at], weight, cluster))
    return out


def blocks_without(solved: Solved) -> Iterator[list[Block]]:
    """The rows without each unit in turn, group by group."""
    values, units = row_values(solved), row_units(solved)
    whole = [np.arange(len(x), dtype=np.intp) for x in values]
    for g, cluster in enumerate(units.cluster):
        unit = whole[g] if cluster is None else cluster
        for k in range(units.counts[g]):
            yield _blocks(values, units, [*whole[:g], np.flatnonzero(unit != k), *whole[g + 1 :]])


def _from_model(solved: Solved, n: int, rng: np.random.Generator) -> Iterator[list[Block]]:
    """Normal samples of the model, missing what the data miss."""
    sample, at = solved.sample, solved.point.at
    mu = at.mu if solved.ram.has_means else sample.mean
    roots = np.linalg.cholesky(at.sigma)
    missing = [np.isnan(x) for x in row_values(solved)] if not sample.complete else [None] * len(mu)
    for _ in range(n):
        blocks = []
        for size, root, center, gone in zip(sample.counts, roots, mu, missing, strict=True):
            x = rng.standard_normal((size, len(center))) @ root.T + center
            blocks.append(Block(x if gone is None else np.where(gone, np.nan, x)))
        yield blocks


def again_on(solved: Solved, blocks: list[Block], again: Again) -> tuple[Array, float, Batch] | None:
    """Free rows, χ² and moments of the model on other rows; None where that fails."""
    sample, start = solved.sample, np.asarray(solved.point.params)
    if sample.ordinal is not None:
        from sem_models.inference.ordinal_refits import items_again

        return items_again(solved, blocks, again)
    patterns, membership = group_patterns([b.values for b in blocks], [b.weight for b in blocks])
    one = len(patterns.group) == len(blocks)
    moments = Batch(patterns.cov[None], patterns.mean[None], sample.share[None]) if one else None
    try:
        if not sample.complete and solved.ram.unheld is None:
            end = minimize(NormalTheory(solved.ram, patterns, sample.mean), start, n_rows=sample.n)
            blank = Batch(sample.cov[None], sample.mean[None], sample.share[None])
            return (end.point.free, np.nan, blank) if end.outcome is Outcome.CONVERGED else None
        rows = tuple(
            Rows(b.values, np.arange(len(b.values)), m, b.weight)
            for b, m in zip(blocks, membership, strict=True)
        )
        fresh = replace(sample, patterns=patterns, rows=rows, clustered=False, unbiased=False)
        if moments is not None:
            fresh = replace(fresh, cov=patterns.cov, mean=patterns.mean)
        fresh = fresh.with_unbiased_moments() if sample.unbiased else fresh
        found = again(fresh, start)
    except (DataError, SpecError, ConvergenceError, np.linalg.LinAlgError):
        return None
    if not found.status.converged:
        return None
    blank = Batch(sample.cov[None], sample.mean[None], sample.share[None])
    statistic = found.minimum if moments is not None else np.nan  # its saturated moments are not its own
    return found.point.free, statistic, moments or blank


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
