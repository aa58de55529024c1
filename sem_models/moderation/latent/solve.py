"""Maximize a distribution-analytic likelihood: quasi-Newton steps from the linear model, then Newton's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.model.ram import Array
from sem_models.moderation.latent.likelihood import Likelihood
from sem_models.moderation.latent.problem import Problem

NEAR = 1e-4
"""Distance to the optimum in standard errors at which the exact information takes over."""

DONE = 1e-7
"""The same at which the search ends."""

MAX_STEPS = 200
"""Quasi-Newton steps before the trust region is called."""


@dataclass(frozen=True, slots=True)
class LatentSolution:
    """Where a search ended: params (k,), ℓ, gradient (k,), observed information (k, k).

    decrement is gᵀI⁻¹g, the squared distance to the optimum in standard errors; steps counts moves.
    """

    params: Array
    value: float
    gradient: Array
    information: Array
    outcome: Outcome
    steps: int
    decrement: float


def solve_latent(
    likelihood: Likelihood,
    start: Array,
    metric: Array,
    *,
    max_iterations: int = 500,
    settled: Callable[[Array], Likelihood | None] | None = None,
    near: float = NEAR,
    polish: bool = True,
    rough: bool = False,
) -> LatentSolution:
    """Maximize from start (k,); metric (k, k) is a first guess of the information there.

    BFGS (Nocedal & Wright, 2006, eq. 6.19) with backtracking; the information is computed where the optimum
    is NEAR, and Newton steps with it end the search. Where it is not positive definite, or the search gets
    stuck, a trust region on exact information takes over. `settled` is asked once the optimum is `near`, in
    standard errors: it may return a better likelihood to go on with. Without `polish` the search ends NEAR,
    for its value alone, and the information is the quasi-Newton one. A `rough` search, of a likelihood whose
    gradient is not exact, ends where it gets stuck.
    """
    first = likelihood.value_and_gradient(start)
    if first is None:
        empty = np.full((len(start),) * 2, np.nan)
        return LatentSolution(start, np.nan, np.zeros_like(start), empty, Outcome.BAD_START, 0, np.inf)
    params, (value, gradient), curve = start, first, metric
    exact: Array | None = None
    for step_number in range(1, min(MAX_STEPS, max_iterations) + 1):
        step = _ascent(exact if exact is not None else curve, gradient)
        if step is None:
            break
        decrement = float(step @ gradient)
        if settled is not None and decrement < near**2:
            better = settled(params)
            found = None if better is None else better.value_and_gradient(params)
            if better is None or found is None:
                settled = None
            else:
                likelihood, (value, gradient) = better, found
                continue
        if not polish and decrement < NEAR**2:
            return LatentSolution(params, value, gradient, curve, Outcome.CONVERGED, step_number, decrement)
        if exact is None and decrement < NEAR**2:
            exact = likelihood.information(params)
            step = _ascent(exact, gradient)
            if step is None:
                break
            decrement = float(step @ gradient)
        if exact is not None and decrement < DONE**2:
            return LatentSolution(params, value, gradient, exact, Outcome.CONVERGED, step_number, decrement)
        moved = _line_search(likelihood, params, value, step, decrement)
        if moved is None:
            if exact is None and decrement < 1e-2:
                exact = likelihood.information(params)
                continue
            break
        at, (new_value, new_gradient) = moved
        if exact is not None and decrement > 1e2 * NEAR**2:
            exact = None  # the exact step led far: its curvature is out of date
        curve = _updated(curve, at - params, gradient - new_gradient)
        params, value, gradient = at, new_value, new_gradient
    if rough:
        return LatentSolution(params, value, gradient, curve, Outcome.STUCK, 0, np.inf)
    return _by_trust_region(likelihood, params, max_iterations)


def _ascent(curve: Array, gradient: Array) -> Array | None:
    """curve⁻¹ gradient; None where the curvature is not positive definite."""
    scale = np.sqrt(np.abs(np.diagonal(curve)))
    if not np.isfinite(scale).all() or not (scale > 0).all():
        return None
    try:
        chol = np.linalg.cholesky(curve / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(chol, gradient / scale)
    return np.asarray(np.linalg.solve(chol.T, half) / scale)


def _line_search(
    likelihood: Likelihood, params: Array, value: float, step: Array, decrement: float
) -> tuple[Array, tuple[float, Array]] | None:
    length, noise = 1.0, 1e-13 * (1.0 + abs(value))
    while length > 1e-6:
        at = params + length * step
        found = likelihood.value_and_gradient(at)
        if found is not None and found[0] - value >= 1e-4 * length * decrement - noise:
            return at, found
        length *= 0.5 if length > 0.1 else 0.2
    return None


def _updated(curve: Array, step: Array, change: Array) -> Array:
    """BFGS with Powell's damping (1978): the new curvature is positive definite whatever the change."""
    along = curve @ step
    size = float(step @ along)
    product = float(step @ change)
    if size <= 0:
        return curve
    if product < 0.2 * size:
        share = 0.8 * size / (size - product)
        change = share * change + (1.0 - share) * along
        product = float(step @ change)
    return np.asarray(curve - np.outer(along, along) / size + np.outer(change, change) / product)


