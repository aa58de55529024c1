"""The bootstrap of a fit: refits on resampled rows, and the errors, intervals and tests that follow.

Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap; Bollen, K. A., & Stine, R. A. (1992).
Bootstrapping goodness-of-fit measures in structural equation models. Sociological Methods & Research, 21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError, DataError, SpecError, did_you_mean
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.refit import Batch, filled, refit
from sem_models.inference.effects import effects
from sem_models.inference.intervals import KINDS, IntervalKind, intervals, jackknife_acceleration
from sem_models.inference.replicates import Replicates, effect_replicates, row_replicates
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


@dataclass(frozen=True)
class Bootstrap:
    """A bootstrap of a fit. `estimates()`, `standardized()` and `effects()` give intervals, `test` a p value.

    n_failed refits did not converge and are left out; n_inadmissible of the others have a negative variance.
    """

    solved: Solved
    kind: Kind
    n_requested: int
    seed: int | None
    draws: Draws
    acceleration_from: Callable[[], Replicates]

    @property
    def n_failed(self) -> int:
        return self.draws.failed

    @property
    def n_used(self) -> int:
        return len(self.draws.statistic)

    @cached_property
    def n_inadmissible(self) -> int:
        """Replicates in which the variance of a free parameter is negative."""
        rows = self.solved.table.rows
        variances = [i for i, r in enumerate(rows) if r.op == "~~" and r.lhs == r.rhs and r.free]
        return int((self._rows("raw")[:, variances] < 0).any(axis=1).sum())

    def vcov(self) -> Array:
        """Covariance (q, q) of the free rows over replicates, divisor b as lavaan has it."""
        return np.asarray(np.atleast_2d(np.cov(self.draws.replicates.free.T, bias=True)))

    @property
    def test(self) -> pd.Series:
        """Share of replicates whose χ² is at least that of the data: the Bollen–Stine p value."""
        if self.kind == "ordinary":
            raise SpecError(
                "Rows drawn from the data as they are do not satisfy the model, so they give no test of it. "
                "Use fit.bootstrap(type='bollen.stine')."
            )
        stat = self.solved.minimum
        share = float((self.draws.statistic >= stat).mean())
        return pd.Series(
            {"test": self.kind, "stat": stat, "df": self.solved.df, "pvalue": share, "n": self.n_used}
        )

    def estimates(self, *, interval: IntervalKind = "percentile", level: float = 0.95) -> pd.DataFrame:
        """lhs, op, rhs, group, label, est, se (standard deviation of the replicates), bias and interval."""
        return self._table("raw", "est", interval, level)

    def standardized(
        self, type: str = "std_all", *, interval: IntervalKind = "percentile", level: float = 0.95
    ) -> pd.DataFrame:
        """The same in units of standard deviations, each replicate by its own."""
        return self._table(type, "est_std", interval, level)

    def effects(self, *, interval: IntervalKind = "percentile", level: float = 0.95) -> pd.DataFrame:
        """Direct, indirect and total effects per group, raw and standardized, with bootstrap intervals."""
        solved = self.solved
        found = effects(solved.table, solved.ram, solved.point.free, solved.point.at)
        frame = pd.DataFrame(
            [(solved.table.groups[e.group], e.source, e.target, e.kind, e.path) for e in found],
            columns=["group", "source", "target", "kind", "path"],
        )
        for suffix, standardized in (("", False), ("_std", True)):
            value = np.array([e.standardized if standardized else e.value for e in found])
            of = partial(effect_replicates, solved.ram, found, standardized=standardized)
            frame = frame.assign(**self._columns(value, of, interval, level, f"est{suffix}", suffix))
        return frame

    def replicates(self) -> pd.DataFrame:
        """The free parameters (columns) in every replicate (rows)."""
        names = self.solved.table.names()
        return pd.DataFrame(
            self.draws.replicates.free, columns=[names[n] for n in self.solved.ram.row_of_free]
        )

    def line(self) -> str:
        """What was drawn, and how many refits failed."""
        out = f"{self.n_used} of {self.n_requested} {self.kind} bootstrap replicates used"
        out += f", {self.n_failed} refits failed" if self.n_failed else ", no refit failed"
        return out + (f", {self.n_inadmissible} inadmissible" if self.n_inadmissible else "")

    def __repr__(self) -> str:
        return f"<Bootstrap: {self.line()}>"

    def _rows(self, metric: str) -> Array:
        return row_replicates(self.solved.table, self.solved.ram, self.draws.replicates, metric)

    def _table(self, metric: str, name: str, interval: IntervalKind, level: float) -> pd.DataFrame:
        solved = self.solved
        known = ("raw", "std_all", "std_lv", "std_nox")
        if metric not in known:
            raise SpecError(f"type='{metric}' is unknown. {did_you_mean(metric, known, noun='types')}")
        keys = [(r.lhs, r.op, r.rhs, solved.table.groups[r.block - 1], r.label) for r in solved.table.rows]
        keys += [(d, ":=", str(expression), "", d) for d, expression in solved.table.definitions]
        values = solved.rows if metric == "raw" else solved.standardized(metric)  # type: ignore[arg-type]
        value = np.append(values.value, solved.defined(values).value)
        columns = self._columns(
            value, lambda r: row_replicates(solved.table, solved.ram, r, metric), interval, level, name, ""
        )
        return pd.DataFrame(keys, columns=["lhs", "op", "rhs", "group", "label"]).assign(**columns)

    def _columns(
        self, value: Array, of: Callable[[Replicates], Array], interval: IntervalKind, level: float,
        name: str, suffix: str,
    ) -> dict[str, Array]:  # fmt: skip
        if interval not in KINDS:
            raise SpecError(
                f"interval='{interval}' is unknown. {did_you_mean(interval, KINDS, noun='intervals')}"
            )
        if not 0 < level < 1:
            raise SpecError(f"level={level!r} must lie between 0 and 1, as 0.95.")
        if self.kind == "bollen.stine":
            raise SpecError(
                "A Bollen–Stine bootstrap draws from data that satisfy the model: it gives the model's test, "
                "not intervals. Use fit.bootstrap(type='ordinary')."
            )
        replicates = of(self.draws.replicates)
        acceleration = None
        if interval == "bca":
            acceleration = jackknife_acceleration(of(self.acceleration_from()))
        low, high = intervals(interval, value, replicates, level, acceleration)
        spread = replicates.std(axis=0)
        return {
            name: value, f"se{suffix}": np.where(spread < 1e-12 * (1 + np.abs(value)), 0.0, spread),
            f"bias{suffix}": replicates.mean(axis=0) - value,
            f"ci_lower{suffix}": low, f"ci_upper{suffix}": high,
        }  # fmt: skip


def bootstrap(solved: Solved, n: int, kind: Kind, seed: int | None, *, progress: bool = True) -> Bootstrap:
    """Refit the model n times on resampled rows (within groups), or on normal samples of the model.

    Complete-data maximum likelihood runs as a batch; other estimators, missing answers and constraints that
    bend are refitted one by one. Raises SpecError or DataError for what cannot be resampled, and
    ConvergenceError where fewer than ten refits converged.
    """
    kinds = get_args(Kind)
    if kind not in kinds:
        raise SpecError(f"type='{kind}' is unknown. {did_you_mean(kind, kinds, noun='bootstraps')}")
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 10:
        raise SpecError(f"A bootstrap of {n!r} draws tells nothing. Ask for a whole number, 1000 or more.")
    if solved.solution.outcome is not Outcome.CONVERGED:
        raise ConvergenceError(
            "The fit itself did not converge, so there is nothing to bootstrap. See fit.diagnose()."
        )
    _check_rows(solved, kind)
    rng = np.random.default_rng(seed)
    again = _refitter(solved)
    draws = (
        _batched(solved, n, kind, rng, progress)
        if _batchable(solved)
        else _one_by_one(solved, n, kind, rng, again, progress)
    )
    if len(draws.statistic) < 10:
        raise ConvergenceError(
            f"Only {len(draws.statistic)} of {n} refits converged. The model is too large for these data; "
            "see fit.diagnose()."
        )
    return Bootstrap(solved, kind, n, seed, draws, lambda: _jackknife(solved))


def _refitter(solved: Solved) -> Again:
    """The whole way of a fit for another sample, without its errors and tests."""
    from sem_models.estimation.fit import solve

    plain = replace(solved.options, se="standard", test=("standard",), check_identification=False)
    held = solved.ram.unheld is not None  # its parameters run along the constraints and are no start

    def again(sample: Any, start: Array) -> Solved:
        return solve(solved.table, sample, plain, None if held else start)

    return again


def _check_rows(solved: Solved, kind: Kind) -> None:
    sample = solved.sample
    if sample.rows is None and kind != "parametric":
        raise DataError(
            "The bootstrap draws rows, and this fit has only moments. Fit from the raw data, or use "
            "type='parametric', which draws normal samples of the model."
        )
    pairwise = solved.options.missing == "pairwise"
    if sample.weighted or sample.clustered or sample.gamma is not None or pairwise:
        raise SpecError(
            "The bootstrap of weighted, clustered, pairwise and two-stage fits is not built yet. Use their "
            "robust standard errors, or fit.effects(interval='montecarlo')."
        )
    if kind != "ordinary" and not sample.complete:
        raise SpecError(
            f"type='{kind}' needs complete rows; these have missing answers. Use type='ordinary'."
        )


def _batchable(solved: Solved) -> bool:
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


def _batched(solved: Solved, n: int, kind: Kind, rng: np.random.Generator, progress: bool) -> Draws:
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
    objective = NormalTheory(_with_covariates(solved, batch), patterns, batch.mean[0])
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


def _with_covariates(solved: Solved, batch: Batch) -> Any:
    """The model with the replicate's own moments of fixed covariates."""
    _, s_mat, m_vec = filled(solved.ram, solved.point.free[None], batch)
    x = solved.ram.exogenous
    s_base, m_base = solved.ram.s_base.copy(), solved.ram.m_base.copy()
    s_base[:, x[:, None], x] = s_mat[0][:, x[:, None], x]
    m_base[:, x] = m_vec[0][:, x]
    return replace(solved.ram, s_base=s_base, m_base=m_base)


def _one_by_one(
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


def _jackknife(solved: Solved) -> Replicates:
    """Refits without each row in turn, for the acceleration of BCa intervals."""
    if not _batchable(solved):
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
