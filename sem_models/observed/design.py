"""The columns beside the answers: sampling weights and clusters, checked and normalized."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sem_models.errors import DataError, did_you_mean
from sem_models.model.ram import Array, IntArray
from sem_models.observed.checks import where_is
from sem_models.observed.patterns import BoolArray


def weight_column(data: pd.DataFrame, name: str) -> Array:
    """The sampling weights as given, (n,). DataError for missing, negative and unusable ones."""
    column = _column(data, name, "sampling_weights")
    numeric = pd.to_numeric(column, errors="coerce")
    if (numeric.isna() & column.notna()).any():
        raise DataError(f"sampling_weights='{name}' holds text. Weights are numbers from 0 on.")
    values = np.array(numeric, dtype=np.float64, copy=True)
    missing = np.isnan(values)
    if missing.any():
        raise DataError(
            f"sampling_weights='{name}' is missing in {_rows(missing)}. Give each a weight, or drop them."
        )
    if np.isinf(values).any():
        raise DataError(f"sampling_weights='{name}' is infinite in {_rows(np.isinf(values))}.")
    if (values < 0).any():
        raise DataError(
            f"sampling_weights='{name}' is negative in {_rows(values < 0)}. Weights are numbers from 0 on."
        )
    return values


def _rows(where: BoolArray) -> str:
    rows = np.flatnonzero(where) + 1
    shown = ", ".join(str(r) for r in rows[:3])
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more} (counted from 1)"


def normalized_weights(
    weights: Array,
    blocks: list[IntArray],
    normalization: str,
    labels: tuple[str, ...],
    group: str | None,
) -> list[Array]:
    """The used rows' weights by group: "group" sums to n in each, "total" to N in all, "none" as given."""
    by_group = [weights[rows] for rows in blocks]
    for label, values in zip(labels, by_group, strict=True):
        if not values.sum() > 0:
            raise DataError(
                f"All sampling weights are 0{where_is(label, group)}. Check the column, or leave out "
                "sampling_weights=."
            )
    if normalization == "none":
        return by_group
    if normalization == "total":
        factor = sum(len(w) for w in by_group) / sum(w.sum() for w in by_group)
        return [w * factor for w in by_group]
    return [w * (len(w) / w.sum()) for w in by_group]


def cluster_column(data: pd.DataFrame, name: str) -> IntArray:
    """Each row's cluster as a number from 0, −1 where it is missing, (n,)."""
    codes, _ = pd.factorize(_column(data, name, "cluster"))
    return codes.astype(np.intp)


def clusters_of_group(codes: IntArray, label: str, group: str | None, column: str) -> IntArray:
    """The clusters of one group's rows renumbered from 0. DataError for fewer than two."""
    found, members = np.unique(codes, return_inverse=True)
    if len(found) < 2:
        raise DataError(
            f"cluster='{column}' has one cluster{where_is(label, group)}; cluster-robust errors need at "
            "least two, and are trustworthy from some dozens on. Leave out cluster=, or name another column."
        )
    return members.reshape(-1).astype(np.intp)


def _column(data: pd.DataFrame, name: str, option: str) -> pd.Series:
    if name not in data.columns:
        hint = did_you_mean(name, data.columns, noun="columns")
        raise DataError(f"{option}='{name}' is not a column of the data. {hint}")
    column = data[name]
    if column.ndim > 1:
        raise DataError(f"Column '{name}' is there more than once. Keep one copy of each column.")
    return column
