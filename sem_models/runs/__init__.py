"""Notebooks as typed, checked, recorded runs: `run`, `guard`, `data_file`, `read_parameters`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sem_models.runs.data import DataFile, data_file
    from sem_models.runs.injection import guard
    from sem_models.runs.notebook import NotebookError, RunResult, run
    from sem_models.runs.parameters import Parameter, read_parameters

__all__ = [
    "DataFile",
    "NotebookError",
    "Parameter",
    "RunResult",
    "data_file",
    "guard",
    "read_parameters",
    "run",
]

_HOME = {
    "DataFile": "data",
    "NotebookError": "notebook",
    "Parameter": "parameters",
    "RunResult": "notebook",
    "data_file": "data",
    "guard": "injection",
    "read_parameters": "parameters",
    "run": "notebook",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that nothing heavy is loaded before."""
    if name not in _HOME:
        raise AttributeError(f"module 'sem_models.runs' has no attribute '{name}'")
    value: object = getattr(import_module(f"sem_models.runs.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
