"""Variances of latent responses and what they owe to the parameters, for models of ordered items.

Under delta a response's variance given the covariates is 1/Δ², and the residual variance what is left of it.
"""

from __future__ import annotations

import numpy as np

from sem_models.estimation import moment_space
from sem_models.estimation.kernels import Implied
from sem_models.estimation.ordinal_least_squares import OrdinalPoint, given_covariates, residual_slopes
from sem_models.model.ram import Array, RamModel


def derived_residual_slopes(ram: RamModel, at: Implied) -> Array:
    """∂ of the residual variances that follow from others under delta, by free row, (g, o, q)."""
    part = ram.ordinal
    assert part is not None
    given, scale = given_covariates(ram, at), response_scale(ram, at)
    nothing = np.zeros(0)
    point = OrdinalPoint(nothing, nothing, at, nothing, nothing, nothing, given, nothing, scale, ram)
    by_slot = residual_slopes(ram, point, moment_space.jacobian(ram.slots, given))
    out = np.zeros((*by_slot.shape[:-1], ram.n_free))
    for g, index in enumerate(ram.slots.free):
        used = index >= 0
        out[g][:, index[used]] = by_slot[g][:, used]
    return out


def carried(ram: RamModel, at: Implied, residual: Array) -> Array:
    """What slopes of the derived residual variances (g, o, q) bring to all variances, (g, v, q)."""
    part = ram.ordinal
    assert part is not None
    return np.asarray(at.total[:, :, part.ordered] ** 2 @ residual)


def derives_residuals(ram: RamModel) -> bool:
    """Whether residual variances of ordered items follow from other parameters."""
    return ram.ordinal is not None and not ram.ordinal.theta


def response_scale(ram: RamModel, at: Implied) -> Array:
    """Δ of the variables seen, 1 / SD given the covariates for ordered items and 1 for the others, (g, p)."""
    part = ram.ordinal
    assert part is not None
    variance = np.diagonal(given_covariates(ram, at).sigma, axis1=-2, axis2=-1)[:, part.y]
    ordered = part.layout.ordered
    return np.where(ordered, 1.0 / np.sqrt(np.where(ordered, variance, 1.0)), 1.0)
