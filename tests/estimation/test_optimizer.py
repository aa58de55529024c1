"""The search itself: on functions whose answer is known, and on data that have none."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.model.ram import Array


@dataclass
class Function:
    """A function of one vector with gradient and Hessian; `trust` scales what it calls its information."""

    value: Any
    slope: Any
    curve: Any
    information_of: Any = None

    def at(self, params: Array) -> Any:
        value = self.value(params)
        return None if value is None else SimpleNamespace(params=params, value=value)

    def gradient(self, point: Any) -> Array:
        return np.asarray(self.slope(point.params), dtype=float)

    def hessian(self, point: Any) -> Array:
        return np.asarray(self.curve(point.params), dtype=float)

    def information(self, point: Any) -> Array:
        return self.hessian(point) if self.information_of is None else self.information_of(point.params)


def rosenbrock(p: Array) -> float:
    return float(100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)


def rosenbrock_slope(p: Array) -> list[float]:
    return [-400 * p[0] * (p[1] - p[0] ** 2) - 2 * (1 - p[0]), 200 * (p[1] - p[0] ** 2)]


def rosenbrock_curve(p: Array) -> list[list[float]]:
    return [[1200 * p[0] ** 2 - 400 * p[1] + 2, -400 * p[0]], [-400 * p[0], 200.0]]


def test_quadratic_in_two_steps() -> None:
    curve = np.array([[3.0, 1.0], [1.0, 2.0]])
    best = np.array([1.0, -2.0])
    bowl = Function(
        lambda p: 0.5 * float((p - best) @ curve @ (p - best)), lambda p: curve @ (p - best), lambda p: curve
    )
    solution = minimize(bowl, np.zeros(2), n_rows=100.0)
    assert solution.outcome is Outcome.CONVERGED
    assert solution.iterations <= 2
    np.testing.assert_allclose(solution.point.params, best, atol=1e-12)  # type: ignore[union-attr]


def test_curved_valley_with_a_misleading_information() -> None:
    """The information claims a flat bowl: every scoring step overshoots, the trust region finds the way."""
    valley = Function(rosenbrock, rosenbrock_slope, rosenbrock_curve, lambda p: np.eye(2))
    solution = minimize(valley, np.array([-1.2, 1.0]), n_rows=100.0)
    assert solution.outcome is Outcome.CONVERGED
    np.testing.assert_allclose(solution.point.params, [1.0, 1.0], atol=1e-9)  # type: ignore[union-attr]


def test_no_minimum_is_a_runaway() -> None:
    """1/x falls for ever."""
    slide = Function(
        lambda p: float(1 / p[0]) if p[0] > 0 else None,
        lambda p: [-1 / p[0] ** 2],
        lambda p: [[2 / p[0] ** 3]],
    )
    solution = minimize(slide, np.array([1.0]), n_rows=100.0, max_iterations=60)
    assert solution.outcome is not Outcome.CONVERGED


def test_no_point_at_the_start() -> None:
    nowhere = Function(lambda p: None, None, None)
    assert minimize(nowhere, np.zeros(2), n_rows=10.0).outcome is Outcome.BAD_START


def test_bad_start_is_an_error_with_a_remedy(customers: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match=r"no positive definite .* start\(\)"):
        sm.fit("EDS =~ e1 + e2 + e3\ne1 ~~ -9*e1", customers)


def test_unrelated_indicators_end_soon_and_are_no_success() -> None:
    """Two pairs of indicators that measure nothing in common: the loading runs away."""
    rng = np.random.default_rng(0)
    unclear = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame(rng.normal(size=(150, 5)), columns=["x1", "x2", "y1", "y2", "y3"])
        begun = perf_counter()
        fit = sm.fit("f =~ x1 + x2\ng =~ y1 + y2 + y3", data)
        assert perf_counter() - begun < 5.0
        unclear += not fit.status.ok
        assert fit.status.ok or fit.status.reasons
        assert np.isfinite(fit.measures()["chisq"])
    assert unclear >= 4


def test_a_second_way_down_where_the_first_runs_off() -> None:
    """Weak constructs of two items: from the first starting values of this draw one of them runs away."""
    rng = np.random.default_rng(90)
    eta = rng.normal(size=(100, 3))
    columns = {}
    for f in range(3):
        for k, loading in enumerate((0.9, 0.5)):
            columns[f"x{f}{k}"] = loading * eta[:, f] + rng.normal(size=100)
    fit = sm.fit("a =~ x00 + x01\nb =~ x10 + x11\nc =~ x20 + x21", pd.DataFrame(columns))
    assert fit.status.converged
    assert fit.status.stationary
    assert not fit.status.admissible
    assert "negative" in str(fit.status)
