"""One column's cells told apart: answers, reasons for a missing answer, and text that is neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data_schemas.schema import Code, Column, Schema
from data_schemas.table import BLANKS, NUMBER, Table, UserMissing

SYSTEM = "system missing"
UNREADABLE = "unreadable text"


@dataclass(frozen=True, slots=True)
class Cells:
    """A column read under its schema; all arrays (n,).

    values: float64 (NaN where there is no answer) for items and measures, labels (None) for the rest.
    reasons: why there is no answer, "" where there is one. unreadable: text where a number belongs.
    """

    values: np.ndarray
    reasons: np.ndarray
    unreadable: np.ndarray

    def reason_counts(self) -> dict[str, int]:
        """How many cells are missing for each reason, the commonest first."""
        given = pd.Series(self.reasons[self.reasons != ""], dtype=object)
        return {str(reason): int(n) for reason, n in given.value_counts().items()}

    def __repr__(self) -> str:
        return f"Cells({len(self.values)} cells, {int((self.reasons != '').sum())} missing)"


def read_cells(column: Column, schema: Schema, table: Table) -> Cells:
    """The cells of one column: codes of the schema and of the file become reasons, labels become values."""
    raw = table.data[column.name]
    codes = _codes(column, schema)
    labels = table.value_labels.get(column.name, {})
    declared = table.user_missing.get(column.name, ())
    reader = _numeric if column.numeric else _labelled
    return reader(raw, column, codes, declared, labels)


def code_text(value: object) -> str:
    """A code as written: 1.0 is '1', so that a number and its text compare equal."""
    if isinstance(value, float):
        return f"{value:.15g}"
    return str(value).strip()


def _codes(column: Column, schema: Schema) -> dict[str, str]:
    """Reason by code text; the column's own codes win over the schema's."""
    found: dict[str, str] = {}
    for code in (*schema.missing_values, *column.missing_values):
        found[code_text(code.value)] = _reason(code)
    return found


def _reason(code: Code) -> str:
    if not code.value.strip():
        return code.label.lower() or SYSTEM
    return code.label.lower() or f"code {code.value}"


def _numeric(
    raw: pd.Series,
    column: Column,
    codes: Mapping[str, str],
    declared: tuple[UserMissing, ...],
    labels: Mapping[float | str, str],
) -> Cells:
    words = {label.casefold(): value for label, value in _category_values(column, labels).items()}
    plain = raw.dtype == np.float64
    values = raw.to_numpy(dtype=np.float64, copy=True) if plain else np.full(len(raw), np.nan)
    reasons = np.full(len(raw), "", dtype=object)
    unreadable = np.zeros(len(raw), dtype=bool)
    letters = {str(d.low): str(d.low) for d in declared if isinstance(d.low, str)}
    for row, cell in enumerate([] if plain else raw.to_numpy()):
        if isinstance(cell, float):
            values[row] = cell
            continue
        text = "" if cell is None else str(cell).strip()
        if text in codes:
            reasons[row] = codes[text]
        elif text in letters:
            reasons[row] = _label_of(text, labels)
        elif text in BLANKS:
            continue
        elif NUMBER.fullmatch(text):
            values[row] = float(text)
        elif text.casefold() in words:
            values[row] = words[text.casefold()]
        else:
            unreadable[row] = True
            reasons[row] = UNREADABLE
    for text, reason in codes.items():
        if NUMBER.fullmatch(text):
            reasons[(values == float(text)) & (reasons == "")] = reason
    for code in declared:
        if isinstance(code.low, float | int) and isinstance(code.high, float | int):
            for at in np.flatnonzero((values >= code.low) & (values <= code.high) & (reasons == "")):
                reasons[at] = _label_of(code_text(float(values[at])), labels)
    values[reasons != ""] = np.nan
    reasons[np.isnan(values) & (reasons == "")] = SYSTEM
    return Cells(values=values, reasons=reasons, unreadable=unreadable)


def _labelled(
    raw: pd.Series,
    column: Column,
    codes: Mapping[str, str],
    declared: tuple[UserMissing, ...],
    labels: Mapping[float | str, str],
) -> Cells:
    categories = {code_text(c.value): c.text for c in column.categories}
    names = {code_text(code): label for code, label in labels.items()} | categories
    values = np.full(len(raw), None, dtype=object)
    reasons = np.full(len(raw), "", dtype=object)
    for row, cell in enumerate(raw.to_numpy()):
        empty = cell is None or (isinstance(cell, float) and np.isnan(cell))
        text = "" if empty else code_text(cell)
        if text in codes:
            reasons[row] = codes[text]
        elif not text:
            reasons[row] = SYSTEM
        elif any(_within(cell, code) for code in declared):
            reasons[row] = (names.get(text) or f"code {text}").lower()
        else:
            values[row] = names.get(text, text)
    return Cells(values=values, reasons=reasons, unreadable=np.zeros(len(raw), dtype=bool))


def _within(cell: object, code: UserMissing) -> bool:
    if isinstance(cell, float) and isinstance(code.low, float | int) and isinstance(code.high, float | int):
        return code.low <= cell <= code.high
    return isinstance(code.low, str) and str(cell).strip() == code.low


def _label_of(code: str, labels: Mapping[float | str, str]) -> str:
    """The reason the file's own label gives for a code, or the code itself."""
    return next((label.lower() for key, label in labels.items() if code_text(key) == code), f"code {code}")


def _category_values(column: Column, labels: Mapping[float | str, str]) -> dict[str, float]:
    """The number of each answer text, for exports that hold 'strongly agree' in place of 7."""
    pairs = [(c.label, c.value) for c in column.categories] + [
        (text, code_text(k)) for k, text in labels.items()
    ]
    return {label: float(value) for label, value in pairs if label and NUMBER.fullmatch(value)}
