"""`moderate_latent`: a latent interaction by the distribution of the data, LMS or QML."""

from __future__ import annotations

from typing import Any

from sem_models.errors import SpecError
from sem_models.moderation.latent.lms import LMS
from sem_models.moderation.latent.problem import Problem, latent_problem
from sem_models.moderation.latent.result import LatentModeration
from sem_models.moderation.latent.rules import (
    ACCURACY,
    build_lms,
    error_bound,
    reference_rule,
    too_inaccurate,
)
from sem_models.moderation.latent.solve import LatentSolution, first_metric, solve_latent

OPTIONS = ("nodes", "adaptive", "adaptive_quad", "accuracy")
"""Options of LMS beside those of `sm.fit`."""

REFINED = 1e-4
"""Error of the log-likelihood above which a grid of our own choice is made finer."""


def moderate_latent(
    model: Any,
    data: Any,
    *,
    method: str = "lms",
    nodes: int | None = None,
    adaptive: bool | None = None,
    adaptive_quad: bool | None = None,
    accuracy: float = ACCURACY,
    **options: Any,
) -> LatentModeration:
    """Estimate latent interactions by maximum likelihood, without product indicators.

    Parameters
    ----------
    model, data
        As in `sm.fit`; the model's text holds the products.
    nodes : int, optional
        Quadrature nodes for each moderator that is integrated over: fixed Gauss–Hermite nodes. Without it, a
        grid that is wide and fine enough for these data, refined until the error is below 1e-4.
    adaptive : bool, optional
        True puts `nodes` evenly where the data are, instead of Gauss–Hermite; also called adaptive_quad.
    accuracy : float
        Error of the log-likelihood beyond which too few nodes are refused.
    **options
        Those of `sm.fit`: estimator "ML" or "MLR", missing "fiml", group, group_equal, …

    Raises
    ------
    SpecError, DataError
        Before the estimation starts, each naming what is wrong, where, and what to do.
    """
    if method == "qml":
        refused = {"nodes": nodes, "adaptive": adaptive, "adaptive_quad": adaptive_quad}
        for name, value in refused.items():
            if value is not None:
                raise SpecError(
                    f"{name}= is for method='lms': method='qml' integrates in closed form. Leave it out."
                )
        return _by_quasi_likelihood(latent_problem(model, data, method=method, **options))
    problem = latent_problem(model, data, method=method, **options)
    adaptive = adaptive if adaptive is not None else adaptive_quad
    likelihood = build_lms(problem, nodes=nodes, adaptive=adaptive, accuracy=accuracy)
    likelihood, solution = _solved(problem, likelihood, refine=nodes is None)
    bound, caution = too_inaccurate(likelihood, solution, accuracy)
    settings = {
        "nodes": likelihood.rule.per_dimension, "quadrature": likelihood.rule.kind,
        "moderators": likelihood.plan.moderators, "accuracy": accuracy,
    }  # fmt: skip
    return LatentModeration(
        problem, likelihood, solution, method, settings, bound, (caution,) if caution else ()
    )


def _by_quasi_likelihood(problem: Problem) -> LatentModeration:
    from sem_models.moderation.latent.qml import quasi_likelihood

    likelihood = quasi_likelihood(problem.ram, problem.sample, {p.name: p.factors for p in problem.products})
    metric = first_metric(problem, likelihood)
    limit = problem.options.max_iterations
    solution = solve_latent(likelihood, problem.start, metric, max_iterations=limit)
    return LatentModeration(problem, likelihood, solution, "qml", {}, float("nan"), ())


def _solved(problem: Problem, likelihood: LMS, *, refine: bool) -> tuple[LMS, LatentSolution]:
    """Maximize, and where the nodes are ours to choose, on finer grids until the error is small."""
    limit = problem.options.max_iterations
    metric = first_metric(problem, likelihood)
    solution = solve_latent(likelihood, problem.start, metric, max_iterations=limit)
    for _ in range(3):
        if not refine or not error_bound(likelihood, solution.params) > REFINED:
            break
        likelihood = likelihood.with_rule(
            reference_rule(likelihood, solution.params).product(likelihood.plan.r)
        )
        solution = solve_latent(likelihood, solution.params, solution.information, max_iterations=limit)
    return likelihood, solution
