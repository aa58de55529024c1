"""Survey files in: schemas, readers, checks and codebook. `load`, `names`, `Schema`, `Survey`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_schemas.loading import load
    from data_schemas.schema import Schema, names
    from data_schemas.survey import AnalysisFrame, Survey

__all__ = ["AnalysisFrame", "Schema", "Survey", "load", "names"]

_HOME = {
    "AnalysisFrame": "survey",
    "Schema": "schema",
    "Survey": "survey",
    "load": "loading",
    "names": "schema",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `import data_schemas` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'data_schemas' has no attribute '{name}'")
    return getattr(import_module(f"data_schemas.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
