"""The maximum of the likelihood, its covariance, and restricted models for the tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sem_models.estimation.optimizer import Outcome, Solution, minimize
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.ram import Array
from sem_models.moderation.covariates.likelihood import CovariateLikelihood, CovariatePoint
from sem_models.moderation.covariates.problem import CovariateProblem
from sem_models.observed.patterns import BoolArray


@dataclass(frozen=True, eq=False)
class CovariateSolution:
    """Where the search ended, information per customer (k, k), and the covariance of the parameters.

    covariance (k, k) is the inverse observed information, or the sandwich where `robust`; NaN where the
    information is singular. trace is tr(A⁻¹B) with B the scores' cross-products, NaN unless robust.
    """

    likelihood: CovariateLikelihood
    solution: Solution
    information: Array
    covariance: Array
    robust: bool
    trace: float

    @property
    def point(self) -> CovariatePoint:
        assert self.solution.point is not None
        return self.solution.point

    @property
    def converged(self) -> bool:
        return self.solution.outcome is Outcome.CONVERGED

    @property
    def singular(self) -> bool:
        return not bool(np.isfinite(self.covariance).all())


def maximize(
    likelihood: CovariateLikelihood, start: Array, *, robust: bool, max_iterations: int
) -> CovariateSolution:
    """Search from `start`; errors by observed information, or the sandwich of the customers' scores."""
    n = likelihood.n
    objective: Any = likelihood
    solution = minimize(objective, start, n_rows=n, max_iterations=max_iterations)
    k = likelihood.along.n_params
    blank = np.full((k, k), np.nan)
    if solution.point is None:
        return CovariateSolution(likelihood, solution, blank, blank, robust, float("nan"))
    information = likelihood.hessian(solution.point)
    inverse = _inverse(information)
    if inverse is None:
        return CovariateSolution(likelihood, solution, information, blank, robust, float("nan"))
    if not robust:
        return CovariateSolution(likelihood, solution, information, inverse / n, robust, float("nan"))
    scores = likelihood.case_scores(solution.point)
    meat = scores.T @ scores / n
    covariance = inverse @ meat @ inverse / n
    return CovariateSolution(
        likelihood, solution, information, covariance, robust, float(np.trace(inverse @ meat))
    )


def _inverse(information: Array) -> Array | None:
    scale = np.sqrt(np.abs(np.diagonal(information)))
    if not np.isfinite(information).all() or (scale == 0).any():
        return None
    unit = information / np.outer(scale, scale)
    if np.linalg.eigvalsh(unit)[0] < 1e-12:
        return None
    inverse = np.linalg.inv(unit)
    return np.asarray(0.5 * (inverse + inverse.T) / np.outer(scale, scale))


def without(problem: CovariateProblem, found: CovariateSolution, dropped: BoolArray) -> CovariateSolution:
    """The model with some coefficients (m,) at 0, from where the whole one ended."""
    along = found.likelihood.along
    kept = ~dropped
    spread = along.spread * kept[:, None]
    free = np.flatnonzero(spread.any(axis=0))
    less = replace(along, spread=spread[:, free], base=along.base * kept)
    params = np.concatenate([found.point.params[: along.k0], found.point.params[along.k0 :][free]])
    likelihood = replace(found.likelihood, along=less)
    limit = problem.options.max_iterations
    end = maximize(likelihood, params, robust=found.robust, max_iterations=limit)
    if end.converged:
        return end
    fresh = np.concatenate([problem.start[: along.k0], problem.start[along.k0 :][free]])
    return maximize(likelihood, fresh, robust=found.robust, max_iterations=limit)


@dataclass(frozen=True, slots=True)
class RatioTest:
    """2 (ℓ − ℓ restricted), scaled where robust, its df, p, and whether the restricted model converged."""

    chisq_diff: float
    df: int
    pvalue: float
    scaling: float
    converged: bool


def ratio_test(whole: CovariateSolution, part: CovariateSolution) -> RatioTest:
    """The likelihood-ratio test of nested models.

    Robust: divided by c = (tr A⁻¹B of the whole − of the restricted) / df (Satorra & Bentler, 2001; for
    log-likelihoods Asparouhov & Muthén, 2005). NaN where the restricted model has no optimum or c ≤ 0.
    """
    df = whole.likelihood.along.n_params - part.likelihood.along.n_params
    if not (whole.converged and part.converged) or df < 1:
        return RatioTest(float("nan"), df, float("nan"), float("nan"), part.converged)
    statistic = max(2.0 * whole.likelihood.n * float(part.point.value - whole.point.value), 0.0)
    scaling = 1.0
    if whole.robust:
        scaling = (whole.trace - part.trace) / df
        if not scaling > 0:
            return RatioTest(float("nan"), df, float("nan"), scaling, True)
    return RatioTest(statistic / scaling, df, upper_tail(statistic / scaling, df), scaling, True)
