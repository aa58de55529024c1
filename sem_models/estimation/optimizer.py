"""Minimize a smooth objective by damped scoring that turns into Newton's method near the optimum."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from sem_models.estimation.objective import Point
from sem_models.model.ram import Array


class Outcome(Enum):
    """How the search ended; the text says why and what to do."""

    CONVERGED = "The optimizer converged."
    MAX_ITERATIONS = (
        "The optimizer ran out of iterations while the likelihood still improved. "
        "Check the specification (too few indicators, reversed items), or simplify the model."
    )
    STUCK = (
        "The optimizer found no direction that improves the likelihood, yet the gradient is not zero. "
        "The model may be empirically under-identified: look at the parameters with the largest "
        "standard errors."
    )
    BAD_START = (
        "The model implies no positive definite covariance matrix at its starting values. "
        "Check the fixed values in the model, or give start() values."
    )


class Objective(Protocol):
    """What the optimizer needs to know of an objective."""

    def at(self, params: Array) -> Point | None: ...
    def gradient(self, point: Point) -> Array: ...
    def information(self, point: Point) -> Array: ...
    def hessian(self, point: Point) -> Array: ...


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the search ended: point (None only for BAD_START), gradient (k,), outcome, iterations.

    decrement is gᵀH⁻¹g, the squared distance to the optimum in units of a standard error per row.
    """

    point: Point | None
    gradient: Array
    outcome: Outcome
    iterations: int
    decrement: float


NEAR = 1e-3
"""Newton decrement below which the observed Hessian replaces the expected information."""


def minimize(
    objective: Objective, start: Array, *, n_rows: float, max_iterations: int = 500, tolerance: float = 1e-9
) -> Solution:
    """Minimize from `start`; converged when the optimum is an estimated `tolerance` standard errors away.

    A step is halved until the objective decreases (Armijo); where the curvature is singular it is
    ridged in its own scale, which keeps the steps invariant to the scales of the variables.
    """
    point = objective.at(start)
    if point is None:
        return Solution(None, np.zeros_like(start), Outcome.BAD_START, 0, np.inf)
    gradient = objective.gradient(point)
    if not len(start):
        return Solution(point, gradient, Outcome.CONVERGED, 0, 0.0)
    decrement = np.inf
    target = tolerance**2 / n_rows
    for iteration in range(1, max_iterations + 1):
        newton = _newton_step(objective, point, gradient) if decrement < NEAR else None
        step = newton if newton is not None else _solve(objective.information(point), gradient)
        decrement = float(step @ gradient)
        if decrement <= target:
            return Solution(point, gradient, Outcome.CONVERGED, iteration, decrement)
        moved = _line_search(objective, point, step, decrement)
        if moved is None and newton is not None:
            step = _solve(objective.information(point), gradient)
            moved = _line_search(objective, point, step, float(step @ gradient))
        if moved is None:
            flat = decrement < 1e-12
            return Solution(
                point, gradient, Outcome.CONVERGED if flat else Outcome.STUCK, iteration, decrement
            )
        point = moved
        gradient = objective.gradient(point)
    return Solution(point, gradient, Outcome.MAX_ITERATIONS, max_iterations, decrement)


def _newton_step(objective: Objective, point: Point, gradient: Array) -> Array | None:
    hessian = objective.hessian(point)
    scale = np.sqrt(np.abs(np.diagonal(hessian)))
    scale[scale == 0] = 1.0
    try:
        chol = np.linalg.cholesky(hessian / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(chol, gradient / scale)
    return np.asarray(np.linalg.solve(chol.T, half) / scale)


def _solve(information: Array, gradient: Array) -> Array:
    """(I + ridge)⁻¹ g in the scale of I's own diagonal."""
    scale = np.sqrt(np.abs(np.diagonal(information)))
    scale[scale == 0] = 1.0
    scaled = information / np.outer(scale, scale)
    ridge = 0.0
    while True:
        try:
            chol = np.linalg.cholesky(scaled + ridge * np.eye(len(scaled)))
            if chol.diagonal().min() < 1e-7:
                raise np.linalg.LinAlgError
        except np.linalg.LinAlgError:
            ridge = max(10.0 * ridge, 1e-6)
            continue
        half = np.linalg.solve(chol, gradient / scale)
        return np.asarray(np.linalg.solve(chol.T, half) / scale)


def _line_search(objective: Objective, point: Point, step: Array, decrement: float) -> Point | None:
    """The first of params − step, − step/2, … that decreases the objective enough."""
    length = 1.0
    noise = 1e-14 * (1.0 + abs(float(point.value)))
    for _ in range(40):
        candidate = objective.at(point.params - length * step)
        if candidate is not None:
            gain = float(point.value - candidate.value)
            if gain >= 1e-4 * length * decrement or (decrement < 1e-9 and gain > -noise):
                return candidate
        length *= 0.5
    return None
