"""Latent products in the metric of their factors: a product's unit is the product of its factors' units.

Wen, Z., Marsh, H. W., & Hau, K.-T. (2010). Structural equation models of latent interactions: An appropriate
standardized solution and its scale-free properties. Structural Equation Modeling, 17, 1–22. The standardized
interaction effect is b sd(ξ₁) sd(ξ₂) / sd(η), not b sd(ξ₁ξ₂) / sd(η).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable


@dataclass(frozen=True, slots=True)
class ProductRow:
    """A row of the table that a product scales: `power` of its unit, `own` and `factors` its variables."""

    row: int
    group: int
    own: int
    factors: tuple[int, ...]
    power: int


def latent_products(names: tuple[str, ...], n_observed: int) -> dict[str, tuple[int, ...]]:
    """The latent products by name, with the places of their factors among the variables.

    names are those of all variables, the n_observed observed ones first.
    """
    place = {name: i for i, name in enumerate(names)}
    return {
        name: tuple(place[part] for part in name.split(":"))
        for name in names[n_observed:]
        if ":" in name and all(part in place for part in name.split(":"))
    }


@lru_cache(maxsize=32)
def product_rows(table: ParameterTable, names: tuple[str, ...]) -> tuple[ProductRow, ...]:
    """Paths from latent products ("X:Z") and their variances and covariances, one entry for each product.

    Loadings and means stay in the standard deviation of the product itself.
    """
    place = {name: i for i, name in enumerate(names)}
    products = latent_products(names, len(names) - len(table.variables.latent))
    found = []
    for r, row in enumerate(table.rows):
        ends = {"~": [(row.rhs, 1)], "~~": [(row.lhs, -1), (row.rhs, -1)]}.get(row.op, [])
        for name, power in ends:
            if name in products:
                found.append(ProductRow(r, row.block - 1, place[name], products[name], power))
    return tuple(found)


def product_units(
    rows: tuple[ProductRow, ...], total: Array, d_total: Array, scaled: NDArray[np.bool_], n_rows: int
) -> tuple[Array, Array]:
    """What the rows are multiplied with (rows,), and the derivatives of its logarithm (rows, q).

    total (g, v) are the variances, d_total (g, v, q) their derivatives; scaled (v,) says which variables are
    in standard deviations.
    """
    factor, slope = np.ones(n_rows), np.zeros((n_rows, d_total.shape[-1]))
    for entry in rows:
        variance, derivative = total[entry.group], d_total[entry.group]
        with np.errstate(all="ignore"):
            for i, sign in [(entry.own, -1), *((f, 1) for f in entry.factors)]:
                if scaled[i]:
                    size = variance[i] if variance[i] > 0 else np.nan
                    factor[entry.row] *= size ** (0.5 * sign * entry.power)
                    slope[entry.row] += 0.5 * sign * entry.power * derivative[i] / size
    return factor, slope
