"""From the cells as collected to the frame analyzed: codes, reasons, reversed items, labels, privacy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_schemas as ds
from data_schemas.table import tidy

SCHEMA = ds.Schema.from_mapping(
    {
        "name": "small",
        "missingValues": [
            "",
            {"value": "-99", "label": "refused"},
            {"value": "n/a", "label": "Not applicable"},
        ],
        "fields": [
            {"name": "x", "type": "integer", "construct": "X", "constraints": {"minimum": 1, "maximum": 7},
             "missingValues": [{"value": "-98", "label": "not asked"}]},
            {"name": "y", "type": "integer", "reversed": True, "constraints": {"minimum": 1, "maximum": 7},
             "categories": [{"value": "1", "label": "Strongly disagree"},
                            {"value": "7", "label": "Strongly agree"}]},
            {"name": "g", "type": "integer", "role": "group", "optional": True,
             "categories": [{"value": "1", "label": "prepaid"}, {"value": "2", "label": "contract"}]},
            {"name": "id", "type": "string", "role": "id", "optional": True},
        ],
    }
)  # fmt: skip

CSV = """id,x,y,g,extra
001,5,Strongly agree,1,1.5
002,-99,2,2,2.5
003,-98,strongly disagree,1,
004,n/a,4,2,3
005,,-99,-99,4
006,1,6,,5
"""


@pytest.fixture
def survey(tmp_path: Path) -> ds.Survey:
    path = tmp_path / "small.csv"
    path.write_text(CSV, encoding="utf-8")
    return ds.load(path, schema=SCHEMA)


def test_analysis_frame_applies_codes_and_reverses(survey: ds.Survey) -> None:
    frame, _ = survey.analysis_frame()
    np.testing.assert_array_equal(frame["x"], [5, np.nan, np.nan, np.nan, np.nan, 1])
    np.testing.assert_array_equal(frame["y"], [1, 6, 7, 4, np.nan, 2])
    np.testing.assert_array_equal(frame["extra"], [1.5, 2.5, np.nan, 3, 4, 5])
    assert [frame[name].dtype for name in ("x", "y", "extra")] == [np.float64] * 3
    assert list(frame["g"].dropna()) == ["prepaid", "contract", "prepaid", "contract"]
    assert list(frame["id"]) == ["001", "002", "003", "004", "005", "006"]


def test_reasons_stay_apart(survey: ds.Survey) -> None:
    reasons = survey.analysis_frame().reasons
    counts = {(r.column, r.reason): r.n for r in reasons.itertuples()}
    assert counts == {
        ("x", "refused"): 1,
        ("x", "not asked"): 1,
        ("x", "not applicable"): 1,
        ("x", "system missing"): 1,
        ("y", "refused"): 1,
        ("g", "refused"): 1,
        ("g", "system missing"): 1,
        ("extra", "system missing"): 1,
    }


def test_data_are_as_collected_and_out_of_reach(survey: ds.Survey) -> None:
    data = survey.data
    assert list(data["x"]) == [5.0, -99.0, -98.0, "n/a", None, 1.0]
    data.loc[0, "y"] = "changed"
    assert survey.data.loc[0, "y"] == "Strongly agree"
    with pytest.raises(AttributeError):
        survey.name = "other"  # type: ignore[misc]


def test_file_declared_codes_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "small.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"x": [1.0, -5.0, -4.0, 3.0], "y": [2.0, 3.0, 4.0, 5.0], "g": [1.0, 2.0, 9.0, 1.0]}),
        str(path),
        variable_value_labels={"x": {-5: "Don't know"}, "g": {9: "No plan"}},
        missing_ranges={"x": [{"lo": -5, "hi": -4}], "g": [{"lo": 9, "hi": 9}]},
    )
    frame, reasons = ds.load(path, schema=SCHEMA).analysis_frame()
    np.testing.assert_array_equal(frame["x"], [1, np.nan, np.nan, 3])
    assert set(zip(reasons.column, reasons.reason, strict=True)) == {
        ("x", "don't know"),
        ("x", "code -4"),
        ("g", "no plan"),
    }


def test_stata_letters_become_reasons(tmp_path: Path) -> None:
    path = tmp_path / "small.dta"
    pyreadstat.write_dta(
        pd.DataFrame({"x": [1.0, "a", "b", 4.0, np.nan], "y": [1.0, 2.0, 3.0, 4.0, 5.0]}),
        str(path),
        missing_user_values={"x": ["a", "b"]},
        variable_value_labels={"x": {"a": "Refused"}},
    )
    frame, reasons = ds.load(path, schema=SCHEMA).analysis_frame()
    np.testing.assert_array_equal(frame["x"], [1, np.nan, np.nan, 4, np.nan])
    assert set(reasons.reason) == {"refused", "code b", "system missing"}


def test_unreadable_text_is_a_reason_when_not_strict() -> None:
    frame = pd.DataFrame({"x": [1.0, "hm", 3.0], "y": [1.0, 2.0, 3.0]})
    reasons = ds.load(frame, schema=SCHEMA, strict=False).analysis_frame().reasons
    assert reasons.values.tolist() == [["x", "unreadable text", 1]]


def test_without_a_schema_columns_are_inferred() -> None:
    frame = pd.DataFrame(
        {
            "score": [1.0, 2.0, 3.0, 4.0, 5.0, -99.0],
            "plan": ["a", "b", "a", "b", "a", "b"],
            "case_id": ["p", "q", "r", "s", "t", "u"],
        }
    )
    survey = ds.load(frame)
    assert [(c.name, c.role) for c in survey.schema.fields] == [
        ("score", "item"),
        ("plan", "group"),
        ("case_id", "id"),
    ]
    assert "-99 is far outside the other answers" in set(survey.issues().message)


def test_nullable_and_categorical_frames_become_float_and_text() -> None:
    frame = pd.DataFrame(
        {
            "a": pd.array([1, None, 3], dtype="Int64"),
            "b": pd.array([1.5, 2.5, None], dtype="Float64"),
            "c": pd.Categorical(["u", None, "v"]),
            "d": [True, False, True],
        },
        index=[7, 7, 9],
    )
    data = ds.load(frame).analysis_frame().data
    assert [str(data[name].dtype) for name in "abd"] == ["float64"] * 3
    np.testing.assert_array_equal(data["a"], [1, np.nan, 3])
    assert list(data["c"].dropna()) == ["u", "v"]
    assert list(data.index) == [0, 1, 2]


def test_codebook_counts_reasons_and_hides_small_cells(b2b: pd.DataFrame) -> None:
    b2b["active"] = ["active"] * 57 + ["inactive"] * 3
    b2b.loc[:1, "eds1"] = -99
    b2b.loc[2, "eds1"] = None
    b2b["tenure_years"] = [1.0] * 30 + [2.0] * 29 + [41.5]
    book = ds.load(b2b, schema="b2b_service").codebook().set_index("name")
    assert book.loc["eds1", ["n", "refused", "system missing"]].tolist() == [57, 2, 1]
    assert book.loc["eds1", ["construct", "scale", "source"]].tolist() == ["EDS", "1–7", "survey"]
    assert book.loc["active", "categories"] == "active 57, 1 with fewer than 5"
    assert book.loc["tenure_years", "min"] == 1.0
    assert np.isnan(book.loc["tenure_years", "max"])
    assert book.loc["customer_id", "categories"] == ""


def test_nothing_printed_shows_a_row(b2b: pd.DataFrame) -> None:
    survey = ds.load(b2b, schema="b2b_service")
    frame = survey.analysis_frame()
    shown = [repr(survey), survey._repr_html_(), repr(frame), str(frame), survey.codebook().to_string()]
    for text in shown:
        assert not any(f"K{i:03d}" in text for i in range(60))
        assert "manager 1" not in text
    assert "60" in repr(survey)
    assert "SAT_REP" in survey._repr_html_()


def test_hash_follows_the_content_not_the_format(b2b: pd.DataFrame, tmp_path: Path) -> None:
    b2b.loc[3, "eds2"] = None
    b2b.to_csv(tmp_path / "a.csv", index=False)
    b2b.to_excel(tmp_path / "a.xlsx", index=False)
    hashes = {ds.load(tmp_path / name, schema="b2b_service").hash for name in ("a.csv", "a.xlsx")}
    assert hashes == {ds.load(b2b, schema="b2b_service").hash}
    b2b.loc[3, "eds3"] = 8 - float(b2b.loc[3, "eds3"]) + (b2b.loc[3, "eds3"] == 4)
    assert ds.load(b2b, schema="b2b_service").hash not in hashes


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_tidy_reads_back_what_it_is_given_as_text(values: list[float | None]) -> None:
    cells = ["" if v is None else repr(v) for v in values]
    if all(v is None or abs(v) < 2**53 for v in values):
        expected = [np.nan if v is None else v for v in values]
        np.testing.assert_array_equal(tidy(cells).astype(float), expected)


def test_import_is_light_and_names_are_public() -> None:
    code = "import sys, data_schemas as ds; print('pandas' in sys.modules, *dir(ds)); ds.nothing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["False", "AnalysisFrame", "Schema", "Survey", "load", "names"]
    assert "module 'data_schemas' has no attribute 'nothing'" in run.stderr
