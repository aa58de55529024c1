"""Bottleneck tables: which level of each condition an outcome level cannot be reached without. Dul (2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.findings.ceilings import Ceiling
from sem_models.model.ram import Array

Unit = Literal["percentage.range", "percentage.max", "actual", "percentile"]
NOT_NECESSARY, NOT_ENOUGH = "NN", "NA"


def bottleneck_table(
    outcome: str, values: Array, lines: Mapping[str, tuple[Ceiling, Array]], *,
    steps: int | Sequence[float], x_unit: Unit, y_unit: Unit, text: bool,
) -> pd.DataFrame:  # fmt: skip
    """Levels of the outcome, then what each condition needs: NaN not necessary, inf no level is enough.

    values (n,) of the outcome; lines: ceiling and the condition's values (n,) by name. The outcome's range is
    that of the conditions' scopes taken together.
    """
    for unit in (x_unit, y_unit):
        if unit not in get_args(Unit):
            raise SpecError(f"'{unit}' is unknown here. {did_you_mean(unit, get_args(Unit), noun='units')}")
    low = min(line.scope.y_low for line, _ in lines.values())
    high = max(line.scope.y_high for line, _ in lines.values())
    levels, actual = _levels(steps, y_unit, values, low, high)
    columns: dict[str, Array | list[str]] = {outcome: levels}
    for name, (line, x) in lines.items():
        needed = _in_unit(line.required(actual), x_unit, x, line)
        columns[name] = [_text(v) for v in needed] if text else needed
    return pd.DataFrame(columns)


def _levels(
    steps: int | Sequence[float], unit: Unit, values: Array, low: float, high: float
) -> tuple[Array, Array]:
    """The levels in their unit, and in the outcome's own."""
    if isinstance(steps, int):
        if steps < 1:
            raise SpecError(f"steps={steps} must be 1 or more, or a list of levels.")
        share = np.linspace(0.0, 1.0, steps + 1)
        if unit == "actual":
            return low + share * (high - low), low + share * (high - low)
        if unit == "percentage.max":
            actual = low + share * (high - low)
            return 100.0 * actual / high, actual
        levels = 100.0 * share
    else:
        levels = np.asarray(steps, dtype=np.float64)
    if unit == "actual":
        return levels, levels
    if unit == "percentage.max":
        return levels, levels * high / 100.0
    if np.any((levels < 0) | (levels > 100)):
        raise SpecError("Levels of the outcome in percent must lie between 0 and 100.")
    if unit == "percentile":
        return levels, np.quantile(values, levels / 100.0)
    return levels, low + levels / 100.0 * (high - low)


def _in_unit(needed: Array, unit: Unit, x: Array, line: Ceiling) -> Array:
    there = np.isfinite(needed)
    if unit == "actual":
        return needed
    if unit == "percentile":
        slack = 1e-9 * line.scope.width
        below = np.searchsorted(np.sort(x), needed - slack, side="left")
        return np.where(there, 100.0 * below / len(x), needed)
    if unit == "percentage.max":
        return np.where(there, 100.0 * needed / line.scope.x_high, needed)
    return np.where(there, 100.0 * (needed - line.scope.x_low) / line.scope.width, needed)


def _text(value: float) -> str:
    if np.isnan(value):
        return NOT_NECESSARY
    return NOT_ENOUGH if np.isinf(value) else f"{value:.1f}"
