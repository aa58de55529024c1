"""A maker of small notebooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = """from typing import Optional

size: int = 3  # how many
share: float = 0.5
name: Optional[str] = None
out: Optional[str] = None"""
GUARD = "from sem_models import runs\n\nruns.guard(globals())"

MakeNotebook = Callable[..., Path]


@pytest.fixture
def make_notebook(tmp_path: Path) -> MakeNotebook:
    """Writes `question.ipynb`: a parameters cell, the guard, and the given code cells."""

    def make(*cells: str, parameters: str = PARAMETERS, path: Path = tmp_path / "question.ipynb") -> Path:
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        notebook = new_notebook(metadata={"kernelspec": kernel})
        notebook.cells = [
            new_markdown_cell("# A question"),
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            new_code_cell(GUARD),
            *map(new_code_cell, cells),
        ]
        nbformat.write(notebook, path)
        return path

    return make
