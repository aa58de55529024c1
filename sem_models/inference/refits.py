"""The refits of a bootstrap: as batches where complete-data maximum likelihood allows it, else one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SpecError
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.refit import Batch, refit
from sem_models.inference.replicates import Replicates
from sem_models.inference.resampling import Kind, drawn_from_model, left_out, resampled, rows_to_draw
from sem_models.model.ram import Array
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import complete_patterns
from sem_models.observed.rows import Rows

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

MANY = 20_000
"""Batched draws from which on a progress bar is shown."""

CHUNK = 256
"""Replicates in a batch; it fits the processor's cache and does not change a number."""

JACKKNIFE = 5_000
"""Most rows that are left out one by one for the acceleration of BCa intervals."""

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
    ram = solved.ram
    return (
        isinstance(solved.objective, NormalTheory) and solved.sample.complete and not solved.sample.unbiased
        and ram.unheld is None
    )  # fmt: skip


def _values(rows: Any) -> Array:
    if not isinstance(rows, Rows):
        raise DataError(
            "This fit was saved without its rows. Save it with include_rows=True, or fit the data anew."
        )
    return rows.values


def _batches(solved: Solved, n: int, kind: Kind, rng: np.random.Generator, chunk: int) -> Iterator[Batch]:
    at = solved.point.at
    mu = at.mu if solved.ram.has_means else solved.sample.mean
    if kind == "parametric":
        return drawn_from_model(at.sigma, mu, solved.sample.counts, n, rng, chunk)
    values = tuple(_values(rows) for rows in solved.sample.rows or ())
    return resampled(rows_to_draw(values, at.sigma, mu, kind), n, rng, chunk)


def batched(solved: Solved, n: int, kind: Kind, rng: np.random.Generator, progress: bool) -> Draws:
    params, moments, stats = [], [], []
    for batch in _watched(_batches(solved, n, kind, rng, CHUNK), n, progress and n >= MANY):
        found, value = _refit(solved, batch)
        kept = np.flatnonzero(np.isfinite(value))
        params.append(found[kept])
        moments.append(batch.at(kept))
        stats.append(_statistic(solved, value[kept], moments[-1]))
    statistic = np.concatenate(stats)
    free = solved.ram.free_values(np.concatenate(params))
    return Draws(Replicates(free, _joined(moments)), statistic, n - len(statistic))


def _joined(batches: list[Batch]) -> Batch:
    return Batch(*(np.concatenate([getattr(b, name) for b in batches]) for name in ("cov", "mean", "share")))


def _refit(solved: Solved, batch: Batch) -> tuple[Array, Array]:
    """Parameters (b, k) and values (b,) of a batch, NaN where it failed; strays are taken up carefully."""
    start = np.asarray(solved.point.params)
    objective: Any = solved.objective
    hessian = objective.hessian(solved.point)
    if np.linalg.eigvalsh(hessian)[0] <= 0:
        hessian = objective.information(solved.point)
    found = refit(solved.ram, start, hessian, batch, solved.sample.n)
    params, value = found.params.copy(), found.value.copy()
    for b in np.flatnonzero(~np.isfinite(value)):
        params[b], value[b] = _carefully(solved, batch.at(np.array([b])))
    return params, value


def _carefully(solved: Solved, batch: Batch) -> tuple[Array, float]:
    patterns = complete_patterns(batch.share[0] * solved.sample.n, batch.mean[0], batch.cov[0])
    objective = NormalTheory(solved.ram.with_covariates(batch.cov[0], batch.mean[0]), patterns, batch.mean[0])
    try:
        end = minimize(objective, np.asarray(solved.point.params), n_rows=solved.sample.n)
    except np.linalg.LinAlgError:
        return solved.point.params, np.nan
    value = 2.0 * float(end.point.value) if end.outcome is Outcome.CONVERGED else np.nan
    return np.asarray(end.point.params), value


def _statistic(solved: Solved, value: Array, batch: Batch) -> Array:
    """χ² (b,) from the discrepancy's values."""
    log_det = np.linalg.slogdet(batch.cov)[1]
    saturated = (batch.share * (log_det + solved.ram.n_observed)).sum(axis=1)
    return np.asarray(solved.sample.n * (value - saturated))


