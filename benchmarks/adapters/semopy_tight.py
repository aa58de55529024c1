"""semopy at a tolerance at which its estimates can be compared."""

from __future__ import annotations

from benchmarks.adapters.semopy_default import run_at
from benchmarks.cases import Case
from benchmarks.scoring import Run


def run(case: Case, fits: int) -> Run:
    """As `semopy_default`, with SLSQP's ftol at 1e-14."""
    return run_at(case, fits, solver={"ftol": 1e-14})
