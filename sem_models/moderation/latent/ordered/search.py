"""The search for the maximum: on nodes that follow the parameters, then on nodes that stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sem_models.estimation.optimizer import Outcome
from sem_models.model.ram import Array, RamModel
from sem_models.moderation.latent.likelihood import Likelihood
from sem_models.moderation.latent.ordered.likelihood import AnswerLikelihood
from sem_models.moderation.latent.plane import Along
from sem_models.moderation.latent.solve import LatentSolution, solve_latent

SETTLED = 1e-2
"""Distance to the optimum in standard errors at which the nodes stay: derivatives are exact from there on."""
ROUGH = 60
"""Steps on nodes that follow, at most."""
TURNS = 4
"""How often a search begins anew from its end, on nodes placed there."""
STILL = 0.05
"""Change of the log-likelihood by placing the nodes anew below which the end is one: within the integral's
error, which is stated."""


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search, and the likelihood on the nodes it ended with."""

    likelihood: AnswerLikelihood
    solution: LatentSolution


@dataclass
class Following:
    """The likelihood at x, params = fixed + kept @ x, on few nodes that are placed anew wherever it is asked.

    Its gradient takes the nodes as given, which is right as far as they integrate.
    """

    nodes: AnswerLikelihood
    per_dimension: int
    kept: Array
    fixed: Array
    stays: bool = False

    @property
    def ram(self) -> RamModel:
        return self.nodes.ram

    def whole(self, x: Array) -> Array:
        return np.asarray(self.fixed + self.kept @ x)

    def _at(self, x: Array) -> Along:
        self.nodes = self.nodes.followed(self.whole(x))
        return Along(self.nodes, self.kept, self.fixed)

    def value_and_gradient(self, x: Array) -> tuple[float, Array] | None:
        return self._at(x).value_and_gradient(x)

    def case_scores(self, x: Array) -> Array:
        return self._at(x).case_scores(x)

    def information(self, x: Array) -> Array:
        return self._at(x).information(x)

    def settled(self, x: Array) -> Along | None:
        """The first time, what to go on with near the optimum."""
        if self.stays:
            return None
        self.stays = True
        return self.staying(x)

    def staying(self, x: Array) -> Along:
        """The same on as many nodes as asked for, which stay where the rows are at x."""
        self.nodes = self.nodes.adapted(self.whole(x), self.per_dimension)
        return Along(self.nodes, self.kept, self.fixed)


def search(
    likelihood: AnswerLikelihood, start: Array, metric: Callable[[Likelihood, Array], Array],
    per_dimension: int, *, kept: Array | None = None, fixed: Array | None = None,
    max_iterations: int = 500, polish: bool = True,
) -> Found:  # fmt: skip
    """Maximize from start, over params or over x with params = fixed + kept @ x.

    Where placing the nodes anew at the end still changes the log-likelihood, the search begins again from
    there; if that does not end, the solution counts as stuck, unless its steps were used up.
    """
    k = likelihood.ram.n_params
    plane = (np.eye(k) if kept is None else kept, np.zeros(k) if fixed is None else fixed)
    at = Following(likelihood, per_dimension, *plane)
    solution = solve_latent(
        at, start, metric(at, start), max_iterations=min(ROUGH, max_iterations), settled=at.settled,
        near=SETTLED, polish=polish, rough=True,
    )  # fmt: skip
    return _ended(at, solution, metric, max_iterations=max_iterations, polish=polish)


def again(
    found: Found, metric: Callable[[Likelihood, Array], Array], per_dimension: int, *, max_iterations: int
) -> Found:
    """Go on from the end of a search on more nodes."""
    k = found.likelihood.ram.n_params
    at = Following(found.likelihood, per_dimension, np.eye(k), np.zeros(k))
    return _ended(at, found.solution, metric, max_iterations=max_iterations, polish=True)


def _ended(
    at: Following, solution: LatentSolution, metric: Callable[[Likelihood, Array], Array], *,
    max_iterations: int, polish: bool,
) -> Found:  # fmt: skip
    """Searches on nodes that stay, until placing them anew changes nothing."""
    for _ in range(TURNS):
        x, before, ready = solution.params, at.nodes, at.stays
        at.stays = True
        stays = at.staying(x)
        value = at.nodes.value(at.whole(x))
        if value is None or not np.isfinite(solution.information).all():
            break
        if ready and abs(value - solution.value) < STILL:
            return Found(before, solution)
        solution = solve_latent(
            stays, x, metric(stays, x), max_iterations=max_iterations, polish=polish
        )  # fmt: skip
    used_up = solution.outcome is Outcome.MAX_ITERATIONS
    return Found(at.nodes, solution if used_up else replace(solution, outcome=Outcome.STUCK))
