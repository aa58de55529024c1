"""Casewise scores: the first derivative of each row's log-likelihood, which sandwich errors are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sem_models.estimation import kernels, moment_space
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.rows import Piece, Rows, score_products

ScoresOf = Callable[[Piece], Array]


def free_scores(objective: NormalTheory, point: Point, rows: tuple[Rows, ...]) -> Array:
    """∂ log-likelihood / ∂free row, (N, q), weighted if the rows are; rows in the order of the groups."""
    blocks = []
    for g, block in enumerate(rows):
        used = objective.ram.slots.free[g] >= 0
        by_slot = _slot_scores(objective, point, block, g)(slice(None))
        if block.weight is not None:
            by_slot = by_slot * block.weight[:, None]
        out = np.zeros((len(by_slot), objective.ram.n_free))
        out[:, objective.ram.slots.free[g][used]] = by_slot[:, used]
        blocks.append(out)
    return np.concatenate(blocks)


def score_meat(objective: NormalTheory, point: Point, rows: tuple[Rows, ...]) -> Array:
    """B = Σ s sᵀ / N in the parameters, (k, k), over independent rows or clusters; N the total weight."""
    ram = objective.ram
    total = np.zeros((ram.n_params,) * 2)
    for g, block in enumerate(rows):
        used = ram.slots.free[g] >= 0
        reduction = ram.reduction[ram.slots.free[g][used]]
        slot_scores = _slot_scores(objective, point, block, g)
        products = score_products(block, slot_scores, len(used))[np.ix_(used, used)]
        total += reduction.T @ products @ reduction
    return total / objective.patterns.size.sum()


def _slot_scores(objective: NormalTheory, point: Point, block: Rows, group: int) -> ScoresOf:
    """The scores (n, slots) of any piece of one group's rows."""
    ram, patterns = objective.ram, objective.patterns
    mu = point.at.mu[group] if ram.has_means else objective.sample_mean[group]
    if len(patterns.group) == ram.n_groups:
        weight = point.parts.weight[group]
        return lambda piece: kernels.case_scores(ram.slots, point.at, weight, block.values[piece] - mu, group)
    jac = moment_space.jacobian(ram.slots, point.at)[group]

    def of_piece(piece: Piece) -> Array:
        values, pattern = block.values[piece], block.pattern[piece]
        if isinstance(piece, np.ndarray):  # one pattern: no detour through the moments
            centered = np.where(np.isnan(values), 0.0, values - mu)
            return kernels.case_scores(ram.slots, point.at, point.parts.weight[pattern[0]], centered, group)
        return moment_likelihood.moment_scores(point.parts, patterns, values, mu, pattern) @ jac

    return of_piece
