"""Every format gives the same table, and every unreadable file one clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from data_schemas.readers import read
from data_schemas.table import UserMissing
from sem_models.errors import DataError

FRAME = pd.DataFrame({"x": [1.0, 2.5, np.nan, 4.0], "g": ["é", "b", "c", None]})


def _write(path: Path) -> None:
    match path.suffix:
        case ".csv":
            FRAME.to_csv(path, index=False)
        case ".tsv":
            FRAME.to_csv(path, index=False, sep="\t")
        case ".xlsx":
            FRAME.to_excel(path, index=False)
        case ".parquet":
            FRAME.to_parquet(path)
        case ".sav":
            pyreadstat.write_sav(FRAME, str(path))
        case ".zsav":
            pyreadstat.write_sav(FRAME, str(path), compress=True)
        case ".dta":
            pyreadstat.write_dta(FRAME, str(path))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx", ".parquet", ".sav", ".zsav", ".dta"])
def test_formats_agree(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"survey{suffix}"
    _write(path)
    data = read(path).data
    assert data["x"].dtype == np.float64
    np.testing.assert_array_equal(data["x"], FRAME["x"])
    assert list(data["g"]) == ["é", "b", "c", None]


def test_rows_of_empty_cells_count_unless_they_end_the_file(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("a,b\n1,2\n,\n3,4\n,\n,\n", encoding="utf-8")
    table = read(path)
    np.testing.assert_array_equal(table.data["a"], [1, np.nan, 3])
    assert table.lines == (2, 3, 4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "survey.csv"
    path.write_bytes("größe;g\n1;é\n2;ü\n".encode(encoding))
    table = read(path)
    assert list(table.data.columns) == ["größe", "g"]
    assert list(table.data["g"]) == ["é", "ü"]
    assert any("Windows-1252" in note for note in table.notes) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,4\n", [1, 3]),
        ("a;b\n1,5;2\n3;4,25\n", [1.5, 3]),
        ("a\tb\n1.5\tx, y\n3\tz\n", [1.5, 3]),
        ("a|b\n1|2\n3|4\n", [1, 3]),
        ("a\n1\n3\n", [1, 3]),
        ('a,b\r\n1,"two\r\nlines"\r\n3,x\r\n', [1, 3]),
    ],
)
def test_delimiters_and_decimal_commas(tmp_path: Path, text: str, expected: list[float]) -> None:
    path = tmp_path / "survey.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert list(read(path).data["a"]) == expected


def test_lines_count_blank_lines_and_cells_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text('a,b\n1,"two\nlines"\n\n3,x\n', encoding="utf-8")
    table = read(path)
    assert table.lines == (2, 5)
    assert table.line(2) == 5


def test_leading_zeros_and_long_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("id,long,x\n007,12345678901234567890,0.5\n012,2,07.5\n", encoding="utf-8")
    data = read(path).data
    assert list(data["id"]) == ["007", "012"]
    assert data["long"].iloc[0] == "12345678901234567890"
    assert list(data["x"]) == [0.5, 7.5]


def test_words_that_python_takes_for_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("a,b\n1_0,inf\n2,1\n", encoding="utf-8")
    data = read(path).data
    assert list(data["a"]) == ["1_0", 2.0]
    assert list(data["b"]) == ["inf", 1.0]


def test_repeated_header_names_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "survey.csv"
    path.write_text("a,b,a,\n1,2,3,4\n", encoding="utf-8")
    table = read(path)
    assert list(table.data.columns) == ["a", "b", "a (2)", "column 4"]
    assert table.repeated == ("a",)


def test_qualtrics_export(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        'ResponseId,eds1\n'
        'Response ID,"Our contact person\nknows our business"\n'
        '"{""ImportId"":""_recordId""}","{""ImportId"":""QID1""}"\n'
        "R_1,7\nR_2,\n",
        encoding="utf-8",
    )  # fmt: skip
    table = read(path)
    assert list(table.data["ResponseId"]) == ["R_1", "R_2"]
    np.testing.assert_array_equal(table.data["eds1"], [7.0, np.nan])
    assert table.titles["eds1"] == "Our contact person knows our business"
    assert table.lines == (5, 6)
    assert any("Qualtrics" in note for note in table.notes)


def test_spss_keeps_user_missing_codes_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "survey.sav"
    pyreadstat.write_sav(
        pd.DataFrame({"x": [1.0, -99.0, -97.0, np.nan]}),
        str(path),
        column_labels={"x": "A question"},
        variable_value_labels={"x": {1: "low", -99: "Refused"}},
        missing_ranges={"x": [{"lo": -99, "hi": -97}]},
    )
    table = read(path)
    np.testing.assert_array_equal(table.data["x"], [1.0, -99.0, -97.0, np.nan])
    assert table.user_missing == {"x": (UserMissing(-99.0, -97.0),)}
    assert table.value_labels["x"] == {1.0: "low", -99.0: "Refused"}
    assert table.titles == {"x": "A question"}


def test_stata_keeps_extended_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "survey.dta"
    pyreadstat.write_dta(
        pd.DataFrame({"x": [1.0, "a", np.nan]}),
        str(path),
        missing_user_values={"x": ["a"]},
        variable_value_labels={"x": {"a": "refused"}},
    )
    table = read(path)
    assert list(table.data["x"]) == [1.0, "a", None]
    assert table.value_labels["x"] == {"a": "refused"}


def test_excel_reads_the_first_filled_sheet_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "survey.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="cover", index=False)
        FRAME.to_excel(book, sheet_name="answers", index=False, startrow=2)
        FRAME.to_excel(book, sheet_name="old", index=False)
    table = read(path)
    assert table.lines == (4, 5, 6, 7)
    assert table.notes == ("read sheet 'answers', not: old",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", r"empty\.csv is empty \(0 bytes\)"),
        ("blank.csv", b"\n\n", r"blank\.csv is empty: it has no header row"),
        ("header.csv", b"a,b\n", r"has a header but no rows"),
        ("ragged.csv", b"a,b\n1,2,3\n4,5\n6\n", r"header has 2 columns, but line 2 has 3, line 4 has 1"),
        ("quote.csv", b'a,b\n1,"2\n3,4\n', r"quote\.csv, line 2: the quotation marks do not match up"),
        ("enc.csv", b"a,b\n1,\x81\n", r"unknown encoding: line 2"),
        ("utf16.csv", b"\xff\xfea\x00,", r"unknown encoding"),
        ("binary.csv", b"PK\x00\x00", r"is not a text file"),
        ("bad.sav", b"hello", r"bad\.sav is not a readable SPSS file"),
        ("bad.dta", b"hello", r"bad\.dta is not a readable Stata file"),
        ("bad.xlsx", b"hello", r"bad\.xlsx is not a readable Excel workbook"),
        ("bad.parquet", b"hello", r"bad\.parquet is not a readable Parquet file"),
        ("survey.doc", b"hello", r"extension '\.doc' is not one a survey is read from.*\.csv"),
    ],
)
def test_unreadable_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_empty_workbook(tmp_path: Path) -> None:
    pd.DataFrame().to_excel(tmp_path / "empty.xlsx", index=False)
    with pytest.raises(DataError, match="no sheet has a filled cell"):
        read(tmp_path / "empty.xlsx")


def test_missing_file_offers_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "survey.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"there is no file .*survy\.csv\. Did you mean 'survey\.csv'"):
        read(tmp_path / "survy.csv")
    with pytest.raises(DataError, match="does not exist either"):
        read(tmp_path / "nowhere" / "survey.csv")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "survey.csv").touch()
    with pytest.raises(DataError, match=r"is a folder, not a survey file\. It holds: survey\.csv"):
        read(tmp_path)
