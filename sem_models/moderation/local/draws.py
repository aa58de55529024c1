"""Resamples and permutations of a local model: all focal points of many draws, refitted in batches.

The draws come replicate by replicate from one stream, so the size of a batch does not change a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.batches import Batch, IncompleteBatch, IncompleteRows
from sem_models.inference.drawing import Units, drawn_times
from sem_models.inference.refits import CHUNK, NUMBERS, curvature, refit_batch
from sem_models.inference.replicates import Replicates, row_replicates
from sem_models.inference.resampling import Gaps, with_covariates
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.local.moments import CompleteRows
from sem_models.moderation.local.points import Points, layout_at

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved
    from sem_models.moderation.local.problem import LocalProblem
    from sem_models.moderation.local.solve import LocalSolution

FEWEST = 20
"""Draws below which a bootstrap or a permutation test says nothing."""


@dataclass(frozen=True, eq=False)
class LocalDraws:
    """Rows (b, f, r) of the table in every draw by metric, NaN where a refit failed; seed of the stream."""

    rows: dict[str, Array]
    seed: int | None
    inadmissible: Array

    @property
    def n(self) -> int:
        return len(self.rows["raw"])

    @property
    def failed(self) -> Array:
        """Failed refits by focal point, (f,)."""
        return np.asarray(np.isnan(self.rows["raw"]).all(axis=2).sum(axis=0))


def check_draws(name: str, n: int) -> None:
    """SpecError for a number of draws that is no number, or too small to say anything."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0 or 0 < n < FEWEST:
        raise SpecError(
            f"{name}={n!r} must be 0, or a whole number of draws from {FEWEST} on; 1000 or more for a report."
        )


def bootstrap_points(
    problem: LocalProblem, solution: LocalSolution, n: int, seed: int | None, *, progress: bool = True
) -> LocalDraws:
    """Refits on resampled customers (or clusters of them); focal points and bandwidth stay as they are.

    Of incomplete rows the local slopes that are taken out stay as they are too.
    """
    points = solution.points
    rows, window = points.rows, points.window
    units = Units((len(rows.values),), (rows.cluster,), (None,))
    kernel = window.weights()
    rng = np.random.default_rng(seed)
    draws = drawn_times(units, n, rng, _chunk(points, solution))
    source = _Source(points, solution)

    def batches() -> Iterator[tuple[Array, Array]]:
        for (times,) in draws:
            yield times, np.broadcast_to(kernel, (len(times), *kernel.shape))

    return _refitted(solution, batches(), source, n, seed, "bootstrap", progress)


def permute_points(
    problem: LocalProblem, solution: LocalSolution, n: int, seed: int | None, *, progress: bool = True
) -> LocalDraws:
    """Refits with the moderator permuted among the customers, whose smooth means are taken out before.

    So the items' means may follow the moderator under the hypothesis that nothing else does. SpecError for
    clustered rows, which cannot be exchanged.
    """
    if problem.rows.cluster is not None:
        raise SpecError(
            "permutations= exchanges the moderator between customers, which rows in clusters do not allow. "
            "Leave out permutations=, or cluster=."
        )
    points = solution.points
    window = points.window
    flat = Points(window, problem.detrended, points.residualize, None)
    rng = np.random.default_rng(seed)
    source = _Source(flat, solution, start=None if solution.joint else problem.pooled.solved)
    size, chunk = len(window.moderator), _chunk(points, solution)

    unweighted = window.weights() / window.base

    def batches() -> Iterator[tuple[Array, Array]]:
        for begin in range(0, n, chunk):
            orders = np.stack([rng.permutation(size) for _ in range(min(chunk, n - begin))])
            source.moderator = window.moderator[orders]
            yield np.ones(orders.shape), np.moveaxis(unweighted[:, orders], 0, 1) * window.base

    return _refitted(solution, batches(), source, n, seed, "permutation", progress)


