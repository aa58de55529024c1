"""The independence model that incremental fit indices compare with."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import MEAN, SYMMETRIC, Array, RamModel, Slots
from sem_models.observed.sample import Sample


def baseline_model(ram: RamModel, sample: Sample) -> tuple[RamModel, Array]:
    """All observed variables uncorrelated but for fixed covariates, and the parameters to start from.

    Without missing values the start is the solution.
    """
    g, p = len(sample.groups), len(sample.variables)
    explained = [i for i in range(p) if i not in set(ram.exogenous.tolist())]
    s_base, m_base = np.zeros((g, p, p)), np.zeros((g, p))
    x = ram.exogenous
    s_base[:, x[:, None], x] = sample.cov[:, x[:, None], x]
    m_base[:, x] = sample.mean[:, x]
    position = np.array(explained, dtype=np.intp)
    n = len(position)
    kinds, rows = [np.full(n, SYMMETRIC)], [position]
    if ram.has_means:
        kinds.append(np.full(n, MEAN))
        rows.append(position)
    kind, row = np.concatenate(kinds).astype(np.intp), np.concatenate(rows)
    col = np.where(kind == MEAN, 0, row)
    free = np.arange(g * len(kind), dtype=np.intp).reshape(g, len(kind))
    slots = Slots(kind, row, col, np.where(kind == MEAN, 0.0, 0.5), row, col, free)
    variances = np.diagonal(sample.cov, axis1=-2, axis2=-1)[:, position]
    start = np.concatenate([variances, sample.mean[:, position]], axis=1) if ram.has_means else variances
    model = RamModel(
        sample.variables, p, ram.has_means, np.zeros((g, p, p)), s_base, m_base, slots,
        np.eye(free.size), np.zeros(free.size), x, np.arange(free.size, dtype=np.intp),
    )  # fmt: skip
    return model, start.reshape(-1)
