"""Fit of models of ordered items: the baseline, residual measures, and the categorical robust CFI and RMSEA.

Robust: Savalei (2021), Improving fit indices in structural equation modeling with categorical data,
Multivariate Behavioral Research 56, 390–407. The maximum likelihood discrepancy of the polychoric
correlations is taken at the least-squares estimates, and its expected value under the model from their Γ.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from sem_models.estimation.ordinal_least_squares import OrdinalLeastSquares, OrdinalPoint
from sem_models.estimation.pairwise_likelihood import PairwiseLikelihood, independence
from sem_models.inference.scaled_tests import empirical_gamma, projection, scaled_test
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import ChiSquare


def parts_of(solved: Solved) -> tuple[OrdinalLeastSquares, OrdinalPoint]:
    """Objective and point of a fit of ordered items."""
    assert isinstance(solved.objective, OrdinalLeastSquares)
    assert isinstance(solved.point, OrdinalPoint)
    return solved.objective, solved.point


def ordinal_baseline(solved: Solved) -> ChiSquare:
    """The test of uncorrelated variables, thresholds, slopes and variances free."""
    objective, _ = parts_of(solved)
    sample = solved.sample
    assert sample.ordinal is not None
    layout = sample.ordinal.layout
    if isinstance(objective, PairwiseLikelihood):
        return _pairs_baseline(solved, objective)
    cov = layout.parts[3]
    others = np.arange(cov.start)
    total = first = second = 0.0
    for g, n in enumerate(sample.n_by_group):
        e, weight, gamma = objective.moments[g][cov], objective.weight[g], sample.ordinal.gamma[g][cov, cov]
        if weight.ndim == 1:
            inner = np.diag(weight[cov])
        else:
            across = weight[cov][:, others]
            inner = weight[cov, cov] - across @ np.linalg.solve(weight[np.ix_(others, others)], across.T)
        total += float(n * (e @ inner @ e))
        product = inner @ gamma
        first += float(np.trace(product))
        second += float((product * product.T).sum())
    df = len(layout.first) * len(sample.groups)
    plain = ChiSquare(total, df, tested=solved.chi_square.tested)
    kind = solved.options.scaled_test
    if not kind or not df:
        return plain
    out = scaled_test(kind, total, df, first, second)
    return ChiSquare(total, df, out.scaling, out.shift, out.df, None, plain.tested)


def _pairs_baseline(solved: Solved, objective: PairwiseLikelihood) -> ChiSquare:
    found = independence(objective, solved.sample)
    df = len(objective.tables[0].layout.first) * len(objective.tables)
    plain = ChiSquare(found.statistic, df, tested=False)
    kind = solved.options.scaled_test
    if not kind:
        return plain
    out = scaled_test(kind, found.statistic, df, found.trace, found.trace_squared)
    return ChiSquare(found.statistic, df, out.scaling, out.shift, out.df, None, False)


@dataclass(frozen=True, slots=True)
class CategoricalMisfit:
    """ML discrepancy of the correlations (χ²) on df degrees of freedom with its expected value, for the model
    and for uncorrelated items."""

    statistic: float
    expected: float
    df: int
    baseline: float
    baseline_expected: float


def categorical_misfit(solved: Solved) -> CategoricalMisfit | None:
    """None with continuous variables or covariates among the items, and without positive definite matrices.

    The residuals' part in Γ leaves out what thresholds contribute to the estimates, and the baseline's
    expected value adds up Γ / share, as the reference does; with one group, or thresholds of their own in
    each, the former changes nothing.
    """
    sample = solved.sample
    objective, point = parts_of(solved)
    assert sample.ordinal is not None
    layout = sample.ordinal.layout
    if isinstance(objective, PairwiseLikelihood):
        return None
    if not solved.options.robust or not layout.ordered.all() or layout.n_covariates or not solved.df:
        return None
    if _correlation_df(solved) <= 0:  # all that is tested are thresholds
        return None
    cov, i, j = layout.parts[3], layout.first, layout.second
    at = projection(objective, point, sample)
    spreads = [gamma[cov, cov] for gamma in empirical_gamma(sample, solved.ram.exogenous, at.keep)]
    p, n = layout.n_variables, sample.n_total
    statistic = baseline = 0.0
    weights = []
    for g, share in enumerate(sample.share):
        implied = np.eye(p)
        implied[i, j] = implied[j, i] = (objective.moments[g] - point.residual[g])[cov]
        observed = np.eye(p)
        observed[i, j] = observed[j, i] = objective.moments[g][cov]
        try:
            logs = [2.0 * np.log(np.diagonal(np.linalg.cholesky(m))).sum() for m in (implied, observed)]
        except np.linalg.LinAlgError:
            return None
        inverse = np.linalg.inv(implied)
        statistic += n * share * float(logs[0] - logs[1] + (inverse * observed).sum() - p)
        baseline -= n * share * float(logs[1])
        weights.append(
            share
            * (inverse[np.ix_(i, i)] * inverse[np.ix_(j, j)] + inverse[np.ix_(i, j)] * inverse[np.ix_(j, i)])
        )
    slopes = [s[cov] for s in at.slopes]
    pulls = [at.inverse @ (s * w[cov, None]).T if w.ndim == 1 else at.inverse @ (w[cov, cov] @ s).T
             for s, w in zip(slopes, at.weight, strict=True)]  # fmt: skip
    followed = sum(pull @ spread @ pull.T for pull, spread in zip(pulls, spreads, strict=True))
    expected = 0.0
    for slope, pull, weight, spread in zip(slopes, pulls, weights, spreads, strict=True):
        expected += float((weight * spread).sum())
        expected -= 2.0 * float(((weight @ slope) * (spread @ pull.T)).sum())
        expected += float(((slope.T @ weight @ slope) * followed).sum())
    return CategoricalMisfit(
        statistic, expected, _correlation_df(solved), baseline, sum(float(np.trace(s)) for s in spreads)
    )


def _correlation_df(solved: Solved) -> int:
    """Degrees of freedom of the correlations alone: the parameters that thresholds need are set aside."""
    ram, sample = solved.ram, solved.sample
    assert sample.ordinal is not None
    rows = [solved.table.rows[number] for number in ram.row_of_free]
    kept = np.array([row.op not in ("|", "~1") for row in rows])
    n_parameters = int(np.linalg.matrix_rank(ram.reduction[kept])) if kept.any() else 0
    return len(sample.ordinal.layout.first) * len(sample.groups) - n_parameters


def residual_measures(solved: Solved) -> dict[str, float]:
    """RMR, SRMR and CRMR of the statistics, with thresholds and slopes or without ("nomean"), and WRMR.

    Slopes are in units of the covariates' standard deviations but for RMR; means do not count. Muthén &
    Muthén's WRMR is √(Σ n eᵀ V e / s) with V the reciprocal variances.
    """
    objective, point = parts_of(solved)
    sample = solved.sample
    assert sample.ordinal is not None
    layout = sample.ordinal.layout
    th, slopes, var, cov = layout.parts
    thresholds = layout.ordered[layout.th_variable]
    p, x = layout.n_variables, solved.ram.exogenous
    sums = dict.fromkeys(("rmr", "srmr_bentler", "crmr"), 0.0)
    sums |= {f"{name}_nomean": 0.0 for name in sums}
    for g, share in enumerate(sample.share):
        residual, observed = point.residual[g], objective.moments[g]
        implied = observed - residual
        sd, implied_sd = np.ones(p), np.ones(p)
        sd[layout.variances], implied_sd[layout.variances] = np.sqrt(observed[var]), np.sqrt(implied[var])
        unit = sd[layout.first] * sd[layout.second]
        of_model = implied_sd[layout.first] * implied_sd[layout.second]
        above = residual[th][thresholds]
        raw = residual[slopes]
        scaled = (
            raw * np.sqrt(np.diagonal(sample.cov[g])[x])[layout.slope_covariate] / sd[layout.slope_variable]
        )
        diagonal = p * (p + 1) // 2
        for name, inside, along, size in (
            ("rmr", np.append(residual[cov], residual[var]), raw, diagonal),
            (
                "srmr_bentler",
                np.append(residual[cov] / unit, residual[var] / observed[var]),
                scaled,
                diagonal,
            ),
            ("crmr", observed[cov] / unit - implied[cov] / of_model, scaled, diagonal - p),
        ):
            square = float(inside @ inside)
            every = square + float(above @ above) + float(along @ along)
            sums[name] += share * sqrt(every / max(size + len(above) + len(along), 1))
            sums[f"{name}_nomean"] += share * sqrt(square / max(size, 1))
    return {
        **sums,
        "srmr": sums["srmr_bentler_nomean"],
        "wrmr": sqrt(solved.minimum / layout.size) if solved.options.discrepancy != "PML" else float("nan"),
    }


def lisrel_fit(solved: Solved) -> float:
    """1 − eᵀ V e / sᵀ V s, averaged over groups."""
    objective, point = parts_of(solved)
    out = 0.0
    for g, share in enumerate(solved.sample.share):
        observed, weight = objective.moments[g], objective.weight[g]
        weighted = weight * observed if weight.ndim == 1 else weight @ observed
        out += share * (1.0 - float(point.residual[g] @ point.weighted[g]) / float(observed @ weighted))
    return out
