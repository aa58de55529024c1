"""A model at its estimates: everything that inference is computed from, and nothing for the eye."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import log, pi

import numpy as np

from sem_models.estimation.estimators import RESIDUAL_TESTS, YUAN_BENTLER
from sem_models.estimation.information import Information
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.optimizer import Outcome, Solution
from sem_models.estimation.options import Options
from sem_models.estimation.units import row_units, variable_units
from sem_models.inference.bootstrap import Bootstrap, bootstrap
from sem_models.inference.covariance import ParameterCovariance, parameter_covariance
from sem_models.inference.culprits import flat_names
from sem_models.inference.culprits import reason as culprit_reason
from sem_models.inference.definitions import defined_numbers, defined_values
from sem_models.inference.header import Status
from sem_models.inference.information import parameter_information, parameter_meat, saturated_gamma
from sem_models.inference.resampled import Resampled, summary_of
from sem_models.inference.residual_tests import residual_test
from sem_models.inference.rounding import ZERO
from sem_models.inference.scaled_tests import empirical_gamma, projection, scaled_test, traces
from sem_models.inference.standardized import Metric, Values, row_values, standardize, standardized_values
from sem_models.inference.test_statistics import ChiSquare, n_moments, saturated_trace, saturated_value
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable
from sem_models.observed.patterns import discrepancy
from sem_models.observed.sample import Sample
from sem_models.observed.saturated_scores import saturated_meat

STATIONARY = 1e-3
"""Distance to the optimum, in standard errors, above which a solution does not count as stationary."""

ROUNDING = 1e-15
"""Share of what its parts could amount to below which a variance is zero: a constraint holds the value."""


@dataclass(frozen=True)
class Solved:
    """Table, sample, options and the solution; what follows from them is computed once, when asked for."""

    table: ParameterTable
    ram: RamModel
    sample: Sample
    options: Options
    objective: NormalTheory | LeastSquares
    solution: Solution

    @property
    def point(self) -> Point | MomentPoint:
        assert self.solution.point is not None
        return self.solution.point

    def objective_for(self, ram: RamModel) -> NormalTheory | LeastSquares:
        """The same data and discrepancy under another model."""
        return replace(self.objective, ram=ram)

    @cached_property
    def covariance(self) -> ParameterCovariance:
        options = self.options
        resampled = options.se == "bootstrap"
        found = parameter_covariance(
            self.objective, self.point, self.sample,
            se="standard" if resampled else options.se,
            information=options.informations[0],
            scores=options.scaled_test in YUAN_BENTLER,
        )  # fmt: skip
        return replace(found, free=self.bootstrapped.vcov()) if resampled else found

    @property
    def expected_information(self) -> Array | None:
        """The expected information per row (k, k) of complete data, if the errors took it; else None."""
        at_hand = self.options.informations[0] == Information("expected") and self.sample.complete
        return self.covariance.information if at_hand and isinstance(self.objective, NormalTheory) else None

    @cached_property
    def bootstrapped(self) -> Bootstrap:
        """The bootstrap behind se="bootstrap", with the draws and the seed of the options."""
        return bootstrap(self, self.options.bootstrap, "ordinary", self.options.seed)

    @cached_property
    def resampled(self) -> Resampled | None:
        """What a saved fit keeps of that bootstrap beside its covariance; None without one."""
        return summary_of(self.bootstrapped) if self.options.se == "bootstrap" else None

    @cached_property
    def df(self) -> int:
        return n_moments(self.sample, self.ram.exogenous, has_means=self.ram.has_means) - self.ram.n_counted

    @cached_property
    def saturated_value(self) -> float:
        """The discrepancy's value at the saturated moments; 0 for least squares, NaN where there are none."""
        if self.options.discrepancy == "MML":
            return 0.0
        if not self.sample.saturated:
            return float("nan")
        return saturated_value(self.sample) if self.options.discrepancy == "ML" else 0.0

    @cached_property
    def fmin(self) -> float:
        """The minimum as lavaan states it, χ² / 2N (N − groups under the Wishart likelihood)."""
        value = max(float(self.point.value) - self.saturated_value, 0.0)
        return value if self.options.discrepancy == "ML" else value * self.sample.n / self.sample.n_total

    @property
    def minimum(self) -> float:
        """χ² as the discrepancy gives it, 2 N f less the saturated value."""
        return max(2.0 * self.sample.n * (float(self.point.value) - self.saturated_value), 0.0)

    @cached_property
    def saturated_trace(self) -> float:
        needed = self.sample.clustered or not self.sample.complete
        return saturated_trace(
            self.sample, self.ram.exogenous, has_means=self.ram.has_means,
            meat=self.saturated_meat if needed else None,
            observed=self.options.informations[1].kind == "observed",
        )  # fmt: skip

    @cached_property
    def saturated_meat(self) -> Array | None:
        """Cross-products of the saturated model's scores, (g, r, r); None without rows."""
        return saturated_meat(self.sample) if self.sample.rows is not None else None

    @cached_property
    def traces(self) -> tuple[float, float] | None:
        """tr(A⁻¹B) of the saturated and of this model, or None where either does not exist."""
        own = self.own_trace
        return None if own is None or not self.sample.saturated else (self.saturated_trace, own)

    @cached_property
    def own_trace(self) -> float | None:
        """tr(A⁻¹B) of this model, or None where it does not exist."""
        covariance = self.covariance
        if self.sample.rows is None or covariance.meat is None or covariance.singular:
            return None
        information, meat = covariance.information, covariance.meat
        for_errors, for_tests = self.options.informations
        if for_tests != for_errors:
            information, meat = self._casewise(self.objective, self.point)
        return float(np.trace(np.linalg.solve(information, meat)))

    def _casewise(
        self, objective: NormalTheory | LeastSquares, point: Point | MomentPoint
    ) -> tuple[Array, Array]:
        """A and B of a model, as the tests take them."""
        of = self.options.informations[1]
        assert isinstance(objective, NormalTheory)
        assert isinstance(point, Point)
        information = parameter_information(objective, point, self.sample, of)
        return information, parameter_meat(objective, point, self.sample, of.moments)

    @cached_property
    def chi_square(self) -> ChiSquare:
        return self.test_of(self.objective, self.point, self.df)

    def test_of(
        self, objective: NormalTheory | LeastSquares, point: Point | MomentPoint, df: int
    ) -> ChiSquare:
        """The test of a model on these data, with this fit's kind of scaling."""
        statistic = max(2.0 * self.sample.n * (float(point.value) - self.saturated_value), 0.0)
        plain = ChiSquare(statistic, df, tested=self.options.discrepancy not in ("ULS", "DWLS", "PML", "MML"))
        residual = next((t for t in self.options.test if t in RESIDUAL_TESTS), "")
        if not plain.tested and residual and not self.options.robust:
            return ChiSquare(residual_test(residual, objective, point, self.sample), df)
        if not self.options.robust or not df or self.sample.rows is None:
            return plain
        return self.scaled_by(self.options.scaled_test, plain, objective, point)

    def scaled_by(
        self, kind: str, plain: ChiSquare, objective: NormalTheory | LeastSquares, point: Point | MomentPoint
    ) -> ChiSquare:
        """A model's test with one kind of scaling."""
        if kind == "yuan.bentler.mplus" or (kind == "yuan.bentler" and self.options.estimator == "MLR"):
            trace = self._score_trace(objective, point)
            return plain if trace is None else _mean_scaled(plain, self.saturated_trace - trace)
        if not self.sample.saturated:
            return plain
        at = projection(objective, point, self.sample, self.options.informations[1])
        if kind == "yuan.bentler":
            return _mean_scaled(plain, traces(at, saturated_gamma(self.sample, at.keep))[0])
        first, second = traces(at, empirical_gamma(self.sample, self.ram.exogenous, at.keep))
        out = scaled_test(kind, plain.statistic, plain.df, first, second)
        usual = None if kind == "mean.var.adjusted" else first
        return replace(plain, scaling=out.scaling, shift=out.shift, scaled_df=out.df, expected=usual)

    def _score_trace(
        self, objective: NormalTheory | LeastSquares, point: Point | MomentPoint
    ) -> float | None:
        """tr(A⁻¹B) of a model, from what is at hand when it is this one; None where it does not exist."""
        if objective is self.objective and self.traces is not None:
            return self.traces[1]
        if self.covariance.singular or not self.sample.saturated:
            return None
        information, meat = self._casewise(objective, point)
        return float(np.trace(np.linalg.solve(information, meat)))

    def _logl(self, value: float) -> float:
        """Log-likelihood of a discrepancy value, conditional on fixed covariates."""
        patterns, x = self.sample.patterns, self.ram.exogenous
        n = self.sample.n_total
        if self.options.discrepancy == "MML":
            return -n * value
        constant = float(patterns.share @ patterns.seen.sum(axis=1)) * n * log(2 * pi)
        total = -n * value - 0.5 * constant
        if len(x):
            at_x = discrepancy(self.sample.cov[:, x[:, None], x], self.sample.mean[:, x], patterns.only(x))
            seen = patterns.seen[:, x].sum(axis=1)
            total += 0.5 * n * float((patterns.share * (at_x.value + seen * log(2 * pi))).sum())
        return total

    @cached_property
    def logl(self) -> float:
        return self._logl(float(self.point.value))

    @cached_property
    def saturated_logl(self) -> float:
        if self.options.discrepancy == "MML":
            return float("nan")
        return self._logl(self.saturated_value)

    @cached_property
    def rows(self) -> Values:
        return row_values(self.table, self.ram, self.point.free, self.point.at)

    def standardized(self, metric: Metric, *, units_known: bool = False) -> Values:
        return standardize(
            self.table, self.ram, self.point.free, self.point.at, metric, units_known=units_known
        )

    def standardized_values(self, *metrics: Metric) -> list[Array]:
        """Rows of the table, then the defined parameters, in each metric; without derivatives."""
        raw = self.rows.value
        found = standardized_values(self.table, self.ram, self.point.free, self.point.at, metrics, raw)
        return [np.append(value, defined_numbers(self.table, value)) for value in found]

    def defined(self, rows: Values) -> Values:
        return defined_values(self.table, rows)

    def errors_of(self, jacobian: Array) -> Array:
        """Delta-method standard errors √diag(J V Jᵀ) of values with derivatives J (n, q)."""
        covariance = self.covariance.free
        variance = ((jacobian @ covariance) * jacobian).sum(axis=1)
        largest = np.abs(jacobian) @ np.sqrt(np.abs(np.diagonal(covariance)))
        variance = np.where(np.abs(variance) < ROUNDING * largest**2, 0.0, variance)
        return np.sqrt(np.where(variance < 0, np.nan, variance))

    def row_errors(self) -> Array:
        """Standard errors of the table's rows: 0 of fixed ones, NaN of all where none exist."""
        variance = self.covariance.free.diagonal()
        out = np.full(len(self.table.rows), 0.0 * variance.sum())
        out[self.ram.row_of_free] = np.sqrt(np.where(variance < 0, np.nan, variance))
        return out

    @cached_property
    def status(self) -> Status:
        outcome = self.solution.outcome
        converged = outcome is Outcome.CONVERGED
        reasons = [] if converged else [culprit_reason(self)]
        distance = float(np.sqrt(max(self.solution.decrement, 0.0) * self.sample.n))
        stationary = distance < STATIONARY
        if not stationary:
            reasons.append(
                f"The gradient is not zero: the optimum is about {distance:.2g} standard errors away."
            )
        improper = [*self._negative_variances(), *self._indefinite_blocks()]
        if self.covariance.singular:
            reasons.append(
                "The information matrix is singular, so standard errors do not exist; not identified by "
                f"these data: {flat_names(self)}."
            )
        return Status(converged, stationary, not improper, (*reasons, *improper))

    @cached_property
    def negative_variances(self) -> tuple[int, ...]:
        """Rows of free variances below zero; one that stands on its bound within rounding is not."""
        units = row_units(self.table, variable_units(self.table, self.sample.cov))
        return tuple(
            i
            for i, row in enumerate(self.table.rows)
            if row.op == "~~" and row.lhs == row.rhs and row.free and self.rows.value[i] < -ZERO * units[i]
        )

    def _negative_variances(self) -> list[str]:
        out = []
        errors = self.errors_of(self.rows.jacobian)
        for i in self.negative_variances:
            row = self.table.rows[i]
            where = f" in group {self.table.groups[row.block - 1]}" if len(self.table.groups) > 1 else ""
            covers = self.rows.value[i] + 1.96 * errors[i] > 0
            tail = "its 95 % interval covers zero" if covers else "its whole 95 % interval is below zero"
            tail = tail if np.isfinite(errors[i]) else "it has no standard error"
            out.append(f"The variance of {row.lhs}{where} is negative ({self.rows.value[i]:.3g}; {tail}).")
        return out

    def _indefinite_blocks(self) -> list[str]:
        """Covariance matrices with an eigenvalue below zero although no variance is negative.

        Auxiliary variables are left out: theirs with the residuals carry what goes through the constructs.
        """
        out = []
        p, aux = self.ram.n_observed, set(self.options.rows.aux)
        of_model = np.array([name not in aux for name in self.ram.variables[:p]])
        _, symmetric, _ = self.ram.matrices(self.point.free)
        for g, label in enumerate(self.table.groups):
            where = f" in group {label}" if len(self.table.groups) > 1 else ""
            latent, residual = self.point.at.cov_all[g, p:, p:], symmetric[g, :p, :p]
            kept = np.flatnonzero((residual != 0).any(axis=1) & of_model)
            residual = residual[np.ix_(kept, kept)]
            total = np.diagonal(self.point.at.sigma[g])[kept]
            for name, cov, scale in (
                ("latent variables", latent, np.diagonal(latent)),
                ("residuals of the items", residual, total),
            ):  # fmt: skip
                if not len(cov) or (np.diagonal(cov) < -ZERO * scale).any() or (scale <= 0).any():
                    continue
                unit = np.sqrt(scale)
                if np.linalg.eigvalsh(cov / np.outer(unit, unit))[0] < -1e-8:
                    out.append(
                        f"The covariance matrix of the {name}{where} is not positive definite "
                        "(a correlation beyond ±1)."
                    )
        return out


def _mean_scaled(plain: ChiSquare, expected: float) -> ChiSquare:
    """The test scaled so that its expected value is df; NaN where that expectation is not positive."""
    expected = expected if expected > 0.0 else float("nan")
    return replace(plain, scaling=expected / plain.df, expected=expected)
