"""A fitted model with more of its entries free: what modification indices and score tests look at.

Nothing is refitted. The extended model sits at the estimates of the fitted one; its score and its expected
information there say what freeing the new entries would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation import kernels, moment_space
from sem_models.estimation.least_squares import times
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.scores import score_meat
from sem_models.inference.covariance import FROM_MOMENTS
from sem_models.inference.scaled_tests import empirical_gamma, kept_moments, projection, score_meat_of
from sem_models.inference.solved import Solved
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, THRESHOLD, Array, IntArray, RamModel, slots_of
from sem_models.observed import moment_likelihood


@dataclass(frozen=True, slots=True)
class Entry:
    """One matrix entry of one group: kind DIRECTED, SYMMETRIC (row ≤ col) or MEAN (col 0); of ordered items
    THRESHOLD or SCALING (col its number)."""

    group: int
    kind: int
    row: int
    col: int


@dataclass(frozen=True, slots=True)
class Curvature:
    """Per row, of q free rows and c new entries that come last.

    information (r, q + c) the first r rows of the expected information, own (q + c,) its diagonal; score
    (q + c,) = −∂(χ²/2N)/∂x.
    """

    information: Array
    own: Array
    score: Array


def entry_of(op: str, lhs: int, rhs: int, group: int) -> Entry:
    """The entry that a row `lhs op rhs` (positions among the variables) stands for."""
    if op == "~1":
        return Entry(group, MEAN, lhs, 0)
    if op == "~~":
        return Entry(group, SYMMETRIC, min(lhs, rhs), max(lhs, rhs))
    return Entry(group, DIRECTED, *((rhs, lhs) if op == "=~" else (lhs, rhs)))


def entries_by_row(ram: RamModel) -> dict[int, Entry]:
    """The entry that each free row stands for."""
    slots = ram.slots
    found = zip(*np.nonzero(slots.free >= 0), strict=True)
    return {
        int(slots.free[g, n]): Entry(int(g), int(slots.kind[n]), int(slots.row[n]), int(slots.where[n]))
        for g, n in found
    }


def free_entries(ram: RamModel) -> set[Entry]:
    """The entries that are free already."""
    return set(entries_by_row(ram).values())


def fixed_values(ram: RamModel, entries: Sequence[Entry]) -> Array:
    """The values at which entries are fixed, (c,)."""
    return np.array([_fixed_value(ram, e) for e in entries], dtype=np.float64)


def _fixed_value(ram: RamModel, e: Entry) -> float:
    if e.kind == MEAN:
        return float(ram.m_base[e.group, e.row])
    if e.kind > MEAN:
        assert ram.ordinal is not None
        return float((ram.ordinal.tau if e.kind == THRESHOLD else ram.ordinal.scale)[e.group, e.col])
    return float((ram.a_base if e.kind == DIRECTED else ram.s_base)[e.group, e.row, e.col])


def extend(ram: RamModel, entries: Sequence[Entry]) -> RamModel:
    """The model with `entries` free and unconstrained, at the values where they are fixed."""
    old = ram.slots
    places = {
        (int(k), int(i), int(j)): n
        for n, (k, i, j) in enumerate(zip(old.kind, old.row, old.where, strict=True))
    }
    columns = [list(column) for column in old.free.T]
    keys = list(places)
    for number, e in enumerate(entries):
        place = places.setdefault((e.kind, e.row, e.col), len(columns))
        if place == len(columns):
            columns.append([-1] * ram.n_groups)
            keys.append((e.kind, e.row, e.col))
        columns[place][e.group] = ram.n_free + number
    free = np.array(columns, dtype=np.intp).reshape(-1, ram.n_groups).T
    slots = slots_of(np.array(keys, dtype=np.intp).reshape(-1, 3), len(ram.variables), free)
    q, k, c = ram.n_free, ram.n_params, len(entries)
    reduction = np.zeros((q + c, k + c))
    reduction[:q, :k] = ram.reduction
    reduction[q:, k:] = np.eye(c)
    return replace(
        ram, slots=slots, reduction=reduction,
        offset=np.append(ram.offset, fixed_values(ram, entries)),
        row_of_free=np.append(ram.row_of_free, np.full(c, -1)),
    )  # fmt: skip


def score_spread(solved: Solved, entries: Sequence[Entry]) -> Array | None:
    """Covariance (q, q) of the score per row without assuming normality, or None where errors assume it.

    The cross-products of the casewise scores, or for errors from the moments ("robust.sem") Jᵀ W Γ W J.
    """
    se = solved.options.se
    by_case = se in ("robust.huber.white", "robust.cluster")
    if solved.options.discrepancy == "PML" and by_case:
        by_case, se = False, "robust.sem"  # Γ holds the cross-products of the rows' scores
    if solved.sample.rows is None or not (by_case or (se in FROM_MOMENTS and se != "robust.sem.nt")):
        return None
    ram = extend(solved.ram, entries)
    everything = replace(ram, reduction=np.eye(ram.n_free), offset=np.zeros(ram.n_free))
    at_point: Any = solved.objective_for(ram).at(np.append(solved.point.params, np.zeros(len(entries))))
    objective = solved.objective_for(everything)
    if by_case:
        assert isinstance(objective, NormalTheory)
        return score_meat(objective, at_point, solved.sample.rows)
    at = projection(objective, at_point, solved.sample)
    gamma = empirical_gamma(solved.sample, ram.exogenous, at.keep)
    return score_meat_of(at, gamma)


def curvature_at(solved: Solved, entries: Sequence[Entry], *, rows: int | None = None) -> Curvature:
    """Expected information and score of the model with `entries` freed, at the fitted estimates.

    The moments of fixed covariates among themselves carry no information: the model conditions on them. Of
    the information only the first `rows` rows are made, for as many candidates as there may be; None is all.
    """
    if solved.options.discrepancy == "MML":
        raise SpecError(
            "The engine has no modification indices and score tests of a marginal likelihood yet. Compare "
            "models by fit.compare(), or see those of estimator='WLSMV' or 'PML'."
        )
    ram = extend(solved.ram, entries)
    objective = solved.objective_for(ram)
    at_point: Any = objective.at(np.append(solved.point.params, np.zeros(len(entries))))
    everything = replace(ram, reduction=np.eye(ram.n_free), offset=np.zeros(ram.n_free))
    score = -solved.objective_for(everything).gradient(at_point)
    wanted = ram.n_free if rows is None else rows
    if not isinstance(objective, NormalTheory):
        # lavaan's convention: the score counts n − 1 rows of each group, the information n
        score = score * solved.sample.n / solved.sample.n_total
        blocks = _through_moments(solved, objective, at_point, wanted)
    elif len(ram.exogenous) or len(objective.patterns.group) > ram.n_groups:
        blocks = _through_moments(solved, objective, at_point, wanted)
    else:
        blocks = [_gathered(objective, at_point, g, wanted) for g in range(ram.n_groups)]
    information, own = np.zeros((wanted, ram.n_free)), np.zeros(ram.n_free)
    for (block, diagonal), index in zip(blocks, ram.slots.free, strict=True):
        used = index[index >= 0]
        information[np.ix_(used[used < wanted], used)] = block
        own[used] = diagonal
    return Curvature(information, own, score)


def _gathered(objective: NormalTheory, point: Any, group: int, wanted: int) -> tuple[Array, Array]:
    """Information of one group with complete data: free entries below `wanted` by all free ones."""
    slots, z = objective.ram.slots, point.at.z_cols[group]
    columns = np.flatnonzero(slots.free[group] >= 0)
    rows = columns[slots.free[group, columns] < wanted]
    g_mat = z.T @ point.parts.weight[group] @ z
    slopes = kernels.mean_slopes(slots, point.at.eta)[group]

    def between(i: IntArray, j: IntArray) -> Array:
        a_i, b_i, a_j, b_j = slots.left[i], slots.right[i], slots.left[j], slots.right[j]
        traces = g_mat[a_i, a_j] * g_mat[b_i, b_j] + g_mat[a_i, b_j] * g_mat[b_i, a_j]
        means = slopes[i] * slopes[j] * g_mat[slots.row[i], slots.row[j]]
        return np.asarray(
            objective.patterns.share[group] * (slots.weight[i] * slots.weight[j] * traces + means)
        )

    return between(rows[:, None], columns[None, :]), between(columns, columns)


def _through_moments(solved: Solved, objective: Any, point: Any, wanted: int) -> list[tuple[Array, Array]]:
    """The same by way of the moments (vech Σ, μ): Jᵀ W J and its diagonal."""
    ram = objective.ram
    if isinstance(objective, NormalTheory):
        weight = moment_likelihood.curvature(point.parts, objective.patterns, ram.n_groups, observed=False)
        by_slot = moment_space.jacobian(ram.slots, point.at)
    else:
        weight = objective.weight * solved.sample.share.reshape(-1, *(1,) * (objective.weight.ndim - 1))
        by_slot = objective.jacobian(point)
    keep = kept_moments(solved.sample, ram)
    jac = by_slot[:, keep]
    out = []
    for g, index in enumerate(ram.slots.free):
        slopes = jac[g][:, index >= 0]
        weighted = times(weight[g][keep] if weight.ndim == 2 else weight[g][np.ix_(keep, keep)], slopes)
        out.append((slopes[:, index[index >= 0] < wanted].T @ weighted, (slopes * weighted).sum(axis=0)))
    return out
