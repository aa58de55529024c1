"""The bootstrap of a fit: refits on resampled rows, and the errors, intervals and tests that follow.

Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap; Bollen, K. A., & Stine, R. A. (1992).
Bootstrapping goodness-of-fit measures in structural equation models. Sociological Methods & Research, 21;
Savalei, V., & Yuan, K.-H. (2009). On the model-based bootstrap with missing data. Multivariate Behavioral
Research, 44.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError, DataError, SpecError, did_you_mean
from sem_models.estimation.optimizer import Outcome
from sem_models.inference.columns import checked_level
from sem_models.inference.effects import effects
from sem_models.inference.intervals import (
    KINDS,
    IntervalKind,
    center_and_spread,
    intervals,
    jackknife_acceleration,
)
from sem_models.inference.jackknife import jackknife
from sem_models.inference.ordinal_refits import batched_items, items_batchable
from sem_models.inference.ordinal_variances import derives_residuals
from sem_models.inference.refits import Draws, batchable, batched, row_values
from sem_models.inference.replicates import Replicates, effect_replicates, row_replicates
from sem_models.inference.resampling import Kind
from sem_models.inference.single_refits import one_by_one, refitter
from sem_models.inference.standardized import Metric
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved
Metrics = Literal["raw", "std_all", "std_lv", "std_nox"]

MANY = 0.1
"""Share of failed refits above which the others are no fair sample of what resampling does."""

NO_CHI_SQUARE = "There is no χ² to compare: the saturated moments of these incomplete data do not exist."


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
        """Replicates in which the variance of a free parameter, or of an ordered item's residual, is
        negative."""
        rows = self.solved.table.rows
        derived = derives_residuals(self.solved.ram)
        variances = [i for i, r in enumerate(rows) if r.op == "~~" and r.lhs == r.rhs and (r.free or derived)]
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
        drawn = self.draws.statistic[np.isfinite(self.draws.statistic)]
        if not np.isfinite(stat) or not len(drawn):
            raise DataError(NO_CHI_SQUARE)
        share = float((drawn >= stat).mean())
        return pd.Series(
            {"test": self.kind, "stat": stat, "df": self.solved.df, "pvalue": share, "n": len(drawn)}
        )

    def estimates(self, *, interval: IntervalKind = "percentile", level: float = 0.95) -> pd.DataFrame:
        """lhs, op, rhs, group, label, est, se (standard deviation of the replicates), bias and interval."""
        return self._table("raw", "est", interval, level)

    def standardized(
        self, type: Metric = "std_all", *, interval: IntervalKind = "percentile", level: float = 0.95
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
        if self.n_failed > MANY * self.n_requested:
            out += " (too many to rely on the others: simplify the model, or see fit.diagnose())"
        return out + (f", {self.n_inadmissible} inadmissible" if self.n_inadmissible else "")

    def __repr__(self) -> str:
        return f"<Bootstrap: {self.line()}>"

    def _rows(self, metric: Metrics) -> Array:
        return row_replicates(self.solved.table, self.solved.ram, self.draws.replicates, metric)

    def _table(self, metric: Metrics, name: str, interval: IntervalKind, level: float) -> pd.DataFrame:
        solved = self.solved
        known = ("raw", "std_all", "std_lv", "std_nox")
        if metric not in known:
            raise SpecError(f"type='{metric}' is unknown. {did_you_mean(metric, known, noun='types')}")
        keys = [(r.lhs, r.op, r.rhs, solved.table.groups[r.block - 1], r.label) for r in solved.table.rows]
        keys += [(d, ":=", str(expression), "", d) for d, expression in solved.table.definitions]
        values = solved.rows if metric == "raw" else solved.standardized(metric)
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
        checked_level(level)
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
        center, spread = center_and_spread(replicates)
        return {
            name: value, f"se{suffix}": np.where(spread < 1e-12 * (1 + np.abs(value)), 0.0, spread),
            f"bias{suffix}": center - value,
            f"ci_lower{suffix}": low, f"ci_upper{suffix}": high,
        }  # fmt: skip


def bootstrap(solved: Solved, n: int, kind: Kind, seed: int | None, *, progress: bool = True) -> Bootstrap:
    """Refit the model n times on resampled rows (within groups), or on normal samples of the model.

    Maximum likelihood runs in batches, with missing answers too, and so do ordered items by diagonally
    weighted or unweighted least squares; other estimators and constraints that bend are refitted one by one.
    Clusters are drawn whole; weights go with their rows. Fits to pairwise or two-stage moments make them anew
    in every replicate, auxiliary variables included. Raises SpecError or DataError for what cannot be
    resampled, ConvergenceError where fewer than ten refits converged.
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
    if items_batchable(solved):
        draws = batched_items(solved, n, rng, progress)
    elif batchable(solved):
        draws = batched(solved, n, kind, rng, progress)
    else:
        draws = one_by_one(solved, n, kind, rng, refitter(solved), progress)
    if len(draws.statistic) < 10:
        raise ConvergenceError(
            f"Only {len(draws.statistic)} of {n} refits converged. The model is too large for these data; "
            "see fit.diagnose()."
        )
    return Bootstrap(solved, kind, n, seed, draws, partial(jackknife, solved))


def _check_rows(solved: Solved, kind: Kind) -> None:
    sample = solved.sample
    if sample.ordinal is not None:
        if kind != "ordinary":
            raise SpecError(
                f"type='{kind}' is built for continuous variables; answers to ordered items cannot be moved "
                "so that a model holds in them. Use type='ordinary', and the scaled test of the fit."
            )
        row_values(solved)
        return
    if sample.rows is None and kind != "parametric":
        raise DataError(
            "The bootstrap draws rows, and this fit has only moments. Fit from the raw data, or use "
            "type='parametric', which draws normal samples of the model."
        )
    if (sample.weighted or sample.clustered) and kind != "ordinary":
        raise SpecError(
            f"type='{kind}' takes rows as equal and independent, which weights and clusters deny. Use "
            "type='ordinary'."
        )
    if kind == "bollen.stine" and not sample.saturated:
        raise DataError(
            f"type='bollen.stine' compares χ². {NO_CHI_SQUARE} Use type='ordinary' for intervals."
        )
