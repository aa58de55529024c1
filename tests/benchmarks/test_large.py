"""A million rows: memory beyond the data, and time against one pass over them."""

from __future__ import annotations

import sys

import pytest

from benchmarks.large import CASES, run

MEMORY = 3.0
"""Largest resident size beyond the data, in sizes of the data."""

PASSES = {"ml": 60, "mlr": 60, "fiml": 120, "fiml-mlr": 120}
"""Time of the fit itself in passes by BLAS. Measured 8 to 30; room for a busy machine."""

resident = pytest.mark.skipif(sys.platform == "win32", reason="no resource module")


@resident
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_million_rows(case: str) -> None:
    out = run(case, 1_000_000)
    assert out.converged
    assert out.memory_ratio < MEMORY
    assert out.fit < PASSES[case] * out.one_pass


@resident
def test_memory_of_fewer_rows() -> None:
    """The same ratio in the quick tests: 200,000 rows, where anything kept per row would show."""
    out = run("mlr", 200_000)
    assert out.converged
    assert out.memory_ratio < MEMORY
