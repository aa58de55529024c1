"""`moderate_by_covariates`: parameters as functions of observed covariates, by maximum likelihood."""

from __future__ import annotations

from typing import Any

from sem_models.moderation.covariates.problem import covariate_problem
from sem_models.moderation.covariates.result import CovariateModeration
from sem_models.moderation.covariates.solution import maximize

OPTIONS = ("center",)
"""Options beside those of `sm.fit`."""


def moderate_by_covariates(
    model: Any, data: Any = None, *, center: bool = False, **options: Any
) -> CovariateModeration:
    """Estimate a model in which labelled parameters follow columns of the data, as `b1 :~ tenure + active`.

    Parameters
    ----------
    model, data
        As in `sm.fit`; right of `:~` stand numeric columns without missing values, or products of them
        (`tenure:active`), with labels, fixed values or start() before them. A loading, path, mean or
        intercept is a line in the covariates; a variance is multiplied by the exponential of one; a
        covariance keeps its correlation between −1 and 1 by Fisher's z.
    center : bool
        Take the covariates as deviations from their means, so that the parameter's own row is its value for
        an average customer.
    **options
        Those of `sm.fit`: estimator "ML" or "MLR", missing "fiml", std_lv, ….

    Raises
    ------
    SpecError, DataError, IdentificationError
        Before the estimation starts, each naming what is wrong, where, and what to do.
    """
    problem = covariate_problem(model, data, center=center, **options)
    found = maximize(
        problem.likelihood, problem.start, robust=problem.options.casewise_sandwich,
        max_iterations=problem.options.max_iterations,
    )  # fmt: skip
    return CovariateModeration(problem, found, {"center": bool(center)})
