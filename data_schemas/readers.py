"""Survey files into a `Table`, whatever their format; every way a file can be unreadable is one DataError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from data_schemas import delimited
from data_schemas.table import Table, UserMissing, from_cells, from_frame
from sem_models.errors import DataError, did_you_mean


def read(path: str | Path) -> Table:
    """Read a survey file by its extension.

    Raises DataError: no such file, a folder, an extension nobody reads, an empty or damaged file.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(p.name for p in path.iterdir() if p.suffix.lower() in READERS)
        inside = f" It holds: {', '.join(files[:8])}." if files else ""
        raise DataError(f"{path} is a folder, not a survey file.{inside}")
    if not path.is_file():
        raise DataError(f"there is no file {path}. {_neighbours(path)}".rstrip())
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path.name}: the extension '{path.suffix}' is not one a survey is read from. "
            f"Save it as one of: {', '.join(READERS)}."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes). Export it again.")
    try:
        table = reader(path)
    except PermissionError:
        raise DataError(
            f"{path.name} may not be read: close it in other programs or change its rights."
        ) from None
    if table.data.empty:
        raise DataError(f"{path.name} has {table.data.shape[1]} columns but no rows.")
    return table


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return f"The folder {path.parent} does not exist either."
    files = [p.name for p in path.parent.iterdir() if p.suffix.lower() in READERS]
    return did_you_mean(path.name, files, noun="files") if files else "Its folder holds no survey file."


def read_excel(path: Path) -> Table:
    """The first sheet that has cells; the header is its first filled row."""
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError):
        raise DataError(f"{path.name} is not a readable Excel workbook. Save it again as .xlsx.") from None
    try:
        sheets = {s.title: [list(r) for r in s.iter_rows(values_only=True)] for s in book.worksheets}
    finally:
        book.close()
    filled = {title: rows for title, rows in sheets.items() if any(_has_cells(r) for r in rows)}
    if not filled:
        raise DataError(f"{path.name} is empty: no sheet has a filled cell.")
    title, rows = next(iter(filled.items()))
    numbered = [(line, row) for line, row in enumerate(rows, start=1) if _has_cells(row)]
    header, body = numbered[0][1], numbered[1:]
    while header[-1] is None and all(row[len(header) - 1] is None for _, row in body):
        header = header[:-1]
    data, repeated = from_cells(header, [row for _, row in body])
    others = [t for t in filled if t != title]
    notes = (f"read sheet '{title}', not: {', '.join(others)}",) if others else ()
    return Table(data=data, lines=tuple(line for line, _ in body), repeated=repeated, notes=notes)


def _has_cells(row: list[Any]) -> bool:
    return any(cell is not None and str(cell).strip() for cell in row)


def read_parquet(path: Path) -> Table:
    """A Parquet file; nullable and dictionary columns become float64 or text."""
    import pyarrow

    try:
        frame = pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError, ValueError):
        raise DataError(f"{path.name} is not a readable Parquet file. Write it again.") from None
    return from_frame(frame)


def read_spss(path: Path) -> Table:
    """SPSS .sav or .zsav: codes as stored, user-missing codes kept, labels beside them."""
    import pyreadstat

    frame, meta = _readstat(path, pyreadstat.read_sav, "SPSS")
    user = {
        name: tuple(UserMissing(low=r["lo"], high=r["hi"]) for r in ranges)
        for name, ranges in meta.missing_ranges.items()
    }
    return _labelled(frame, meta, user)


def read_stata(path: Path) -> Table:
    """Stata .dta: the extended missing values .a to .z are kept as the letters a to z."""
    import pyreadstat

    frame, meta = _readstat(path, pyreadstat.read_dta, "Stata")
    user = {
        name: tuple(UserMissing(low=str(letter), high=str(letter)) for letter in letters)
        for name, letters in meta.missing_user_values.items()
    }
    return _labelled(frame, meta, user)


def _readstat(path: Path, reader: Callable[..., Any], program: str) -> tuple[pd.DataFrame, Any]:
    import pyreadstat

    try:
        frame, meta = reader(str(path), user_missing=True)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError, ValueError):
        raise DataError(
            f"{path.name} is not a readable {program} file. Save it again in {program}."
        ) from None
    return frame, meta


def _labelled(frame: pd.DataFrame, meta: Any, user: Mapping[str, tuple[UserMissing, ...]]) -> Table:
    table = from_frame(frame)
    return Table(
        data=table.data,
        titles={
            name: title for name, title in meta.column_names_to_labels.items() if title and title != name
        },
        value_labels={name: dict(labels) for name, labels in meta.variable_value_labels.items()},
        user_missing=user,
        repeated=table.repeated,
    )


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".txt": delimited.read,
    ".xlsx": read_excel,
    ".xlsm": read_excel,
    ".parquet": read_parquet,
    ".sav": read_spss,
    ".zsav": read_spss,
    ".dta": read_stata,
}
