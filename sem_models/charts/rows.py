"""Rows of a result's data frame as typed values, for the sentences and the marks of a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from sem_models.charts import text, theme


@dataclass(frozen=True, slots=True)
class Row:
    """One estimate with its interval; `reference` is the other group of a difference, else empty."""

    lhs: str
    rhs: str
    group: str
    reference: str
    value: float
    lower: float
    upper: float
    pvalue: float

    @property
    def fixed(self) -> bool:
        """No interval, or one without width: the value was set, not estimated."""
        return not (math.isfinite(self.lower) and math.isfinite(self.upper) and self.upper > self.lower)

    @property
    def open(self) -> bool:
        """The interval covers 0."""
        return not self.fixed and text.covers_zero(self.lower, self.upper)

    @property
    def state(self) -> str:
        """The interval in words."""
        return "fixed" if self.fixed else ("interval covers 0" if self.open else "interval excludes 0")

    def figures(self, *, bounded: bool = True) -> str:
        """`.67 [.55, .79]`, without an interval where the value was fixed."""
        if self.fixed:
            return text.number(self.value, bounded=bounded)
        return text.estimate(self.value, self.lower, self.upper, bounded=bounded)

    def path(self, names: Mapping[str, str] | None) -> str:
        """The regression as an arrow: rhs → lhs."""
        return text.path_name(self.rhs, self.lhs, names)


def read_rows(frame: pd.DataFrame, what: str, *, value: str, lhs: str = "lhs", rhs: str = "rhs") -> list[Row]:
    """Rows of `frame`; DataError naming what is missing. group, reference_group and pvalue are optional."""
    theme.require(frame, (*dict.fromkeys((lhs, rhs)), value, "ci_lower", "ci_upper"), what)
    return [
        Row(
            lhs=str(r[lhs]),
            rhs=str(r[rhs]),
            group=_word(r.get("group")),
            reference=_word(r.get("reference_group")),
            value=float(r[value]),
            lower=float(r["ci_lower"]),
            upper=float(r["ci_upper"]),
            pvalue=float(r.get("pvalue", math.nan)),
        )
        for r in frame.to_dict("records")
    ]


def largest(rows: list[Row]) -> Row:
    """The row with the largest absolute value."""
    return max(rows, key=lambda r: abs(r.value))


def _word(value: object) -> str:
    """Text of a group cell; empty where the frame has none."""
    return "" if value is None or value != value else str(value)
