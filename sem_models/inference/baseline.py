"""The independence model that incremental fit indices compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sem_models.model.ram import MEAN, SYMMETRIC, Array, IntArray, RamModel, Slots
from sem_models.model.table import ParameterTable
from sem_models.observed.pairwise import pairwise_moments
from sem_models.observed.patterns import Patterns
from sem_models.observed.sample import Sample
from sem_models.observed.saturated import available_moments


def baseline_model(
    ram: RamModel, table: ParameterTable, sample: Sample, auxiliary: Sequence[str] = ()
) -> tuple[RamModel, Array]:
    """All observed variables uncorrelated but for covariates, and the parameters to start from.

    Covariates keep their sample moments when fixed (those of the rows that answer both, where covariates
    are missing, as lavaan does) and have free covariances when random. Without missing values the start is
    the solution, and so it is with them for variables that correlate with nothing: the moments of their own
    answers. Auxiliary variables correlate with everything, so that the baseline is the model's own (as
    semTools has it).
    """
    g = len(sample.groups)
    x = ram.exogenous
    layout = _layout(table, sample.variables, ram.has_means, tuple(x.tolist()), tuple(auxiliary))
    some_missing = len(x) and not sample.patterns.seen[:, x].all()
    x_cov, x_mean = pairwise_moments(sample) if some_missing else (sample.cov, sample.mean)
    slots = layout.model.slots
    kind, row, col = slots.kind, slots.row, slots.col
    start = np.where(kind == MEAN, sample.mean[:, row], sample.cov[:, row, col])
    if not sample.complete and isinstance(sample.patterns, Patterns):
        mean, variance = available_moments(sample.patterns, g)
        start = np.where(layout.alone, np.where(kind == MEAN, mean[:, row], variance[:, row]), start)
    start[:, layout.auxiliary] = 0.0
    return layout.model.with_covariates(x_cov, x_mean), start.reshape(-1)


def starts_at_solution(sample: Sample, auxiliary: Sequence[str]) -> bool:
    """Whether maximum likelihood ends where `baseline_model` says to start."""
    return sample.complete and not auxiliary


@dataclass(frozen=True, slots=True)
class _Layout:
    """The model with covariates' moments zero; by entry, whether its variable correlates with nothing; the
    entries of auxiliary variables."""

    model: RamModel
    alone: NDArray[np.bool_]
    auxiliary: IntArray


@lru_cache(maxsize=32)
def _layout(
    table: ParameterTable, variables: tuple[str, ...], has_means: bool, exogenous: tuple[int, ...],
    auxiliary: tuple[str, ...],
) -> _Layout:  # fmt: skip
    g, p, fixed = len(table.groups), len(variables), set(exogenous)
    own = [i for i in range(p) if i not in fixed]
    place = {name: i for i, name in enumerate(variables)}
    random_x = sorted(place[name] for name in table.variables.exogenous if place[name] not in fixed)
    entries = [(SYMMETRIC, i, i) for i in own] + [(SYMMETRIC, i, j) for i, j in combinations(random_x, 2)]
    aux = {place[name] for name in auxiliary if name in place}
    saturated = [(i, j) for i, j in combinations(range(p), 2) if aux & {i, j}]
    entries += [(SYMMETRIC, i, j) for i, j in saturated]
    if has_means:
        entries += [(MEAN, i, 0) for i in own]
    kind, row, col = np.array(entries, dtype=np.intp).reshape(-1, 3).T
    weight = np.where(kind == MEAN, 0.0, np.where(row == col, 0.5, 1.0))
    free = np.arange(g * len(kind), dtype=np.intp).reshape(g, len(kind))
    slots = Slots(kind, row, col, weight, row, col, free)
    alone = (row == col) | (kind == MEAN)
    alone &= ~np.isin(row, [*random_x, *(i for pair in saturated for i in pair)])
    model = RamModel(
        variables, p, has_means, np.zeros((g, p, p)), np.zeros((g, p, p)), np.zeros((g, p)), slots,
        np.eye(free.size), np.zeros(free.size), np.array(exogenous, dtype=np.intp),
        np.arange(free.size, dtype=np.intp),
    )  # fmt: skip
    of_aux = [k for k, entry in enumerate(entries) if entry[1:] in set(saturated)]
    return _Layout(model, alone, np.array(of_aux, dtype=np.intp))
