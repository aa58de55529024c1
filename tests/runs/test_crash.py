"""Logs of unexpected errors: where it happened, but nothing the data hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from sem_models.runs.crash import masked, write_log


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("could not convert string to float: 'C-1042'", "could not convert string to float: '…'"),
        ('bad cell "refused, ask again"', "bad cell '…'"),
        ("row 12 holds 104213", "row 12 holds #"),
        ("value 6.25 of 7", "value # of 7"),
        ("division by zero", "division by zero"),
    ],
)
def test_quoted_texts_and_longer_numbers_are_masked(message: str, shown: str) -> None:
    assert masked(message) == shown


def test_log_has_the_code_lines_and_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    customer = "C-1042"
    try:
        try:
            float(customer)
        except ValueError as cause:
            raise KeyError(customer) from cause
    except KeyError as error:
        log = write_log(error)
    text = log.read_text(encoding="utf-8")
    assert log.parent == tmp_path
    assert "float(customer)" in text
    assert text.index("ValueError: could not convert") < text.index("KeyError: '…'")
    assert "sem-models" in text
    assert "C-1042" not in text.replace('customer = "C-1042"', "")
