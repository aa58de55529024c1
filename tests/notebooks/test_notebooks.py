"""The shipped notebooks: thin, stripped, and executed through papermill on the simulated example."""

from __future__ import annotations

import ast
import csv
import re
from io import StringIO
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from sem_models import examples
from sem_models.cli import NOTEBOOKS
from sem_models.errors import SEMError
from sem_models.runs import RunResult, read_parameters, run
from sem_models.runs.notebook import plan

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SHARED_PARAMETERS = [
    "data", "model", "schema", "moderator", "reference_group", "estimator", "missing", "out",
]  # fmt: skip
OWN_PARAMETERS = {
    "02_measure_and_structure": [*SHARED_PARAMETERS[:-1], "treat_as", "out"],
    "03_moderation_by_activity": [*SHARED_PARAMETERS[:-1], "treat_as", "out"],
    "04_latent_moderation": [
        "data", "model", "schema", "interactions", "method", "estimator", "missing", "treat_as", "out",
    ],
    "05_visits_and_calls": ["data", "model", "schema", "method", "estimator", "missing", "out"],
    "06_scorecard": ["data", "model", "schema", "method", "estimator", "missing", "out"],
    "07_trade_off": [
        "data", "model", "schema", "moderator", "outcome", "takes", "gives", "costs", "target", "estimator",
        "missing", "out",
    ],
    "08_profiles": [
        "data", "model", "schema", "method", "estimator", "missing", "levers", "rows", "ids", "out",
    ],
    "09_continuous_activity": [
        "data", "model", "schema", "moderator", "outcome", "predictor", "h", "draws", "estimator", "missing",
        "out",
    ],
    "10_servuction": [
        "data", "model", "schema", "estimator", "missing", "mentions", "provider", "out",
    ],
    "11_priorities_and_necessity": [
        "data", "model", "schema", "target", "investment", "estimator", "missing", "out",
    ],
    "12_replication": [
        "data", "model", "schema", "studies", "published", "estimator", "missing", "out",
    ],
}  # fmt: skip
DEFAULTS = {
    "data": "example", "model": "b2b_service", "schema": None, "moderator": "active",
    "reference_group": None, "interactions": "EDS:ACT", "method": "dblcent", "estimator": "MLR",
    "missing": "fiml", "out": None, "outcome": "PV", "takes": "EDS", "gives": "OPS", "costs": None,
    "target": None, "levers": "onsite_visits", "rows": None, "ids": None, "studies": "active",
    "published": None, "mentions": None, "provider": None, "investment": None, "treat_as": "continuous",
}  # fmt: skip
OWN_DEFAULTS = {
    "09_continuous_activity": {"moderator": "ACT", "predictor": "EDS", "h": "2", "draws": "200"},
    "10_servuction": {"data": "example:servuction", "model": "servuction"},
    "11_priorities_and_necessity": {"target": "BI"},
}
# Settings of a run whose defaults take longer than a test should.
FEWER = {"09_continuous_activity": {"draws": "40"}}
# A namespace is a name, not an address that is visited.
NAMESPACE = "http://www.w3.org/2000/svg"
# Answers of one customer side by side that would give the row away.
RUN_OF_ANSWERS = 8


