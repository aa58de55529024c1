"""Minimize a smooth objective: scoring, then Newton's method; a trust region where either is led astray."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

import numpy as np

from sem_models.linear_algebra import Factored, diagonal_units, factored, in_units
from sem_models.model.ram import Array


class Outcome(Enum):
    """How the search ended; the text says why and what to do."""

    CONVERGED = "The optimizer converged."
    MAX_ITERATIONS = (
        "The optimizer ran out of iterations while the likelihood still improved. "
        "Raise max_iterations, check the specification (too few indicators, reversed items), or simplify "
        "the model."
    )
    STUCK = (
        "The optimizer found no direction that improves the likelihood, yet the gradient is not zero. "
        "The model may be empirically under-identified: look at the parameters with the largest "
        "standard errors."
    )
    RUNAWAY = (
        "The likelihood keeps improving as a parameter grows without bound, so these data do not determine "
        "it. Look for a latent variable whose indicators hardly correlate, and drop it or fix a variance."
    )
    BAD_START = (
        "The model implies no positive definite covariance matrix at its starting values. "
        "Check the fixed values in the model, or give start() values."
    )


class Located(Protocol):
    """A point of an objective: where it is and what it is worth; the rest is the objective's own affair."""

    @property
    def params(self) -> Array: ...
    @property
    def value(self) -> Array: ...


class Objective(Protocol):
    """What the optimizer needs to know of an objective."""

    def at(self, params: Array) -> Any: ...
    def gradient(self, point: Any) -> Array: ...
    def information(self, point: Any) -> Array: ...
    def hessian(self, point: Any) -> Array: ...


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the search ended: point (None only for BAD_START), gradient (k,), outcome, iterations.

    decrement is gᵀH⁻¹g, the squared distance to the optimum in units of a standard error per row.
    trust_region says whether the search ended there; trail is what else was tried (estimation/trail.py).
    """

    point: Any
    gradient: Array
    outcome: Outcome
    iterations: int
    decrement: float
    trust_region: bool = False
    trail: tuple[Any, ...] = ()


NEAR = 1e-3
"""Newton decrement below which the observed Hessian replaces the expected information."""

CLOSE = 1e-4
"""Squared distance to the optimum in standard errors below which the Hessian is taken as constant."""

SHORT = 0.2
"""A line search that takes less of a step than this means misleading curvature: a trust region follows."""

FLAT = 1e-10
"""Smallest eigenvalue of the Hessian in its own scale below which the end of a search is no optimum."""

NEARLY_FLAT = 1e-4
"""The same for a search that ran out of iterations: it was following a direction that leads nowhere."""

IDLE = 10
ROUNDED = 1e-6
"""Steps that bring the search no nearer, and the distance in standard errors, from which it is rounding that
keeps it away: of means that are a million standard deviations, say."""

PATIENCE = 100
"""Trust-region steps before giving up; where there is an optimum it takes a third of them."""


def minimize(
    objective: Objective,
    start: Array | Located,
    *,
    n_rows: float,
    max_iterations: int = 500,
    tolerance: float = 1e-9,
    information: Factored | None = None,
) -> Solution:
    """Minimize from `start`, parameters or a point of this objective (with its `information`, if at hand).

    Converged when the optimum is an estimated `tolerance` standard errors away.

    A step is halved until the objective decreases (Armijo). Where that leaves little of it, the expected
    information is far from the curvature of these data, and a trust region on the observed Hessian takes
    over. All steps are invariant to the scales of the variables.
    """
    point = objective.at(start) if isinstance(start, np.ndarray) else start
    if point is None:
        return Solution(None, np.zeros_like(start), Outcome.BAD_START, 0, np.inf)
    gradient = objective.gradient(point)
    if not len(gradient):
        return Solution(point, gradient, Outcome.CONVERGED, 0, 0.0)
    decrement = nearest = np.inf
    idle = 0
    target = tolerance**2 / n_rows
    for iteration in range(1, max_iterations + 1):
        newton = factored(objective.hessian(point)) if decrement < NEAR else None
        if newton is not None and newton.pivot > 0.0:
            step = newton.solve(gradient)
        else:
            newton = None
            step = _scoring_step(information or factored(objective.information(point)), gradient)
            information = None
        decrement = float(step @ gradient)
        idle, nearest = (0, decrement) if decrement < nearest else (idle + 1, nearest)
        if decrement <= (target if idle < IDLE else ROUNDED**2 / n_rows):
            return Solution(point, gradient, Outcome.CONVERGED, iteration, decrement)
        moved, length = line_search(objective, point, step, decrement)
        if newton is not None and moved is not None and decrement * n_rows < CLOSE:
            # so near, the curvature no longer changes: the last factor tells how far the optimum is
            gradient = objective.gradient(moved)
            left = float(newton.solve(gradient) @ gradient)
            if left <= target:
                return Solution(moved, gradient, Outcome.CONVERGED, iteration, left)
        if moved is not None:
            point = moved
            gradient = objective.gradient(point)
        if length < SHORT:
            end = by_trust_region(objective, point, gradient, iteration, max_iterations, target)
            return replace(end, trust_region=True)
    return Solution(point, gradient, gave_up(objective.hessian(point)), max_iterations, decrement)


def _scoring_step(information: Factored, gradient: Array) -> Array:
    """(I + ridge)⁻¹ g in the scale of I's own diagonal."""
    ridge = 0.0
    while information.pivot < 1e-7:
        ridge = max(10.0 * ridge, 1e-6)
        information = factored(information.matrix, ridge=ridge)
    return information.solve(gradient)


