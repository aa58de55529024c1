"""Each parameter in units that do not depend on how the items are scaled."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.model.table import ParameterTable


def variable_units(table: ParameterTable, sample_cov: Array) -> Array:
    """A unit for each variable, (g, v): an item's sample standard deviation, a construct's by its marker.

    A construct with a fixed loading has its marker's standard deviation divided by that loading, any other
    one the square root of its fixed variance, or 1. sample_cov (g, p, p).
    """
    variables = table.variables.observed + table.variables.latent
    place = {name: i for i, name in enumerate(variables)}
    p = len(table.variables.observed)
    out = np.ones((len(table.groups), len(variables)))
    out[:, :p] = np.sqrt(np.diagonal(sample_cov, axis1=-2, axis2=-1))
    for g in range(len(table.groups)):
        rows = [row for row in table.rows if row.block == g + 1]
        markers = {row.lhs: row for row in reversed(rows) if row.op == "=~" and row.fixed}
        variances = {r.lhs: r.fixed for r in rows if r.op == "~~" and r.lhs == r.rhs and r.fixed}
        for _ in table.variables.latent:  # a marker may be a construct itself: as many rounds as levels
            for name in table.variables.latent:
                if name in markers:
                    marker = markers[name]
                    out[g, place[name]] = out[g, place[marker.rhs]] / abs(marker.fixed or 1.0)
                elif name in variances:
                    out[g, place[name]] = np.sqrt(abs(variances[name] or 1.0))
    return out


def row_units(table: ParameterTable, unit: Array) -> Array:
    """The size (rows,) by which a row's value is divided to be free of scales; `unit` (g, v)."""
    variables = table.variables.observed + table.variables.latent
    place = {name: i for i, name in enumerate(variables)}
    out = np.empty(len(table.rows))
    for k, row in enumerate(table.rows):
        left = unit[row.block - 1, place[row.lhs]]
        if row.op in ("~1", "|"):
            out[k] = left
            continue
        right = unit[row.block - 1, place[row.rhs]]
        out[k] = {"=~": right / left, "~": left / right}.get(row.op, left * right)
    return out


def param_units(table: ParameterTable, reduction: Array, row_of_free: IntArray, sample_cov: Array) -> Array:
    """A unit for each parameter (k,): the average of those of the free rows that it moves."""
    unit = row_units(table, variable_units(table, sample_cov))[row_of_free]
    weight = np.abs(reduction)
    return np.asarray(unit @ weight / weight.sum(axis=0))
