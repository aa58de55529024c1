"""Columns that tables of estimates share: keys of rows, estimates with errors, tests and intervals."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable

LEVEL = 0.95
"""Confidence of intervals where none was asked for."""


@lru_cache(maxsize=32)
def row_keys(table: ParameterTable) -> tuple[tuple[str, Any], ...]:
    """The columns that name the rows of a table, remembered by it."""
    keys = [(r.lhs, r.op, r.rhs, table.groups[r.block - 1], r.label, r.block) for r in table.rows]
    keys += [(d, ":=", str(expression), "", d, 0) for d, expression in table.definitions]
    frame = pd.DataFrame(keys, columns=["lhs", "op", "rhs", "group", "label", "block"])
    return (*((name, frame[name].array) for name in frame.columns[:-1]), ("block", frame["block"].to_numpy()))


def checked_level(level: float) -> float:
    """The confidence level. Raises SpecError unless it lies between 0 and 1."""
    if not 0 < level < 1:
        raise SpecError(f"level={level!r} must lie between 0 and 1, as 0.95.")
    return level


def inference_columns(
    value: Array, error: Array, name: str, suffix: str = "", level: float = LEVEL
) -> dict[str, Array]:
    """Estimate (n,), se, z, two-sided normal p and interval as columns; z and p are NaN for fixed values."""
    half = float(ndtri((1 + level) / 2))
    z = np.divide(value, error, out=np.full(len(value), np.nan), where=error > 0)
    return {
        f"{name}{suffix}": value,
        f"se{suffix}": error,
        f"z{suffix}": z,
        f"pvalue{suffix}": 2 * ndtr(-np.abs(z)),
        f"ci_lower{suffix}": value - half * error, f"ci_upper{suffix}": value + half * error,
    }  # fmt: skip
