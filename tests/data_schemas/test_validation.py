"""Each fault is found, placed and explained; free text and ids never appear in a message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
from sem_models.errors import DataError

Fault = Callable[[pd.DataFrame], pd.DataFrame]


def _set(column: str, row: int, value: object) -> Fault:
    return lambda frame: frame.assign(**{column: [*frame[column][: row - 1], value, *frame[column][row:]]})


def _fill(column: str, value: float) -> Fault:
    return lambda frame: frame.assign(**{column: value})


FAULTS: list[tuple[Fault, str, int | None, str, str]] = [
    (_set("eds1", 3, 9), "eds1", 3, "9 is outside 1–7", "Correct the cell"),
    (_set("eds1", 3, 99), "eds1", 3, "99 is outside 1–7", "declare it under missingValues"),
    (_set("eds1", 3, "call me"), "eds1", 3, "text of 7 characters where a number belongs", "missingValues"),
    (_set("eds1", 3, 2.5), "eds1", 3, "2.5 is not a whole number", "type number"),
    (_set("billing_accuracy", 5, 101), "billing_accuracy", 5, "101 is outside 0–100", "Correct the cell"),
    (_set("repair_hours", 5, -2), "repair_hours", 5, "-2 is below 0", "Correct the cell"),
    (_set("active", 4, "actve"), "active", 4, "not one of active, inactive (near 'active')", "add the cat"),
    (_set("customer_id", 4, None), "customer_id", 4, "the cell is empty", "Fill it"),
    (_set("customer_id", 4, "K000"), "customer_id", 1, "the id stands in several rows", "column wave"),
    (_fill("ops1", 4.0), "ops1", None, "every answer is 4: a constant item has no variance", "Leave"),
    (_fill("bi3", np.nan), "bi3", None, "no row has an answer", "missing codes"),
    (lambda f: f.drop(columns="pv1"), "pv1", None, "the column is missing", "Add it"),
    (lambda f: f.rename(columns={"pv1": "PV1"}), "pv1", None, "the column is missing", "mean 'PV1'?"),
    (lambda f: f.head(20), "", None, "20 rows for 29 items", "more rows"),
]


@pytest.mark.parametrize(("fault", "column", "row", "message", "remedy"), FAULTS)
def test_each_fault_is_an_error(
    b2b: pd.DataFrame,
    fault: Fault,
    column: str,
    row: int | None,
    message: str,
    remedy: str,
) -> None:
    b2b = fault(b2b)
    issues = ds.load(b2b, schema="b2b_service", strict=False).issues()
    found = issues[(issues.severity == "error") & (issues.column == column)]
    assert message in set(found.message)
    first = found[found.message == message].iloc[0]
    assert (None if pd.isna(first.row) else first.row) == row
    assert remedy in first.remedy
    with pytest.raises(DataError) as caught:
        ds.load(b2b, schema="b2b_service")
    assert message in str(caught.value)


def test_intact_survey_has_no_error(b2b: pd.DataFrame) -> None:
    issues = ds.load(b2b, schema="b2b_service").issues()
    assert list(issues.severity) == ["warning"]
    assert "optional columns are absent: wave" in issues.message.iloc[0]


def test_all_faults_come_at_once_and_alike_ones_together(b2b: pd.DataFrame) -> None:
    b2b.loc[[1, 4, 6, 7, 9], "eds1"] = 8
    for column in ["eds2", "eds3", "eds4", "ops2", "ops3", "ops4", "pv1", "pv2", "pv3"]:
        b2b.loc[2, column] = 0
    with pytest.raises(DataError) as caught:
        ds.load(b2b, schema="b2b_service")
    lines = str(caught.value).splitlines()
    assert lines[0] == "data frame: 14 violations of schema 'b2b_service'."
    assert lines[1].startswith("  eds1, row 2, also rows 5, 7, 8, … (1 more): 8 is outside 1–7.")
    assert len(lines) == 1 + 8 + 2
    assert lines[-2] == "  … and 2 more."
    assert "strict=False" in lines[-1]
    assert len(ds.load(b2b, schema="b2b_service", strict=False).errors) == 14


def test_messages_hold_no_free_text_and_no_id(b2b: pd.DataFrame) -> None:
    b2b.loc[3, "eds1"] = "Schmidt, 0170 1234567"
    b2b.loc[4, "customer_id"] = "K000"
    b2b.loc[5, "active"] = "ask Mr Miller"
    survey = ds.load(b2b, schema="b2b_service", strict=False)
    with pytest.raises(DataError) as caught:
        ds.load(b2b, schema="b2b_service")
    for text in (str(caught.value), survey.issues().to_string(), repr(survey), survey.codebook().to_string()):
        assert "Schmidt" not in text
        assert "Miller" not in text
        assert "K000" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_file_lines_are_named(b2b: pd.DataFrame, tmp_path: Path) -> None:
    b2b.loc[2, "eds1"] = 9
    path = tmp_path / "survey.csv"
    b2b.to_csv(path, index=False)
    with pytest.raises(
        DataError, match=r"survey\.csv: 1 violation .*\n  eds1, row 3 \(line 4\): 9 is outside"
    ):
        ds.load(path, schema="b2b_service")


def test_repeated_header_is_an_error_not_a_silent_rename(b2b: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    b2b.rename(columns={"satr3": "eds1"}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"eds1: the header has this name more than once\. Rename or delete"):
        ds.load(path, schema="b2b_service")


def test_an_id_may_return_in_another_wave(b2b: pd.DataFrame) -> None:
    b2b["customer_id"] = [f"K{i % 30}" for i in range(60)]
    b2b["wave"] = [1.0] * 30 + [2.0] * 30
    survey = ds.load(b2b, schema="b2b_service")
    assert set(survey.analysis_frame().data["wave"]) == {"1", "2"}
    b2b.loc[0, "wave"] = 2.0
    assert [i.row for i in ds.load(b2b, schema="b2b_service", strict=False).errors] == [1, 31]


def test_identical_columns_and_unknown_columns_are_warnings(b2b: pd.DataFrame) -> None:
    b2b["sato2"] = b2b["sato1"]
    b2b["region"] = "north"
    issues = ds.load(b2b, schema="b2b_service").issues()
    assert "the same answers as sato1 in every row" in set(issues.message)
    assert "columns the schema does not know: region" in set(issues.message)
    assert set(issues.severity) == {"warning"}


def test_constant_service_record_is_only_a_warning(b2b: pd.DataFrame) -> None:
    b2b["commission_rate"] = 5.0
    issues = ds.load(b2b, schema="b2b_service").issues()
    assert list(issues[issues.column == "commission_rate"].severity) == ["warning"]


def test_survey_of_another_schema_is_refused_naming_the_fitting_one(b2b: pd.DataFrame) -> None:
    with pytest.raises(DataError) as caught:
        ds.load(b2b, schema="ecsi_mobile")
    assert "it has 0 of the 13 columns that one must have (CUSA1, " in str(caught.value)
    assert "It fits schema 'b2b_service' (100% of its columns)" in str(caught.value)
    with pytest.raises(DataError, match="Pass the schema of this survey"):
        ds.load(pd.DataFrame({"a": [1.0, 2.0]}), schema="ecsi_mobile")


def test_frame_without_rows() -> None:
    with pytest.raises(DataError, match="data frame has 1 columns but no rows"):
        ds.load(pd.DataFrame({"a": []}))
