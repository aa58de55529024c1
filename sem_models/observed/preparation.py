"""What is done to a data frame before moments are taken: groups chosen and ordered, columns standardized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sem_models.errors import DataError, did_you_mean
from sem_models.observed.sample import group_labels, numeric_columns, tidy


def chosen_groups(data: pd.DataFrame, group: str, labels: Sequence[object]) -> pd.DataFrame:
    """The rows of the named groups, in the order named (lavaan's group.label).

    Raises DataError for a label that no row has.
    """
    present = group_labels(data, group)
    wanted = [str(tidy(label)) for label in ([labels] if isinstance(labels, str) else labels)]
    for label in wanted:
        if label not in present:
            raise DataError(
                f"group_label: '{label}' is no value of '{group}'. "
                f"{did_you_mean(label, present, noun='groups')}"
            )
    codes = np.array([str(tidy(v)) if not pd.isna(v) else "" for v in data[group]])
    order = [np.flatnonzero(codes == label) for label in dict.fromkeys(wanted)]
    return data.iloc[np.concatenate(order)]


def standardized_columns(data: pd.DataFrame, variables: Sequence[str], group: str | None) -> pd.DataFrame:
    """The variables as z scores within groups, divisor n − 1, over the answers there are (std.ov)."""
    values = numeric_columns(data, variables)
    membership = np.zeros(len(data)) if group is None else data[group].astype(str).to_numpy()
    for label in np.unique(membership):
        rows = membership == label
        block = values[rows]
        sd = np.nanstd(block, axis=0, ddof=1)
        values[rows] = (block - np.nanmean(block, axis=0)) / np.where(sd > 0, sd, 1.0)
    columns = {name: values[:, i] for i, name in enumerate(variables)}
    kept = [c for c in data.columns if c not in columns]
    return pd.concat([data[kept], pd.DataFrame(columns, index=data.index)], axis=1)
