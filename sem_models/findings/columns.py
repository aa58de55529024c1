"""Values by customer for the findings: columns of data, item means, factor scores of a fit, as float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, did_you_mean
from sem_models.measurement.items import numeric_items

if TYPE_CHECKING:
    from sem_models.inference.factor_scores import ScoreMethod

BINS = 12
"""Cells of a summary along each axis; a column with no more distinct values is taken as an item."""
SMALLEST = 5
"""Customers below which a cell is not shown."""


def customer_values(
    source: Any, names: Sequence[str], *, items: Mapping[str, Sequence[str]] | None = None,
    scores: ScoreMethod = "regression",
) -> pd.DataFrame:  # fmt: skip
    """One float64 column for each name, a row a customer, missing values as NaN.

    source : Fit (factor scores of its latent variables), DataFrame or Survey (columns). items gives names
    that stand for the mean of several columns, over those a customer has answered. Raises DataError.
    """
    wanted = list(dict.fromkeys(names))
    given = dict(items or {})
    if hasattr(source, "factor_scores"):
        frame = source.factor_scores(scores)
        frame = frame.drop(columns=[c for c in ("group",) if c in frame.columns and c not in wanted])
        of_what = "latent variables of the fit"
    else:
        frame = source.analysis_frame().data if hasattr(source, "analysis_frame") else source
        of_what = "columns"
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"Give a Fit, a DataFrame or a Survey, not {type(source).__name__}.")
    known = [*given, *(str(c) for c in frame.columns)]
    absent = [n for n in wanted if n not in known]
    if absent:
        hints = " ".join(f"'{n}': {did_you_mean(n, known, noun=of_what)}" for n in absent[:3])
        raise DataError(f"Not there: {', '.join(absent)}. {hints}")
    columns = {}
    for name in wanted:
        if name in given:
            part = numeric_items(frame, given[name]).to_numpy()
            seen = ~np.isnan(part)
            total = np.where(seen, part, 0.0).sum(axis=1)
            count = seen.sum(axis=1)
            columns[name] = np.divide(total, count, out=np.full(len(part), np.nan), where=count > 0)
        else:
            columns[name] = numeric_items(frame, [name])[name].to_numpy()
    return pd.DataFrame(columns, index=frame.index)