def line_search(
    objective: Objective, point: Located, step: Array, decrement: float
) -> tuple[Located | None, float]:
    """The first of params − step, − step/2, … that decreases the objective enough, and its length."""
    length = 1.0
    noise = _noise(point)
    while length > 1e-3:
        candidate = objective.at(point.params - length * step)
        if candidate is not None:
            gain = float(point.value - candidate.value)
            if gain >= 1e-4 * length * decrement or (decrement < 1e-9 and gain > -noise):
                return candidate, length
        length *= 0.5
    return None, 0.0


def _noise(point: Located) -> float:
    """Rounding error of the objective."""
    return 1e-14 * (1.0 + abs(float(point.value)))


def by_trust_region(
    objective: Objective, point: Located, gradient: Array, begun: int, max_iterations: int, target: float
) -> Solution:
    """Newton's method within a radius, for curvature of any sign (Nocedal & Wright, 2006, section 4.3)."""
    radius, decrement = 1.0, np.inf
    last = min(max_iterations, begun + PATIENCE)
    for iteration in range(begun + 1, last + 1):
        hessian = objective.hessian(point)
        scale = diagonal_units(objective.information(point))
        values, vectors = np.linalg.eigh(in_units(hessian, scale))
        slope = vectors.T @ (gradient / scale)
        if values[0] > 0:
            decrement = float(slope @ (slope / values))
            if decrement <= target:
                return Solution(point, gradient, verdict(hessian), iteration, decrement)
        while True:
            inner = _within(values, slope, radius)
            promised = float(slope @ inner - 0.5 * inner @ (values * inner))
            candidate = objective.at(point.params - vectors @ inner / scale)
            gain = -np.inf if candidate is None else float(point.value - candidate.value)
            if candidate is not None and (
                gain >= 0.1 * promised or (promised < 1e-9 and gain > -_noise(point))
            ):
                break
            radius = 0.25 * min(radius, float(np.linalg.norm(inner)))
            if promised < _noise(point) or radius < 1e-9:
                outcome = verdict(hessian) if decrement < 1e-12 else Outcome.STUCK
                return Solution(point, gradient, outcome, iteration, decrement)
        if gain > 0.75 * promised:
            radius = max(radius, 2.0 * float(np.linalg.norm(inner)))
        point = candidate
        gradient = objective.gradient(point)
    return Solution(point, gradient, gave_up(objective.hessian(point)), last, decrement)


def _within(values: Array, slope: Array, radius: float) -> Array:
    """The minimizer of ½ xᵀΛx − gᵀx over |x| ≤ radius, in the coordinates of the eigenvectors."""
    if values[0] > 0:
        free = slope / values
        if np.linalg.norm(free) <= radius:
            return np.asarray(free)
    low = max(0.0, -values[0])
    high = low + np.linalg.norm(slope) / radius + 1e-12
    for _ in range(100):
        shift = 0.5 * (low + high)
        if np.linalg.norm(slope / (values + shift)) > radius:
            low = shift
        else:
            high = shift
        if high - low < 1e-10 * high:
            break
    return np.asarray(slope / (values + high))


def verdict(hessian: Array) -> Outcome:
    return Outcome.CONVERGED if _smallest(hessian) > FLAT else Outcome.RUNAWAY


def gave_up(hessian: Array) -> Outcome:
    return Outcome.RUNAWAY if _smallest(hessian) < NEARLY_FLAT else Outcome.MAX_ITERATIONS


def _smallest(hessian: Array) -> float:
    scale = diagonal_units(hessian)
    return float(np.linalg.eigvalsh(in_units(hessian, scale))[0])
