"""`load`: from a file to a checked `Survey`, or one error that says all that is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from data_schemas.infer import infer_schema
from data_schemas.readers import read
from data_schemas.schema import Schema, names
from data_schemas.survey import Survey
from data_schemas.table import Table, from_frame
from data_schemas.validation import Issue
from sem_models.errors import DataError

SHOWN = 8
# Below this share of a schema's obligatory columns the file is taken to be of another survey.
FEW = 0.5


def load(
    path: str | Path | pd.DataFrame, *, schema: str | Path | Schema | None = None, strict: bool = True
) -> Survey:
    """Read a survey file and check it against a schema.

    Parameters
    ----------
    path : .csv, .tsv, .txt, .xlsx, .parquet, .sav, .zsav or .dta file, or a data frame already in memory.
    schema : name of a shipped schema (`names()`), path of a YAML file, or a `Schema`; without one, numeric
        columns are taken as items and nothing is known about their range.
    strict : raise on violations; with False they are only listed by `Survey.issues()`.

    Raises DataError: unreadable file, schema of another survey, or violations (all of them, the first shown).
    """
    known = None if schema is None else Schema.load(schema)
    in_memory = isinstance(path, pd.DataFrame)
    table = from_frame(path) if isinstance(path, pd.DataFrame) else read(path)
    name = "data frame" if in_memory else Path(str(path)).name
    if table.data.empty:
        raise DataError(f"the {name} has {table.data.shape[1]} columns but no rows.")
    if known is not None:
        _check_match(known, table, name)
    survey = Survey.from_table(table, known or infer_schema(table), name=name)
    if strict and survey.errors:
        raise DataError(_complaint(survey))
    return survey


def _check_match(schema: Schema, table: Table, name: str) -> None:
    """Refuse a file that has few of the schema's obligatory columns, naming the shipped schema it fits."""
    share = _share(schema, table.data.columns)
    if share >= FEW:
        return
    others = [other for other in names() if other != schema.name]
    shares = {other: _share(Schema.load(other), table.data.columns) for other in others}
    best = max(shares, key=lambda other: shares[other], default="")
    better = (
        f"It fits schema '{best}' ({shares[best]:.0%} of its columns): pass schema='{best}'."
        if best and shares[best] > max(share, FEW)
        else "Pass the schema of this survey (a YAML file), or none to see what the file holds."
    )
    wanted = [c.name for c in schema.fields if not c.optional]
    found = sum(column in table.data.columns for column in wanted)
    raise DataError(
        f"{name} is not a '{schema.name}' survey: it has {found} of the {len(wanted)} columns that one must "
        f"have ({', '.join(wanted[:SHOWN])}, …).\n  {better}"
    )


def _share(schema: Schema, columns: Iterable[object]) -> float:
    wanted = {c.name for c in schema.fields if not c.optional}
    return len(wanted & set(map(str, columns))) / len(wanted) if wanted else 1.0


def _complaint(survey: Survey) -> str:
    """All violations as one message: alike ones of a column together, the first shown, the rest counted."""
    errors = survey.errors
    groups: dict[tuple[str, str], list[Issue]] = {}
    for issue in errors:
        groups.setdefault((issue.column, issue.kind), []).append(issue)
    lines = [_line(alike) for alike in list(groups.values())[:SHOWN]]
    rest = sum(len(alike) for alike in list(groups.values())[SHOWN:])
    if rest:
        lines.append(f"… and {rest} more.")
    noun = "violation" if len(errors) == 1 else "violations"
    against = "" if survey.schema.inferred else f" of schema '{survey.schema.name}'"
    head = f"{survey.name}: {len(errors)} {noun}{against}."
    how = "See all: ds.load(…, strict=False).issues()"
    return "\n  ".join([head, *lines, how])


def _line(alike: list[Issue]) -> str:
    first = alike[0]
    where = [first.column] if first.column else []
    if first.row is not None:
        where.append(f"row {first.row}" + (f" (line {first.line})" if first.line else ""))
        rows = np.unique([issue.row for issue in alike[1:] if issue.row is not None])
        if rows.size:
            more = f", … ({rows.size - 3} more)" if rows.size > 3 else ""
            where.append(f"also rows {', '.join(map(str, rows[:3]))}{more}")
    place = ", ".join(where) or "the file"
    return f"{place}: {first.message}. {first.remedy}".rstrip()
