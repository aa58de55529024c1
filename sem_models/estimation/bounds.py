"""Bounds on parameters: those of the model text, and the data-driven sets that lavaan's `bounds=` names.

De Jonckere, J., & Rosseel, Y. (2022). Using bounded estimation to avoid nonconvergence in small sample
structural equation modeling. Structural Equation Modeling, 29, 412–427.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt

import numpy as np

from sem_models.model.constraints import Restrictions, restrictions
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable, Row

BOUNDS = ("none", "user", "standard", "wide", "pos.var", "pos.ov.var", "pos.lv.var")

MARKER_RELIABILITY = 0.1
"""The least share of a marker's variance that its construct explains."""
LEAST_EXPLAINED = 0.005
"""The least residual variance of an explained construct, in its own units, as lavaan has it."""
LARGEST_CORRELATION = 0.998
WIDER = {"variance": (0.05, 0.2), "construct": (0.0, 0.3), "loading": (0.1, 0.1)}
"""By what share of its range "wide" moves each end."""


def held_by(table: ParameterTable, kind: str, sample_cov: Array) -> Restrictions:
    """The nonlinear equalities, inequalities and bounds that a search must hold."""
    if kind in ("none", "user"):
        return _of_the_text(table)
    return restrictions(table, *parameter_bounds(table, kind, sample_cov))


@lru_cache(maxsize=32)
def _of_the_text(table: ParameterTable) -> Restrictions:
    """Those that do not depend on the data, remembered by table."""
    p = len(table.variables.observed)
    return restrictions(table, *parameter_bounds(table, "none", np.zeros((len(table.groups), p, p))))


def parameter_bounds(table: ParameterTable, kind: str, sample_cov: Array) -> tuple[Array, Array]:
    """Lower and upper bounds (q,) of the free rows, infinite where there are none; sample_cov (g, p, p)."""
    place = {name: i for i, name in enumerate(table.variables.observed)}
    per_group = [
        _Ranges([r for r in table.rows if r.block == g + 1], kind, place, np.diagonal(cov))
        for g, cov in enumerate(sample_cov)
    ]
    lower, upper = [], []
    for number in table.free_rows:
        row = table.rows[number]
        low, high = per_group[row.block - 1].of(row)
        lower.append(low if row.lower is None else max(low, row.lower))
        upper.append(high if row.upper is None else min(high, row.upper))
    return np.array(lower), np.array(upper)


@dataclass(frozen=True, slots=True)
class _Construct:
    """What the bounds of a construct follow from: its least and largest variance."""

    low: float
    high: float


class _Ranges:
    """The ranges of one group's parameters."""

    def __init__(self, rows: Sequence[Row], kind: str, place: dict[str, int], variance: Array) -> None:
        self.kind, self.place, self.variance = kind, place, variance
        self.explained = {r.lhs for r in rows if r.op == "~"} | {r.rhs for r in rows if r.op == "=~"}
        self.latent = {r.lhs for r in rows if r.op == "=~"}
        self.fixed_variance = {r.lhs: r.fixed for r in rows if r.op == "~~" and r.lhs == r.rhs and r.fixed}
        self.markers = {r.rhs for r in rows if r.op == "=~" and r.fixed == 1.0 and r.rhs in place}
        self.constructs = {name: self._construct(name, rows) for name in self.latent}

    def of(self, row: Row) -> tuple[float, float]:
        if self.kind in ("none", "user"):
            return -inf, inf
        is_variance = row.op == "~~" and row.lhs == row.rhs
        if self.kind.startswith("pos."):
            chosen = {"pos.var": True, "pos.lv.var": row.lhs in self.latent}.get(
                self.kind, row.lhs not in self.latent
            )
            return (0.0 if is_variance and chosen else -inf), inf
        if is_variance:
            return self._variance(row.lhs)
        if row.op == "~~":
            highs = [self._variance(name, before=self.kind != "wide")[1] for name in (row.lhs, row.rhs)]
            largest = 1.0 if self.kind == "wide" else LARGEST_CORRELATION
            limit = largest * sqrt(highs[0] * highs[1]) if np.isfinite(highs).all() else inf
            return -limit, limit
        if row.op == "=~" and row.rhs in self.place:
            low = self.constructs[row.lhs].low
            limit = sqrt(float(self.variance[self.place[row.rhs]]) / low) if low > 0 else inf
            return self._wider("loading", -limit, limit)
        return -inf, inf

    def _construct(self, name: str, rows: Sequence[Row]) -> _Construct:
        fixed = self.fixed_variance.get(name)
        if fixed:
            return _Construct(fixed, fixed)
        loadings = [r for r in rows if r.op == "=~" and r.lhs == name and r.rhs in self.place]
        marker = next((r for r in loadings if r.fixed == 1.0), None)
        if marker is not None:
            high = float(self.variance[self.place[marker.rhs]])
            return _Construct(MARKER_RELIABILITY * high, high)
        highest = max((float(self.variance[self.place[r.rhs]]) for r in loadings), default=inf)
        return _Construct(0.0, highest)

    def _variance(self, name: str, *, before: bool = False) -> tuple[float, float]:
        """Range of a (residual) variance; `before` it is widened."""
        if name in self.constructs:
            construct = self.constructs[name]
            if name in self.fixed_variance:
                return construct.low, construct.high
            low = LEAST_EXPLAINED if name in self.explained and construct.low > 0 else construct.low
            return (low, construct.high) if before else self._wider("construct", low, construct.high)
        high = float(self.variance[self.place[name]])
        if name in self.markers:
            high *= 1.0 - MARKER_RELIABILITY
        return (0.0, high) if before else self._wider("variance", 0.0, high)

    def _wider(self, what: str, low: float, high: float) -> tuple[float, float]:
        if self.kind != "wide" or not np.isfinite(high):
            return low, high
        below, above = WIDER[what]
        return low - below * (high - low), high + above * (high - low)
