"""Minimize an objective under nonlinear equalities, inequalities and bounds: sequential quadratic programs.

Nocedal, J., & Wright, S. J. (2006). Numerical Optimization, chapter 18. The quadratic programs are least
distance programs, solved by nonnegative least squares (Lawson & Hanson, 1974, chapter 23).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from sem_models.errors import SpecError
from sem_models.estimation.optimizer import Objective, Outcome, Solution
from sem_models.model.constraints import Restrictions
from sem_models.model.ram import Array, RamModel

TOUCHING = 1e-7
"""Distance from a bound, in standard errors of one row, below which an inequality counts as active."""

KEPT = 1e-10
"""Largest violation of an equality at the end, in the same units."""


@dataclass(frozen=True, slots=True)
class Constrained:
    """The end of a search, and the gradients (a, k) of what holds: equalities, then active inequalities."""

    solution: Solution
    normals: Array
    n_equalities: int


@dataclass(frozen=True, slots=True)
class _Local:
    """The constraints at a point: h (e,), its Jacobian (e, k), c (m,) and its Jacobian (m, k)."""

    equal: Array
    equal_slope: Array
    above: Array
    above_slope: Array

    def violation(self, price: Array) -> float:
        below = np.maximum(-self.above, 0.0)
        return float(price @ np.append(np.abs(self.equal), below)) if len(price) else 0.0


def minimize_constrained(
    objective: Objective,
    ram: RamModel,
    start: Any,
    held: Restrictions,
    *,
    n_rows: float,
    max_iterations: int = 500,
    tolerance: float = 1e-9,
) -> Constrained:
    """Minimize from `start`, a point of the objective, holding h = 0 and c ≥ 0.

    The model of each step is the observed Hessian of the Lagrangian where it is positive definite along the
    equalities, else the expected information; steps are shortened until an L1 merit function decreases.
    Raises SpecError where no values satisfy the constraints to first order.
    """
    point = start
    target = tolerance**2 / n_rows
    local = _local(held, ram, point.params)
    price = np.zeros(len(local.equal) + len(local.above))
    multipliers = price.copy()
    decrement = off = np.inf
    outcome = Outcome.MAX_ITERATIONS
    steps = 0
    while steps < max_iterations:
        steps += 1
        gradient = objective.gradient(point)
        curve = metric = objective.information(point)
        scale = np.sqrt(np.maximum(np.diagonal(curve), 1e-300))
        if decrement < 1e-2:
            exact = objective.hessian(point) - _bending(held, ram, point.params, multipliers)
            curve = exact if _definite(exact, local.equal_slope, scale) else curve
        step, multipliers = _quadratic_step(gradient, curve, local, held)
        decrement = float(step @ curve @ step)
        off = _distance(local, metric)  # the exact curve is only definite along the equalities
        if decrement <= target and off < KEPT:
            outcome = Outcome.CONVERGED
            break
        price = np.maximum(price, 1.5 * np.abs(multipliers))
        moved = _search(objective, ram, held, point, local, gradient, step, price, decrement * n_rows < 1e-3)
        if moved is None:
            outcome = Outcome.CONVERGED if decrement * n_rows < 1e-10 and off < 1e-7 else Outcome.STUCK
            break
        point = moved
        local = _local(held, ram, point.params)
    if off > 1e-6:
        values = np.append(np.abs(local.equal), np.maximum(-local.above, 0.0))
        worst = int(np.argmax(values))
        raise SpecError(
            f"No values that satisfy '{held.texts[worst]}' were found (it is missed by {values[worst]:.3g}). "
            "Check the constraint, or give start() values that satisfy it."
        )
    return _finished(objective, point, local, multipliers, outcome, steps, decrement)


def _finished(
    objective: Objective,
    point: Any,
    local: _Local,
    multipliers: Array,
    outcome: Outcome,
    steps: int,
    left: float,
) -> Constrained:
    curve = objective.information(point)
    unit = _standard_errors(local.above_slope, curve)
    e = len(local.equal)
    pressed = multipliers[e:] > 0
    active = np.flatnonzero((local.above <= TOUCHING * unit) | (pressed & (local.above <= 1e-5 * unit)))
    normals = np.concatenate([local.equal_slope, local.above_slope[active]])
    gradient = objective.gradient(point)
    if len(normals):
        gradient = gradient - normals.T @ np.linalg.lstsq(normals.T, gradient, rcond=None)[0]
    solution = Solution(point, gradient, outcome, steps, left)
    return Constrained(solution, normals, e)


def on_the_constraints(found: Constrained, ram: RamModel) -> tuple[RamModel, Array]:
    """The model with parameters that run along what holds, and their values (zeros) at the solution.

    To first order these are all the directions that are left, which is what standard errors and tests need
    (Silvey, 1959, Annals of Mathematical Statistics 30). Active inequalities take directions but count as
    parameters, as lavaan counts them.
    """
    normals, e = found.normals, found.n_equalities
    along, along_equal = _null_space(normals, ram.n_params), _null_space(normals[:e], ram.n_params)
    free = ram.free_values(found.solution.point.params)
    moved = replace(
        ram, reduction=ram.reduction @ along, offset=free, unheld=ram.reduction @ along_equal,
        held=along_equal.shape[1] - along.shape[1], curved=e > 0,
    )  # fmt: skip
    return moved, np.zeros(along.shape[1])


def _null_space(normals: Array, k: int) -> Array:
    """Orthonormal directions (k, d) that leave the constraints alone to first order."""
    if not len(normals):
        return np.eye(k)
    _, singular, right = np.linalg.svd(normals / np.linalg.norm(normals, axis=1, keepdims=True))
    basis = right[int((singular > 1e-9).sum()) :].T
    return np.where(np.abs(basis) < 1e-14, 0.0, basis)


def _local(held: Restrictions, ram: RamModel, params: Array) -> _Local:
    x = ram.free_values(params)
    equal, equal_slope = held.equal(x)
    above, above_slope = held.above(x)
    return _Local(equal, equal_slope @ ram.reduction, above, above_slope @ ram.reduction)


def _quadratic_step(gradient: Array, curve: Array, local: _Local, held: Restrictions) -> tuple[Array, Array]:
    """Step d and multipliers of min gᵀd + ½dᵀBd with h + J d = 0 and c + C d ≥ 0."""
    scale = np.sqrt(np.maximum(np.abs(np.diagonal(curve)), 1e-300))
    g, b = gradient / scale, curve / np.outer(scale, scale)
    je, ji = local.equal_slope / scale, local.above_slope / scale
    k, e = len(g), len(je)
    base = -np.linalg.lstsq(je, local.equal, rcond=None)[0] if e else np.zeros(k)
    basis = _null_space(je, k)
    reduced = basis.T @ b @ basis
    chol = _cholesky(reduced)
    pull = solve_triangular(chol, basis.T @ (g + b @ base), lower=True)
    y = -pull
    pressed = np.zeros(len(ji))
    if len(ji):
        a_mat = solve_triangular(chol, basis.T @ ji.T, lower=True).T
        need = -local.above - ji @ base + a_mat @ pull
        size = np.maximum(np.linalg.norm(a_mat, axis=1), 1e-12)
        y, pressed = _least_distance(a_mat / size[:, None], need / size, held)
        pressed = pressed / size
        y = y - pull
    w = solve_triangular(chol, y, lower=True, trans="T")
    d = base + basis @ w
    equal_multipliers = np.linalg.lstsq(je.T, g + b @ d - ji.T @ pressed, rcond=None)[0] if e else np.zeros(0)
    return d / scale, np.append(equal_multipliers, pressed)


def _least_distance(a_mat: Array, need: Array, held: Restrictions) -> tuple[Array, Array]:
    """min ½|y|² with A y ≥ b, and its multipliers. Lawson & Hanson (1974), problem LDP."""
    if (need <= 0).all():
        return np.zeros(a_mat.shape[1]), np.zeros(len(need))
    stacked = np.vstack([a_mat.T, need])
    unit = np.zeros(len(stacked))
    unit[-1] = 1.0
    u, _ = nnls(stacked, unit, maxiter=50 * max(stacked.shape))
    residual = stacked @ u - unit
    if -residual[-1] < 1e-12:
        shown = ", ".join(f"'{t}'" for t in held.texts[:4])
        raise SpecError(
            f"No values satisfy the constraints of the model together: {shown}. Remove one of them."
        )
    return -residual[:-1] / residual[-1], u / -residual[-1]


def _cholesky(matrix: Array) -> Array:
    ridge = 0.0
    while True:
        try:
            return np.asarray(np.linalg.cholesky(matrix + ridge * np.eye(len(matrix))))
        except np.linalg.LinAlgError:
            ridge = max(10.0 * ridge, 1e-9)


def _definite(curve: Array, equal_slope: Array, scale: Array) -> bool:
    """Whether the curvature is positive definite along the equalities."""
    basis = _null_space(equal_slope / scale, len(curve))
    values = np.linalg.eigvalsh(basis.T @ (curve / np.outer(scale, scale)) @ basis)
    return bool(values[0] > 1e-8) if len(values) else True


def _bending(held: Restrictions, ram: RamModel, params: Array, multipliers: Array) -> Array:
    """Σ λ ∇²constraint, by central differences of the exact gradients where there is no closed form."""
    k = len(params)
    out = np.zeros((k, k))
    if not multipliers.any():
        return out
    exact = held.bending(ram.free_values(params), multipliers)
    if exact is not None:
        return np.asarray(ram.reduction.T @ exact @ ram.reduction)
    for i in range(k):
        h = 1e-5 * max(abs(params[i]), 1.0)
        ends = []
        for side in (h, -h):
            shifted = params.copy()
            shifted[i] += side
            at = _local(held, ram, shifted)
            ends.append(multipliers @ np.concatenate([at.equal_slope, at.above_slope]))
        out[i] = (ends[0] - ends[1]) / (2.0 * h)
    return (out + out.T) / 2.0


def _standard_errors(slopes: Array, curve: Array) -> Array:
    """Standard error of one row of each constraint's value, √(J B⁻¹ Jᵀ)."""
    if not len(slopes):
        return np.zeros(0)
    solved = np.linalg.lstsq(curve, slopes.T, rcond=None)[0]
    return np.sqrt(np.maximum((slopes.T * solved).sum(axis=0), 1e-300))


def _distance(local: _Local, curve: Array) -> float:
    """Largest violation in standard errors of one row."""
    equal = np.abs(local.equal) / _standard_errors(local.equal_slope, curve)
    above = np.maximum(-local.above, 0.0) / _standard_errors(local.above_slope, curve)
    return float(np.max(np.concatenate([equal, above]), initial=0.0))


def _search(
    objective: Objective, ram: RamModel, held: Restrictions, point: Any, local: _Local, gradient: Array,
    step: Array, price: Array, near: bool,
) -> Any:  # fmt: skip
    """The first of params + d, + d/2, … that decreases the merit; near the end the full step is trusted."""
    before = local.violation(price)
    promised = float(gradient @ step) - before
    length = 1.0
    while length > 1e-6:
        candidate = objective.at(point.params + length * step)
        if candidate is not None:
            after = _local(held, ram, candidate.params).violation(price)
            gain = float(point.value - candidate.value) + before - after
            noise = 1e-13 * (1.0 + abs(float(point.value)))
            if gain >= -1e-4 * length * promised or (near and length == 1.0 and gain > -1e3 * noise):
                return candidate
        length *= 0.5
    return None
