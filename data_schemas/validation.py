"""Does the file fit the schema? Every violation at once, each with column, row, fault and remedy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from data_schemas.cells import Cells
from data_schemas.schema import Column, Schema
from data_schemas.table import Table
from sem_models.errors import did_you_mean

if TYPE_CHECKING:
    import pandera.pandas as pa

Severity = Literal["error", "warning"]
# Codes that survey programs write for a missing answer when nobody declares them.
LIKELY_CODES = frozenset(
    {-1.0, -9.0, -97.0, -98.0, -99.0, -999.0, -9999.0, 88.0, 97.0, 98.0, 99.0, 999.0, 9999.0}
)


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding; `row` is the 1-based data row, `line` that of the file; None for a whole column."""

    severity: Severity
    kind: str
    column: str
    message: str
    remedy: str
    row: int | None = None
    line: int | None = None


def validate(schema: Schema, table: Table, cells: Mapping[str, Cells]) -> tuple[Issue, ...]:
    """All issues of a file, errors first, then in the schema's order of columns and by row."""
    found = [*_header(schema, table), *_unreadable(schema, table, cells), *_checked(schema, table, cells)]
    found += _whole_file(schema, table, cells)
    order = {name: place for place, name in enumerate((*schema.names, *table.data.columns))}
    return tuple(
        sorted(found, key=lambda i: (i.severity == "warning", order.get(i.column, -1), i.kind, i.row or 0))
    )


def _header(schema: Schema, table: Table) -> list[Issue]:
    issues = [
        Issue(
            "error",
            "repeated column",
            name,
            "the header has this name more than once",
            "Rename or delete all but one; which of them is meant cannot be guessed.",
        )
        for name in table.repeated
    ]
    issues += [
        Issue("warning", "reader", "", note, "Check that this is what the file means.")
        for note in table.notes
    ]
    absent = [c for c in schema.fields if c.optional and c.name not in table.data.columns]
    if absent:
        gone = ", ".join(c.name for c in absent[:8]) + (
            f", … ({len(absent) - 8} more)" if len(absent) > 8 else ""
        )
        issues.append(
            Issue(
                "warning",
                "absent optional column",
                "",
                f"optional columns are absent: {gone}",
                "Models that use them cannot be estimated on this file.",
            )
        )
    extra = [name for name in table.data.columns if name not in schema.names]
    if extra:
        shown = ", ".join(extra[:8]) + (f", … ({len(extra) - 8} more)" if len(extra) > 8 else "")
        issues.append(
            Issue(
                "warning",
                "unknown column",
                "",
                f"columns the schema does not know: {shown}",
                "They are kept, but not checked; add them to the schema if a model uses them.",
            )
        )
    return issues


def _unreadable(schema: Schema, table: Table, cells: Mapping[str, Cells]) -> list[Issue]:
    """Text where a number belongs; its content is not repeated, it may be anything."""
    remedy = "Correct the cell, or declare its text under missingValues or categories of the schema."
    return [
        Issue(
            "error",
            "text in a numeric column",
            name,
            f"text of {len(str(table.data[name].iloc[at]))} characters where a number belongs",
            remedy,
            row=int(at) + 1,
            line=table.line(int(at) + 1),
        )
        for name, column in cells.items()
        for at in np.flatnonzero(column.unreadable)
    ]


def _checked(schema: Schema, table: Table, cells: Mapping[str, Cells]) -> list[Issue]:
    """Range, whole numbers, categories, empty cells, unique ids, constant and missing columns, by pandera."""
    import pandera.pandas as pa
    from pandera.errors import SchemaErrorReason, SchemaErrors

    frame = pd.DataFrame({name: c.values for name, c in cells.items()})
    repeated_visits = _repeated_rows(schema, frame)
    checks = {
        column.name: pa.Column(
            None,
            checks=_checks(column, repeated_visits),
            nullable=not column.constraints.required,
            required=not column.optional,
        )
        for column in schema.fields
    }
    try:
        pa.DataFrameSchema(checks).validate(frame, lazy=True)
    except SchemaErrors as errors:
        broken = [e for e in errors.schema_errors if e.reason_code is SchemaErrorReason.CHECK_ERROR]
        if broken:
            # A fault of ours, not of the data; pandera's own text would repeat cells.
            raise RuntimeError(f"{len(broken)} checks could not be run") from None
        cases = errors.failure_cases
    else:
        return []
    known = {column.name: column for column in schema.fields}
    issues = []
    for case in cases.itertuples(index=False):
        missing = case.check == "column_in_dataframe"
        column = known[str(case.failure_case if missing else case.column)]
        row = None if pd.isna(case.index) else int(case.index) + 1
        message, remedy = _explain(str(case.check), column, case.failure_case, table, cells, known)
        spared = case.check == "constant" and (schema.inferred or column.role != "item")
        severity: Severity = "warning" if spared else "error"
        issues.append(
            Issue(
                severity, str(case.check), column.name, message, remedy, row, table.line(row) if row else None
            )
        )
    return issues


