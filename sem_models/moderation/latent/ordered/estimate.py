"""From a problem with ordered items to its estimates: nodes, search, and how far the integral may be off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.optimizer import Outcome
from sem_models.model.ram import Array, RamModel
from sem_models.moderation.latent.likelihood import Likelihood
from sem_models.moderation.latent.ordered.equations import OTHER_WAY, Equations, equations_of, values_of
from sem_models.moderation.latent.ordered.likelihood import COARSE, AnswerLikelihood, answer_likelihood
from sem_models.moderation.latent.ordered.nodes import PER_DIMENSION
from sem_models.moderation.latent.ordered.responses import Responses, responses_of
from sem_models.moderation.latent.ordered.result import AnswerModeration
from sem_models.moderation.latent.ordered.search import again, search
from sem_models.moderation.latent.problem import Problem
from sem_models.moderation.latent.true_moments import true_moments
from sem_models.observed.sample import Sample

FEWEST, MOST = 3, 40
"""Nodes for each latent variable."""
LARGEST = 20_000_000
"""Rows × nodes beyond which a search would take hours."""
REFINED, MORE = 0.02, 4
"""Error of the log-likelihood above which nodes of our own choice become more, and by how many."""
FAR = 20.0
"""Standard deviations from 0 beyond which an observed moderator must be centered."""
HOPELESS = 1.0
"""Error of the log-likelihood beyond which a solution is none."""
FINER = {1: 8, 2: 4}
"""Nodes more for each of one or two latent variables that the error is measured with; 2 for each of more."""


def by_answers(
    problem: Problem, *, nodes: int | None, adaptive: bool | None, accuracy: float
) -> AnswerModeration:
    """Maximize the likelihood of the answers.

    Raises SpecError for models it cannot hold, for too many latent variables, and for nodes= out of range.
    """
    ram = problem.ram
    if problem.table.variables.exogenous and not problem.table.options.fixed_x:
        raise SpecError(
            "With ordered items method='lms' conditions on the covariates. Leave out fixed_x=False."
        )
    equations = equations_of(ram, problem.products)
    true_moments(ram, problem.products)  # refuses products that have no moments in closed form
    per_dimension = _per_dimension(problem, equations, nodes, adaptive)
    rows = rows_of(problem.sample, ram)
    _check_moderators(problem, equations, rows)
    start = _start(problem, equations)
    likelihood = answer_likelihood(ram, equations, rows, start, min(COARSE, per_dimension))
    found = search(likelihood, start, _metric, per_dimension, max_iterations=problem.options.max_iterations)
    solution, bound = found.solution, error_bound(found.likelihood, found.solution.params)
    if nodes is None and bound > REFINED and per_dimension + MORE <= MOST:
        per_dimension += MORE
        found = again(found, _metric, per_dimension, max_iterations=problem.options.max_iterations)
        solution, bound = found.solution, error_bound(found.likelihood, found.solution.params)
    caution = ""
    if not bound <= accuracy:
        caution = (
            f"{per_dimension} nodes integrate the log-likelihood only to about {bound:.2g}, more than "
            f"accuracy={accuracy:g}. Give more by nodes=."
        )
    if not bound <= HOPELESS:
        solution = replace(solution, outcome=Outcome.STUCK)
    settings = {
        "nodes": found.likelihood.per_dimension, "quadrature": "adaptive Gauss–Hermite",
        "moderators": tuple(ram.variables[i] for i in equations.latent), "accuracy": accuracy,
    }  # fmt: skip
    return AnswerModeration(
        problem, found.likelihood, solution, "lms", settings, bound, (caution,) if caution else ()
    )


def rows_of(sample: Sample, ram: RamModel) -> tuple[Responses, ...]:
    """The answers by group as the likelihood takes them."""
    part = ram.ordinal
    assert part is not None
    assert sample.rows is not None
    return tuple(
        responses_of(rows.values[:, part.y], rows.values[:, part.x], part.layout) for rows in sample.rows
    )


def error_bound(likelihood: AnswerLikelihood, params: Array) -> float:
    """|ℓ − ℓ on finer nodes placed anew| at params."""
    here = likelihood.value(params)
    more = FINER.get(len(likelihood.equations.latent), 2)
    there = likelihood.adapted(params, likelihood.per_dimension + more).value(params)
    return float("nan") if here is None or there is None else abs(here - there)


def _per_dimension(problem: Problem, equations: Equations, nodes: int | None, adaptive: bool | None) -> int:
    n_latent = len(equations.latent)
    if adaptive is False:
        raise SpecError(
            "adaptive=False: with ordered items the nodes always stand where each row is. Leave it out."
        )
    if n_latent not in PER_DIMENSION:
        names = ", ".join(problem.ram.variables[i] for i in equations.latent)
        raise SpecError(
            f"With ordered items method='lms' integrates over all latent variables, {max(PER_DIMENSION)} at "
            f"most, and this model has {n_latent} ({names}). Leave out constructs that neither moderate nor "
            f"are moderated. {OTHER_WAY} to keep them all."
        )
    if nodes is not None and not (isinstance(nodes, int | np.integer) and FEWEST <= nodes <= MOST):
        raise SpecError(f"nodes={nodes!r} must be a whole number from {FEWEST} to {MOST}.")
    size = int(nodes) if nodes is not None else PER_DIMENSION[n_latent]
    if problem.sample.n_used * size**n_latent > LARGEST:
        raise SpecError(
            f"{size} nodes for each of {n_latent} latent variables are too many for "
            f"{problem.sample.n_used:,} rows. Give fewer nodes= or leave out constructs. {OTHER_WAY} for "
            "data of this size."
        )
    return size


def _check_moderators(problem: Problem, equations: Equations, rows: tuple[Responses, ...]) -> None:
    """SpecError for an observed moderator so far from 0 that its products are hardly but its factor."""
    values = np.concatenate([r.covariates for r in rows])
    used = {f - len(equations.latent) for own in equations.factors for f in own}
    for c in sorted(c for c in used if c >= 0):
        mean, sd = float(values[:, c].mean()), float(values[:, c].std())
        if abs(mean) > FAR * sd:
            name = problem.ram.variables[equations.covariates[c]]
            raise SpecError(
                f"The moderator '{name}' lies {abs(mean) / sd:.0f} standard deviations from 0, so that its "
                f"product with a latent variable is nearly that variable. Center it first: {name} - "
                f"{name}.mean(). The interaction is the same."
            )


def _start(problem: Problem, equations: Equations) -> Array:
    """The start of the problem; SpecError where it is not admissible."""
    start = problem.start
    if values_of(equations, problem.ram, start) is not None:
        return start
    raise SpecError(
        "There is no admissible point to start from: thresholds that are out of order, a response without a "
        "residual variance (a latent variable that is one continuous column: use the column itself), or "
        "latent variables whose covariances are not positive definite. Look at sm.fit of the model without "
        "its products (ordered=…), and at the values the model fixes."
    )


def _metric(likelihood: Likelihood, start: Array) -> Array:
    """The observed information at the start, or where that is not positive definite the scores' products."""
    exact = likelihood.information(start)
    if np.isfinite(exact).all() and np.linalg.eigvalsh(exact)[0] > 0:
        return exact
    scores = likelihood.case_scores(start)
    return np.asarray(scores.T @ scores)
