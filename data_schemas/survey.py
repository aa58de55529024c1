"""A survey in memory: the data as collected, their schema, the issues, and the frame to analyze."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from data_schemas.cells import SYSTEM, Cells, read_cells
from data_schemas.infer import infer_columns
from data_schemas.schema import Column, Schema
from data_schemas.table import Table
from data_schemas.validation import Issue, validate

SMALLEST_CELL = 5


class AnalysisFrame(NamedTuple):
    """What a model is fitted to.

    data: (n, columns) float64 items and measures, missing codes as NaN, reversed items turned round; ids,
    clusters and groups as labels. reasons: column, reason for a missing answer, n; one row for each pair.
    """

    data: pd.DataFrame
    reasons: pd.DataFrame

    def __repr__(self) -> str:
        return f"AnalysisFrame({self.data.shape[0]} rows, {self.data.shape[1]} columns, rows not shown)"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Survey:
    """A survey file checked against a schema; printing it shows counts, never rows."""

    name: str
    schema: Schema
    hash: str
    _table: Table
    _columns: tuple[Column, ...]
    _cells: Mapping[str, Cells]
    _issues: tuple[Issue, ...]

    @classmethod
    def from_table(cls, table: Table, schema: Schema, *, name: str) -> Survey:
        """Read the cells of a table under a schema and check them; issues are kept, not raised.

        Columns the schema does not know are read as inferred from what they hold.
        """
        present = tuple(c for c in schema.fields if c.name in table.data.columns)
        columns = present + infer_columns(table, schema.names)
        cells = {column.name: read_cells(column, schema, table) for column in columns}
        known = {column.name: cells[column.name] for column in present}
        return cls(
            name=name,
            schema=schema,
            hash=data_hash(table.data),
            _table=table,
            _columns=columns,
            _cells=cells,
            _issues=validate(schema, table, known),
        )

    @property
    def data(self) -> pd.DataFrame:
        """The cells as collected, missing codes included; a copy, so that the survey stays as it is."""
        return self._table.data.copy()

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The issues that forbid an analysis."""
        return tuple(issue for issue in self._issues if issue.severity == "error")

    def issues(self) -> pd.DataFrame:
        """Every finding: severity, column, row (1-based data row), line (of the file), message, remedy."""
        columns = ["severity", "column", "row", "line", "message", "remedy"]
        rows = [[getattr(issue, name) for name in columns] for issue in self._issues]
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype({"row": "Int64", "line": "Int64"})

    def codebook(self) -> pd.DataFrame:
        """One row a column: what it is, how many answers, why the rest is missing, and the range.

        Columns name, title, construct, source, role, scale, n, one per reason for a missing answer, min, max,
        categories. Categories with fewer than five customers are counted together, and the smallest and
        largest value of a service record are left out when fewer than five customers have it.
        """
        counts = {name: cells.reason_counts() for name, cells in self._cells.items()}
        reasons = list(dict.fromkeys([SYSTEM, *(reason for c in counts.values() for reason in c)]))
        rows = [
            {
                "name": name,
                "title": column.title or self._table.titles.get(name, ""),
                "construct": column.construct or "",
                "source": column.source,
                "role": column.role,
                "scale": column.scale,
                "n": int((cells.reasons == "").sum()),
                **{reason: counts[name].get(reason, 0) for reason in reasons},
                **_extremes(column, cells),
                "categories": _categories(column, cells),
            }
            for name, cells, column in self._described()
        ]
        return pd.DataFrame(rows)

    def analysis_frame(self) -> AnalysisFrame:
        """Missing codes applied, reversed items turned round, float64; reasons counted beside the data."""
        data = pd.DataFrame({name: _analyzed(column, cells) for name, cells, column in self._described()})
        reasons = [
            (name, reason, n)
            for name, cells in self._cells.items()
            for reason, n in cells.reason_counts().items()
        ]
        return AnalysisFrame(data, pd.DataFrame(reasons, columns=["column", "reason", "n"]))

    def _described(self) -> list[tuple[str, Cells, Column]]:
        return [(column.name, self._cells[column.name], column) for column in self._columns]

    def _facts(self) -> dict[str, str]:
        rows, columns = self._table.data.shape
        items = [self._cells[column.name] for column in self._columns if column.role == "item"]
        blanks, cells = sum(int((c.reasons != "").sum()) for c in items), rows * len(items)
        known = sum(name in self._cells for name in self.schema.names)
        constructs = [c for c, members in self.schema.constructs.items() if set(members) & set(self._cells)]
        under = "none (inferred)" if self.schema.inferred else f"{self.schema.name} {self.schema.version}"
        warned = len(self._issues) - len(self.errors)
        return {
            "rows": f"{rows}",
            "columns": f"{columns} ({known} of the schema's {len(self.schema.fields)})",
            "schema": under,
            "constructs": ", ".join(constructs),
            "missing answers": f"{blanks / cells:.1%} of item cells" if cells else "no items",
            "issues": f"{len(self.errors)} errors, {warned} warnings",
            "sha256": self.hash[:12],
        }

    def __repr__(self) -> str:
        facts = [f"  {label + ':':<17}{fact}" for label, fact in self._facts().items() if fact]
        return "\n".join([f"Survey '{self.name}'", *facts])

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        rows = "".join(
            f"<tr><th {left}>{escape(label)}</th><td {left}>{escape(fact)}</td></tr>"
            for label, fact in self._facts().items()
            if fact
        )
        return f"<table><caption>Survey {escape(self.name)}</caption>{rows}</table>"


def data_hash(data: pd.DataFrame) -> str:
    """sha256 of names and cells: the same for the same content, whatever the file format it came in."""
    digest = hashlib.sha256()
    for name in data.columns:
        digest.update(f"\x1e{name}\x1f".encode())
        column = data[name]
        if column.dtype == np.float64:
            # Adding zero turns -0.0 into 0.0; every NaN gets the same bits.
            values = np.where(np.isnan(column), np.nan, column.to_numpy() + 0.0)
            digest.update(values.astype("<f8").tobytes())
        else:
            digest.update("\x1f".join("" if c is None else str(c) for c in column).encode())
    return digest.hexdigest()


def _analyzed(column: Column, cells: Cells) -> np.ndarray | pd.Series:
    if not column.numeric:
        return pd.Series(cells.values, dtype="str")
    low, high = column.constraints.minimum, column.constraints.maximum
    if column.reversed and low is not None and high is not None:
        return low + high - cells.values
    return cells.values.copy()


def _extremes(column: Column, cells: Cells) -> dict[str, float]:
    """Smallest and largest answer; NaN where showing it would show a handful of customers' records."""
    if not column.numeric:
        return {"min": np.nan, "max": np.nan}
    values = cells.values[~np.isnan(cells.values)]
    found = {"min": values.min(), "max": values.max()} if values.size else {"min": np.nan, "max": np.nan}
    if column.source == "record":
        found = {k: v if (values == v).sum() >= SMALLEST_CELL else np.nan for k, v in found.items()}
    return {k: float(v) for k, v in found.items()}


def _categories(column: Column, cells: Cells) -> str:
    """Counts of a group column, as 'active 210, inactive 177'; small ones together, many ones not at all."""
    if column.role != "group":
        return ""
    counts = pd.Series([v for v in cells.values if v is not None], dtype=object).value_counts()
    shown = [f"{label} {n}" for label, n in counts.items() if n >= SMALLEST_CELL]
    small = int((counts < SMALLEST_CELL).sum())
    if len(shown) > 20:
        return f"{len(counts)} categories"
    return ", ".join([*shown, *([f"{small} with fewer than {SMALLEST_CELL}"] if small else [])])
