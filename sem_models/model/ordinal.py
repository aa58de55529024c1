"""Ordered items in a model: the statistics they are seen through, and which rows they bring to the table.

Behind an ordered item stands a normal latent response y*; only thresholds and correlations of the responses
are seen, so their scale is set by convention. Under "delta" the scaling Δ = 1/SD(y*) is 1 and the residual
variance what is left; under "theta" the residual variance is 1 and Δ follows (Muthén & Asparouhov, 2002,
Mplus Web Notes 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sem_models.model.table import ParameterTable

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each statistic of a group stands, in lavaan's order.

    Thresholds of ordered variables and negative means of continuous ones, variable by variable; slopes on the
    covariates, covariate by covariate; variances of the continuous variables; covariances of the pairs (0,
    1), (0, 2), …, (1, 2), … . n_categories (p,) is 1 for a continuous variable; th_variable, th_number (t,)
    the variable and number of a threshold (0 for a mean); slope_variable, slope_covariate (p c,); variances
    (v,); first, second (r,).
    """

    n_categories: tuple[int, ...]
    n_covariates: int
    th_variable: IntArray
    th_number: IntArray
    slope_variable: IntArray
    slope_covariate: IntArray
    variances: IntArray
    first: IntArray
    second: IntArray

    @property
    def n_variables(self) -> int:
        return len(self.n_categories)

    @property
    def ordered(self) -> NDArray[np.bool_]:
        return np.array(self.n_categories) > 1

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Numbers of thresholds, slopes, variances and covariances."""
        return len(self.th_variable), len(self.slope_variable), len(self.variances), len(self.first)

    @property
    def size(self) -> int:
        return sum(self.sizes)

    @property
    def parts(self) -> tuple[slice, slice, slice, slice]:
        """Where thresholds, slopes, variances and covariances stand."""
        ends = np.cumsum((0, *self.sizes)).tolist()
        return slice(0, ends[1]), slice(ends[1], ends[2]), slice(ends[2], ends[3]), slice(ends[3], ends[4])


def layout_of(n_categories: Sequence[int], n_covariates: int) -> Layout:
    """The statistics of variables with these numbers of categories (1: continuous)."""
    p = len(n_categories)
    th = [(j, k) for j, size in enumerate(n_categories) for k in range(max(size - 1, 1))]
    th_variable, th_number = np.array(th, dtype=np.intp).reshape(-1, 2).T
    pairs = np.array(list(combinations(range(p), 2)), dtype=np.intp).reshape(-1, 2)
    return Layout(
        tuple(n_categories), n_covariates, th_variable, th_number,
        np.tile(np.arange(p), n_covariates), np.repeat(np.arange(n_covariates), p),
        np.flatnonzero(np.array(n_categories) == 1), pairs[:, 0], pairs[:, 1],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class OrdinalPart:
    """What a model needs beside A, S and m to imply the statistics of its ordered items.

    y (p,) positions of the variables whose statistics are seen, x (c,) of the covariates conditioned on;
    theta says which parameterization; tau (g, t) and scale (g, p) hold the fixed thresholds and scalings;
    passed says that an ordered variable predicts others, so that its residual variance matters to them.
    """

    layout: Layout
    y: IntArray
    x: IntArray
    theta: bool
    tau: Array
    scale: Array
    passed: bool

    @property
    def ordered(self) -> IntArray:
        """Positions of the ordered variables, (o,)."""
        return np.asarray(self.y[self.layout.ordered])


def ordinal_part(table: ParameterTable) -> OrdinalPart | None:
    """The ordinal part of a table's model, fixed thresholds and scalings filled in; None without any."""
    options, observed = table.options, table.variables.observed
    if not options.ordered:
        return None
    categories = dict(options.ordered)
    fixed = set(table.variables.exogenous) if options.fixed_x else set()
    y = [i for i, name in enumerate(observed) if name not in fixed]
    x = [i for i, name in enumerate(observed) if name in fixed]
    layout = layout_of([categories.get(observed[i], 1) for i in y], len(x))
    where = {(observed[y[j]], f"t{k + 1}"): n for n, (j, k) in enumerate(zip(*_th(layout), strict=True))}
    place = {observed[i]: j for j, i in enumerate(y)}
    n_groups = len(table.groups)
    tau, scale = np.zeros((n_groups, len(layout.th_variable))), np.ones((n_groups, len(y)))
    passed = False
    for row in table.rows:
        if row.op == "|" and row.fixed is not None:
            tau[row.block - 1, where[row.lhs, row.rhs]] = row.fixed
        elif row.op == "~*~" and row.fixed is not None:
            scale[row.block - 1, place[row.lhs]] = row.fixed
        elif row.op == "~":
            passed |= row.rhs in categories
    return OrdinalPart(
        layout, np.array(y, dtype=np.intp), np.array(x, dtype=np.intp), options.parameterization == "theta",
        tau, scale, passed,
    )  # fmt: skip


def _th(layout: Layout) -> tuple[list[int], list[int]]:
    return layout.th_variable.tolist(), layout.th_number.tolist()


def stated_places(part: OrdinalPart, variables: Sequence[str]) -> dict[tuple[str, str, str], int]:
    """Numbers of the rows `u1 | t1` among the thresholds and of `u1 ~*~ u1` among the scalings."""
    names = [variables[i] for i in part.y]
    out = {(name, "~*~", name): j for j, name in enumerate(names)}
    out |= {(names[j], "|", f"t{k + 1}"): n for n, (j, k) in enumerate(zip(*_th(part.layout), strict=True))}
    return out
