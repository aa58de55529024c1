"""The guard: undeclared parameters are refused however the notebook is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from sem_models.errors import SpecError
from sem_models.runs.injection import guard, injected

DECLARED = "from typing import Optional\n\nn: int = 1\nname: Optional[str] = None"
GUARD = "runs.guard(globals())"


@pytest.mark.parametrize(
    ("cells", "given"),
    [
        # papermill: parameters, then what was given
        (["", DECLARED, "# Parameters\nn = 2\n", GUARD], {"n": 2}),
        (
            ["", DECLARED, '# Parameters\nn = -1\nname = "# Parameters"\n', GUARD],
            {"n": -1, "name": "# Parameters"},
        ),
        (["", DECLARED, '# Parameters\nn = float("nan")\n', GUARD], {"n": float}),
        # JupyterLab: nothing given; a cell run twice; cells run out of order; an executed copy opened again
        (["", DECLARED, GUARD], {}),
        (["", DECLARED, "# Parameters\nn = 2", "# Parameters\nn = 3", GUARD], {"n": 3}),
        (["", DECLARED, "print(n)", "%time 1", "# Parameters\nn = 2", GUARD], {"n": 2}),
        (["", "# Parameters\nn = 2", GUARD], {}),
        (["", "print(1)", "# Parameters\nn = 2", GUARD], {}),
        ([], {}),
    ],
)
def test_given_values_are_told_from_declared_ones(cells: list[str], given: dict[str, Any]) -> None:
    found, source = injected(cells)
    assert found.keys() == given.keys()
    assert all(isinstance(v, given[k]) if given[k] is float else v == given[k] for k, v in found.items())
    assert source == (DECLARED if given else "")


def test_guard_refuses_undeclared_names_and_wrong_types() -> None:
    with pytest.raises(SpecError, match=r"has no parameter 'nam'.\n  Did you mean 'name'"):
        guard({"In": ["", DECLARED, '# Parameters\nnam = "x"', GUARD]})
    with pytest.raises(SpecError, match="'n' must be a whole number"):
        guard({"In": ["", DECLARED, '# Parameters\nn = "x"', GUARD]})


def test_guard_lets_scripts_and_declared_values_pass() -> None:
    guard({})
    guard({"In": ["", DECLARED, "# Parameters\nn = 2", GUARD]})


def test_papermill_itself_stops_before_anything_runs(make_notebook: Any, tmp_path: Path) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    source, target = make_notebook("print('it ran')"), tmp_path / "executed.ipynb"
    with pytest.raises(PapermillExecutionError, match="has no parameter 'sise'") as caught:
        papermill.execute_notebook(str(source), str(target), parameters={"sise": 4}, progress_bar=False)
    assert caught.value.ename == "SpecError"
    assert "Did you mean 'size'?" in caught.value.evalue
    # The message alone, no traceback through the toolkit.
    assert "Traceback" not in str(caught.value)
    assert str(Path(__file__).resolve().parents[2]) not in str(caught.value)
    assert "it ran" not in "".join(
        str(cell.get("outputs")) for cell in nbformat.read(target, as_version=4).cells
    )


def test_papermill_itself_runs_declared_parameters(make_notebook: Any, tmp_path: Path) -> None:
    import papermill

    source, target = make_notebook("print(size, name)"), tmp_path / "executed.ipynb"
    given = {"size": 4, "name": "x"}
    executed = papermill.execute_notebook(str(source), str(target), parameters=given, progress_bar=False)
    assert executed.cells[-1].outputs[0].text == "4 x\n"


def test_a_notebook_run_as_it_stands_is_let_through(make_notebook: Any) -> None:
    """What JupyterLab does with "run all": every cell in order, nothing injected."""
    from nbclient import NotebookClient

    notebook = nbformat.read(make_notebook("print(size)"), as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert notebook.cells[-1].outputs[0].text == "3\n"
