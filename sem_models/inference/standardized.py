"""The standardized solution and its exact derivatives in the free rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sem_models.estimation.kernels import Implied, mean_slopes
from sem_models.inference.ordinal_variances import (
    carried,
    derived_residual_slopes,
    derives_residuals,
    response_scale,
)
from sem_models.inference.product_metric import product_rows, product_units
from sem_models.model.ordinal import ordinal_part, stated_places
from sem_models.model.ram import Array, IntArray, RamModel
from sem_models.model.table import ParameterTable

Metric = Literal["std_all", "std_lv", "std_nox"]

CANCELLED = 1e-14
"""Share of its parts up to which a sum of derivatives is rounding error."""


@dataclass(frozen=True, slots=True)
class Values:
    """A value for each row of the table (rows,) and its derivatives in the free rows (rows, q)."""

    value: Array
    jacobian: Array


def row_values(table: ParameterTable, ram: RamModel, free: Array, at: Implied) -> Values:
    """The unstandardized estimates of all rows, fixed ones included."""
    jacobian = np.zeros((len(table.rows), ram.n_free))
    jacobian[ram.row_of_free, np.arange(ram.n_free)] = 1.0
    return Values(_raw(table, ram, ram.matrices(free), free, at), jacobian)


def _raw(
    table: ParameterTable, ram: RamModel, matrices: tuple[Array, Array, Array], free: Array, at: Implied
) -> Array:
    """Entries of A, S and m, of ordered items also thresholds and scalings (under theta from Σ)."""
    parts: tuple[Array, ...] = matrices
    if ram.ordinal is not None:
        parts = (*matrices, ram.scales(free)[0], response_scale(ram, at))
    every = np.concatenate([matrix.reshape(-1) for matrix in parts])
    values = np.asarray(every[_lines(table, ram.variables).place])
    for number, weight in emergent_weights(table, ram, free):
        values[number] = weight
    return values


def emergent_weights(table: ParameterTable, ram: RamModel, free: Array) -> list[tuple[int, Any]]:
    """Weights of emergent composites, which have no entry of their own: row and value(s) of free (..., q)."""
    if not table.variables.emergent:
        return []
    place = {int(number): x for x, number in enumerate(ram.row_of_free)}
    return [
        (number, free[..., place[number]] if row.free else row.fixed)
        for number, row in enumerate(table.rows)
        if row.op == "<~"
    ]


def variance_jacobian(ram: RamModel, at: Implied) -> Array:
    """∂ diag(E S Eᵀ) / ∂ free rows, (g, v, q)."""
    out = _variance_slopes(ram, at)
    if derives_residuals(ram):
        out += carried(ram, at, derived_residual_slopes(ram, at))
    return out


def _variance_slopes(ram: RamModel, at: Implied) -> Array:
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


def residual_variance_jacobian(ram: RamModel, at: Implied) -> Array:
    """∂ diag(S) / ∂ free rows, (g, v, q)."""
    slots = ram.slots
    out = np.zeros((ram.n_groups, len(ram.variables), ram.n_free))
    diagonal = np.flatnonzero((slots.kind == 1) & (slots.row == slots.col))
    for g, index in enumerate(slots.free):
        used = diagonal[index[diagonal] >= 0]
        out[g, slots.row[used], index[used]] = 1.0
    if derives_residuals(ram):
        assert ram.ordinal is not None
        out[:, ram.ordinal.ordered] = derived_residual_slopes(ram, at)
    return out


def standardize(
    table: ParameterTable, ram: RamModel, free: Array, at: Implied, metric: Metric = "std_all",
    *, units_known: bool = False,
) -> Values:  # fmt: skip
    """Estimates in units of the model-implied standard deviations, a latent product in its factors' units.

    std_all scales all variables, std_lv the latent ones only, std_nox all but covariates. A residual
    covariance is divided by the residual standard deviations (of the absolute value, should a variance be
    negative), a residual variance by the total variance. NaN where a total variance is not positive.
    units_known leaves the sampling error of what a product's own unit is changed by out of the derivatives.
    """
    raw = row_values(table, ram, free, at)
    lines = _lines(table, ram.variables)
    ends = _ends(lines, ram.matrices(free)[1], at)
    scaled = _is_scaled(table, ram, metric)
    factor, used = _factor(lines, ends, scaled)
    d_total, d_residual = variance_jacobian(ram, at), residual_variance_jacobian(ram, at)
    relative = np.zeros(raw.jacobian.shape)
    for end, where in enumerate(lines.where):
        derivative = np.where(
            lines.residual[:, None],
            np.sign(ends.own[end])[:, None] * d_residual[lines.group, where],
            d_total[lines.group, where],
        )
        with np.errstate(all="ignore"):
            step = (lines.power[end] / ends.size[end])[:, None] * derivative
        relative = np.where(used[end][:, None], relative + step, relative)
    products = product_rows(table, ram.variables)
    if products:
        total = np.diagonal(at.cov_all, axis1=-2, axis2=-1)
        unit, slope = product_units(products, total, d_total, scaled, len(factor))
        factor = factor * unit
        if not units_known:
            relative = relative + slope
    value, jacobian = raw.value * factor, raw.jacobian
    if derives_residuals(ram):  # of the residual variances only those of continuous variables are parameters
        of_items = np.flatnonzero(lines.derived)
        jacobian = jacobian.copy()
        jacobian[of_items] = d_residual[lines.group[of_items], lines.where[0, of_items]]
    jacobian = _sum(jacobian * factor[:, None], value[:, None] * relative)
    if metric != "std_lv":
        value = np.where(lines.scaling, 1.0, value)
        jacobian[lines.scaling] = 0.0
    return Values(value, jacobian)


def _sum(own: Array, of_scale: Array) -> Array:
    """Sum of two parts of derivatives, zero where they cancel: a total variance is 1 in its own units."""
    total = own + of_scale
    return np.where(np.abs(total) < CANCELLED * (np.abs(own) + np.abs(of_scale)), 0.0, total)


def standardized_values(
    table: ParameterTable, ram: RamModel, free: Array, at: Implied, metrics: Sequence[Metric],
    raw: Array | None = None,
) -> list[Array]:  # fmt: skip
    """The values of `standardize` in several metrics, without their derivatives.

    raw (rows,) are the values of `row_values`, if at hand.
    """
    if product_rows(table, ram.variables):
        return [standardize(table, ram, free, at, metric).value for metric in metrics]
    matrices = ram.matrices(free)
    lines = _lines(table, ram.variables)
    if raw is None:
        raw = _raw(table, ram, matrices, free, at)
    ends = _ends(lines, matrices[1], at)
    out = [raw * _factor(lines, ends, _is_scaled(table, ram, metric))[0] for metric in metrics]
    return [
        value if metric == "std_lv" else np.where(lines.scaling, 1.0, value)
        for metric, value in zip(metrics, out, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Ends:
    """The two variables that scale each row, whatever the metric; all (2, rows).

    own residual variance; the size of the variance that scales, NaN unless positive; what it multiplies by,
    zero where the variance is; and whether it is zero, with all that it multiplies.
    """

    own: Array
    size: Array
    multiplier: Array
    vanishing: NDArray[np.bool_]


def _ends(lines: Lines, s_mat: Array, at: Implied) -> _Ends:
    own = s_mat.diagonal(axis1=-2, axis2=-1)[lines.group, lines.where]
    total = at.cov_all.diagonal(axis1=-2, axis2=-1)[lines.group, lines.where]
    variance = np.where(lines.residual, np.abs(own), total)
    with np.errstate(all="ignore"):
        size = np.where(variance > 0.0, variance, np.nan)
        return _Ends(own, size, size**lines.power, (variance == 0.0) & (lines.power > 0.0))


def _factor(lines: Lines, ends: _Ends, scaled: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """What each row is multiplied by, (rows,), where `scaled` (v,) are in standard deviations; and the ends
    (2, rows) that it is made of."""
    used = scaled[lines.where] & (lines.power != 0.0)
    factor = np.where(used, ends.multiplier, 1.0).prod(axis=0)
    gone = used & ends.vanishing
    if not gone.any():
        return factor, used
    return np.where(gone.any(axis=0), 0.0, factor), used & ~gone


def _is_scaled(table: ParameterTable, ram: RamModel, metric: Metric) -> NDArray[np.bool_]:
    scaled = np.ones(len(ram.variables), dtype=bool)
    if metric == "std_lv":
        scaled[: ram.n_observed] = False
    elif metric == "std_nox":
        scaled[[ram.variables.index(name) for name in table.variables.exogenous]] = False
    return scaled


@dataclass(frozen=True, slots=True)
class Lines:
    """By row of the table: its place in A, S, m, thresholds and scalings one after the other, its group, the
    two variables whose (residual) variances scale it (2, rows), and to which power.

    derived are residual variances of ordered items, scaling the rows `~*~`, which standardize to 1.
    """

    place: IntArray
    group: IntArray
    where: IntArray
    power: Array
    residual: NDArray[np.bool_]
    derived: NDArray[np.bool_]
    scaling: NDArray[np.bool_]


@lru_cache(maxsize=32)
def _lines(table: ParameterTable, names: tuple[str, ...]) -> Lines:
    place = {name: i for i, name in enumerate(names)}
    groups = len(table.groups)
    v, matrix = len(names), groups * len(names) ** 2
    part = ordinal_part(table)
    stated = {} if part is None else stated_places(part, names)
    after_means = 2 * matrix + groups * v
    after_thresholds = after_means + (0 if part is None else part.tau.size)
    found = []
    for row in table.rows:
        g, i = row.block - 1, place[row.lhs]
        j = place[row.rhs] if row.rhs and row.op != "|" else i
        if row.op == "~1":
            at = 2 * matrix + g * v + i
        elif row.op == "|":
            at = after_means + g * (0 if part is None else part.tau.shape[1]) + stated[row.key]
        elif row.op == "~*~":
            at = after_thresholds + g * (0 if part is None else part.scale.shape[1]) + stated[row.key]
        elif row.op == "~~":
            at = matrix + (g * v + i) * v + j
        else:
            at = (g * v + j) * v + i if row.op == "=~" else (g * v + i) * v + j
        sign = {"=~": 0.5, "~": -0.5, "<~": -0.5, "~1": -0.5, "|": -0.5, "~*~": 0.0}.get(
            row.op, -1.0 if i == j else -0.5
        )
        between = row.op == "~~" and i != j
        other = {"=~": -0.5, "~": 0.5, "<~": 0.5}.get(row.op, -0.5 if between else 0.0)
        derived = row.op == "~~" and i == j and row.lhs in table.options.categories
        found.append((at, g, i, j, sign, other, between, derived, row.op == "~*~"))
    at_, group, first, second, one, two, *kinds = (np.array(column) for column in zip(*found, strict=True))
    return Lines(at_, group, np.stack([first, second]), np.stack([one, two]), *kinds)
