"""A fitted model with more of its entries free: what modification indices and score tests look at.

Nothing is refitted. The extended model sits at the estimates of the fitted one; its score and its expected
information there say what freeing the new entries would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sem_models.estimation import kernels, moment_space
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.inference.solved import Solved
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, Array, RamModel, Slots
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained


@dataclass(frozen=True, slots=True)
class Entry:
    """One matrix entry of one group: kind DIRECTED, SYMMETRIC (row ≤ col) or MEAN (col 0)."""

    group: int
    kind: int
    row: int
    col: int


@dataclass(frozen=True, slots=True)
class Curvature:
    """information (q, q) and score (q,) = −∂(χ²/2N)/∂x per row, of the free rows, new entries last."""

    information: Array
    score: Array


def entry_of(op: str, lhs: int, rhs: int, group: int) -> Entry:
    """The entry that a row `lhs op rhs` (positions among the variables) stands for."""
    if op == "~1":
        return Entry(group, MEAN, lhs, 0)
    if op == "~~":
        return Entry(group, SYMMETRIC, min(lhs, rhs), max(lhs, rhs))
    return Entry(group, DIRECTED, *((rhs, lhs) if op == "=~" else (lhs, rhs)))


def free_entries(ram: RamModel) -> set[Entry]:
    """The entries that are free already."""
    slots = ram.slots
    found = zip(*np.nonzero(slots.free >= 0), strict=True)
    return {Entry(int(g), int(slots.kind[n]), int(slots.row[n]), int(slots.col[n])) for g, n in found}


def extend(ram: RamModel, entries: Sequence[Entry]) -> RamModel:
    """The model with `entries` free and unconstrained, at the values where they are fixed."""
    old = ram.slots
    places = {(int(k), int(i), int(j)): n for n, (k, i, j) in enumerate(zip(old.kind, old.row, old.col, strict=True))}
    columns = [list(column) for column in old.free.T]
    keys = list(places)
    bases = {DIRECTED: ram.a_base, SYMMETRIC: ram.s_base}
    offset = []
    for number, e in enumerate(entries):
        place = places.setdefault((e.kind, e.row, e.col), len(columns))
        if place == len(columns):
            columns.append([-1] * ram.n_groups)
            keys.append((e.kind, e.row, e.col))
        columns[place][e.group] = ram.n_free + number
        offset.append(ram.m_base[e.group, e.row] if e.kind == MEAN else bases[e.kind][e.group, e.row, e.col])
    kind, row, col = np.array(keys, dtype=np.intp).reshape(-1, 3).T
    weight = np.where(kind == MEAN, 0.0, np.where((kind == SYMMETRIC) & (row == col), 0.5, 1.0))
    right = np.where(kind == DIRECTED, len(ram.variables) + col, col)
    free = np.array(columns, dtype=np.intp).reshape(-1, ram.n_groups).T
    q, k, c = ram.n_free, ram.n_params, len(entries)
    reduction = np.zeros((q + c, k + c))
    reduction[:q, :k] = ram.reduction
    reduction[q:, k:] = np.eye(c)
    return replace(
        ram, slots=Slots(kind, row, col, weight, row, right, free), reduction=reduction,
        offset=np.append(ram.offset, offset), row_of_free=np.append(ram.row_of_free, np.full(c, -1)),
    )  # fmt: skip


def curvature_at(solved: Solved, entries: Sequence[Entry]) -> Curvature:
    """Expected information and score of the model with `entries` freed, at the fitted estimates.

    The moments of fixed covariates among themselves count for nothing: the model conditions on them.
    """
    ram = extend(solved.ram, entries)
    objective = solved.objective_for(ram)
    point = objective.at(np.append(solved.point.params, np.zeros(len(entries))))
    assert point is not None
    if isinstance(objective, NormalTheory) and not len(ram.exogenous):
        assert isinstance(point, Point)
        slope = kernels.gradient(ram.slots, point.at, point.parts, objective.patterns)
        return Curvature(objective.free_information(point, observed=False), -ram.spread_vector(slope))
    keep = moments_explained(ram.n_observed, ram.exogenous, has_means=ram.has_means)
    if isinstance(objective, NormalTheory):
        assert isinstance(point, Point)
        weight = moment_likelihood.curvature(point.parts, objective.patterns, ram.n_groups, observed=False)
        pull = moment_likelihood.slope(point.parts, objective.patterns, ram.n_groups)
    else:
        assert not isinstance(point, Point)
        weight = objective.share[:, None, None] * objective.weight
        pull = -objective.share[:, None] * point.weighted
    jac = moment_space.jacobian(ram.slots, point.at)[:, keep]
    information = moment_space.chain(weight[:, keep][:, :, keep], jac)
    score = -np.einsum("grn,gr->gn", jac, pull[:, keep])
    return Curvature(ram.spread_matrix(information), ram.spread_vector(score))
