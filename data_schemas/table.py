"""What every reader returns: the cells as collected, and what the file says about them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LEADING_ZERO = re.compile(r"[+-]?0\d")
# What programs write for an empty cell of a numeric column; none of them gives a reason.
BLANKS = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None", "."})


@dataclass(frozen=True, slots=True)
class UserMissing:
    """A code or range of codes the file itself declares missing; a letter for Stata's .a to .z."""

    low: float | str
    high: float | str


@dataclass(frozen=True, slots=True)
class Table:
    """One file as read: a column is float64 where every filled cell is a number, and object otherwise.

    data: one row a respondent, index 0…n-1, column names unique. lines: (n,) file line of each row, empty
    for formats without lines. titles: question texts. value_labels: label of each code by column.
    user_missing: codes the file declares missing. repeated: names that stand more than once in the header.
    notes: what was assumed.
    """

    data: pd.DataFrame
    lines: tuple[int, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[float | str, str]] = field(default_factory=dict)
    user_missing: Mapping[str, tuple[UserMissing, ...]] = field(default_factory=dict)
    repeated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def line(self, row: int) -> int | None:
        """The file line of a data row (both 1-based), None for formats without lines."""
        return self.lines[row - 1] if self.lines else None

    def __repr__(self) -> str:
        return f"Table({self.data.shape[0]} rows, {self.data.shape[1]} columns)"


def from_cells(
    header: Sequence[object], rows: Sequence[Sequence[object]], *, decimal_comma: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A frame from a header and rows of raw cells, and the names that the header repeats.

    A repeated name's later columns are kept as "name (2)", …; a column without a name becomes "column 3".
    """
    wanted = [str(name).strip() if name is not None else "" for name in header]
    wanted = [name or f"column {place}" for place, name in enumerate(wanted, start=1)]
    seen: Counter[str] = Counter()
    unique = []
    for name in wanted:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    columns = {
        name: tidy([row[place] for row in rows], decimal_comma=decimal_comma)
        for place, name in enumerate(unique)
    }
    return pd.DataFrame(columns), tuple(name for name, n in seen.items() if n > 1)


def tidy(cells: Sequence[object], *, decimal_comma: bool = False) -> pd.Series:
    """Raw cells as float64 when every filled one is a number, else as object: numbers and text.

    Codes such as 00123 are identifiers, not numbers: a column that has one stays text throughout.
    """
    if any(isinstance(c, str) and LEADING_ZERO.match(c.strip()) and "." not in c for c in cells):
        return pd.Series([_blank_to_none(c) for c in cells], dtype=object)
    parsed = [_number_or_text(c, decimal_comma) for c in cells]
    if all(isinstance(c, float) or c is None or c in BLANKS for c in parsed):
        filled = [c if isinstance(c, float) else np.nan for c in parsed]
        return pd.Series(np.asarray(filled, dtype=np.float64))
    return pd.Series(parsed, dtype=object)


def from_frame(frame: pd.DataFrame) -> Table:
    """A table from a frame in memory: index dropped, nullable and labelled types undone."""
    names = [str(name) for name in frame.columns]
    repeated = tuple(name for name, n in Counter(names).items() if n > 1)
    cells = [frame.iloc[:, place] for place in range(frame.shape[1])]
    data, _ = from_cells(names, [])
    data = pd.DataFrame(
        {name: _plain(series) for name, series in zip(data.columns, cells, strict=True)},
        index=pd.RangeIndex(len(frame)),
    )
    return Table(data=data, repeated=repeated)


def _plain(series: pd.Series) -> np.ndarray | pd.Series:
    if pd.api.types.is_numeric_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return tidy([None if pd.isna(c) else c for c in series.astype(object)])


def _blank_to_none(cell: object) -> object:
    return None if isinstance(cell, str) and not cell.strip() else cell


def _number_or_text(cell: object, decimal_comma: bool) -> object:
    """A float, a stripped text, or None for an empty cell."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return None
    if isinstance(cell, int | float | np.integer | np.floating):
        return float(cell)
    if not isinstance(cell, str):
        return str(cell)
    text = cell.strip()
    number = text.replace(",", ".", 1) if decimal_comma else text
    if NUMBER.fullmatch(number) and not (abs(float(number)) >= 2**53 and "e" not in number.lower()):
        return float(number)
    return text or None