def _checks(column: Column, repeated: pd.Series) -> list[pa.Check]:
    import pandera.pandas as pa

    low, high = column.constraints.minimum, column.constraints.maximum
    checks = []
    if column.role == "id":
        checks.append(pa.Check(lambda s: ~repeated.reindex(s.index), name="repeated id"))
    elif column.numeric:
        checks.append(pa.Check(_varies, name="constant", ignore_na=False))
        if not column.optional:
            checks.append(pa.Check(lambda s: bool(s.notna().any()), name="no answers", ignore_na=False))
        if low is not None or high is not None:
            inside = (-np.inf if low is None else low, np.inf if high is None else high)
            checks.append(pa.Check(lambda s: s.between(*inside), name="range"))
        if column.type == "integer":
            checks.append(pa.Check(lambda s: s == s.round(), name="whole number"))
    elif column.allowed:
        checks.append(pa.Check(lambda s: s.isin(column.allowed), name="category"))
    return checks


def _varies(series: pd.Series) -> bool:
    """Whether the answers differ; a column without any is another matter (`no answers`)."""
    answers = series.dropna()
    return answers.empty or bool((answers != answers.iloc[0]).any())


def _repeated_rows(schema: Schema, frame: pd.DataFrame) -> pd.Series:
    """(n,) rows whose id stands more than once; in long form an id may stand once a wave."""
    ids = [c.name for c in schema.with_role("id") if c.name in frame]
    if not ids:
        return pd.Series(False, index=frame.index)
    keys = frame[[*ids, *(["wave"] if "wave" in frame else [])]]
    return keys.duplicated(keep=False) & keys[ids].notna().all(axis=1)


def _explain(
    check: str,
    column: Column,
    value: object,
    table: Table,
    cells: Mapping[str, Cells],
    known: Collection[str],
) -> tuple[str, str]:
    """What is wrong and what to do; values are named only where they are numbers on a scale."""
    match check:
        case "column_in_dataframe":
            spare = [name for name in table.data.columns if name not in known]
            hint = did_you_mean(column.name, spare, noun="columns the schema does not know")
            return "the column is missing", hint or "Add it to the file, or make it optional in the schema."
        case "range":
            number = float(str(value))
            declare = (
                f"If {number:g} stands for a missing answer, declare it under missingValues of the schema."
                if number in LIKELY_CODES
                else "Correct the cell, or the constraints of the schema."
            )
            low, high = column.constraints.minimum, column.constraints.maximum
            if low is not None and high is not None:
                return f"{number:g} is outside {column.scale}", declare
            return f"{number:g} is {f'below {low:g}' if low is not None else f'above {high:g}'}", declare
        case "whole number":
            return (
                f"{float(str(value)):g} is not a whole number",
                "Correct the cell, or give the field type number.",
            )
        case "category":
            near = get_close_matches(str(value), column.allowed, n=1)
            hint = f" (near '{near[0]}')" if near else ""
            return f"not one of {', '.join(column.allowed)}{hint}", "Correct the cell, or add the category."
        case "not_nullable":
            return "the cell is empty", "Fill it; the schema requires a value in every row."
        case "repeated id":
            return "the id stands in several rows", "Keep one row per customer (or add the column wave)."
        case "no answers":
            return "no row has an answer", "Remove the column, make it optional, or check the missing codes."
        case "constant":
            answers = cells[column.name].values
            only = answers[~np.isnan(answers)][0]
            return (
                f"every answer is {only:g}: a constant item has no variance",
                "Leave the column out of the file.",
            )
    raise AssertionError(check)


def _whole_file(schema: Schema, table: Table, cells: Mapping[str, Cells]) -> list[Issue]:
    issues: list[Issue] = []
    items = [c.name for c in schema.with_role("item") if c.name in cells]
    rows = len(table.data)
    if items and rows < len(items):
        severity: Severity = "warning" if schema.inferred else "error"
        issues.append(
            Issue(
                severity,
                "too few rows",
                "",
                f"{rows} rows for {len(items)} items",
                "A covariance matrix needs more rows than items: collect more, or use fewer items.",
            )
        )
    seen: dict[bytes, str] = {}
    for name in items:
        values = cells[name].values
        key = values.tobytes()
        if key in seen and len(np.unique(values[~np.isnan(values)])) > 1:
            issues.append(
                Issue(
                    "warning",
                    "identical columns",
                    name,
                    f"the same answers as {seen[key]} in every row",
                    "Leave one of them out of the model.",
                )
            )
        seen.setdefault(key, name)
    if schema.inferred:
        issues += _likely_codes(items, cells)
    return issues


def _likely_codes(items: list[str], cells: Mapping[str, Cells]) -> list[Issue]:
    """Without a schema: lone values such as -99 far outside the other answers."""
    issues = []
    for name in items:
        values = cells[name].values
        values = values[~np.isnan(values)]
        for code in sorted(set(values) & LIKELY_CODES):
            others = values[values != code]
            width = np.ptp(others) if others.size else 0.0
            if others.size and min(abs(others - code)) > max(width, 1.0):
                issues.append(
                    Issue(
                        "warning",
                        "likely missing code",
                        name,
                        f"{code:g} is far outside the other answers",
                        "If it stands for a missing answer, declare it under missingValues of a schema.",
                    )
                )
    return issues
