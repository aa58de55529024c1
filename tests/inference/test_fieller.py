"""Fieller's set: its defining inequality, its kinds, and its limit for a sure denominator."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.inference.fieller import fieller_set


def outside(top: float, bottom: float, cov: np.ndarray, half: float, ratio: float) -> float:
    """(a − r b)² − z² var(a − r b): zero at the limits, negative inside."""
    variance = cov[0, 0] - 2 * ratio * cov[0, 1] + ratio**2 * cov[1, 1]
    return (top - ratio * bottom) ** 2 - half**2 * variance


COV = np.array([[0.04, 0.01], [0.01, 0.03]])


def test_limits_solve_the_equation() -> None:
    found = fieller_set(1.0, 2.0, COV, 1.96)
    assert found.kind == "interval"
    assert found.lower < 0.5 < found.upper
    for limit in (found.lower, found.upper):
        assert outside(1.0, 2.0, COV, 1.96, limit) == pytest.approx(0.0, abs=1e-12)


def test_a_denominator_that_may_be_zero_gives_the_outside_of_an_interval() -> None:
    found = fieller_set(2.0, 0.2, COV, 1.96)
    assert found.kind == "disjoint"
    assert outside(2.0, 0.2, COV, 1.96, (found.gap_lower + found.gap_upper) / 2) > 0
    assert "all ratios below" in found.note


def test_when_both_may_be_zero_every_ratio_is_possible() -> None:
    found = fieller_set(0.05, 0.02, COV, 1.96)
    assert (found.kind, found.lower, found.upper) == ("unbounded", -np.inf, np.inf)


def test_without_errors_there_is_no_set() -> None:
    assert fieller_set(1.0, 2.0, np.full((2, 2), np.nan), 1.96).kind == "undefined"


def test_a_sure_denominator_gives_the_normal_interval() -> None:
    cov = np.array([[0.04, 0.0], [0.0, 0.0]])
    found = fieller_set(1.0, 2.0, cov, 1.96)
    assert (found.lower, found.upper) == pytest.approx(((1 - 1.96 * 0.2) / 2, (1 + 1.96 * 0.2) / 2))
