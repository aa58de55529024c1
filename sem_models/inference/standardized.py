"""The standardized solution and its exact derivatives in the free rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sem_models.estimation.kernels import Implied, mean_slopes
from sem_models.inference.product_metric import product_rows, product_units
from sem_models.model.ram import Array, IntArray, RamModel
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


def mean_jacobian(ram: RamModel, at: Implied) -> Array:
    """∂ E m / ∂ free rows, (g, v, q)."""
    slots = ram.slots
    by_slot = mean_slopes(slots, at.eta)[:, None, :] * at.total[..., slots.row]
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
    table: ParameterTable, ram: RamModel, free: Array, at: Implied, metric: Metric = "std_all",
    *, units_known: bool = False,
) -> Values:  # fmt: skip
    """Estimates in units of the model-implied standard deviations, a latent product in its factors' units.

    std_all scales all variables, std_lv the latent ones only, std_nox all but fixed covariates. A residual
    covariance is divided by the residual standard deviations (of the absolute value, should a variance be
    negative), a residual variance by the total variance. NaN where a total variance is not positive.
    units_known leaves the sampling error of what a product's own unit is changed by out of the derivatives.
    """
    raw = row_values(table, ram, free, at)
    lines = _lines(table, ram.variables)
    scaled = np.ones(len(ram.variables), dtype=bool)
    if metric == "std_lv":
        scaled[: ram.n_observed] = False
    elif metric == "std_nox":
        scaled[ram.exogenous] = False
    residual = np.diagonal(ram.matrices(free)[1], axis1=-2, axis2=-1)
    total = np.diagonal(at.cov_all, axis1=-2, axis2=-1)
    d_total, d_residual = variance_jacobian(ram, at), residual_variance_jacobian(ram)
    of_residual = lines.residual[:, None]
    factor, relative = np.ones(len(lines.group)), np.zeros(raw.jacobian.shape)
    for where, exponent in ((lines.first, lines.power_first), (lines.second, lines.power_second)):
        own = residual[lines.group, where]
        variance = np.where(lines.residual, np.abs(own), total[lines.group, where])
        derivative = np.where(
            of_residual,
            np.sign(own)[:, None] * d_residual[lines.group, where],
            d_total[lines.group, where],
        )
        used = scaled[where] & (exponent != 0.0)
        gone = used & (variance == 0.0) & (exponent > 0.0)
        with np.errstate(all="ignore"):
            size = np.where(variance > 0.0, variance, np.nan)
            factor = np.where(gone, 0.0, np.where(used, factor * size**exponent, factor))
            step = (exponent / size)[:, None] * derivative
        relative = np.where((used & ~gone)[:, None], relative + step, relative)
    products = product_rows(table, ram.variables)
    if products:
        unit, slope = product_units(products, total, d_total, scaled, len(factor))
        factor = factor * unit
        if not units_known:
            relative = relative + slope
    value = raw.value * factor
    return Values(value, raw.jacobian * factor[:, None] + value[:, None] * relative)


@dataclass(frozen=True, slots=True)
class Lines:
    """By row of the table: group, the variables whose (residual) variances scale it, and to which power."""

    group: IntArray
    first: IntArray
    second: IntArray
    power_first: Array
    power_second: Array
    residual: NDArray[np.bool_]


@lru_cache(maxsize=32)
def _lines(table: ParameterTable, names: tuple[str, ...]) -> Lines:
    place = {name: i for i, name in enumerate(names)}
    found = []
    for row in table.rows:
        i = place[row.lhs]
        j = place[row.rhs] if row.rhs else i
        sign = {"=~": 0.5, "~": -0.5, "~1": -0.5}.get(row.op, -1.0 if i == j else -0.5)
        between = row.op == "~~" and i != j
        other = {"=~": -0.5, "~": 0.5}.get(row.op, -0.5 if between else 0.0)
        found.append((row.block - 1, i, j, sign, other, between))
    group, first, second, one, two, residual = zip(*found, strict=True)
    return Lines(
        np.array(group), np.array(first), np.array(second), np.array(one), np.array(two), np.array(residual)
    )
