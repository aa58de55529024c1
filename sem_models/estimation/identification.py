"""Is the model identified? The rank of its information at random admissible points, before estimation."""

from __future__ import annotations

from typing import Any

import numpy as np

from sem_models.errors import IdentificationError
from sem_models.estimation.least_squares import LeastSquares, MomentPoint
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.remedies import remedy
from sem_models.estimation.units import param_units
from sem_models.linear_algebra import Factored, factored, in_units
from sem_models.model.constraints import Restrictions
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable

Objective = NormalTheory | LeastSquares

TOLERANCE = 1e-10
"""Eigenvalues of the scaled information below this count as zero at every point tried."""

SHOWN = 12
"""Parameters named before the rest are counted."""

CLEAR_PIVOT = 1e-3
"""A Cholesky pivot of the scaled information above this leaves no doubt about its rank."""


def check_identified(
    objective: Objective,
    table: ParameterTable,
    start: Point | MomentPoint,
    information: Factored,
    n_moments: int,
    held: Restrictions,
    *,
    cov: Array | None = None,
) -> None:
    """Raise IdentificationError naming the parameters along the flat directions, if there are any.

    Local identification: the information matrix of Σ(θ), μ(θ) has full rank almost everywhere (Bollen, 1989,
    p. 246–251), so full rank at the starting values, where `information` (k, k) is taken, settles it. Where
    it is deficient there, it is taken at two random points nearby, and only a direction flat at both counts.
    """
    ram, k = objective.ram, objective.ram.n_params - len(held.equalities)
    if held.equalities:
        information = factored(information.matrix + _pinned(objective, start.params, held))
    if k <= n_moments and information.pivot > CLEAR_PIVOT:
        return
    if cov is None:
        assert isinstance(objective, NormalTheory)
        cov = objective.patterns.cov
    units = param_units(table, ram.reduction, ram.row_of_free, cov)
    flat = flat_at_random_points(objective, start.params, units, held)
    found = flat is not None and flat.shape[1] > 0
    if k <= n_moments and not found:
        return
    if k > n_moments:
        what = (
            f"The model has {k} free parameters but the data only {n_moments} moments (means, variances, "
            "covariances) to tell them from."
        )
    else:
        assert flat is not None
        many = "s" if flat.shape[1] > 1 else ""
        what = (
            f"The model is not identified: {flat.shape[1]} direction{many} of its parameters can change "
            "without changing what it implies for the data."
        )
    if not found or flat is None:
        raise IdentificationError(f"{what} Fix some parameters, set some equal, or add indicators.")
    by_row = np.linalg.norm(ram.reduction @ (flat / units[:, None]), axis=1)
    involved = [int(n) for n, size in zip(ram.row_of_free, by_row, strict=True) if size > 1e-4 * by_row.max()]
    names = list(dict.fromkeys(table.names()[n] for n in involved))
    more = f", … ({len(names) - SHOWN} more)" if len(names) > SHOWN else ""
    raise IdentificationError(f"{what} Involved: {', '.join(names[:SHOWN])}{more}. {remedy(table, involved)}")


def flat_at_random_points(
    objective: Objective, around: Array, units: Array, held: Restrictions | None = None
) -> Array | None:
    """Directions (k, d) flat at two random points near `around`; None where no such point is admissible.

    units (k,) the parameters' sizes, which decide how far away the points are.
    """
    rng = np.random.default_rng(20031)
    flat: Array | None = None
    for _ in range(2):
        directions = _flat_directions(objective, _nearby(objective, around, units, rng), held)
        if directions is not None and (flat is None or directions.shape[1] < flat.shape[1]):
            flat = directions
        if flat is not None and flat.shape[1] == 0:
            break
    return flat


def _nearby(objective: Objective, start: Array, units: Array, rng: np.random.Generator) -> Array:
    """A random point whose Σ is positive definite, shrinking towards the start until it is."""
    spread = 0.3
    noise = rng.uniform(-1, 1, size=len(start)) * np.maximum(np.abs(start), 0.5 * units)
    for _ in range(20):
        candidate = start + spread * noise
        if objective.at(candidate) is not None:
            return np.asarray(candidate)
        spread *= 0.5
    return start


def _pinned(objective: Objective, params: Array, held: Restrictions | None) -> Array:
    """What nonlinear equalities add to the information: JᵀJ."""
    if held is None or not held.equalities:
        return np.zeros((len(params),) * 2)
    slopes = held.equal(objective.ram.free_values(params))[1] @ objective.ram.reduction
    return np.asarray(slopes.T @ slopes)


def _flat_directions(objective: Objective, params: Array, held: Restrictions | None) -> Array | None:
    """Null space (k, d) of the expected information, in the parameters' scale; None without a valid point."""
    point: Any = objective.at(params)
    if point is None:
        return None
    information = objective.information(point) + _pinned(objective, params, held)
    scale = np.sqrt(np.maximum(information.diagonal(), 0.0))
    silent = scale < 1e-150
    scale = np.where(silent, 1.0, scale)
    values, vectors = np.linalg.eigh(in_units(information, scale))
    null = vectors[:, values < TOLERANCE * max(values[-1], 1.0)] / scale[:, None]
    return (
        np.asarray(null / np.maximum(np.abs(null).max(axis=0, keepdims=True), 1e-300)) if null.size else null
    )
