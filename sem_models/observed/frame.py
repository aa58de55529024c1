"""The data frame behind what a user passes as data."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sem_models.errors import DataError


def frame_of(data: Any) -> pd.DataFrame | None:
    """A data frame as it is, a Survey's `analysis_frame()`, None for None. DataError for anything else."""
    if data is None:
        return None
    if not isinstance(data, pd.DataFrame) and hasattr(data, "analysis_frame"):
        data = data.analysis_frame().data
    if not isinstance(data, pd.DataFrame):
        raise DataError(f"data= must be a DataFrame or a Survey, not {type(data).__name__}.")
    return data


def frame_with_rows(data: Any, what: str) -> pd.DataFrame:
    """The same where `what` ("A tree needs") cannot do without rows: DataError for None."""
    frame = frame_of(data)
    if frame is None:
        raise DataError(f"{what} the rows of the data: pass data= a DataFrame or a Survey.")
    return frame
