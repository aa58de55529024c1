"""Survey items as float64 columns: the one place where data enter the measurement code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sem_models.errors import DataError, did_you_mean


def numeric_items(frame: pd.DataFrame, items: Sequence[str]) -> pd.DataFrame:
    """Columns `items` as float64, missing answers as NaN; DataError naming all that are absent or text."""
    names = list(dict.fromkeys(items))
    if not names:
        raise DataError("No items were named.")
    absent = [i for i in names if i not in frame.columns]
    if absent:
        hints = " ".join(f"'{i}': {did_you_mean(i, frame.columns, noun='columns')}" for i in absent[:3])
        raise DataError(f"Not in the data: {', '.join(absent)}. {hints}")
    doubled = [i for i in names if list(frame.columns).count(i) > 1]
    if doubled:
        raise DataError(f"Columns that appear twice in the data: {', '.join(doubled)}. Rename or drop one.")
    columns, text = {}, []
    for name in names:
        try:
            columns[name] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            text.append(name)
    if text:
        raise DataError(
            f"Items that hold text: {', '.join(text)}. Read the file with its schema, or recode them."
        )
    data = pd.DataFrame(columns, index=frame.index)
    infinite = [c for c in data.columns if np.isinf(data[c]).any()]
    if infinite:
        raise DataError(f"Items with infinite values: {', '.join(infinite)}. Declare them as missing codes.")
    return data


def complete(data: pd.DataFrame) -> pd.DataFrame:
    """Rows without a missing answer."""
    return data.dropna(axis=0, how="any")
