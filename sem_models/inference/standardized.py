"""The standardized solution and its exact derivatives in the free rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.estimation.kernels import Implied
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable

Metric = Literal["std_all", "std_lv", "std_nox"]


@dataclass(frozen=True, slots=True)
class Values:
    """A value for each row of the table (rows,) and its derivatives in the free rows (rows, q)."""

    value: Array
    jacobian: Array


def row_values(table: ParameterTable, ram: RamModel, free: Array, at: Implied) -> Values:
    """The unstandardized estimates of all rows, fixed ones included."""
    a_mat, s_mat, m_vec = ram.matrices(free)
    place = {name: i for i, name in enumerate(ram.variables)}
    value = np.empty(len(table.rows))
    for r, row in enumerate(table.rows):
        g = row.block - 1
        lhs = place[row.lhs]
        if row.op == "~1":
            value[r] = m_vec[g, lhs]
        elif row.op == "~~":
            value[r] = s_mat[g, lhs, place[row.rhs]]
        else:
            i, j = (place[row.rhs], lhs) if row.op == "=~" else (lhs, place[row.rhs])
            value[r] = a_mat[g, i, j]
    jacobian = np.zeros((len(table.rows), ram.n_free))
    jacobian[ram.row_of_free, np.arange(ram.n_free)] = 1.0
    return Values(value, jacobian)


def variance_jacobian(ram: RamModel, at: Implied) -> Array:
    """∂ diag(E S Eᵀ) / ∂ free rows, (g, v, q)."""
    slots = ram.slots
    z_all = np.concatenate([at.total, at.cov_all], axis=-1)
    by_slot = 2.0 * slots.weight * z_all[..., slots.left] * z_all[..., slots.right]
    out = np.zeros((*by_slot.shape[:-1], ram.n_free))
    for g, index in enumerate(slots.free):
        used = index >= 0
        out[g][:, index[used]] = by_slot[g][:, used]
    return out


def residual_variance_jacobian(ram: RamModel) -> Array:
    """∂ diag(S) / ∂ free rows, (g, v, q)."""
    slots = ram.slots
    out = np.zeros((ram.n_groups, len(ram.variables), ram.n_free))
    diagonal = np.flatnonzero((slots.kind == 1) & (slots.row == slots.col))
    for g, index in enumerate(slots.free):
        used = diagonal[index[diagonal] >= 0]
        out[g, slots.row[used], index[used]] = 1.0
    return out


def standardize(
    table: ParameterTable, ram: RamModel, free: Array, at: Implied, metric: Metric = "std_all"
) -> Values:
    """Estimates in units of the model-implied standard deviations.

    std_all scales all variables, std_lv the latent ones only, std_nox all but fixed covariates. A residual
    covariance is divided by the residual standard deviations (of the absolute value, should a variance be
    negative), a residual variance by the total variance. NaN where a total variance is not positive.
    """
    raw = row_values(table, ram, free, at)
    names = ram.variables
    scaled = np.ones(len(names), dtype=bool)
    if metric == "std_lv":
        scaled[: ram.n_observed] = False
    elif metric == "std_nox":
        scaled[ram.exogenous] = False
    total = np.diagonal(at.cov_all, axis1=-2, axis2=-1)
    residual = np.diagonal(ram.matrices(free)[1], axis1=-2, axis2=-1)
    d_total, d_residual = variance_jacobian(ram, at), residual_variance_jacobian(ram)
    place = {name: i for i, name in enumerate(names)}
    value, jacobian = raw.value.copy(), raw.jacobian.copy()
    for r, row in enumerate(table.rows):
        g, i = row.block - 1, place[row.lhs]
        j = place[row.rhs] if row.rhs else i
        powers: list[tuple[float, float, Array]] = []  # exponent of a variance, the variance, its derivative
        if row.op in ("=~", "~"):
            sign = 0.5 if row.op == "=~" else -0.5
            powers = [(sign, total[g, i], d_total[g, i]), (-sign, total[g, j], d_total[g, j])]
        elif row.op == "~1":
            powers = [(-0.5, total[g, i], d_total[g, i])]
        elif i == j:
            powers = [(-1.0, total[g, i], d_total[g, i])]
        else:
            powers = [(-0.5, abs(residual[g, k]), np.sign(residual[g, k]) * d_residual[g, k]) for k in (i, j)]
        involved = [scaled[i]] if len(powers) == 1 else [scaled[i], scaled[j]]
        factor, relative = 1.0, np.zeros(ram.n_free)
        for (exponent, variance, derivative), used in zip(powers, involved, strict=True):
            if used and variance == 0 and exponent > 0:
                factor = 0.0
            elif used:
                factor *= variance**exponent if variance > 0 else np.nan
                relative += exponent * derivative / variance if variance > 0 else np.nan
        value[r] = raw.value[r] * factor
        jacobian[r] = raw.jacobian[r] * factor + value[r] * relative
    return Values(value, jacobian)
