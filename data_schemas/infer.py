"""A minimal schema for columns that none describes, from what they hold."""

from __future__ import annotations

import pandas as pd

from data_schemas.schema import Column, Schema
from data_schemas.table import Table

MOSTLY = 0.8
ID_ENDINGS = ("id", "key", "nr", "no", "code")


def infer_schema(table: Table) -> Schema:
    """Columns that are mostly numbers are items; the rest are groups or, where every entry differs, ids."""
    return Schema(
        name="inferred", title="Inferred from the file", fields=infer_columns(table, ()), inferred=True
    )


def infer_columns(table: Table, known: tuple[str, ...]) -> tuple[Column, ...]:
    """A column for each one of the table that is not among the known names; nothing is known of its range."""
    return tuple(
        _infer(name, table.data[name], table.titles.get(name, ""))
        for name in map(str, table.data.columns)
        if name not in known
    )


def _infer(name: str, cells: pd.Series, title: str) -> Column:
    filled = [c for c in cells if c is not None and c == c]
    numbers = sum(isinstance(c, float) for c in filled)
    if numbers >= MOSTLY * len(filled):
        return Column(name=name, title=title, type="number", role="item", optional=True)
    distinct = len(set(filled)) == len(filled) > 1
    is_id = distinct and name.lower().endswith(ID_ENDINGS)
    return Column(name=name, title=title, type="string", role="id" if is_id else "group", optional=True)