def _notebook(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_every_notebook_is_known() -> None:
    assert sorted(p.stem for p in FOLDER.glob("*.ipynb")) == list(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_thin_and_stripped(name: str) -> None:
    notebook = _notebook(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
        heavy = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, heavy)]
        assert len(cell.source.splitlines()) <= 10 or "parameters" in cell.metadata.get("tags", [])
    assert [c.metadata.get("tags") for c in code].count(["parameters"]) == 1
    assert code[0].metadata.tags == ["parameters"]
    assert "runs.guard(globals())" in code[1].source
    assert "http" not in (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len([c for c in notebook.cells if c.cell_type == "markdown"]) >= len(code) - 1


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_parameters_have_types_defaults_and_help(name: str) -> None:
    parameters = read_parameters(FOLDER / f"{name}.ipynb")
    names = OWN_PARAMETERS.get(name, SHARED_PARAMETERS)
    assert [p.name for p in parameters] == names
    assert all(p.type == "str" and p.help for p in parameters)
    assert {p.name: p.default for p in parameters} == {
        n: (DEFAULTS | OWN_DEFAULTS.get(name, {}))[n] for n in names
    }
    assert "simulated" in parameters[0].help


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_papermill_sees_the_same_parameters(name: str) -> None:
    import papermill

    found = list(papermill.inspect_notebook(FOLDER / f"{name}.ipynb"))
    assert found == OWN_PARAMETERS.get(name, SHARED_PARAMETERS)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    """All of them on the example, with the smaller of the two models."""
    out = tmp_path_factory.mktemp("executed")
    core = {"model": "b2b_service_core"}
    runs = {}
    for name in NOTEBOOKS:
        given = {} if "model" in OWN_DEFAULTS.get(name, {}) else {**core, **FEWER.get(name, {})}
        runs[name] = run(FOLDER / f"{name}.ipynb", given, out / name, progress=False)
    return runs


def _texts(executed: dict[str, RunResult]) -> dict[Path, str]:
    kinds = (".ipynb", ".html", ".json", ".csv", ".svg")
    return {
        p: p.read_text(encoding="utf-8") for r in executed.values() for p in r.outputs if p.suffix in kinds
    }


def _without_version(path: Path, text: str) -> str:
    """A table without the version of the rules, one digit that every line of a scorecard ends with."""
    if path.suffix != ".csv":
        return text
    table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    return str(table.drop(columns="rules", errors="ignore").to_csv(index=False))


def _own(executed: dict[str, RunResult]) -> dict[Path, str]:
    """The executed notebooks, their pages and records."""
    kinds = (".ipynb", ".html", ".json")
    return {p: t for p, t in _texts(executed).items() if p.suffix in kinds and p.parent.name != "charts"}


def test_executed_notebooks_have_results(executed: dict[str, RunResult]) -> None:
    for name, result in executed.items():
        cells = nbformat.read(result.notebook, as_version=4).cells
        kinds = [o.output_type for c in cells if c.cell_type == "code" for o in c.outputs]
        assert "error" not in kinds
        assert "stream" not in kinds, f"{name} prints warnings or noise"
        page = result.notebook.with_suffix(".html").read_text(encoding="utf-8")
        assert "<table" in page
        assert "simulated" in page
        assert "The next cell" not in page
        tables = [p for p in result.outputs if p.suffix == ".csv"]
        assert tables
    for name in NOTEBOOKS[1:]:
        page = executed[name].notebook.with_suffix(".html").read_text(encoding="utf-8")
        assert "<svg" in page or "image/svg+xml" in page
        charts = [p for p in executed[name].outputs if p.parent.name == "charts"]
        assert {p.suffix for p in charts} == {".html", ".svg", ".png"}


def test_no_web_address(executed: dict[str, RunResult]) -> None:
    for path, text in _own(executed).items():
        assert not re.findall(r"https?:.{0,40}", text.replace(NAMESPACE, "")), path.name


def test_no_customer_id_and_no_row(executed: dict[str, RunResult]) -> None:
    with examples.path().open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    items = [c for c in rows[0] if re.fullmatch(r"[a-z]+\d", c)]
    runs_of_answers = {
        tuple(answers[i : i + RUN_OF_ANSWERS])
        for answers in ([row[c] for c in items] for row in rows)
        for i in range(len(answers) - RUN_OF_ANSWERS + 1)
        if all(answers[i : i + RUN_OF_ANSWERS])
    }
    assert len(runs_of_answers) > 1000
    ids = {row[c] for row in rows for c in ("customer_id", "account_manager")}
    for path, text in _texts(executed).items():
        if path.parent.name == "charts" and path.suffix == ".html":
            continue  # the chart's script library; its data are those of the SVG beside it
        text = _without_version(path, text)
        words = set(re.findall(r"[A-Za-z]+\d+", text))
        assert not ids & words, path.name
        # Digits of answers, apart from each other by anything that is no digit or word.
        numbers = re.findall(r"(?<![\w.#-])\d(?![\w.%])", re.sub(r"<[^>]*>", " ", text))
        windows = {tuple(numbers[i : i + RUN_OF_ANSWERS]) for i in range(len(numbers) - RUN_OF_ANSWERS + 1)}
        assert not windows & runs_of_answers, path.name


def test_the_search_for_rows_would_find_one() -> None:
    numbers = re.findall(
        r"(?<![\w.#-])\d(?![\w.%])", re.sub(r"<[^>]*>", " ", "<td>6</td><td>6</td> 5, 6\n4 5 [5] 4")
    )
    assert numbers == list("66564554")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": "b2b_servic"}, "Did you mean 'b2b_service'"),
        ({"moderator": "activ"}, "Did you mean 'active'"),
        ({"reference_group": "actve"}, "Did you mean 'active'"),
        ({"estimator": "MLX"}, "estimator='MLX' is unknown"),
        ({"schema": "b2b"}, "b2b_service"),
    ],
)
def test_wrong_settings_stop_at_the_first_step(given: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        run(FOLDER / "03_moderation_by_activity.ipynb", given, tmp_path, progress=False)
    assert words in str(caught.value)
    executed = nbformat.read(tmp_path / "03_moderation_by_activity.ipynb", as_version=4)
    stopped = [c.source for c in executed.cells if c.metadata.get("papermill", {}).get("exception")]
    assert len(stopped) == 1
    assert "Study.open" in stopped[0]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_papermill_itself_is_refused_an_undeclared_parameter(name: str, tmp_path: Path) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    target = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError, match="has no parameter 'modle'") as caught:
        papermill.execute_notebook(
            str(FOLDER / f"{name}.ipynb"), str(target), parameters={"modle": "x"}, progress_bar=False
        )
    assert "guard" in caught.value.source
    assert "<table" not in target.read_text(encoding="utf-8")


def test_moderation_needs_a_moderator(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'moderator' must be text"):
        plan(FOLDER / "03_moderation_by_activity.ipynb", {"moderator": "None"}, tmp_path)


@pytest.mark.parametrize("name", [n for n, own in OWN_PARAMETERS.items() if "treat_as" in own])
def test_items_may_be_treated_as_ordered(name: str, tmp_path: Path) -> None:
    given = {"model": "b2b_service_core", "treat_as": "ordered"}
    result = run(FOLDER / f"{name}.ipynb", given, tmp_path / "run", progress=False)
    text = result.notebook.read_text(encoding="utf-8")
    assert "WLSMV" in text
    said = {
        "02": "As ordered, an answer is a category", "03": "merged with their neighbors",
        "04": "means of these items stand for them",
    }[name[:2]]  # fmt: skip
    assert said in text
    with pytest.raises(SEMError, match="treat_as"):
        run(FOLDER / f"{name}.ipynb", {**given, "treat_as": "numbers"}, tmp_path / "other", progress=False)
