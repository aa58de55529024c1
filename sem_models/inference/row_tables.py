"""Tables with one row a customer, labelled by the data's index, in the data's order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.inference.factor_scores import ScoreMethod, designs, score_rows
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.sample import membership_of, numeric_columns

METHODS: dict[str, ScoreMethod] = {
    "regression": "regression",
    "ebm": "regression",
    "bartlett": "bartlett",
    "ml": "bartlett",
}


def score_table(solved: Solved, method: ScoreMethod | str, *, errors: bool, data: Any) -> pd.DataFrame:
    """Factor scores of the fitted rows, or of the rows of `data`."""
    kind = METHODS.get(str(method).lower())
    if kind is None:
        known = ("regression", "bartlett")
        raise SpecError(
            f"method='{method}' is not available. {did_you_mean(str(method), known, noun='methods')}"
        )
    names = solved.ram.variables[solved.ram.n_observed :]
    if not names:
        raise SpecError("The model has no latent variables, so there are no factor scores.")
    blocks, index = fitted_rows(solved, "Factor scores") if data is None else _other_rows(solved, data)
    if solved.sample.ordinal is not None:
        from sem_models.inference.ordinal_scores import score_blocks

        of_group: list[tuple[Array, Array | None]] = [
            (scores, spread if errors else None) for scores, spread in score_blocks(solved, blocks, kind)
        ]
    else:
        found = designs(solved)
        of_group = [score_rows(found[g], values, kind, errors=errors) for g, (values, _) in enumerate(blocks)]
    parts = []
    for (scores, spread), (_, position) in zip(of_group, blocks, strict=True):
        columns = [scores] if spread is None else [scores, spread]
        labels = [*names, *(f"{n}_se" for n in names)] if errors else list(names)
        parts.append((np.concatenate(columns, axis=1), position, labels))
    return by_row(solved, parts, index)


def by_row(solved: Solved, parts: list[tuple[Array, IntArray, list[str]]], index: pd.Index) -> pd.DataFrame:
    """Values (n, c) of each group's rows as one frame in the data's order; a column `group` where several."""
    position = np.concatenate([p for _, p, _ in parts])
    order = np.argsort(position, kind="stable")
    frame = pd.DataFrame(
        np.concatenate([v for v, _, _ in parts])[order], index=index[position[order]], columns=parts[0][2]
    )
    groups = solved.table.groups
    if len(groups) > 1:
        of_row = np.repeat(np.arange(len(groups)), [len(p) for _, p, _ in parts])[order]
        frame.insert(0, "group", np.array(groups, dtype=object)[of_row])
    return frame


def fitted_rows(solved: Solved, what: str) -> tuple[list[tuple[Array, IntArray]], pd.Index]:
    sample = solved.sample
    if sample.rows is None:
        raise DataError(
            f"{what} need the rows of the data, and this fit was made from covariances. Pass data= with the "
            "rows to score, or fit the model to data."
        )
    blocks = [(rows.values, rows.position) for rows in sample.rows]
    index = sample.index if sample.index is not None else pd.RangeIndex(sample.n_available)
    return blocks, index


def _values_of(solved: Solved, data: pd.DataFrame) -> Array:
    """The model's columns of another frame; answers of ordered items become the fit's category numbers."""
    ordinal = solved.sample.ordinal
    if ordinal is None:
        return numeric_columns(data, solved.sample.variables)
    from sem_models.observed.ordered_items import recoded

    return recoded(data, solved.sample.variables, ordinal.labels)


def _other_rows(solved: Solved, data: Any) -> tuple[list[tuple[Array, IntArray]], pd.Index]:
    """Rows of another frame by group. Raises DataError for missing columns and unknown groups."""
    data = frame_with_rows(data, "This needs")
    values = _values_of(solved, data)
    groups, column = solved.table.groups, solved.options.group
    if len(groups) == 1:
        return [(values, np.arange(len(values), dtype=np.intp))], data.index
    if column is None or column not in data.columns:
        raise DataError(
            f"data= needs the column '{column}' that tells the groups apart."
            if column
            else "This fit was made from covariances by group: no column tells the groups of rows apart."
        )
    member = membership_of(data[column], groups)
    if (member < 0).any():
        row = int(np.flatnonzero(member < 0)[0]) + 1
        raise DataError(
            f"Row {row} of data= has no group that the model was fitted to (column '{column}'). "
            f"Groups: {', '.join(groups)}."
        )
    blocks = [np.flatnonzero(member == g) for g in range(len(groups))]
    return [(values[rows], rows.astype(np.intp)) for rows in blocks], data.index
