"""Runs: refused before they start, executed, recorded, and kept when they fail."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sem_models.errors import DataError, SpecError
from sem_models.runs import NotebookError, run
from sem_models.runs.notebook import plan, writable

WORK = """from pathlib import Path

if out is not None:
    (Path(out) / "tables").mkdir(exist_ok=True)
    (Path(out) / "tables" / "sizes.csv").write_text("size")"""
SHOW = "from IPython.display import HTML, display\n\ndisplay(HTML(f'<b>{size}</b>'))"
DATA = "data: str = 'example'\nout: str = ''"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "a study"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sise": 4}, "The notebook question.ipynb has no parameter 'sise'.\n  Did you mean 'size'?"),
        ({"size": "x"}, "parameter 'size' must be a whole number, not 'x'"),
    ],
)
def test_parameters_are_checked_first(
    make_notebook: Any, out: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        run(make_notebook(), given, out)
    assert words in str(caught.value)
    assert not out.exists()


def test_absent_data_file_is_refused_first(make_notebook: Any, out: Path, tmp_path: Path) -> None:
    (tmp_path / "survey.csv").touch()
    with pytest.raises(DataError, match=r"Did you mean 'survey.csv'"):
        run(make_notebook(parameters=DATA), {"data": str(tmp_path / "survei.csv")}, out)
    assert not out.exists()


def test_absent_notebook_is_refused(tmp_path: Path, out: Path) -> None:
    with pytest.raises(DataError, match=r"There is no notebook '.*none\.ipynb'"):
        run(tmp_path / "none.ipynb", {}, out)


def test_output_folder_that_cannot_be_written(make_notebook: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(DataError) as caught:
            run(make_notebook(), {}, folder)
        assert "Cannot write to the output folder" in str(caught.value)
        assert "a file stands in its way" in str(caught.value)
        assert "--out" in str(caught.value)


def test_output_folder_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DataError, match=r"permission denied.\n  Choose another folder"):
        writable(tmp_path)


def test_notebook_is_never_overwritten_by_its_run(make_notebook: Any) -> None:
    path = make_notebook()
    with pytest.raises(SpecError, match="would overwrite its own notebook"):
        run(path, {}, path.parent)


def test_paths_of_a_plan_are_absolute(
    make_notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").touch()
    ready = plan(make_notebook(parameters=DATA).name, {"data": "my.csv", "out": "tables"}, "runs")
    assert ready.values == {"data": str(tmp_path / "my.csv"), "out": str(tmp_path / "tables")}
    assert ready.target == tmp_path / "runs" / "question.ipynb"
    ready = plan("question.ipynb", {}, "runs")
    assert ready.values == {"out": str(tmp_path / "runs")}
    assert ready.resolved == {"data": "example", "out": str(tmp_path / "runs")}
    assert ready.data is not None
    assert ready.data.simulated


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # papermill takes paths as templates, so braces are worth trying.
    return tmp_path_factory.mktemp("a {study}")


def test_run_writes_notebook_page_record_and_what_the_notebook_saved(
    make_notebook: Any, module_folder: Path
) -> None:
    source = make_notebook(WORK, SHOW, path=module_folder / "question.v2.ipynb")
    before = source.read_bytes()
    result = run(source, {"size": "4"}, module_folder / "out")
    folder = module_folder / "out"
    assert result.notebook == folder / "question.v2.ipynb"
    assert result.folder == folder
    names = ["question.v2.html", "question.v2.ipynb", "question.v2.run.json", "tables/sizes.csv"]
    assert [p.relative_to(folder).as_posix() for p in result.outputs] == names
    assert source.read_bytes() == before

    executed = nbformat.read(result.notebook, as_version=4)
    assert executed.cells[-1].outputs[0].data["text/html"] == "<b>4</b>"

    page = (folder / "question.v2.html").read_text(encoding="utf-8")
    assert "<b>4</b>" in page
    assert "size: 4" in page
    assert "display(HTML" not in page
    for text in (page, result.notebook.read_text(encoding="utf-8")):
        assert not re.search(r"https?:", text)
    assert "<script" not in page

    record = json.loads((folder / "question.v2.run.json").read_text(encoding="utf-8"))
    assert record["status"] == "completed"
    assert record["error"] is None
    assert record["parameters"] == {"size": 4, "share": 0.5, "name": None, "out": str(folder)}
    assert record["data"] is None
    assert record["versions"].keys() >= {"sem_models", "python", "numpy", "pandas"}
    assert record["seconds"] > 0
    assert len(record["seconds_by_cell"]) == 5


def test_only_what_this_run_wrote_is_listed(make_notebook: Any, module_folder: Path) -> None:
    (module_folder / "second" / "tables").mkdir(parents=True)
    (module_folder / "second" / "tables" / "old.csv").touch()
    result = run(make_notebook(), {}, module_folder / "second")
    assert [p.name for p in result.outputs] == ["question.html", "question.ipynb", "question.run.json"]


def test_error_of_the_toolkit_comes_back_as_itself(make_notebook: Any, out: Path) -> None:
    source = make_notebook(
        "print('before')",
        "from sem_models.errors import DataError\nraise DataError('no such column.\\n  Name another.')",
        "print('after')",
    )
    with pytest.raises(DataError) as caught:
        run(source, {}, out)
    lines = str(caught.value).splitlines()
    assert lines[:2] == ["no such column.", "  Name another."]
    assert str(out / "question.ipynb") in lines[2]
    kept = (out / "question.ipynb").read_text(encoding="utf-8")
    assert "before" in kept
    assert "Traceback" not in kept
    assert not [c for c in nbformat.reads(kept, 4).cells[-1].outputs if c.get("text") == "after\n"]
    record = json.loads((out / "question.run.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"
    assert record["error"].startswith("DataError: no such column.")
    assert not (out / "question.html").exists()


def test_unexpected_error_names_its_cell_and_the_notebook_kept(make_notebook: Any, out: Path) -> None:
    with pytest.raises(NotebookError) as caught:
        run(make_notebook("{'C0001': 1}['C0002']"), {}, out)
    assert "question.ipynb stopped at In [4] with an unexpected KeyError" in str(caught.value)
    assert "C0002" not in str(caught.value)
    assert "KeyError" in (out / "question.ipynb").read_text(encoding="utf-8")


def test_process_that_dies_is_reported(make_notebook: Any, out: Path) -> None:
    with pytest.raises(NotebookError, match="did not start, or ended by itself"):
        run(make_notebook("import os\n\nos._exit(1)"), {}, out)
    assert (out / "question.ipynb").is_file()
    assert json.loads((out / "question.run.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_record_has_the_hash_of_the_data_and_no_values(make_notebook: Any, out: Path, tmp_path: Path) -> None:
    survey = tmp_path / "survey.csv"
    survey.write_text("id,eds1\nC-99120,6\n", encoding="utf-8")
    run(make_notebook(parameters=DATA), {"data": str(survey)}, out)
    text = (out / "question.run.json").read_text(encoding="utf-8")
    data = json.loads(text)["data"]
    digest = hashlib.sha256(survey.read_bytes()).hexdigest()
    assert data == {"file": "survey.csv", "sha256": digest, "simulated": False}
    assert "99120" not in text
    assert "survey.csv" in (out / "question.html").read_text(encoding="utf-8")
    assert str(tmp_path) not in (out / "question.html").read_text(encoding="utf-8")


def test_cells_about_cells_are_left_out_of_the_page(make_notebook: Any, out: Path) -> None:
    path = make_notebook()
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = ["lab-only"]
    nbformat.write(notebook, path)
    run(path, {}, out)
    assert "A question" not in (out / "question.html").read_text(encoding="utf-8")


def test_kernel_is_this_interpreter(make_notebook: Any, out: Path) -> None:
    import sys

    run(make_notebook("import sys\n\nprint(sys.executable)"), {}, out)
    executed = nbformat.read(out / "question.ipynb", as_version=4)
    assert executed.cells[-1].outputs[0].text.strip() == sys.executable
