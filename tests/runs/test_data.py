"""Data files: found, readable, simulated or not."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from sem_models import examples
from sem_models.errors import DataError
from sem_models.runs.data import data_file


def test_relative_path_is_found_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = data_file("my.csv")
    assert found.path == tmp_path / "my.csv"
    assert not found.simulated
    assert str(found) == found._repr_markdown_() == "Survey file: my.csv"
    assert found.sha256() == hashlib.sha256(b"a,b\n1,2\n").hexdigest()


def test_example_says_that_it_is_simulated() -> None:
    found = data_file("example")
    assert found.path == examples.path()
    assert found.simulated
    assert "simulated" in str(found)
    assert "simulated" in found._repr_markdown_()


@pytest.mark.parametrize("kind", ["csv", "sav"])
def test_copy_of_the_example_is_still_simulated(tmp_path: Path, kind: str) -> None:
    copy = tmp_path / f"customers.{kind}"
    shutil.copy(examples.path(kind=kind), copy)
    assert data_file(copy).simulated
    with copy.open("ab") as stream:
        stream.write(b"\n")
    assert not data_file(copy).simulated


def test_missing_file_comes_with_the_near_match(tmp_path: Path) -> None:
    (tmp_path / "survey_2024.csv").touch()
    with pytest.raises(DataError) as caught:
        data_file(tmp_path / "survy_2024.csv")
    assert "There is no data file" in str(caught.value)
    assert "Did you mean 'survey_2024.csv'?" in str(caught.value)
    with pytest.raises(DataError, match="That folder does not exist"):
        data_file(tmp_path / "no" / "survey.csv")


def test_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        data_file(tmp_path)


def test_file_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.csv"
    path.touch()

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "denied", os.fspath(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot be opened.\n  Close it in other programs"):
        data_file(path)
