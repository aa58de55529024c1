"""`CovariateModeration`: parameters as functions of observed covariates, estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.columns import LEVEL, checked_level, inference_columns, row_keys
from sem_models.inference.definitions import defined_numbers, defined_values
from sem_models.inference.header import Header, Status
from sem_models.inference.measures import aic, bic
from sem_models.inference.provenance import Provenance
from sem_models.inference.result import Fit
from sem_models.inference.standardized import Values, standardized_values
from sem_models.model.ram import Array
from sem_models.moderation.covariates.along import covariate_column, followed_by, settings_along
from sem_models.moderation.covariates.constancy import Constancy
from sem_models.moderation.covariates.problem import CovariateProblem
from sem_models.moderation.covariates.solution import CovariateSolution
from sem_models.moderation.covariates.statement import LINKS
from sem_models.moderation.covariates.terms import covariate_terms
from sem_models.moderation.local.curves import Curves
from sem_models.moderation.probing.probe import Probing
from sem_models.moderation.probing.support import Support

if TYPE_CHECKING:
    from sem_models.charts.covariates import CovariateCharts
    from sem_models.moderation.probing.terms import EffectTerms

POINTS = 61
"""Values of the covariate at which a curve is drawn."""


@dataclass(frozen=True, repr=False)
class CovariateModeration(Probing):
    """Parameters that follow covariates (`label :~ covariate`). Tables are data frames; print it for a
    summary.

    A path that follows a covariate is probed as any interaction: `simple_slopes()`, `johnson_neyman()`, ….
    """

    problem: CovariateProblem
    found: CovariateSolution
    settings: Mapping[str, Any]

    # ------------------------------------------------------------------ what was done

    @property
    def method(self) -> str:
        return "mnlfa"

    @property
    def title(self) -> str:
        """The method in words."""
        return "parameters as functions of covariates"

    @property
    def covariates(self) -> tuple[str, ...]:
        """The covariates that parameters follow."""
        return self.problem.statement.covariates

    @property
    def options(self) -> dict[str, Any]:
        """All options, resolved."""
        return {"method": self.method, **self.settings, **self.problem.options.as_dict()}

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Hashes of data and model, versions and options."""
        facts = Provenance(self.problem.constant.sample, self.problem.text, self.problem.options)
        return {**facts, "moderation": {"method": self.method, **self.settings}}

    @cached_property
    def constant(self) -> Fit:
        """The model with every parameter the same for all customers."""
        facts = Provenance(self.problem.constant.sample, self.problem.text, self.problem.constant.options)
        return Fit(self.problem.constant, self.problem.text, "constant", facts)

    @cached_property
    def status(self) -> Status:
        found = self.found
        reasons = [] if found.converged else [found.solution.outcome.value]
        distance = float(np.sqrt(max(found.solution.decrement, 0.0) * found.likelihood.n))
        stationary = distance < 1e-3
        if not stationary:
            reasons.append(
                f"The gradient is not zero: the optimum is about {distance:.2g} standard errors away."
            )
        if found.singular:
            reasons.append("The information matrix is not positive definite: standard errors do not exist.")
        improper = self._improper()
        return Status(found.converged, stationary, not improper, (*reasons, *improper))

    def _improper(self) -> list[str]:
        """Variances below zero, and covariance matrices that some customers' covariates make indefinite."""
        table, ram, out = self.problem.table, self.found.likelihood.ram, []
        lowest = np.full(ram.n_free, np.inf)
        p, bad, n = ram.n_observed, 0, self.found.likelihood.n
        for block, here in zip(self.found.likelihood.blocks, self.found.point.blocks, strict=True):
            free = self.found.likelihood.along.values(self.found.point.zero, here.lines)
            assert free is not None
            lowest = np.minimum(lowest, free.min(axis=0))
            latent = here.at.cov_all[:, p:, p:]
            if latent.shape[1]:
                unit = np.sqrt(np.maximum(np.diagonal(latent, axis1=1, axis2=2), 1e-300))
                least = np.linalg.eigvalsh(latent / unit[:, :, None] / unit[:, None, :])[:, 0]
                bad += int((least < -1e-8)[block.member].sum())
        for x, i in enumerate(ram.row_of_free):
            row = table.rows[i]
            if row.op == "~~" and row.lhs == row.rhs and lowest[x] < 0:
                out.append(f"The variance of {row.lhs} is negative ({lowest[x]:.3g}) for some customers.")
        if bad and not out:
            out.append(
                "The covariance matrix of the latent variables is not positive definite for "
                f"{max(bad, 5) / n:.0%} of the customers (a correlation beyond ±1)."
            )
        return out

    @cached_property
    def header(self) -> Header:
        """N available, used and dropped, estimator, missing method and non-convergence."""
        s, options = self.problem.constant.sample, self.problem.options
        notes = tuple(f"{n} rows dropped: {reason}" for reason, n in s.dropped.items()) + self.status.reasons
        return Header(
            f"{options.estimator} (MNLFA)", options.missing, s.n_available, s.n_used,
            s.n_available - s.n_used, dict(zip(s.groups, s.counts, strict=True)), self.status.converged,
            self.status.admissible, notes,
        )  # fmt: skip

    # ------------------------------------------------------------------ numbers

    @property
    def loglik(self) -> float:
        """The log-likelihood at the estimates."""
        return self.problem.logl(float(self.found.point.value))

    @cached_property
    def _average(self) -> Array:
        """The covariates' means, as the model takes them (1, c)."""
        return self.problem.covariates.mean(axis=0)[None]

    def rows_at(self, z: Array) -> tuple[Array, Array]:
        """Free rows (m, q) at covariates z (m, c) as the model takes them, and derivatives (m, q, k)."""
        along, point = self.found.likelihood.along, self.found.point
        lines = along.inputs(point.params, z)[1]
        values = along.values(point.zero, lines)
        if values is None:
            raise SpecError("At these covariates a correlation is beyond ±1 or a variance is not positive.")
        slopes = along.slopes(point.zero, lines)
        m, q, i = slopes.shape
        repeated = np.repeat(z, q, axis=0)
        return values, along.to_params(slopes.reshape(m * q, i), repeated).reshape(m, q, -1)

    def measures(self) -> pd.Series:
        """logl, npar, aic, bic, and the model's without `:~`: constant_logl."""
        k, n = self.found.likelihood.along.n_params, self.problem.constant.sample.n_total
        logl = self.loglik
        return pd.Series(
            {"logl": logl, "npar": float(k), "ntotal": n, "aic": aic(logl, k), "bic": bic(logl, k, n),
             "constant_logl": self.problem.constant.logl}
        )  # fmt: skip

    # ------------------------------------------------------------------ tables

    def estimates(self, *, level: float = LEVEL) -> pd.DataFrame:
        """One row a parameter, those of `:~` last; columns as `Fit.estimates()`.

        A parameter that follows covariates stands with its value where they are 0 (at their means with
        center=True), and so do defined parameters that are made of it. std_lv and std_all are those of a
        customer with average covariates.
        """
        table, ram = self.problem.table, self.found.likelihood.ram
        found, along = self.found, self.found.likelihood.along
        covariance = found.covariance
        rows = self.problem.constant.rows
        free = found.point.zero
        value = rows.value.copy()
        value[ram.row_of_free] = free
        jacobian = np.zeros((len(table.rows), along.n_params))
        jacobian[ram.row_of_free, : along.k0] = ram.reduction
        coefficients = along.coefficients(found.point.params)
        more = np.zeros((len(coefficients), along.n_params))
        more[:, along.k0 :] = along.spread
        defined = defined_values(table, Values(value, jacobian))
        values = np.concatenate([value, defined.value, coefficients])
        slopes = np.concatenate([jacobian, defined.jacobian, more])
        if self.problem.options.se == "none":
            error = np.full(len(values), np.nan)
        else:
            error = np.sqrt(np.maximum(((slopes @ covariance) * slopes).sum(axis=1), 0.0))
        columns = inference_columns(values, error, "est", level=checked_level(level))
        average = self.rows_at(self._average)[0]
        at = found.likelihood.implied(average)
        blank = np.full(len(coefficients), np.nan)
        scaled = standardized_values(table, ram, average[0], at, ("std_lv", "std_all"))
        for name, standardized in zip(("std_lv", "std_all"), scaled, strict=True):
            derived = defined_numbers(table, standardized)
            columns[name] = np.concatenate([standardized, derived, blank])
        keys = dict(row_keys(table))
        mine = self.problem.statement.coefficients
        frame = {
            "lhs": [*keys["lhs"], *(c.formula.lhs for c in mine)],
            "op": [*keys["op"], *(":~" for _ in mine)],
            "rhs": [*keys["rhs"], *(c.formula.rhs for c in mine)],
            "group": "", "label": [*keys["label"], *(c.label for c in mine)],
        }  # fmt: skip
        return pd.DataFrame({**frame, **columns})

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the free parameters, labelled lhs+op+rhs; coefficients last."""
        ram, along = self.found.likelihood.ram, self.found.likelihood.along
        turn = np.zeros((ram.n_free + along.spread.shape[0], along.n_params))
        turn[: ram.n_free, : along.k0] = ram.reduction
        turn[ram.n_free :, along.k0 :] = along.spread
        names = [self.problem.table.rows[i].name for i in ram.row_of_free]
        names += [f"{c.formula.lhs}:~{c.formula.rhs}" for c in self.problem.statement.coefficients]
        return pd.DataFrame(turn @ self.found.covariance @ turn.T, index=names, columns=names)

    @cached_property
    def _constancy(self) -> Constancy:
        return Constancy(self.problem, self.found, {})

    def tests(self, parameter: str | None = None) -> pd.DataFrame:
        """Tests that a parameter is constant: of each label, each of its covariates, and all together.

        parameter: only this one, by label or as "PV ~ EDS".

        Columns parameter, covariate, df, chisq_diff and pvalue (likelihood ratio; scaled for MLR), wald,
        wald_pvalue, converged (of the restricted model).
        """
        if parameter is None:
            return self._constancy.table()
        row = self.position(parameter)
        labels = [m.label for m in self.problem.statement.moderated if row in m.rows]
        return self._constancy.table(labels)

    def links(self) -> pd.DataFrame:
        """How each label follows its covariates."""
        return pd.DataFrame(
            [
                {"parameter": m.label, "rows": ", ".join(self.problem.table.rows[i].name for i in m.rows),
                 "link": m.link, "meaning": LINKS[m.link]}
                for m in self.problem.statement.moderated
            ]
        )  # fmt: skip

    def position(self, parameter: str) -> int:
        """Row of a parameter that follows covariates, by label or as "PV ~ EDS". SpecError with
        near matches."""
        asked = parameter.replace(" ", "")
        for m in self.problem.statement.moderated:
            for i in m.rows:
                row = self.problem.table.rows[i]
                if asked in (m.label, row.name) or (row.op == "~~" and asked == f"{row.rhs}~~{row.lhs}"):
                    return i
        known = [m.label for m in self.problem.statement.moderated]
        raise SpecError(
            f"'{parameter}' follows no covariate. {did_you_mean(asked, known, noun='parameters')}"
        )

    def curve(
        self, parameter: str, covariate: str | None = None, *, values: Sequence[float] | None = None,
        at: Mapping[str, float] | None = None, level: float = LEVEL,
    ) -> pd.DataFrame:  # fmt: skip
        """A parameter along one covariate, the others at their means or where `at` puts them.

        Columns: the covariate, est, se, ci_lower, ci_upper (pointwise, delta method), band_lower, band_upper
        (at all values at once), extrapolated. By default over the observed range.
        """
        row = self.position(parameter)
        name = self.covariate_of(parameter, covariate)
        support = self.support_of(name)
        low, high = support.limits()
        points = np.linspace(low, high, POINTS) if values is None else np.asarray(list(values), dtype=float)
        z = settings_along(self.problem, name, points, at)
        x = int(np.flatnonzero(self.found.likelihood.ram.row_of_free == row)[0])
        value, slopes = self.rows_at(z)
        est, moves = value[:, x], slopes[:, x] @ self._root
        curves = Curves(est[:, None], moves.T[:, :, None], None, np.ones(len(z)) / len(z), points)
        half, se = float(ndtri((1 + checked_level(level)) / 2)), curves.error[:, 0]
        wide = curves.simultaneous(0, level)
        wide = wide if np.isfinite(wide) else half
        return pd.DataFrame(
            {name: points, "est": est, "se": se, "ci_lower": est - half * se, "ci_upper": est + half * se,
             "band_lower": est - wide * se, "band_upper": est + wide * se,
             "extrapolated": support.beyond(points)}
        )  # fmt: skip

    @cached_property
    def _root(self) -> Array:
        """A root (k, k) of the parameters' covariance."""
        values, vectors = np.linalg.eigh(np.nan_to_num(self.found.covariance))
        return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))

    def covariate_of(self, parameter: str, covariate: str | None = None) -> str:
        """The column that a parameter's curve runs along: the one it follows, or the one named of several."""
        return followed_by(self.problem.statement, self.position(parameter), parameter, covariate)

    def support_of(self, name: str) -> Support:
        """Where the customers lie on a covariate."""
        return Support.observed([covariate_column(self.problem, name)])

    # ------------------------------------------------------------------ probing and showing

    @cached_property
    def terms(self) -> EffectTerms:
        """Paths that follow covariates as products, for probing. SpecError where no path does."""
        return covariate_terms(self)

    def sizes(self, *args: Any, **kwargs: Any) -> pd.DataFrame:
        """Not here: a covariate outside the model has no share of an outcome's variance in it."""
        raise SpecError(
            "The variance that a covariate explains is not part of this model. Use tests() and curve(), or "
            "put the covariate into the model and its product, with method='lms'."
        )

    @property
    def charts(self) -> CovariateCharts:
        """Curves of parameters along covariates, and the charts of probing for paths."""
        from sem_models.charts.covariates import CovariateCharts

        return CovariateCharts(self)

    def summary(self) -> str:
        """Head, tests and parameters as text."""
        m = self.measures()
        with pd.option_context("display.width", 140, "display.max_columns", 20, "display.max_rows", 400):
            parts = [
                "Parameters as functions of covariates (MNLFA)",
                f"  {self.header.line()}",
                *(f"  ! {reason}" for reason in self.status.reasons),
                f"  log-likelihood {m['logl']:.3f} (constant parameters {m['constant_logl']:.3f}), "
                f"{int(m['npar'])} parameters, AIC {m['aic']:.1f}, BIC {m['bic']:.1f}",
                "", "Tests against constancy:", self.tests().round(4).to_string(index=False),
                "", "Parameters:", self.estimates().round(3).to_string(index=False),
            ]  # fmt: skip
        return "\n".join(parts) + "\n"

    def _repr_html_(self) -> str:
        from sem_models.reports.result_page import result_html

        frames = {"Tests against constancy": self.tests(), "Parameters": self.estimates()}
        title = f"{self.title[:1].upper()}{self.title[1:]}"
        return result_html(title, self.header.line(), self.status, (), frames, folded=("Parameters",))

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        labels = ", ".join(m.label for m in self.problem.statement.moderated)
        return f"<CovariateModeration of {labels} by {', '.join(self.covariates)}: {self.header.line()}>"
