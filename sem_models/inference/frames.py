"""Data frames from finished columns, block by block: pandas has nothing to infer and to consolidate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.internals import create_dataframe_from_blocks


def framed(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Columns by name, at least one: arrays (n,), NumPy's of one type in a block, and extension arrays.

    The index counts rows from 0, and the frame owns its columns. Lengths are the caller's affair.
    """
    blocks: list[tuple[Any, Any]] = []
    alike: dict[np.dtype[Any], list[int]] = {}
    arrays = list(columns.values())
    for i, column in enumerate(arrays):
        if isinstance(column, np.ndarray):
            alike.setdefault(column.dtype, []).append(i)
        else:
            blocks.append((column.copy(), np.array([i])))
    blocks += [(np.array([arrays[i] for i in at]), np.array(at)) for at in alike.values()]
    index = pd.RangeIndex(len(arrays[0]))
    return create_dataframe_from_blocks(blocks, index=index, columns=labels(tuple(columns)))


def labels(names: tuple[str, ...]) -> pd.Index:
    """An index of names, remembered: a batch of fits has the same again and again."""
    return _index(names).view()  # its name is the frame's that gets it


@lru_cache(maxsize=32)
def _index(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names)
