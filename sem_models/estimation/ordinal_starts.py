"""Starting values with ordered items: from the correlations of the latent responses and their thresholds."""

from __future__ import annotations

import numpy as np

from sem_models.estimation.starts import starting_values
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable
from sem_models.observed.sample import Sample

COMMUNALITY = 0.5
"""Share of a latent response's variance that its constructs are first taken to explain (theta)."""


def ordinal_start(table: ParameterTable, ram: RamModel, sample: Sample) -> Array:
    """Parameters (k,) to begin from; under theta the responses are as wide as a unit residual makes them."""
    part, moments = ram.ordinal, sample.ordinal
    assert part is not None
    assert moments is not None
    unit = np.ones(ram.n_observed)
    if part.theta:
        unit[part.ordered] = 1.0 / np.sqrt(1.0 - COMMUNALITY)
    cov = sample.cov * np.outer(unit, unit)
    variables = table.variables.observed
    number = {
        (variables[part.y[j]], f"t{k + 1}"): n
        for n, (j, k) in enumerate(zip(part.layout.th_variable, part.layout.th_number, strict=True))
    }
    values: dict[int, float] = {}
    for i, row in enumerate(table.rows):
        if row.op == "|" and row.free:
            n = number[row.lhs, row.rhs]
            values[i] = float(moments.statistics[row.block - 1, n] * unit[part.y[part.layout.th_variable[n]]])
        elif row.op == "~*~" and row.free:
            values[i] = 1.0
    return starting_values(table, ram, cov, sample.mean * unit, known=values)
