"""Limited-memory quasi-Newton search (L-BFGS): curvature from the steps taken, where no Hessian is at hand.

Nocedal, J., & Wright, S. J. (2006). Numerical Optimization, algorithms 7.4 and 7.5; b searches at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sem_models.estimation.optimizer import (
    Located,
    Objective,
    Outcome,
    Solution,
    by_trust_region,
    gave_up,
    line_search,
    verdict,
)
from sem_models.linear_algebra import factored
from sem_models.model.ram import Array

MEMORY = 8
"""Pairs of steps and gradient changes that a search remembers."""


def minimize_by_secants(
    objective: Objective, start: Located, *, n_rows: float, max_iterations: int = 500, tolerance: float = 1e-9
) -> Solution:
    """Minimize from a point, in coordinates in which the information there is the identity.

    As `minimize`, for objectives whose Hessian costs as much as many gradients: converged when the optimum is
    an estimated `tolerance` standard errors away.
    """
    point, gradient = start, objective.gradient(start)
    if not len(gradient):
        return Solution(point, gradient, Outcome.CONVERGED, 0, 0.0)
    root = _root(objective.information(point))
    target, decrement = tolerance**2 / n_rows, np.inf
    pairs: list[Pair] = []
    for iteration in range(1, max_iterations + 1):
        slope = (gradient @ root)[None]
        step = inverse_times(slope, pairs)
        decrement = float((step * slope).sum())
        if decrement <= target:
            outcome = verdict(objective.hessian(point))
            return Solution(point, gradient, outcome, iteration, decrement)
        moved, length = line_search(objective, point, root @ step[0], decrement)
        if moved is None:
            if not pairs:
                end = by_trust_region(objective, point, gradient, iteration, max_iterations, target)
                return replace(end, trust_region=True)
            pairs, root = [], _root(objective.information(point))  # begin anew with the curvature here
            continue
        before, point = slope, moved
        gradient = objective.gradient(point)
        pairs = [*pairs[-MEMORY + 1 :], pair_of(-length * step, (gradient @ root)[None] - before)]
    return Solution(point, gradient, gave_up(objective.hessian(point)), max_iterations, decrement)


def _root(information: Array) -> Array:
    """R (k, k), R Rᵀ the inverse of the information, with a ridge in its own scale where it is singular."""
    ridge, found = 0.0, factored(information)
    while found.pivot < 1e-7:
        ridge = max(10.0 * ridge, 1e-6)
        found = factored(information, ridge=ridge)
    return found.inverse_root()


@dataclass(frozen=True, slots=True)
class Pair:
    """A step (b, k), the gradient's change along it (b, k) and 1 / their product (b, 1), 0 where that is not
    positive: such a pair is passed over."""

    step: Array
    change: Array
    rho: Array

    def of(self, which: Array) -> Pair:
        """Some replicates' part."""
        return Pair(self.step[which], self.change[which], self.rho[which])


def pair_of(step: Array, change: Array) -> Pair:
    curvature = _product(step, change)
    usable = curvature > 1e-10 * _product(change, change)
    return Pair(step, change, np.where(usable, 1.0 / np.where(usable, curvature, 1.0), 0.0))


def _product(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("bk,bk->b", a, b)[:, None])


def inverse_times(slope: Array, pairs: list[Pair]) -> Array:
    """L-BFGS: the inverse Hessian's estimate times the gradient."""
    out = slope.copy()
    alphas = []
    for pair in reversed(pairs):
        alpha = pair.rho * _product(pair.step, out)
        alphas.append(alpha)
        out -= alpha * pair.change
    for pair, alpha in zip(pairs, reversed(alphas), strict=True):
        out += (alpha - pair.rho * _product(pair.change, out)) * pair.step
    return out
