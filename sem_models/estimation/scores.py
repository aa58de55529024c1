"""Casewise scores: the first derivative of each row's log-likelihood, which sandwich errors are made of."""

from __future__ import annotations

import numpy as np

from sem_models.estimation import kernels, moment_space
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.sample import Rows


def free_scores(objective: NormalTheory, point: Point, rows: tuple[Rows, ...]) -> Array:
    """∂ log-likelihood / ∂free row, (N, q); rows in the order of the groups."""
    ram, patterns = objective.ram, objective.patterns
    blocks = []
    one_pattern = len(patterns.group) == ram.n_groups
    jac = None if one_pattern else moment_space.jacobian(ram.slots, point.at)
    for g, block in enumerate(rows):
        mu = point.at.mu[g] if ram.has_means else objective.sample_mean[g]
        if jac is None:
            by_slot = kernels.case_scores(ram.slots, point.at, point.parts.weight[g], block.values - mu, g)
        else:
            by_slot = (
                moment_likelihood.moment_scores(point.parts, patterns, block.values, mu, block.pattern)
                @ jac[g]
            )
        out = np.zeros((len(by_slot), ram.n_free))
        used = ram.slots.free[g] >= 0
        out[:, ram.slots.free[g][used]] = by_slot[:, used]
        blocks.append(out)
    return np.concatenate(blocks)
