"""Findings as sections, and sections as notebooks, files and one HTML page. `Study`, `Section`, `Table`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sem_models.reports.section import Section
    from sem_models.reports.study import Study, Written
    from sem_models.reports.tables import Table

__all__ = ["Section", "Study", "Table", "Written"]

_HOME = {"Section": "section", "Study": "study", "Table": "tables", "Written": "study"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'sem_models.reports' has no attribute '{name}'")
    return getattr(import_module(f"sem_models.reports.{_HOME[name]}"), name)
