"""`LatentModeration`: a latent interaction estimated by the distribution of the data (LMS, QML)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.linalg import null_space

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.kernels import Implied, implied
from sem_models.estimation.optimizer import Outcome
from sem_models.estimation.units import row_units, variable_units
from sem_models.inference.columns import LEVEL, checked_level, inference_columns, row_keys
from sem_models.inference.compare import wald_of
from sem_models.inference.culprits import row_name
from sem_models.inference.definitions import defined_values
from sem_models.inference.header import Header, Status
from sem_models.inference.measures import aic, bic
from sem_models.inference.provenance import Provenance
from sem_models.inference.result import Fit
from sem_models.inference.standardized import Metric, Values, row_values
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.ram import Array
from sem_models.moderation.latent.likelihood import Likelihood
from sem_models.moderation.latent.plane import Along
from sem_models.moderation.latent.problem import Problem
from sem_models.moderation.latent.solve import LatentSolution, solve_latent
from sem_models.moderation.latent.standardization import Standardization
from sem_models.moderation.latent.true_moments import TrueMoments, true_moments
from sem_models.moderation.result import Moderation
from sem_models.moderation.statement import Statement

if TYPE_CHECKING:
    from sem_models.moderation.probing.terms import EffectTerms

Errors = Literal["rescaled", "delta"]
ERRORS = ("rescaled", "delta")
ALL = "all products"
STATIONARY = 1e-3
"""Distance to the optimum in standard errors below which a solution counts as stationary."""


@dataclass(frozen=True, repr=False)
class LatentModeration(Moderation):
    """A moderation estimated by LMS or QML.

    settings hold the method's own options as resolved, error_bound how far the log-likelihood may be from
    its exact value (NaN where that is not known), cautions what to say beside the status.
    """

    problem: Problem
    likelihood: Likelihood
    solution: LatentSolution
    by: str
    settings: Mapping[str, Any]
    error_bound: float
    cautions: tuple[str, ...]

    # ------------------------------------------------------------------ what was done

    @property
    def statement(self) -> Statement:
        return self.problem.statement

    @property
    def method(self) -> str:
        return self.by

    @property
    def groups(self) -> tuple[str, ...]:
        return self.problem.table.groups

    @property
    def options(self) -> dict[str, Any]:
        return {"method": self.method, **self.settings, **self.problem.options.as_dict()}

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        facts = Provenance(self.problem.sample, self.problem.text, self.problem.options)
        return {**facts, "moderation": {"method": self.method, **self.settings}}

    @cached_property
    def linear(self) -> Fit:
        """The model without the latent products, whose likelihood the products' is tested against."""
        facts = Provenance(self.problem.sample, self.problem.text, self.problem.linear.options)
        return Fit(self.problem.linear, self.problem.text, "linear", facts)

    @property
    def fit(self) -> Fit:
        """The underlying fit: the model without the latent products."""
        return self.linear

    @cached_property
    def status(self) -> Status:
        outcome = self.solution.outcome
        converged = outcome is Outcome.CONVERGED
        distance = float(np.sqrt(max(self.solution.decrement, 0.0)))
        stationary = distance < STATIONARY
        reasons = [] if converged else [self._why_not(), *self._vanishing()]
        if not stationary and np.isfinite(distance):
            reasons.append(
                f"The gradient is not zero: the optimum is about {distance:.2g} standard errors away."
            )
        if self._singular:
            reasons.append("The information matrix is not positive definite: standard errors do not exist.")
        improper = self._improper()
        return Status(converged, stationary, not improper, (*reasons, *improper, *self.cautions))

    def _why_not(self) -> str:
        """Why the search did not converge, and what to do."""
        return self.solution.outcome.value

    def _vanishing(self) -> list[str]:
        """Variances that a failed search left next to zero, where the likelihood may have no maximum."""
        table, sizes = self.problem.table, variable_units(self.problem.table, self.problem.sample.cov)
        near = [
            row_name(table, i)
            for i, (row, value, unit) in enumerate(
                zip(table.rows, self.rows.value, row_units(table, sizes), strict=True)
            )
            if row.op == "~~" and row.lhs == row.rhs and row.free and value < 0.01 * unit
        ]
        if not near:
            return []
        return [
            f"Next to zero: {', '.join(near)}. Fix such a variance at a small positive value, or drop "
            "the item."
        ]

    def _improper(self) -> list[str]:
        """Negative variances, and latent covariance matrices with a correlation beyond ±1."""
        out, table = [], self.problem.table
        products = set(table.options.products)
        for row, value in zip(table.rows, self.rows.value, strict=True):
            if row.op == "~~" and row.lhs == row.rhs and row.free and value < 0:
                where = f" in group {table.groups[row.block - 1]}" if len(table.groups) > 1 else ""
                out.append(f"The variance of {row.lhs}{where} is negative ({value:.3g}).")
        ram = self.problem.ram
        kept = np.array(
            [i for i, n in enumerate(ram.variables) if i >= ram.n_observed and n not in products],
            dtype=np.intp,
        )
        for g, label in enumerate(table.groups):
            cov = self._implied.cov_all[g][np.ix_(kept, kept)]
            unit = np.sqrt(np.maximum(np.diagonal(cov), 0.0))
            if (unit > 0).all() and np.linalg.eigvalsh(cov / np.outer(unit, unit))[0] < -1e-8:
                where = f" in group {label}" if len(table.groups) > 1 else ""
                out.append(
                    f"The covariance matrix of the latent variables{where} is not positive definite "
                    "(a correlation beyond ±1)."
                )
        return out

    @cached_property
    def header(self) -> Header:
        s, options = self.problem.sample, self.problem.options
        sizes = dict(zip(s.groups, s.counts, strict=True))
        notes = tuple(f"{n} rows dropped: {reason}" for reason, n in s.dropped.items()) + self.status.reasons
        if np.isfinite(self.error_bound) and self.error_bound > 0:
            notes = (*notes, f"log-likelihood integrated to within {max(self.error_bound, 1e-10):.1g}")
        name = f"{options.estimator} ({self.method.upper()})"
        return Header(
            name, options.missing, s.n_available, s.n_used, s.n_available - s.n_used, sizes,
            self.status.converged, self.status.admissible, notes,
        )  # fmt: skip

    # ------------------------------------------------------------------ the solution

    @cached_property
    def _free(self) -> Array:
        return self.problem.ram.free_values(self.solution.params)

    @cached_property
    def _implied(self) -> Implied:
        """Moments of the linear part, without what the products add."""
        ram = self.problem.ram
        return implied(*ram.matrices(self._free), ram.n_observed, ram.places.sources)

    @cached_property
    def rows(self) -> Values:
        """The estimates of all rows of the table and their derivatives in the free rows."""
        return row_values(self.problem.table, self.problem.ram, self._free, self._implied)

    @cached_property
    def _robust(self) -> bool:
        return self.problem.options.casewise_sandwich

    @cached_property
    def _meat(self) -> Array:
        """Σ s sᵀ over rows (k, k)."""
        scores = self.likelihood.case_scores(self.solution.params)
        return np.asarray(scores.T @ scores)

    @cached_property
    def _inverse(self) -> Array | None:
        """The inverse of the observed information (k, k), None where it is not positive definite."""
        information = self.solution.information
        scale = np.sqrt(np.abs(np.diagonal(information)))
        if not np.isfinite(information).all() or not (scale > 0).all():
            return None
        unit = information / np.outer(scale, scale)
        if np.linalg.eigvalsh(unit)[0] < 1e-10:
            return None
        return np.asarray(np.linalg.inv(unit) / np.outer(scale, scale))

    @property
    def _singular(self) -> bool:
        return self._inverse is None

    @cached_property
    def _params_covariance(self) -> Array | None:
        """Covariance of the parameters (k, k): inverse observed information, or the sandwich for MLR."""
        inverse = self._inverse
        if inverse is None or self.problem.options.se == "none":
            return None
        return inverse @ self._meat @ inverse if self._robust else inverse

    @cached_property
    def covariance(self) -> Array:
        """The same for the free rows (q, q); NaN where it does not exist."""
        ram, inner = self.problem.ram, self._params_covariance
        if inner is None:
            return np.full((ram.n_free, ram.n_free), np.nan)
        return np.asarray(ram.reduction @ inner @ ram.reduction.T)

    @cached_property
    def moments(self) -> TrueMoments:
        """Moments of all variables at any values of the free rows, products included."""
        return true_moments(self.problem.ram, self.problem.products)

    @property
    def loglik(self) -> float:
        return self.solution.value - self.problem.covariate_logl

    @cached_property
    def linear_loglik(self) -> float:
        """The log-likelihood of the model without the products."""
        return self.problem.linear.logl

    @property
    def _linear_converged(self) -> bool:
        return self.problem.linear.status.converged

    # ------------------------------------------------------------------ tables

    def estimates(self, *, level: float = LEVEL) -> pd.DataFrame:
        """One row a parameter; columns as `Fit.estimates()`. std_all has the outcomes' true variance."""
        rows = self.rows
        defined = defined_values(self.problem.table, rows)
        errors = np.append(self._errors(rows.jacobian), self._errors(defined.jacobian))
        columns = inference_columns(
            np.append(rows.value, defined.value), errors, "est", level=checked_level(level)
        )
        metric: Metric
        for metric in ("std_lv", "std_all"):
            columns[metric] = self._scale(self._free, metric)
        return self._frame(columns)

    def standardized(
        self, type: Metric = "std_all", *, level: float = LEVEL, errors: Errors = "rescaled"
    ) -> pd.DataFrame:
        """Standardized estimates with delta-method errors; columns as `Fit.standardized()`.

        Outcomes have their true variance, with what the products explain. A product is in the units of its
        factors: its path is b sd(x) sd(z) / sd(y) (Wen, Marsh & Hau, 2010), and its variance, a row of its
        own here, Var(xz) / (Var(x) Var(z)). errors "rescaled" take the products' own variances as known, as
        modsem does; "delta" count their sampling error too.
        """
        if errors not in ERRORS:
            raise SpecError(f"errors={errors!r} is unknown. {did_you_mean(errors, ERRORS, noun='choices')}")
        value = self._scale(self._free, type)
        covariance = self._params_covariance
        if covariance is None:
            error = np.full(len(value), np.nan)
        else:
            scale = self._scale.holding(self._free) if errors == "rescaled" else self._scale
            error = scale.errors(self.solution.params, covariance, type)
        columns = inference_columns(value, error, "est_std", level=checked_level(level))
        return self._frame(columns, variances=True)

    @cached_property
    def _scale(self) -> Standardization:
        return Standardization(self.problem, self.moments)

    def _errors(self, jacobian: Array) -> Array:
        variance = ((jacobian @ self.covariance) * jacobian).sum(axis=1)
        largest = np.abs(jacobian) @ np.sqrt(np.abs(np.diagonal(self.covariance)))
        variance = np.where(np.abs(variance) < 1e-15 * largest**2, 0.0, variance)
        return np.sqrt(np.where(variance < 0, np.nan, variance))

    def _frame(self, columns: dict[str, Array], *, variances: bool = False) -> pd.DataFrame:
        """Columns by row without the phantoms', but for their variances if asked for."""
        keys = dict(row_keys(self.problem.table))
        block = keys.pop("block")
        columns = {**keys, **columns}
        if len(self.groups) > 1:
            columns |= {"level": np.ones(len(block), dtype=int), "block": block}
        frame = pd.DataFrame(columns)
        hidden = frame["lhs"].isin(self.problem.table.options.products)
        if variances:
            hidden &= frame["op"] != "~~"
        return frame[~hidden].reset_index(drop=True)

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the free parameters, labelled lhs+op+rhs (with .g2 … for later groups)."""
        rows = self.problem.table.rows
        names = [
            rows[n].name + (f".g{rows[n].block}" if rows[n].block > 1 else "")
            for n in self.problem.ram.row_of_free
        ]
        return pd.DataFrame(self.covariance, index=names, columns=names)

    def r_squared(self) -> pd.Series:
        """Explained share of the true variance of every endogenous variable; by group where several."""
        ram, table = self.problem.ram, self.problem.table
        residual, total = ram.matrices(self._free)[1], self.moments(self._free)[1]
        place = {name: i for i, name in enumerate(ram.variables)}
        values: dict[Any, float] = {}
        for row in table.rows:
            if row.op in ("=~", "~"):
                name = row.rhs if row.op == "=~" else row.lhs
                g, i = row.block - 1, place[name]
                key = (self.groups[g], name) if len(self.groups) > 1 else name
                values[key] = 1.0 - residual[g, i, i] / total[g, i, i]
        return pd.Series(values, name="r_squared", dtype=float)

    def latent_moments(self) -> dict[str, dict[str, Any]]:
        """Covariances and means of the latent variables with what the products add, by group label."""
        mean, cov = self.moments(self._free)
        p, products = self.problem.ram.n_observed, set(self.problem.table.options.products)
        names = [n for n in self.problem.ram.variables[p:] if n not in products]
        at = [i for i, n in enumerate(self.problem.ram.variables) if n in names]
        return {
            label: {
                "cov": pd.DataFrame(cov[g][np.ix_(at, at)], index=names, columns=names),
                "mean": pd.Series(mean[g, at], index=names),
            }
            for g, label in enumerate(self.groups)
        }

    # ------------------------------------------------------------------ fit and tests

    def _scaling(self, held: Array) -> float:
        """Scaling of the likelihood ratio against held @ params = const, held (h, k), at the estimates.

        The mean of its limiting distribution by Satorra (2000, in Innovations in Multivariate Statistical
        Analysis, p. 233–247), with information and scores in place of moments: never negative.
        """
        information, kept = self.solution.information, null_space(held, rcond=1e-10)
        try:
            full = np.trace(np.linalg.solve(information, self._meat))
            part = np.trace(np.linalg.solve(kept.T @ information @ kept, kept.T @ self._meat @ kept))
        except np.linalg.LinAlgError:
            return float("nan")
        return float((full - part) / (held.shape[1] - kept.shape[1]))

    def measures(self) -> pd.Series:
        """Likelihood-based measures, the test against the linear model, and that model's own fit.

        npar, logl, aic, bic, bic2, ntotal; linear_logl, lr_chisq, lr_df, lr_pvalue (scaled for MLR);
        linear_chisq, linear_df, linear_pvalue, linear_cfi, linear_tli, linear_rmsea, linear_srmr: χ² and
        indices exist only for the model without products, whose saturated model is known. error_bound is the
        quadrature's.
        """
        n, k = float(self.problem.sample.n_total), self.problem.ram.n_counted
        values: dict[str, float] = {
            "npar": float(k), "logl": self.loglik, "aic": aic(self.loglik, k), "bic": bic(self.loglik, k, n),
            "bic2": bic(self.loglik, k, (n + 2.0) / 24.0), "ntotal": n, "error_bound": self.error_bound,
            "linear_logl": self.linear_loglik,
        }  # fmt: skip
        chisq, df, pvalue = self._against_linear()
        values.update(lr_chisq=chisq, lr_df=float(df), lr_pvalue=pvalue)
        linear = self.linear.measures()
        for name in ("chisq", "df", "pvalue", "cfi", "tli", "rmsea", "srmr"):
            values[f"linear_{name}"] = float(linear.get(name, np.nan))
        return pd.Series(values, name="measures", dtype=float)

    def _against_linear(self) -> tuple[float, int, float]:
        """Likelihood ratio against the model without the products, its df and p; NaN where not nested."""
        df = self.problem.n_moved
        if not self.problem.nested or df <= 0:
            return float("nan"), df, float("nan")
        chisq = 2.0 * (self.loglik - self.linear_loglik)
        if self._robust:
            chisq /= self._scaling(np.eye(self.problem.ram.n_params)[self.problem.moved])
        return chisq, df, upper_tail(chisq, df)

    @cached_property
    def _tests(self) -> pd.DataFrame:
        table, ram = self.problem.table, self.problem.ram
        names = {p.name for p in self.problem.products}
        paths: dict[str, list[int]] = {}
        for i, row in enumerate(table.rows):
            if row.op == "~" and row.rhs in names and row.free:
                paths.setdefault(f"{row.lhs} ~ {row.rhs}", []).append(i)
        terms = dict(paths)
        if len(paths) > 1:
            terms[ALL] = [i for index in paths.values() for i in index]
        out = []
        for term, index in terms.items():
            apart = list({table.rows[i].label or i: i for i in index}.values())
            slopes = self.rows.jacobian[apart]
            wald = wald_of(self.rows.value[apart], slopes @ self.covariance @ slopes.T)
            if len(index) == sum(len(i) for i in paths.values()) and self.problem.nested:
                chisq, df, pvalue = self._against_linear()
                converged = self._linear_converged
            else:
                free = [x for x, number in enumerate(ram.row_of_free) if number in index]
                chisq, df, pvalue, converged = self._against_fixed(np.array(free, dtype=np.intp))
            out.append((term, df, chisq, pvalue, wald.statistic, wald.pvalue, converged))
        columns = ["term", "df", "chisq_diff", "pvalue", "wald", "wald_pvalue", "converged"]
        return pd.DataFrame(out, columns=columns)

    def _against_fixed(self, free: Array) -> tuple[float, int, float, bool]:
        """Likelihood ratio against this model with free rows (f,) at 0, by a search along the others."""
        ram, solution = self.problem.ram, self.solution
        held = ram.reduction[free]
        kept = null_space(held, rcond=1e-10)
        rank = held.shape[1] - kept.shape[1]
        fixed = np.linalg.lstsq(held, -ram.offset[free], rcond=None)[0]
        found = self._search_along(kept, fixed)
        converged = found.outcome is Outcome.CONVERGED
        chisq = 2.0 * (solution.value - found.value) if converged else float("nan")
        if self._robust and converged:
            chisq /= self._scaling(held)
        return chisq, rank, upper_tail(chisq, rank), converged

    def _search_along(self, kept: Array, fixed: Array) -> LatentSolution:
        """The maximum on the plane params = fixed + kept @ x, for its value alone."""
        along, solution = Along(self.likelihood, kept, fixed), self.solution
        start = kept.T @ (solution.params - fixed)
        return solve_latent(along, start, kept.T @ solution.information @ kept, polish=False)

    def interaction_test(self) -> pd.DataFrame:
        """As `Moderation.interaction_test()`; scaled for MLR (Satorra, 2000)."""
        return self._tests.copy()

    # ------------------------------------------------------------------ probing and showing

    @cached_property
    def terms(self) -> EffectTerms:
        from sem_models.moderation.probing.support import Support
        from sem_models.moderation.probing.terms import EffectTerms

        problem, ram = self.problem, self.problem.ram
        products = {p.name: p.factors for p in self.statement.products}
        names = tuple(n for n in ram.variables if n not in products)
        place = {name: i for i, name in enumerate(ram.variables)}
        keep = np.array([place[n] for n in names], dtype=np.intp)
        mean, cov = self.moments(self._free)
        factors = {f for parts in products.values() for f in parts}
        support = {}
        assert problem.sample.rows is not None
        for name in names:
            if place[name] < ram.n_observed and (
                name in factors or name in problem.table.variables.predictors
            ):
                support[name] = Support.observed([r.values[:, place[name]] for r in problem.sample.rows])

        return EffectTerms(
            table=problem.table, value=self.rows.value, jacobian=self.rows.jacobian,
            covariance=self.covariance, names=names, mean=mean[:, keep], cov=cov[:, keep[:, None], keep],
            share=problem.sample.share, n=problem.sample.n_used, n_params=ram.n_counted, products=products,
            support=support, method=self.method, header_line=f"{self.title} · {self.header.line()}",
            free=self._free, moments=self.moments.of(keep),
        )  # fmt: skip

    def summary(self) -> Any:
        from sem_models.moderation.latent.summary import LatentSummary

        return LatentSummary(self)

    def _repr_html_(self) -> str:
        return str(self.summary()._repr_html_())
