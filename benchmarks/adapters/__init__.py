"""The rivals: name → function that fits a case a number of times and returns a `Run`."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.adapters import lavaan, native, semopy_default, semopy_tight
from benchmarks.cases import Case
from benchmarks.scoring import Run

Adapter = Callable[[Case, int], Run]

REFERENCE = "sem_models"
ADAPTERS: dict[str, Adapter] = {
    REFERENCE: native.run,
    "sem_models, all tables": native.run_with_tables,
    "semopy, ftol 1e-14": semopy_tight.run,
    "semopy, default": semopy_default.run,
    "lavaan": lavaan.run,
    "lavaan, all tables": lavaan.run_with_tables,
}