@dataclass(frozen=True, slots=True)
class _Point:
    params: Array
    value: Array
    slope: Array


@dataclass(slots=True)
class _Negative:
    """−ℓ as the engine's optimizer takes objectives; LinAlgError where there is no information."""

    likelihood: Likelihood
    last: tuple[Array, Array] | None = None

    def at(self, params: Array) -> _Point | None:
        found = self.likelihood.value_and_gradient(params)
        return None if found is None else _Point(params, np.asarray(-found[0]), -found[1])

    def gradient(self, point: _Point) -> Array:
        return point.slope

    def hessian(self, point: _Point) -> Array:
        if self.last is None or self.last[0] is not point.params:
            found = self.likelihood.information(point.params)
            if not np.isfinite(found).all():
                raise np.linalg.LinAlgError("no information at this point")
            self.last = (point.params, found)
        return self.last[1]

    def information(self, point: _Point) -> Array:
        """The Hessian made positive definite: eigenvalues by their size, in the scale of its diagonal."""
        hessian = self.hessian(point)
        scale = np.sqrt(np.abs(np.diagonal(hessian)))
        scale = np.where(scale > 0, scale, 1.0)
        values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
        size = np.maximum(np.abs(values), 1e-4)
        return np.asarray((vectors * size) @ vectors.T * np.outer(scale, scale))


def _by_trust_region(likelihood: Likelihood, start: Array, max_iterations: int) -> LatentSolution:
    objective = _Negative(likelihood)
    try:
        found = minimize(objective, start, n_rows=1.0, max_iterations=max_iterations, tolerance=DONE)
    except np.linalg.LinAlgError:  # no information where the search stands
        return _stuck(likelihood, start)
    point = found.point
    return LatentSolution(
        point.params, float(-point.value), -found.gradient, objective.hessian(point), found.outcome,
        found.iterations, found.decrement,
    )  # fmt: skip


def _stuck(likelihood: Likelihood, params: Array) -> LatentSolution:
    found = likelihood.value_and_gradient(params)
    value, gradient = (np.nan, np.full(len(params), np.nan)) if found is None else found
    empty = np.full((len(params),) * 2, np.nan)
    return LatentSolution(params, value, gradient, empty, Outcome.STUCK, 0, np.inf)


def first_metric(problem: Problem, likelihood: Likelihood) -> Array:
    """The information at the linear model's estimates (k, k), exact where the products' paths are 0.

    There the likelihood is the linear one in all other parameters; what crosses the products' paths is taken
    from differences of the gradient.
    """
    ram, linear = problem.ram, problem.linear
    objective = linear.objective
    assert isinstance(objective, NormalTheory)
    point = linear.point
    assert isinstance(point, Point)
    by_row = objective.free_information(point, observed=True) * linear.sample.n
    known = {
        (linear.table.rows[n].key, linear.table.rows[n].block): i
        for i, n in enumerate(linear.ram.row_of_free)
    }
    at = [known.get((problem.table.rows[n].key, problem.table.rows[n].block), -1) for n in ram.row_of_free]
    here = np.flatnonzero(np.array(at) >= 0)
    there = np.array(at)[here]
    rows = np.zeros((ram.n_free, ram.n_free))
    rows[here[:, None], here] = by_row[there[:, None], there]
    out = ram.reduce(rows)
    for j in np.flatnonzero(problem.moved):
        step = np.zeros(ram.n_params)
        step[j] = 1e-3 * problem.units[j]
        up = likelihood.value_and_gradient(problem.start + step)
        down = likelihood.value_and_gradient(problem.start - step)
        if up is None or down is None:
            out[j, j] = max(out[j, j], linear.sample.n / problem.units[j] ** 2)
            continue
        out[j] = out[:, j] = (down[1] - up[1]) / (2.0 * step[j])
    return _made_positive(out, problem)


def _made_positive(curve: Array, problem: Problem) -> Array:
    """The same matrix if it is positive definite, else with its products' part made so."""
    if _ascent(curve, np.ones(len(curve))) is not None:
        return curve
    out = curve.copy()
    moved = problem.moved
    out[moved, :] = out[:, moved] = 0.0
    floor = problem.linear.sample.n / problem.units**2
    out[moved, moved] = np.maximum(np.abs(np.diagonal(curve)), 0.01 * floor)[moved]
    return out
