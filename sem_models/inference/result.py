"""`Fit`: what `sm.fit` returns. Methods orchestrate; the numbers happen in the modules they call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError, SpecError, did_you_mean
from sem_models.inference.all_tests import all_tests
from sem_models.inference.columns import LEVEL, checked_level, inference_columns, row_keys
from sem_models.inference.compare import Wald, compare_fits, wald_test
from sem_models.inference.effects import effects
from sem_models.inference.fit_measures import Measures, fit_measures
from sem_models.inference.frames import framed, labels
from sem_models.inference.header import PAIRWISE_ERRORS, Header, Status
from sem_models.inference.nested import Method
from sem_models.inference.no_saturated import WHY as NO_SATURATED
from sem_models.inference.resampled import summary_of
from sem_models.inference.solved import Solved
from sem_models.inference.standardized import Metric
from sem_models.model.ram import Array
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from pathlib import Path

    from sem_models.inference.bootstrap import Bootstrap
    from sem_models.inference.contrasts import Adjust, Contrast
    from sem_models.inference.diagnosis import Diagnosis
    from sem_models.inference.factor_scores import ScoreMethod
    from sem_models.inference.resampling import Kind
    from sem_models.inference.residual_tables import ResidualType
    from sem_models.inference.score_tests import ScoreTests
    from sem_models.reports.summary import Summary

CONTRAST_TEXTS = ("id", "title", "definition", "level", "note")
Metrics = Literal["raw", "std_all", "std_lv", "std_nox"]


@dataclass(frozen=True)
class Fit:
    """A fitted model. Tables are data frames; print it for a summary, or use `summary()`."""

    solved: Solved
    syntax: str
    spec_id: str
    provenance: Mapping[str, Any]

    # ------------------------------------------------------------------ what was done

    @property
    def status(self) -> Status:
        """Converged, stationary and admissible, each apart and with its reason."""
        return self.solved.status

    @property
    def options(self) -> dict[str, Any]:
        """All options, resolved."""
        return self.solved.options.as_dict()

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of the groups in order of first appearance; ("",) without groups."""
        return self.solved.table.groups

    @cached_property
    def header(self) -> Header:
        """N available, used and dropped, estimator, missing method and non-convergence."""
        s, options = self.solved.sample, self.solved.options
        sizes = dict(zip(s.groups, s.counts, strict=True))
        notes = tuple(f"{n} rows dropped: {reason}" for reason, n in s.dropped.items()) + self.status.reasons
        drawn = self.solved.resampled
        notes += () if drawn is None else (drawn.line,)
        notes += () if s.saturated else (NO_SATURATED,)
        if options.missing == "pairwise" and options.se not in ("bootstrap", "none") and s.ordinal is None:
            notes += (PAIRWISE_ERRORS,)
        if s.ordinal is not None and any(s.ordinal.empty):
            notes += (s.ordinal.sparse(),)
        return Header(
            options.estimator, options.missing, s.n_available, s.n_used, s.n_available - s.n_used, sizes,
            self.status.converged, self.status.admissible, notes,
        )  # fmt: skip

    # ------------------------------------------------------------------ parameters

    @single_threaded
    def estimates(self, *, level: float = LEVEL, aux: bool = False) -> pd.DataFrame:
        """One row a parameter, in lavaan's order, defined parameters last.

        Columns lhs, op, rhs, group, label, est, se, z, pvalue, ci_lower, ci_upper, std_lv, std_all;
        `level` and `block` when there are several groups. A fixed parameter has se 0. Rows of auxiliary
        variables are shown with `aux=True`.
        """
        solved = self.solved
        rows, defined = solved.rows, solved.defined(solved.rows)
        value, errors = rows.value, solved.row_errors()
        if len(defined.value):
            value = np.append(value, defined.value)
            errors = np.append(errors, solved.errors_of(defined.jacobian))
        columns = inference_columns(value, errors, "est", level=checked_level(level))
        if solved.resampled is not None:  # lavaan's default too: percentile limits
            drawn = solved.resampled if level == LEVEL else summary_of(solved.bootstrapped, level)
            columns.update(ci_lower=drawn.lower, ci_upper=drawn.upper)
        columns["std_lv"], columns["std_all"] = solved.standardized_values("std_lv", "std_all")
        return self._frame(columns, aux=aux)

    @single_threaded
    def standardized(
        self, type: Metric = "std_all", *, level: float = LEVEL, units_known: bool = False
    ) -> pd.DataFrame:
        """Standardized estimates with delta-method standard errors and intervals.

        Columns lhs, op, rhs, group, label, est_std, se, z, pvalue, ci_lower, ci_upper. A latent product
        ("X:Z" with indicators) is in the units of its factors; units_known takes the ratio of that unit to
        its own standard deviation as known (modsem's errors).
        """
        scaled = self.solved.standardized(type, units_known=units_known)
        defined = self.solved.defined(scaled)
        errors = self.solved.errors_of(np.concatenate([scaled.jacobian, defined.jacobian]))
        value = np.append(scaled.value, defined.value)
        return self._frame(inference_columns(value, errors, "est_std", level=checked_level(level)))

    @single_threaded
    def effects(
        self, *, interval: Literal["delta", "montecarlo", "bootstrap"] = "delta", draws: int | None = None,
        seed: int | None = None, level: float = LEVEL,
    ) -> pd.DataFrame:  # fmt: skip
        """Direct, specific indirect, total indirect and total effects along the structural paths, per group.

        Columns group, source, target, kind, path, est, se, z, pvalue, ci_lower, ci_upper, est_std, se_std,
        ci_lower_std, ci_upper_std; errors and z by the delta method. Intervals by "delta", "montecarlo"
        (percentiles over normal draws of the estimates, 20,000 by default; Preacher & Selig, 2012) or
        "bootstrap" (percentiles over refits, 1,000 by default). A standardized limit is NaN where more than
        one draw in ten implies a negative variance.
        """
        kinds = ("delta", "montecarlo", "bootstrap")
        if interval not in kinds:
            raise SpecError(
                f"interval='{interval}' is unknown. {did_you_mean(interval, kinds, noun='kinds')}"
            )
        solved = self.solved
        found = effects(solved.table, solved.ram, solved.point.free, solved.point.at)
        columns = ["group", "source", "target", "kind", "path"]
        frame = pd.DataFrame(
            [(self.groups[e.group], e.source, e.target, e.kind, e.path) for e in found], columns=columns
        )
        q = solved.ram.n_free
        for suffix, value, slope in (
            ("", [e.value for e in found], [e.jacobian for e in found]),
            ("_std", [e.standardized for e in found], [e.standardized_jacobian for e in found]),
        ):
            frame = frame.assign(
                **inference_columns(
                    np.array(value),
                    solved.errors_of(np.array(slope).reshape(len(value), q)),
                    "est",
                    suffix,
                    level,
                )
            )
        frame = frame.drop(columns=["z_std", "pvalue_std"])
        if interval == "delta":
            return frame
        if interval == "bootstrap":
            other = self.bootstrap(draws or 1000, seed=seed).effects(level=level)
        else:
            from sem_models.inference.monte_carlo import effect_intervals

            seed = self.solved.options.seed if seed is None else seed
            other = pd.DataFrame(effect_intervals(solved, found, draws or 20_000, seed, level))
        limits = ["ci_lower", "ci_upper", "ci_lower_std", "ci_upper_std"]
        return frame.assign(**{name: other[name].to_numpy() for name in limits})

    def contrast(
        self, contrast: str | Contrast, *, metric: Metrics = "raw", level: float = LEVEL
    ) -> pd.Series:
        """A named contrast, or any expression over labels and defined parameters, with its interval.

        metric and level hold for an expression; a `sm.Contrast` has its own. Returns a Series with
        expression, metric, est, se, z, pvalue, ci_lower, ci_upper, id, title, definition, level, note.
        Raises SpecError for unknown labels.
        """
        from sem_models.inference.contrasts import Contrast, evaluate_contrast

        if isinstance(contrast, str):
            contrast = Contrast(contrast, contrast, scale=metric, level=level)
        row = evaluate_contrast(self.solved, contrast).as_row()
        order = ("est", "se", "z", "pvalue", "ci_lower", "ci_upper", *CONTRAST_TEXTS)
        first = {"expression": contrast.expression or contrast.definition, "metric": contrast.scale}
        return pd.Series({**first, **{k: row[k] for k in order}})

    def contrasts(self, contrasts: Any, *, adjust: Adjust = "none") -> pd.DataFrame:
        """Several contrasts at once: a list of them, texts by name, or a specification (its claims).

        adjust "holm", "bonferroni" or "bh" (Benjamini–Hochberg) fills pvalue_adjusted. Columns id, title,
        definition, scale, group, level, sign, est, se, z, pvalue, pvalue_adjusted, ci_lower, ci_upper, note.
        """
        from sem_models.inference.contrasts import as_contrasts, contrast_table

        return contrast_table(self.solved, as_contrasts(contrasts), adjust=adjust)

    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of the free parameters, labelled lhs+op+rhs (with .g2 … for later groups)."""
        names = self._free_names()
        found = pd.DataFrame(self.solved.covariance.free, index=names, columns=names)
        shown = [not self.solved.table.rows[n].hidden for n in self.solved.ram.row_of_free]
        return found if all(shown) else found.loc[shown, shown]

    def r_squared(self) -> pd.Series:
        """Explained share of variance of every endogenous variable; by group when there are several."""
        solved = self.solved
        s_mat = solved.ram.matrices(solved.point.free)[1]
        place = {name: i for i, name in enumerate(solved.ram.variables)}
        values: dict[Any, float] = {}
        for row in solved.table.rows:
            if row.op in ("=~", "~") and not row.hidden:
                name = row.rhs if row.op == "=~" else row.lhs
                g, i = row.block - 1, place[name]
                key = (self.groups[g], name) if len(self.groups) > 1 else name
                values[key] = 1.0 - s_mat[g, i, i] / solved.point.at.cov_all[g, i, i]
        return pd.Series(values, name="r_squared", dtype=float)

    # ------------------------------------------------------------------ fit

    @cached_property
    def _measures(self) -> Measures:
        return fit_measures(self.solved)

    @single_threaded
    def measures(self) -> pd.Series:
        """Fit measures under lavaan's names with underscores; NaN where undefined, see `why`."""
        values = self._measures.values
        numbers = np.array(list(values.values()), dtype=np.float64)
        return pd.Series(numbers, labels(tuple(values)), name="measures", copy=False)

    def why(self, name: str) -> str:
        """Why a fit measure is undefined; an empty string for one that is defined."""
        if name not in self._measures.values:
            raise SpecError(
                f"'{name}' is no fit measure. {did_you_mean(name, self._measures.values, noun='measures')}"
            )
        return self._measures.reasons.get(name, "")

    def tests(self) -> pd.DataFrame:
        """Every test that was asked for: test, stat, df, pvalue, scaling_factor, shift_parameter."""
        return pd.DataFrame(self._tests)

    @cached_property
    def _tests(self) -> list[dict[str, Any]]:
        return all_tests(self.solved)

    @single_threaded
    def compare(
        self,
        *others: Fit,
        method: Method = "default",
        names: tuple[str, ...] = (),
        a_method: Literal["delta", "exact"] = "delta",
        scaled_shifted: bool = True,
    ) -> pd.DataFrame:
        """Likelihood-ratio tests of nested models, least restricted first, each against the row above.

        method "standard", "satorra.bentler.2001", "satorra.bentler.2010" or "satorra.2000"; by default plain
        without a scaled test, 2001 with a mean-scaled one (MLR, MLM), satorra.2000 with one adjusted for mean
        and variance. a_method and scaled_shifted are lavaan's choices for satorra.2000. Column `method` says
        what was used, `note` why there is no statistic. Refuses fits of other data or estimators, and models
        that are not nested.
        """
        fits = (self, *others)
        labels = names or tuple(f"model {i + 1}" for i in range(len(fits)))
        if len(labels) != len(fits):
            raise SpecError(f"names= has {len(labels)} entries for {len(fits)} models.")
        for label, fit in zip(labels, fits, strict=True):
            if not fit.status.converged:
                raise ConvergenceError(
                    f"'{label}' did not converge, so it cannot be compared. {' '.join(fit.status.reasons)}"
                )
        solved = [fit.solved for fit in fits]
        return compare_fits(labels, solved, method, a_method=a_method, scaled_shifted=scaled_shifted)

    def wald(self, hypothesis: str) -> Wald:
        """Wald test of equalities over labels, for example `fit.wald("a1 == a2")`."""
        return wald_test(self.solved, hypothesis)

    @single_threaded
    def modification_indices(
        self,
        *,
        sort: bool = False,
        minimum_value: float = 0.0,
        maximum_number: int | None = None,
        op: str | Sequence[str] | None = None,
        power: bool = False,
        delta: float = 0.1,
        alpha: float = 0.05,
        high_power: float = 0.75,
    ) -> pd.DataFrame:
        """What each fixed or absent parameter would do if it were free, one at a time and without a refit.

        Columns lhs, op, rhs, group (level, block), mi (χ² drop), epc (expected change), sepc_lv, sepc_all,
        sepc_nox (standardized); with `power` also delta, ncp, power and decision for a true change of delta.
        Parameters that could not be identified are left out. sort=True puts the largest first.
        """
        from sem_models.inference.modification_table import modification_table

        frame = modification_table(
            self.solved, sort=sort, minimum_value=minimum_value, maximum_number=maximum_number, op=op,
            power_of=(delta, alpha, high_power) if power else None,
        )  # fmt: skip
        return self._with_blocks(frame)

    @single_threaded
    def score_tests(self, release: Sequence[int] | None = None, add: str | None = None) -> ScoreTests:
        """Would releasing equality constraints, or adding parameters, improve the fit? No refit is made.

        release numbers the constraints (1-based: `==` of the text first, then shared labels and group_equal
        by pairs), all by default; add names parameters, for example "x1 ~~ x4". The result holds the total
        test (statistic, df, pvalue) and frames: univariate, cumulative, changes (expected change by
        parameter).
        """
        from sem_models.inference.score_tests import score_tests

        return score_tests(self.solved, release, add)

    @single_threaded
    def factor_scores(
        self, method: ScoreMethod = "regression", *, se: bool = False, data: Any = None
    ) -> pd.DataFrame:
        """Scores of the latent variables, one row a customer, labelled by the data's index.

        method "regression" (conditional means) or "bartlett" (unbiased given the latent variables); se=True
        adds a column `X_se` each. With missing answers every row is scored by the answers it has; NaN where
        they say nothing of a factor. data= scores other rows by this fit. Several groups have a column
        `group` first.
        """
        from sem_models.inference.row_tables import score_table

        return score_table(self.solved, method, errors=se, data=data)

    @single_threaded
    def influence(self, *, exact: bool = False) -> pd.DataFrame:
        """How far the estimates would move without each customer, a row each, labelled by the data's index.

        Columns cooks_distance (generalized: the move in units of the estimates' covariance) and
        likelihood_displacement (twice the log-likelihood it would cost). One Newton step by default;
        exact=True refits without each row, with a progress bar.
        """
        from sem_models.inference.influence import influence_table

        return influence_table(self.solved, exact=exact)

    # ------------------------------------------------------------------ moments

    def implied(self) -> dict[str, dict[str, Any]]:
        """Model-implied moments by group label: cov (DataFrame, divisor n) and mean (Series).

        With ordered items: of the latent responses in their unit metric given the covariates, and also
        "thresholds", and "slopes" on the covariates.
        """
        if self.solved.sample.ordinal is not None:
            from sem_models.inference.ordinal_tables import implied_tables

            return implied_tables(self.solved)
        mu = self.solved.point.at.mu if self.solved.ram.has_means else self.solved.sample.mean
        return self._moments(self.solved.point.at.sigma, mu)

    def sample_moments(self) -> dict[str, dict[str, Any]]:
        """The saturated moments the model is compared with: EM estimates when answers are missing.

        NaN where the data have none. With ordered items as in `implied()`.
        """
        s = self.solved.sample
        if s.ordinal is not None:
            from sem_models.inference.ordinal_tables import sample_tables

            return sample_tables(self.solved)
        blank = 0.0 if s.saturated else np.nan
        return self._moments(s.cov + blank, s.mean + blank)

    def latent_moments(self) -> dict[str, dict[str, Any]]:
        """Model-implied covariances and means of the latent variables, by group label."""
        p = self.solved.ram.n_observed
        at, names = self.solved.point.at, list(self.solved.ram.variables[p:])
        return {
            label: {
                "cov": pd.DataFrame(at.cov_all[g, p:, p:], index=names, columns=names),
                "mean": pd.Series(at.eta[g, p:], index=names),
            }
            for g, label in enumerate(self.groups)
        }

    def residuals(self, type: ResidualType = "raw") -> Any:
        """Observed minus implied moments by group, {label: {"cov", "mean"}}.

        "raw"; "cor" (Bollen: correlations); "cor_bentler" (in observed standard deviations); "normalized" (in
        standard errors of the sample moments); "standardized" (z: in standard errors of the residuals
        themselves, which are added as "cov_se" and "mean_se"). "casewise" is one row a customer instead:
        answers less what the regression scores of the latent variables and the other answers predict. NaN
        where the data have no saturated moments. With ordered items also "thresholds" (and "slopes").
        """
        from sem_models.inference.residual_tables import residual_tables

        return residual_tables(self.solved, type)

    # ------------------------------------------------------------------ measurement

    def reliability(self) -> pd.DataFrame:
        """Alpha, omega, composite reliability and AVE of each construct, one row a construct and group.

        Columns group, construct, n_items, alpha, omega, cr, ave, note. With ordered items those of the sum
        score of the answers (categorical omega; Green & Yang, 2009), and AVE of the latent responses.
        """
        if self.solved.sample.ordinal is not None:
            from sem_models.measurement.ordinal_reliability import ordinal_reliability

            return ordinal_reliability(self.solved)
        from sem_models.measurement.reliability import reliability

        moments = {label: tables["cov"] for label, tables in self.sample_moments().items()}
        return reliability(self.estimates(), moments)

    def category_curves(
        self, items: str | Sequence[str] | None = None, *, at: Sequence[float] | None = None
    ) -> pd.DataFrame:
        """Probability of each answer to ordered items along their construct, for `charts.categories`.

        Columns group, construct, item, category, answer, value (the construct in standard deviations from its
        mean, both of the first group), probability. at= gives other values than −3 to 3.
        """
        from sem_models.measurement.category_curves import category_curves

        return category_curves(self.solved, items, at=at)

    # ------------------------------------------------------------------ resampling

    @single_threaded
    def bootstrap(
        self, n: int = 1000, *, type: Kind = "ordinary", seed: int | None = None, progress: bool = True
    ) -> Bootstrap:
        """Refit the model to n resamples of the rows, drawn with replacement within groups.

        type "ordinary" gives errors and intervals, "bollen.stine" draws from rows moved so that the model
        holds in them and tests it, "parametric" draws normal samples of the model, missing what the data
        miss. The same seed gives the same draws; by default that of the fit. Refits that fail are left out
        and counted.
        """
        from sem_models.inference.bootstrap import bootstrap

        seed = self.solved.options.seed if seed is None else seed
        return bootstrap(self.solved, n, type, seed, progress=progress)

    # ------------------------------------------------------------------ when something is wrong

    @single_threaded
    def diagnose(self, *, attempts: bool = False) -> Diagnosis:
        """What is wrong with this fit, in words, and what was tried; print it, or take `.table()`.

        `attempts=True` also tries the items in other units, other markers, variances held at zero or above,
        and several starts. Each is shown with its outcome; none changes this fit.
        """
        from sem_models.estimation.fit import solve
        from sem_models.inference.diagnosis import diagnose

        plain = replace(self.solved.options, se="standard", test=("standard",))  # so that no rows are needed
        options = replace(plain, check_identification=False)
        return diagnose(
            self.solved,
            lambda table, sample, start: solve(table, sample, options, start),
            line=f"{self.spec_id}: {self.header.line()}", attempts=attempts,
        )  # fmt: skip

    # ------------------------------------------------------------------ second opinion

    def cross_check(self) -> pd.DataFrame:
        """This fit beside semopy's on the same parameters; says where semopy has no sound counterpart."""
        from sem_models.inference.second_engine import cross_check

        return cross_check(self)

    # ------------------------------------------------------------------ showing

    def summary(self) -> Summary:
        """What R users know from lavaan's summary: text when printed, tables in a notebook."""
        from sem_models.reports.summary import Summary

        return Summary(self)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"<Fit {self.spec_id}: {self.header.line()}>"

    def _repr_html_(self) -> str:
        from sem_models.reports.summary import summary_html

        return summary_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the data, as plain Python values (NaN as None); docs/fit-json.md describes it."""
        from sem_models.storage.plain import fit_as_dict

        return fit_as_dict(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict()` as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def save(self, path: str | Path, *, include_rows: bool = False) -> Path:
        """Write this fit to a file that `sm.load_fit` reads; returns its path.

        The file holds moments and what was computed from the rows, no row and no cell below 5 customers. A
        fit of incomplete data keeps its results; what needs the answers anew is then refused.
        `include_rows=True` keeps the rows too, so that the loaded fit can do all this one can.
        """
        from sem_models.storage.files import save_fit

        return save_fit(self, path, include_rows=include_rows)

    # ------------------------------------------------------------------ helpers

    def _free_names(self) -> list[str]:
        rows = self.solved.table.rows
        return [
            rows[n].name + (f".g{rows[n].block}" if rows[n].block > 1 else "")
            for n in self.solved.ram.row_of_free
        ]

    def _frame(self, columns: dict[str, Array], *, aux: bool = False) -> pd.DataFrame:
        """Rows of the table and defined parameters with these columns; `level` and `block` for groups."""
        keys = dict(row_keys(self.solved.table))
        block = keys.pop("block")
        columns = {**keys, **columns}
        if len(self.groups) > 1:
            columns |= {"level": np.ones(len(block), dtype=int), "block": block}
        frame = framed(columns)
        if self.solved.table.variables.emergent:
            shown = [not row.hidden for row in self.solved.table.rows]
            shown += [True] * (len(frame) - len(shown))
            frame = frame[shown].reset_index(drop=True)
        return frame if aux else self._without_aux(frame)

    def _without_aux(self, frame: pd.DataFrame) -> pd.DataFrame:
        aux = self.solved.options.rows.aux
        if not aux:
            return frame
        return frame[~(frame["lhs"].isin(aux) | frame["rhs"].isin(aux))].reset_index(drop=True)

    def _with_blocks(self, frame: pd.DataFrame) -> pd.DataFrame:
        block = frame.pop("block")
        return frame.assign(level=1, block=block) if len(self.groups) > 1 else frame

    def _moments(self, cov: Array, mean: Array) -> dict[str, dict[str, Any]]:
        names = list(self.solved.sample.variables)
        return {
            label: {
                "cov": pd.DataFrame(cov[g], index=names, columns=names),
                "mean": pd.Series(mean[g], index=names),
            }
            for g, label in enumerate(self.groups)
        }
