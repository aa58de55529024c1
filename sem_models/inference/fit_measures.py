"""All fit measures of a fitted model under lavaan's names, dots as underscores."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.optimizer import minimize
from sem_models.inference import measures as m
from sem_models.inference import residuals
from sem_models.inference.baseline import baseline_model, starts_at_solution
from sem_models.inference.incomplete_fit import complete_data_misfit, saturated_parts
from sem_models.inference.no_saturated import OF_ANSWERS, RMSEA_NAMES, WHY, undefined
from sem_models.inference.ordinal_fit import (
    CategoricalMisfit,
    categorical_misfit,
    lisrel_fit,
    ordinal_baseline,
    residual_measures,
)
from sem_models.inference.residual_tests import implied_inverse, residual_test
from sem_models.inference.test_statistics import ChiSquare, n_moments
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.pairwise import pairwise_moments
from sem_models.observed.patterns import discrepancy

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

Objective = NormalTheory | LeastSquares
AnyPoint = Point | MomentPoint
CLOSE, NOT_CLOSE, LEVEL = 0.05, 0.08, 0.90


@dataclass(slots=True)
class Measures:
    """Values by name, and for each NaN the reason why it is undefined."""

    values: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def why_not(self, names: tuple[str, ...], reason: str) -> None:
        for name in names:
            self.values.setdefault(name, nan)
            self.reasons[name] = reason


def fit_measures(solved: Solved) -> Measures:
    """Every measure that is defined; χ²-based ones need a converged solution."""
    out = Measures()
    v = out.values
    marginal = solved.options.discrepancy == "MML"
    if marginal or not solved.sample.saturated:
        v.update(_without_saturated(solved))
        _likelihood(v, solved)
        out.why_not(undefined(robust=solved.options.robust), OF_ANSWERS if marginal else WHY)
        return out
    sample, n, g = solved.sample, float(solved.sample.n), len(solved.sample.groups)
    test, robust = solved.chi_square, solved.options.robust
    p = len(sample.variables)
    v.update(
        npar=float(solved.ram.n_counted),
        fmin=solved.fmin,
        chisq=test.statistic,
        df=float(test.df),
        pvalue=test.pvalue,
    )
    saturated = robust and not test.df
    scaled = 0.0 if saturated else test.scaled  # nothing is left to be scaled
    if robust:
        v.update(chisq_scaled=scaled, df_scaled=test.df_scaled, pvalue_scaled=test.pvalue_scaled)
        v["chisq_scaling_factor"] = test.scaling if test.scaling is not None else nan
    if sample.ordinal is not None:
        base = ordinal_baseline(solved)
    else:
        base_objective, base_point, base = _baseline(solved)
    v.update(baseline_chisq=base.statistic, baseline_df=float(base.df), baseline_pvalue=base.pvalue)
    if robust:
        v.update(
            baseline_chisq_scaled=base.scaled,
            baseline_df_scaled=base.df_scaled,
            baseline_pvalue_scaled=base.pvalue_scaled,
        )
        v["baseline_chisq_scaling_factor"] = base.scaling if base.scaling is not None else nan
    _incremental(v, test, base, scaled if robust else None)
    categorical = categorical_misfit(solved) if sample.ordinal is not None else None
    misfit = None
    if categorical is not None:
        _categorical(v, categorical, test, base)
    elif sample.ordinal is None:
        misfit = _robust_moments(solved, base_objective, base_point, base)
    if misfit is not None:
        (x2, x2_mean), (b2, b2_mean) = misfit
        v["cfi_robust"] = m.cfi(x2, x2_mean, b2, b2_mean)
        v["tli_robust"] = m.tli(x2, test.df, b2, base.df, expected=(x2_mean, b2_mean))
        v["nnfi_robust"] = v["tli_robust"]
        v["rni_robust"] = m.rni(x2, x2_mean, b2, b2_mean)
    _likelihood(v, solved)
    _rmsea(v, "", test.statistic, test.df, n, g)
    v.update(rmsea_ci_level=LEVEL, rmsea_close_h0=CLOSE, rmsea_notclose_h0=NOT_CLOSE)
    if robust and test.scaling is not None:
        # as lavaan: the shifted statistic as it is, else the unscaled one on tr(UΓ) degrees of freedom
        shifted = test.shift != 0.0
        x2 = test.scaled if shifted else test.statistic
        _rmsea(v, "_scaled", x2, test.df if shifted else test.scaling * test.df_scaled, n, g)
    if saturated or (misfit is not None and not test.df):
        _rmsea(v, "_robust", 0.0, 0, n, g)
    elif misfit is not None:
        x2, x2_mean = misfit[0]
        scaling = x2_mean / test.df
        if scaling > 0:
            _rmsea(v, "_robust", x2 / scaling, test.df, n, g, scaling=scaling)
        else:
            out.why_not(
                tuple(f"{name}_robust" for name in RMSEA_NAMES),
                "The expected value of the statistic, estimated from these data, is not positive.",
            )
        if test.shift and test.scaling is not None:
            _rmsea_interval(v, "_robust", test.scaled, test.df, n, g, scaling=test.scaling)
    if sample.ordinal is not None:
        _ordinal(v, solved, categorical)
    else:
        _residual_based(v, solved)
        _lisrel_and_gfi(v, solved, misfit, n, p)
    df = test.df
    v["cn_05"], v["cn_01"] = (m.critical_n(test.statistic, df, n, alpha) for alpha in (0.05, 0.01))
    v["mfi"], v["ecvi"] = m.mfi(test.statistic, df, n), m.ecvi(test.statistic, solved.ram.n_counted, n)
    _explain(out, solved, base)
    return out


def _without_saturated(solved: Solved) -> dict[str, float]:
    """What is known of a model that has nothing to be compared with, but its log-likelihood."""
    ram, _ = baseline_model(solved.ram, solved.table, solved.sample, solved.options.rows.aux)
    base_df = n_moments(solved.sample, ram.exogenous, has_means=ram.has_means) - ram.n_params
    v = {"npar": float(solved.ram.n_params), "df": float(solved.df), "baseline_df": float(base_df)}
    v.update(rmsea_ci_level=LEVEL, rmsea_close_h0=CLOSE, rmsea_notclose_h0=NOT_CLOSE, gfi_ci_level=LEVEL)
    if solved.options.robust:
        v.update(df_scaled=v["df"], baseline_df_scaled=v["baseline_df"], scaling_factor_h0=nan)
        covariance, q = solved.covariance, solved.ram.n_free
        if covariance.meat is not None and not covariance.singular and q:
            solution = np.linalg.solve(covariance.information, covariance.meat)
            v["scaling_factor_h0"] = float(np.trace(solution)) / q
    return v


def _baseline(solved: Solved) -> tuple[Objective, AnyPoint, ChiSquare]:
    ram, start = baseline_model(solved.ram, solved.table, solved.sample, solved.options.rows.aux)
    objective = solved.objective_for(ram)
    there = isinstance(objective, NormalTheory) and starts_at_solution(solved.sample, solved.options.rows.aux)
    point: Any = objective.at(start) if there else minimize(objective, start, n_rows=solved.sample.n).point
    assert point is not None, "variances of the sample are positive"
    df = n_moments(solved.sample, ram.exogenous, has_means=ram.has_means) - ram.n_counted
    return objective, point, solved.test_of(objective, point, df)


def _categorical(v: dict[str, float], found: CategoricalMisfit, test: ChiSquare, base: ChiSquare) -> None:
    """Robust incremental measures; the expected value is that per degree of freedom of the correlations."""
    mean = found.expected / found.df * test.df if found.df else nan
    v["cfi_robust"] = m.cfi(found.statistic, mean, found.baseline, found.baseline_expected)
    expected = (mean, found.baseline_expected)
    v["tli_robust"] = m.tli(found.statistic, test.df, found.baseline, base.df, expected=expected)
    v["nnfi_robust"] = v["tli_robust"]
    v["rni_robust"] = m.rni(found.statistic, mean, found.baseline, found.baseline_expected)


def _ordinal(v: dict[str, float], solved: Solved, found: CategoricalMisfit | None) -> None:
    """What is made of residuals, GFI, and the robust RMSEA, of models of ordered items."""
    sample, test = solved.sample, solved.chi_square
    assert sample.ordinal is not None
    v.update(residual_measures(solved))
    g, p, n, df = len(sample.groups), len(sample.variables) - len(solved.ram.exogenous), sample.n, test.df
    if found is not None and found.df and found.expected > 0:
        total, scaling = sample.n_total, found.expected / found.df
        _rmsea(v, "_robust", found.statistic / scaling, found.df, total, g, scaling=scaling)
        v["gfi_robust"] = m.gfi(2.0 * found.statistic / total, p, 2.0 * found.expected / total)
        v["gfi_ci_lower_robust"], v["gfi_ci_upper_robust"] = _gfi_interval(
            found.statistic / scaling, found.df, total, p, scaling
        )
    v["gfi"] = m.gfi(2.0 * test.statistic / n, p, 2.0 * df / n) if df else 1.0
    v["gfi_ci_lower"], v["gfi_ci_upper"] = _gfi_interval(test.statistic, df, n, p, 1.0)
    moments = sample.ordinal.statistics.size
    v["gfi_ci_level"] = LEVEL
    v["gfi_lisrel"] = lisrel_fit(solved)
    v["agfi_lisrel"] = 1.0 - moments / df * (1.0 - v["gfi_lisrel"]) if df else 1.0
    v["pgfi"] = df / moments * v["gfi_lisrel"]


def _incremental(v: dict[str, float], test: ChiSquare, base: ChiSquare, scaled: float | None) -> None:
    kinds = [("", test.statistic, base.statistic, float(test.df), float(base.df))]
    if scaled is not None:
        kinds.append(("_scaled", scaled, base.scaled, test.df_scaled, base.df_scaled))
    for suffix, x2, b2, df, base_df in kinds:
        v[f"cfi{suffix}"] = m.cfi(x2, df, b2, base_df)
        v[f"tli{suffix}"] = v[f"nnfi{suffix}"] = m.tli(x2, df, b2, base_df)
        v[f"rfi{suffix}"] = m.rfi(x2, df, b2, base_df)
        v[f"nfi{suffix}"] = m.nfi(x2, b2)
        v[f"pnfi{suffix}"] = v[f"nfi{suffix}"] * df / base_df if base_df else nan
        v[f"ifi{suffix}"] = m.ifi(x2, df, b2)
        v[f"rni{suffix}"] = m.rni(x2, df, b2, base_df)


def _robust_moments(
    solved: Solved, base_objective: Objective, base_point: AnyPoint, base: ChiSquare
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """(statistic, expected value) of model and baseline for the robust measures; None without them."""
    if not solved.sample.complete:
        own, own_point, other, other_point = solved.objective, solved.point, base_objective, base_point
        assert isinstance(own, NormalTheory)
        assert isinstance(other, NormalTheory)
        assert isinstance(own_point, Point)
        assert isinstance(other_point, Point)
        robust = solved.options.casewise_sandwich or solved.options.robust
        meat = solved.saturated_meat if robust else None
        shared = saturated_parts(solved.sample, own, meat)
        return (
            complete_data_misfit(own, own_point, solved.sample, shared),
            complete_data_misfit(other, other_point, solved.sample, shared),
        )
    test = solved.chi_square
    if test.expected is None or base.expected is None or isnan(test.expected) or isnan(base.expected):
        return None
    return (test.statistic, test.expected), (base.statistic, base.expected)


def _likelihood(v: dict[str, float], solved: Solved) -> None:
    k, n = solved.ram.n_counted, solved.sample.n_total
    v["ntotal"] = n
    if solved.options.discrepancy not in ("ML", "MML"):
        return
    v.update(logl=solved.logl, unrestricted_logl=solved.saturated_logl)
    v.update(
        aic=m.aic(solved.logl, k),
        bic=m.bic(solved.logl, k, n),
        bic2=m.bic_adjusted(solved.logl, k, n),
    )
    if solved.options.robust and solved.traces is not None:
        saturated, model = solved.traces
        explained = n_moments(solved.sample, solved.ram.exogenous, has_means=solved.ram.has_means)
        v["scaling_factor_h1"] = saturated / explained
        v["scaling_factor_h0"] = model / solved.ram.n_free if solved.ram.n_free else nan


def _rmsea(
    v: dict[str, float], suffix: str, chisq: float, df: float, n: float, g: int, *, scaling: float = 1.0
) -> None:
    """All RMSEA entries of one kind; `chisq` is already divided by `scaling`."""
    v[f"rmsea{suffix}"] = m.rmsea(chisq * scaling, df, n, g, scaling=scaling)
    _rmsea_interval(v, suffix, chisq, df, n, g, scaling=scaling)


def _rmsea_interval(
    v: dict[str, float], suffix: str, chisq: float, df: float, n: float, g: int, *, scaling: float = 1.0
) -> None:
    low, high = m.rmsea_interval(chisq, df, n, g, scaling=scaling, level=LEVEL)
    v[f"rmsea_ci_lower{suffix}"], v[f"rmsea_ci_upper{suffix}"] = low, high
    v[f"rmsea_pvalue{suffix}"] = m.rmsea_close(chisq, df, n, g, against=CLOSE, scaling=scaling)
    v[f"rmsea_notclose_pvalue{suffix}"] = m.rmsea_notclose(
        chisq, df, n, g, against=NOT_CLOSE, scaling=scaling
    )


def _residual_based(v: dict[str, float], solved: Solved) -> None:
    sample, at = solved.sample, solved.point.at
    share = sample.share
    means = solved.ram.has_means
    mu = at.mu if means else sample.mean
    sums: dict[str, float] = {}
    for g, weight in enumerate(share):
        args = (sample.cov[g], sample.mean[g], at.sigma[g], mu[g])
        raw, bentler = residuals.raw(*args), residuals.bentler(*args)
        bollen = residuals.bollen(*args)
        mplus = residuals.mplus(*args, correlations=bollen)
        for name, res, diagonal in (
            ("rmr", raw, True), ("srmr_bentler", bentler, True), ("crmr", bollen, False),
            ("srmr_mplus", mplus, True),
        ):  # fmt: skip
            both, only = residuals.root_mean_squares(res, means=means, diagonal=diagonal)
            sums[name] = sums.get(name, 0.0) + weight * both
            sums[f"{name}_nomean"] = sums.get(f"{name}_nomean", 0.0) + weight * only
    v.update(rmr=sums["rmr"], rmr_nomean=sums["rmr_nomean"], srmr=sums["srmr_bentler"])
    v.update({k: sums[k] for k in sums if not k.startswith("rmr")})


def _lisrel_and_gfi(
    v: dict[str, float],
    solved: Solved,
    misfit: tuple[tuple[float, float], tuple[float, float]] | None,
    n: float,
    p: int,
) -> None:
    """GFI from the residuals e in the metric W of the implied moments (of the EM moments if incomplete).

    The unbiased GFI takes Browne's (1984) residual statistic, e less what the parameters' derivatives span
    (the likelihood ratio, and the complete-data misfit for its robust form, when answers are missing);
    LISREL's is 1 − eᵀWe / sᵀWs with the estimator's own W, averaged over groups, the moments of fixed
    covariates left out of s; with missing answers it compares pairwise moments, as lavaan does.
    """
    sample, ram, at = solved.sample, solved.ram, solved.point.at
    g, df = len(sample.groups), solved.chi_square.df
    mu = at.mu if ram.has_means else sample.mean
    cov, mean = (sample.cov, sample.mean) if sample.complete else pairwise_moments(sample)
    if isinstance(solved.objective, LeastSquares):
        weight = solved.objective.weight
    elif sample.complete and not len(ram.exogenous):
        weight = None
    else:
        parts = discrepancy(at.sigma, mu, sample.patterns)
        weight = moment_likelihood.curvature(parts, sample.patterns, g, observed=False)
    if weight is None:
        inverse = implied_inverse(solved.point)
        by_group = [
            _lisrel_normal(cov[k], mean[k], at.sigma[k], mu[k], inverse[k], ram.has_means) for k in range(g)
        ]
    else:
        counted = moments_explained(len(sample.variables), ram.exogenous, has_means=ram.has_means)
        by_group = [_lisrel(cov[k], mean[k], at.sigma[k], mu[k], weight[k], counted) for k in range(g)]
    lisrel = float(sample.share @ np.array(by_group))
    plain, corrected = solved.chi_square.statistic, misfit[0] if misfit is not None else None
    if sample.complete and not ram.curved:  # along curved equalities residuals have no such test
        plain = residual_test(
            "browne.residual.nt.model", solved.objective, solved.point, sample, solved.expected_information
        )
    kinds = {"": (plain, 1.0)}
    if corrected is not None and df and corrected[1] > 0:
        kinds["_robust"] = (plain if sample.complete else corrected[0], corrected[1] / df)
    for suffix, (statistic, scaling) in kinds.items():
        v[f"gfi{suffix}"] = m.gfi(2.0 * statistic / n, p, 2.0 * scaling * df / n) if df else 1.0
        interval = _gfi_interval(statistic / scaling, df, n, p, scaling)
        if suffix and solved.chi_square.shift:
            a, shift = solved.chi_square.scaling or 1.0, solved.chi_square.shift
            interval = _gfi_interval(statistic / a + shift, df, n, p, a)
        v[f"gfi_ci_lower{suffix}"], v[f"gfi_ci_upper{suffix}"] = interval
    moments = g * (p * (p + 1) // 2 + (p if ram.has_means else 0))
    v["gfi_ci_level"] = LEVEL
    v["gfi_lisrel"] = lisrel
    v["agfi_lisrel"] = 1.0 - moments / df * (1.0 - lisrel) if df else 1.0
    v["pgfi"] = df / moments * lisrel


def _lisrel(cov: Array, mean: Array, sigma: Array, mu: Array, weight: Array, counted: Array) -> float:
    i, j = np.tril_indices(len(mean))
    observed = np.concatenate([cov[i, j], mean])
    residual = observed - np.concatenate([sigma[i, j], mu])
    observed = np.where(counted, observed, 0.0)
    return 1.0 - float(residual @ weight @ residual) / float(observed @ weight @ observed)


def _lisrel_normal(
    cov: Array, mean: Array, sigma: Array, mu: Array, inverse: Array, has_means: bool
) -> float:
    """The same with the normal-theory W: eᵀWe = ½ tr(Σ⁻¹EΣ⁻¹E) + dᵀΣ⁻¹d, without forming W."""
    sums = []
    for second, first in ((cov - sigma, mean - mu), (cov, mean)):
        weighted = inverse @ second
        sums.append(0.5 * float((weighted * weighted.T).sum()))
        if has_means:
            sums[-1] += float(first @ inverse @ first)
    return 1.0 - sums[0] / sums[1]


def _gfi_interval(statistic: float, df: int, n: float, p: int, scaling: float) -> tuple[float, float]:
    if not df:
        return 1.0, 1.0
    low, high = (m.noncentrality_bound(statistic, df, t) for t in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    return p / (p + 2.0 * scaling * high / n), p / (p + 2.0 * scaling * low / n)


def _explain(out: Measures, solved: Solved, base: ChiSquare) -> None:
    if not solved.chi_square.df:
        out.why_not(
            ("pvalue", "rmsea_pvalue", "rmsea_notclose_pvalue", "cn_05", "cn_01"),
            "The model is saturated (no degrees of freedom), so there is nothing to test.",
        )
    if not solved.chi_square.tested and solved.chi_square.df:
        out.why_not(
            ("pvalue", "baseline_pvalue"),
            f"The unscaled minimum of {solved.options.estimator} has no χ² distribution; see pvalue_scaled.",
        )
    if base.df == 0:
        out.why_not(("baseline_pvalue", "rfi", "pnfi"), "The baseline model has no degrees of freedom.")
    if "cfi_robust" not in out.values:
        reason = "Robust versions need estimator='MLR' or incomplete data with missing='fiml'."
        if solved.sample.ordinal is not None:
            reason = (
                "Robust versions need ordered items alone, without covariates, a robust estimator but PML, "
                "degrees of freedom among the correlations, and positive definite polychoric correlations."
            )
        elif solved.options.robust:
            reason = "The expected value of χ² for the model or the baseline is not positive in these data."
        out.why_not(("cfi_robust", "tli_robust", "rmsea_robust"), reason)
    for name, value in out.values.items():
        if value != value:
            out.reasons.setdefault(name, "Its formula divides by zero for these data.")
