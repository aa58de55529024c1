"""Delimited text: finds encoding, delimiter, decimal comma and Qualtrics headers; keeps the file lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_schemas.table import Table, from_cells
from sem_models.errors import DataError

DELIMITERS = ",;\t|"
_MARKS = (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")


def read(path: Path) -> Table:
    """Read a CSV file; DataError when it is not text, is empty, or has rows that do not fit the header."""
    text, notes = decode(path.read_bytes(), path.name)
    delimiter = sniff(text)
    records = _records(text, delimiter, path.name)
    if not records:
        raise DataError(f"{path.name} is empty: it has no header row.")
    header, body = records[0][1], records[1:]
    titles: dict[str, str] = {}
    if is_qualtrics([row for _, row in body[:2]]):
        titles = {name.strip(): _one_line(title) for name, title in zip(header, body[0][1], strict=False)}
        body = body[2:]
        notes = (*notes, "read as a Qualtrics export: question texts and import ids under the header")
    if not body:
        raise DataError(f"{path.name} has a header but no rows.")
    _check_widths(header, body, path.name)
    rows = [row for _, row in body]
    comma = delimiter != "," and has_decimal_comma(rows)
    if comma:
        notes = (*notes, "numbers read with a decimal comma")
    data, repeated = from_cells(header, rows, decimal_comma=comma)
    return Table(
        data=data,
        lines=tuple(line for line, _ in body),
        titles={name: titles.get(name, "") for name in data.columns if titles.get(name)},
        repeated=repeated,
        notes=notes,
    )


def decode(raw: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The text of a file by its byte order mark, as UTF-8, or as Windows-1252 with a note."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _decode_as(raw, encoding, name), ()
    if b"\0" in raw[:4096]:
        raise DataError(
            f"{name} is not a text file. Save it as CSV (UTF-8), or give it the extension of what it is "
            "(.xlsx, .sav, .dta, .parquet)."
        )
    try:
        return raw.decode("utf-8"), ()
    except UnicodeDecodeError:
        text = _decode_as(raw, "cp1252", name)
    return text, ("not UTF-8, read as Windows-1252: check accented letters, or save the file as UTF-8",)


def _decode_as(raw: bytes, encoding: str, name: str) -> str:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is in an unknown encoding: line {line} has bytes that are neither UTF-8 nor "
            "Windows-1252. Save it as CSV UTF-8."
        ) from None


def sniff(text: str) -> str:
    """The delimiter that splits the first lines into the most fields of one width; a comma when none does."""
    lines = text.splitlines()[:50]

    def score(delimiter: str) -> tuple[float, int]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return (count / max(sum(widths.values()), 1), width) if width > 1 else (0.0, 0)

    best = max(DELIMITERS, key=score)
    return best if score(best)[1] > 1 else ","


def is_qualtrics(under_header: Sequence[Sequence[str]]) -> bool:
    """Whether the second row under the header holds Qualtrics' import ids."""
    return len(under_header) == 2 and any(re.match(r'\s*\{"ImportId"\s*:', c) for c in under_header[1])


def has_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers are written 4,5: some cells look so, and none is written 4.5."""
    cells = [cell.strip() for row in rows[:200] for cell in row]
    return any(re.fullmatch(r"[+-]?\d+,\d+", c) for c in cells) and not any(
        re.fullmatch(r"[+-]?\d+\.\d+", c) for c in cells
    )


def _records(text: str, delimiter: str, name: str) -> list[tuple[int, list[str]]]:
    """Rows with the line each starts on; quoted cells may run over several lines.

    Blank lines, and the rows of empty cells that spreadsheets write at the end, are left out.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, start = [], 1
    try:
        for row in reader:
            if row:
                records.append((start, row))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{name}, line {start}: the quotation marks do not match up ({error}). "
            "Save the file as CSV again."
        ) from None
    while records and not any(cell.strip() for cell in records[-1][1]):
        records.pop()
    return records


def _check_widths(header: Sequence[str], body: Sequence[tuple[int, list[str]]], name: str) -> None:
    odd = [(line, len(row)) for line, row in body if len(row) != len(header)]
    if odd:
        shown = ", ".join(f"line {line} has {width}" for line, width in odd[:8])
        rest = f", … ({len(odd) - 8} more)" if len(odd) > 8 else ""
        raise DataError(
            f"{name}: the header has {len(header)} columns, but {shown}{rest}. "
            "Quote cells that hold the delimiter."
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
