"""`guard`: the first line a notebook runs after its parameters, however it was started."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from sem_models.runs.parameters import assigned, check, declared

INJECTED = "# Parameters"
"""How papermill begins the cell of given values that it puts right after the parameters cell."""


def guard(namespace: Mapping[str, Any]) -> None:
    """Refuse parameters that the notebook does not declare, or of a wrong type, before anything runs.

    papermill only warns of them, and goes on with the default. `namespace` is the notebook's `globals()`,
    whose `In` holds the cells run so far. Without given values (JupyterLab, a plain script) nothing is
    refused.

    Raises SpecError.
    """
    cells: Sequence[str] = namespace.get("In", ())
    given, source = injected(cells)
    if given:
        check(declared(source), given, where="This notebook")


def injected(cells: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The values papermill put in last, and the source of the parameters cell run before them."""
    at = max((i for i, cell in enumerate(cells) if _is_injected(cell)), default=0)
    for before in reversed(cells[:at]):
        if not _is_injected(before) and _is_declarations(before):
            return {name: _value(node) for name, node in assigned(cells[at]).items()}, before
    return {}, ""


def _is_injected(cell: str) -> bool:
    return cell.lstrip().startswith(INJECTED)


def _is_declarations(cell: str) -> bool:
    """Whether a cell holds assignments and nothing else, imports apart: what a parameters cell looks like."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    plain = (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)
    return bool(assigned(cell)) and all(isinstance(node, plain) for node in body)


def _value(node: ast.expr) -> Any:
    """A literal as its value; papermill writes infinities and NaN as calls, which are floats."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return float("nan")
