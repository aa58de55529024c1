"""A model at its estimates: everything that inference is computed from, and nothing for the eye."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi

import numpy as np

from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.optimizer import Outcome, Solution
from sem_models.estimation.options import Options
from sem_models.estimation.scores import free_scores
from sem_models.inference.covariance import ParameterCovariance, parameter_covariance
from sem_models.inference.definitions import defined_values
from sem_models.inference.header import Status
from sem_models.inference.standardized import Metric, Values, row_values, standardize
from sem_models.inference.test_statistics import ChiSquare, n_moments, saturated_trace, saturated_value
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable
from sem_models.observed.sample import Sample

STATIONARY = 1e-3
"""Distance to the optimum, in standard errors, above which a solution does not count as stationary."""


@dataclass(frozen=True)
class Solved:
    """Table, sample, options and the solution; what follows from them is computed once, when asked for."""

    table: ParameterTable
    ram: RamModel
    sample: Sample
    options: Options
    objective: NormalTheory
    solution: Solution

    @property
    def point(self) -> Point:
        assert self.solution.point is not None
        return self.solution.point

    def objective_for(self, ram: RamModel) -> NormalTheory:
        """The same data under another model."""
        return NormalTheory(ram, self.sample.patterns, self.sample.mean)

    @cached_property
    def covariance(self) -> ParameterCovariance:
        options = self.options
        return parameter_covariance(
            self.objective, self.point, self.sample,
            se=options.se, information=options.information, scores=options.robust,  # type: ignore[arg-type]
        )  # fmt: skip

    @cached_property
    def df(self) -> int:
        return n_moments(self.sample, self.ram.exogenous, has_means=self.ram.has_means) - self.ram.n_params

    @cached_property
    def saturated_value(self) -> float:
        return saturated_value(self.sample)

    @cached_property
    def chi_square(self) -> ChiSquare:
        scaling = None
        if self.options.robust and self.traces is not None and self.df:
            scaling = (self.traces[0] - self.traces[1]) / self.df
        return ChiSquare(2.0 * self.sample.n_used * self.fmin, self.df, scaling)

    @cached_property
    def fmin(self) -> float:
        return max(float(self.point.value) - self.saturated_value, 0.0)

    @cached_property
    def saturated_trace(self) -> float | None:
        if self.sample.rows is None:
            return None
        return saturated_trace(self.sample, self.ram.exogenous, has_means=self.ram.has_means)

    @cached_property
    def traces(self) -> tuple[float, float] | None:
        """tr(A⁻¹B) of the saturated and of this model, or None where either does not exist."""
        covariance = self.covariance
        if self.saturated_trace is None or covariance.meat is None or covariance.singular:
            return None
        return self.saturated_trace, float(np.trace(np.linalg.solve(covariance.information, covariance.meat)))

    def test_of(self, objective: NormalTheory, point: Point, df: int) -> ChiSquare:
        """The test of another model on the same data, scaled as this one's."""
        statistic = max(2.0 * self.sample.n_used * (float(point.value) - self.saturated_value), 0.0)
        if not (
            self.options.robust and df and self.saturated_trace is not None and self.sample.rows is not None
        ):
            return ChiSquare(statistic, df)
        scores = free_scores(objective, point, self.sample.rows) @ objective.ram.reduction
        trace = np.trace(np.linalg.solve(objective.hessian(point), scores.T @ scores / self.sample.n_used))
        return ChiSquare(statistic, df, (self.saturated_trace - float(trace)) / df)

    def _logl(self, value: float) -> float:
        """Log-likelihood of a discrepancy value, conditional on fixed covariates."""
        patterns, x = self.sample.patterns, self.ram.exogenous
        constant = float((patterns.size * patterns.seen.sum(axis=1)).sum()) * log(2 * pi)
        total = -self.sample.n_used * value - 0.5 * constant
        if len(x):
            log_det = np.linalg.slogdet(self.sample.cov[:, x[:, None], x])[1]
            total += 0.5 * float((self.sample.n_by_group * (log_det + len(x) * (1 + log(2 * pi)))).sum())
        return total

    @property
    def logl(self) -> float:
        return self._logl(float(self.point.value))

    @property
    def saturated_logl(self) -> float:
        return self._logl(self.saturated_value)

    @cached_property
    def rows(self) -> Values:
        return row_values(self.table, self.ram, self.point.free, self.point.at)

    def standardized(self, metric: Metric) -> Values:
        return standardize(self.table, self.ram, self.point.free, self.point.at, metric)

    def defined(self, rows: Values) -> Values:
        return defined_values(self.table, rows)

    def errors_of(self, jacobian: Array) -> Array:
        """Delta-method standard errors √diag(J V Jᵀ) of values with derivatives J (n, q)."""
        variance = np.einsum("iq,qr,ir->i", jacobian, self.covariance.free, jacobian, optimize=True)
        return np.sqrt(np.where(variance < 0, np.nan, variance))

    @cached_property
    def status(self) -> Status:
        outcome = self.solution.outcome
        converged = outcome is Outcome.CONVERGED
        reasons = [] if converged else [outcome.value]
        distance = float(np.sqrt(max(self.solution.decrement, 0.0) * self.sample.n_used))
        stationary = distance < STATIONARY
        if not stationary:
            reasons.append(
                f"The gradient is not zero: the optimum is about {distance:.2g} standard errors away."
            )
        improper = [*self._negative_variances(), *self._indefinite_blocks()]
        if self.covariance.singular:
            reasons.append(
                "The information matrix is singular, so standard errors do not exist; a parameter is "
                "not identified by these data."
            )
        return Status(converged, stationary, not improper, (*reasons, *improper))

    def _negative_variances(self) -> list[str]:
        out = []
        errors = self.errors_of(self.rows.jacobian)
        for i, row in enumerate(self.table.rows):
            if row.op == "~~" and row.lhs == row.rhs and row.free and self.rows.value[i] < 0:
                where = f" in group {self.table.groups[row.block - 1]}" if len(self.table.groups) > 1 else ""
                covers = self.rows.value[i] + 1.96 * errors[i] > 0
                tail = "its 95 % interval covers zero" if covers else "its whole 95 % interval is below zero"
                out.append(
                    f"The variance of {row.lhs}{where} is negative ({self.rows.value[i]:.3g}; {tail})."
                )
        return out

    def _indefinite_blocks(self) -> list[str]:
        """Latent covariance matrices with an eigenvalue below zero although no variance is negative."""
        out = []
        p = self.ram.n_observed
        for g, label in enumerate(self.table.groups):
            cov = self.point.at.cov_all[g, p:, p:]
            diagonal = np.diagonal(cov)
            if not len(cov) or (diagonal <= 0).any():
                continue
            scale = np.sqrt(diagonal)
            if np.linalg.eigvalsh(cov / np.outer(scale, scale))[0] < -1e-8:
                where = f" in group {label}" if len(self.table.groups) > 1 else ""
                out.append(
                    f"The covariance matrix of the latent variables{where} is not positive definite "
                    "(a correlation beyond ±1)."
                )
        return out
