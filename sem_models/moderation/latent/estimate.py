"""`moderate_latent`: a latent interaction by the distribution of the data, LMS or QML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.moderation.latent.likelihood import Likelihood
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
        grid that is wide and fine enough for these data, refined until the error is below 1e-4. With ordered
        items: adaptive Gauss–Hermite nodes for each latent variable, 15, 11, 7, 6 or 5 for 1 to 5 of them.
    adaptive : bool, optional
        True puts `nodes` evenly where the data are, instead of Gauss–Hermite; also called adaptive_quad.
    accuracy : float
        Error of the log-likelihood beyond which too few nodes are refused.
    **options
        Those of `sm.fit`: estimator "ML" or "MLR", missing "fiml", group, group_equal, …; ordered for "lms".

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
    if isinstance(accuracy, bool) or not isinstance(accuracy, int | float) or not accuracy > 0:
        raise SpecError(f"accuracy={accuracy!r} must be a number above 0, an error of the log-likelihood.")
    for name, value in (("adaptive", adaptive), ("adaptive_quad", adaptive_quad)):
        if value not in (None, True, False):
            raise SpecError(f"{name}={value!r} must be True or False, or left out.")
    problem = latent_problem(model, data, method=method, **options)
    adaptive = adaptive if adaptive is not None else adaptive_quad
    if problem.ram.ordinal is not None:
        from sem_models.moderation.latent.ordered.estimate import by_answers

        return by_answers(problem, nodes=nodes, adaptive=adaptive, accuracy=accuracy)
    likelihood = build_lms(problem, nodes=nodes, adaptive=adaptive, accuracy=accuracy)
    likelihood, solution, bound = _solved(problem, likelihood, refine=nodes is None)
    caution = too_inaccurate(likelihood, bound, accuracy)
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


@dataclass
class _Refining:
    """Grids of our own choice are made finer near the optimum until their error is small."""

    likelihood: LMS
    refine: bool
    bound: float = float("nan")
    turns: int = 0

    def __call__(self, params: Array) -> Likelihood | None:
        self.bound = error_bound(self.likelihood, params)
        if not self.refine or self.turns == 3 or not self.bound > REFINED:
            return None
        self.turns += 1
        r = self.likelihood.plan.r
        self.likelihood = self.likelihood.with_rule(reference_rule(self.likelihood, params).product(r))
        return self.likelihood


def _solved(problem: Problem, likelihood: LMS, *, refine: bool) -> tuple[LMS, LatentSolution, float]:
    """Maximize; returns the likelihood on the nodes in force, the solution, and the bound of its error."""
    refining = _Refining(likelihood, refine)
    solution = solve_latent(
        likelihood, problem.start, first_metric(problem, likelihood),
        max_iterations=problem.options.max_iterations, settled=refining,
    )  # fmt: skip
    if not np.isfinite(refining.bound):
        refining.bound = error_bound(refining.likelihood, solution.params)
    return refining.likelihood, solution, refining.bound