def one_by_one(
    solved: Solved, n: int, kind: Kind, rng: np.random.Generator, again: Again, progress: bool
) -> Draws:
    """Every refit by itself: incomplete rows, other estimators, constraints that bend."""
    sample = solved.sample
    free, stats, moments = [], [], []
    at = solved.point.at
    mu = at.mu if solved.ram.has_means else sample.mean
    if kind == "parametric":
        raise SpecError(
            "type='parametric' is built for complete-data maximum likelihood only, not this estimator yet."
        )
    values = [_values(rows) for rows in sample.rows or ()]
    if kind == "bollen.stine":
        moved = rows_to_draw(tuple(values), at.sigma, mu, kind)
        values = [x + c for x, c in zip(moved.centered, moved.center, strict=True)]
    for drawn in _watched(_indices(values, n, rng), n, progress):
        blocks = [x[i] for x, i in zip(values, drawn, strict=True)]
        end = _again_on(solved, blocks, again)
        if end is not None:
            free.append(end[0])
            stats.append(end[1])
            moments.append(end[2])
    stacked = np.array(free).reshape(len(free), solved.ram.n_free)
    together = _joined(moments) if moments and sample.complete else None
    return Draws(Replicates(stacked, together), np.array(stats), n - len(stats))


def _indices(values: list[Array], n: int, rng: np.random.Generator) -> Iterator[list[Any]]:
    for _ in range(n):
        yield [rng.integers(0, len(x), size=len(x)) for x in values]


def _again_on(solved: Solved, blocks: list[Array], again: Again) -> tuple[Array, float, Batch] | None:
    """Free rows, χ² and moments of the model on other rows; None where that fails."""
    sample, start = solved.sample, np.asarray(solved.point.params)
    patterns, membership = group_patterns(blocks, [None] * len(blocks))
    moments = Batch(patterns.cov[None], patterns.mean[None], sample.share[None])
    if not sample.complete:
        end = minimize(NormalTheory(solved.ram, patterns, sample.mean), start, n_rows=sample.n)
        return (end.point.free, np.nan, moments) if end.outcome is Outcome.CONVERGED else None
    rows = tuple(Rows(x, np.arange(len(x)), m) for x, m in zip(blocks, membership, strict=True))
    fresh = replace(
        sample, patterns=patterns, cov=patterns.cov, mean=patterns.mean, rows=rows, unbiased=False
    )
    fresh = fresh.with_unbiased_moments() if sample.unbiased else fresh
    try:
        found = again(fresh, start)
    except (DataError, SpecError, ConvergenceError, np.linalg.LinAlgError):
        return None
    return (found.point.free, found.minimum, moments) if found.status.converged else None


def jackknife(solved: Solved) -> Replicates:
    """Refits without each row in turn, for the acceleration of BCa intervals."""
    if not batchable(solved):
        raise SpecError(
            "interval='bca' is built for complete-data maximum likelihood, not for this fit yet. Use "
            "'percentile' or 'bc', the bias-corrected interval."
        )
    values = tuple(_values(rows) for rows in solved.sample.rows or ())
    if sum(map(len, values)) > JACKKNIFE:
        raise SpecError(
            f"interval='bca' leaves out each of {sum(map(len, values))} rows; with more than {JACKKNIFE} the "
            "acceleration is next to nothing. Use interval='bc'."
        )
    at = solved.point.at
    mu = at.mu if solved.ram.has_means else solved.sample.mean
    batches = list(left_out(rows_to_draw(values, at.sigma, mu, "ordinary"), CHUNK))
    found = [_refit(solved, batch) for batch in batches]
    fine = np.flatnonzero(np.isfinite(np.concatenate([value for _, value in found])))
    free = solved.ram.free_values(np.concatenate([params for params, _ in found]))
    return Replicates(free[fine], _joined(batches).at(fine))


def _watched(batches: Any, n: int, shown: bool) -> Any:
    """With a progress bar over replicates where that takes more than a moment."""
    if not shown:
        yield from batches
        return
    from tqdm.auto import tqdm

    with tqdm(total=n, desc="bootstrap", unit="refit", leave=False) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch.cov) if isinstance(batch, Batch) else 1)