def _chunk(points: Points, solution: LocalSolution) -> int:
    n, p = points.rows.values.shape
    f = len(points.window.grid)
    if points.complete:
        return max(1, min(CHUNK, 10_000_000 // max(n * f, 1), CHUNK * 8 // f if solution.joint else CHUNK))
    return max(1, min(CHUNK, NUMBERS // (n * p * (f if solution.joint else 1))))


class _Source:
    """Batches of one focal point from weights of the rows; `moderator` (n,) or (b, n) goes with them."""

    def __init__(self, points: Points, solution: LocalSolution, start: Solved | None = None) -> None:
        self.points, self.solution = points, solution
        self.moderator = points.window.moderator
        self.complete = CompleteRows(points.rows.values, points.residualize) if points.complete else None
        self.layouts: dict[int, IncompleteRows] = {}
        self.start = start
        self.curves: dict[int, Array] = {}

    def fit(self, point: int) -> Solved | None:
        """Where the refits of a focal point start."""
        return self.start if self.start is not None else self.solution.at(point)[0]

    def hessian(self, point: int, solved: Solved) -> Array:
        key = -1 if self.start is not None or self.solution.joint else point
        if key not in self.curves:
            self.curves[key] = curvature(solved)
        return self.curves[key]

    def batch(self, point: int, weights: Array) -> Batch | IncompleteBatch:
        if self.complete is not None:
            return self.complete.batch(weights, self.moderator - self.points.window.grid[point])
        if point not in self.layouts:
            self.layouts[point] = layout_at(self.points, point)
        layout = self.layouts[point]
        share = weights / weights.sum(axis=1, keepdims=True)
        b, p = len(weights), layout.values.shape[1]
        blank = np.zeros((b, 1, p, p))
        whole = IncompleteBatch((layout,), (share,), np.ones((b, 1)), blank, blank[..., 0].copy())
        x = self.solution.points.rows.values
        fixed = self._exogenous()
        lacking = bool(len(fixed)) and bool(np.isnan(x[:, fixed]).any())
        solved = self.fit(point)
        start = (solved.sample.cov[:1], solved.sample.mean[:1]) if lacking and solved is not None else None
        return with_covariates(Gaps((layout,), fixed, start), whole)

    def _exogenous(self) -> IntArray:
        return next(s for s in self.solution.fits if s is not None).ram.exogenous


def _refitted(
    solution: LocalSolution, batches: Iterator[tuple[Array, Array]], source: _Source, n: int,
    seed: int | None, what: str, progress: bool,
) -> LocalDraws:  # fmt: skip
    f, r = len(solution.points.window.grid), solution.n_rows
    rows = {m: np.full((n, f, r), np.nan) for m in ("raw", "std_all")}
    improper = np.zeros(f, dtype=int)
    variances = [i for i, row in enumerate(solution.table.rows)
                 if row.op == "~~" and row.lhs == row.rhs and row.free]  # fmt: skip
    done = 0
    for times, kernel in _counted(batches, n, what, progress):
        b = len(times)
        place = slice(done, done + b)
        weights = times[:, None, :] * kernel
        work = _jointly if solution.joint else _singly
        for point, found in work(solution, source, weights):
            for metric in rows:
                rows[metric][place, point] = found[metric]
            improper[point] += int((found["raw"][:, variances] < 0).any(axis=1).sum())
        done += b
    return LocalDraws(rows, seed, improper)


def _counted(
    batches: Iterator[tuple[Array, Array]], n: int, what: str, shown: bool
) -> Iterator[tuple[Array, Array]]:
    """With a progress bar where it takes more than two seconds."""
    if not shown:
        yield from batches
        return
    from tqdm.auto import tqdm

    with tqdm(total=n, desc=what, unit="draw", leave=False, delay=2.0) as bar:
        for batch in batches:
            yield batch
            bar.update(len(batch[0]))


def _singly(
    solution: LocalSolution, source: _Source, weights: Array
) -> Iterator[tuple[int, dict[str, Array]]]:
    for point in range(weights.shape[1]):
        solved = source.fit(point)
        if solved is None or not solution.converged[point]:
            continue
        batch = source.batch(point, weights[:, point])
        params, value = refit_batch(solved, batch, source.hessian(point, solved))
        free = np.where(np.isfinite(value)[:, None], solved.ram.free_values(params), np.nan)
        moments = Batch(batch.cov, batch.mean, batch.share)
        yield point, _by_metric(solution, solved, free, moments)


def _jointly(
    solution: LocalSolution, source: _Source, weights: Array
) -> Iterator[tuple[int, dict[str, Array]]]:
    solved = solution.fits[0]
    assert solved is not None
    f = weights.shape[1]
    parts = [source.batch(point, weights[:, point]) for point in range(f)]
    share = weights.sum(axis=2)
    share = share / share.sum(axis=1, keepdims=True)
    cov, mean = (np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("cov", "mean"))
    batch: Batch | IncompleteBatch
    if isinstance(parts[0], Batch):
        batch = Batch(cov, mean, share)
    else:
        rows = tuple(p.rows[0] for p in parts if isinstance(p, IncompleteBatch))
        heavy = tuple(p.weights[0] for p in parts if isinstance(p, IncompleteBatch))
        batch = IncompleteBatch(rows, heavy, share, cov, mean)
    params, value = refit_batch(solved, batch, source.hessian(0, solved))
    free = np.where(np.isfinite(value)[:, None], solved.ram.free_values(params), np.nan)
    whole = {m: row_replicates(solved.table, solved.ram, Replicates(free, Batch(cov, mean, share)), m)
             for m in ("raw", "std_all")}  # fmt: skip
    r = len(solution.table.rows)
    for point in range(f):
        part = {m: v[:, point * r : (point + 1) * r] for m, v in whole.items()}
        yield point, {m: _with_defined(solution, v) for m, v in part.items()}


def _by_metric(solution: LocalSolution, solved: Solved, free: Array, moments: Batch) -> dict[str, Array]:
    drawn = Replicates(free, moments)
    with np.errstate(all="ignore"):
        return {m: row_replicates(solution.table, solved.ram, drawn, m) for m in ("raw", "std_all")}


def _with_defined(solution: LocalSolution, rows: Array) -> Array:
    from sem_models.inference.replicates import defined_values

    return np.concatenate([rows, defined_values(solution.table, rows)], axis=1)
