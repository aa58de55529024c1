"""Is the model identified? The rank of its information at random admissible points, before estimation."""

from __future__ import annotations

import numpy as np

from sem_models.errors import IdentificationError
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable

TOLERANCE = 1e-10
"""Eigenvalues of the scaled information below this count as zero at every point tried."""

CLEAR_PIVOT = 1e-3
"""A Cholesky pivot of the scaled information above this leaves no doubt about its rank."""


def check_identified(
    objective: NormalTheory, table: ParameterTable, start: Point, information: Array, n_moments: int
) -> None:
    """Raise IdentificationError naming the parameters along the flat directions, if there are any.

    Local identification: the information matrix of Σ(θ), μ(θ) has full rank almost everywhere (Bollen, 1989,
    p. 246–251), so full rank at the starting values, where `information` (k, k) is taken, settles it. Where
    it is deficient there, it is taken at two random points nearby, and only a direction flat at both counts.
    """
    k = objective.ram.n_params
    if k > n_moments:
        raise IdentificationError(
            f"The model has {k} free parameters but the data only {n_moments} moments (means, "
            "variances, covariances) "
            "to tell them from. Fix some parameters, set some equal, or add indicators."
        )
    if _full_rank(information):
        return
    flat = flat_at_random_points(objective, start.params)
    if flat is None or flat.shape[1] == 0:
        return
    names = table.names()
    by_row = objective.ram.reduction @ flat
    size = np.linalg.norm(by_row, axis=1)
    involved = [names[n] for n, s in zip(objective.ram.row_of_free, size, strict=True) if s > 1e-4]
    more = f", … ({len(involved) - 12} more)" if len(involved) > 12 else ""
    raise IdentificationError(
        f"The model is not identified: {flat.shape[1]} direction{'s' if flat.shape[1] > 1 else ''} of "
        "its parameters can "
        "change without changing what it implies for the data. Involved: "
        f"{', '.join(dict.fromkeys(involved[:12]))}{more}. "
        "Fix one of them (a loading or a variance per latent variable), remove a path, or add indicators."
    )


def flat_at_random_points(objective: NormalTheory, around: Array) -> Array | None:
    """Directions (k, d) flat at two random points near `around`; None where no such point is admissible."""
    rng = np.random.default_rng(20031)
    flat: Array | None = None
    for _ in range(2):
        directions = _flat_directions(objective, _nearby(objective, around, rng))
        if directions is not None and (flat is None or directions.shape[1] < flat.shape[1]):
            flat = directions
        if flat is not None and flat.shape[1] == 0:
            break
    return flat


def _full_rank(information: Array) -> bool:
    """Whether the information is safely positive definite in its own scale, by its Cholesky pivots."""
    scale = np.sqrt(np.diagonal(information))
    if (scale < 1e-150).any():
        return False
    try:
        chol = np.linalg.cholesky(information / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return False
    return bool(np.diagonal(chol).min() > CLEAR_PIVOT) if len(chol) else True


def _nearby(objective: NormalTheory, start: Array, rng: np.random.Generator) -> Array:
    """A random point whose Σ is positive definite, shrinking towards the start until it is."""
    spread = 0.3
    free = objective.ram.free_values(start)
    typical = np.where(np.abs(free) > 1e-8, np.abs(free), 0.0) @ np.abs(objective.ram.reduction)
    typical = np.where(typical > 0, typical, np.median(typical[typical > 0]) if (typical > 0).any() else 1.0)
    noise = rng.uniform(-1, 1, size=len(start)) * typical
    for _ in range(20):
        candidate = start + spread * noise
        if objective.at(candidate) is not None:
            return np.asarray(candidate)
        spread *= 0.5
    return start


def _flat_directions(objective: NormalTheory, params: Array) -> Array | None:
    """Null space (k, d) of the expected information, in the parameters' scale; None without a valid point."""
    point = objective.at(params)
    if point is None:
        return None
    information = objective.information(point)
    scale = np.sqrt(np.diagonal(information))
    silent = scale < 1e-150
    scale = np.where(silent, 1.0, scale)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    null = vectors[:, values < TOLERANCE * max(values[-1], 1.0)] / scale[:, None]
    return (
        np.asarray(null / np.maximum(np.abs(null).max(axis=0, keepdims=True), 1e-300)) if null.size else null
    )
