"""Polynomials against the expressions they come from."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.model.polynomials import Polynomial, Stacked, polynomial
from sem_models.model.syntax import parse_expression

TEXTS = ("2*a*b - (a + 1)^2/4", "-(a - b)*(c + a^3)", "a*b*c", "7", "c - -c + 0*a")
PLACE = {"a": 0, "b": 1, "c": 2}


def _found(text: str) -> Polynomial:
    found = polynomial(parse_expression(text))
    assert found is not None
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_a_polynomial_is_its_expression(text: str) -> None:
    found = _found(text)
    x = np.array([0.7, -1.3, 2.1])
    env = dict(zip("abc", x, strict=True))
    value, _ = Stacked.of([found], PLACE, 3).value(x)
    assert value[0] == pytest.approx(float(parse_expression(text).evaluate(env)))
    assert _found(str(found)) == found


@pytest.mark.parametrize("text", ["exp(a)", "a/b", "a^b", "a^-1", "sqrt(a*a)"])
def test_what_is_no_polynomial(text: str) -> None:
    assert polynomial(parse_expression(text)) is None


def test_known_names_are_put_in() -> None:
    found = polynomial(parse_expression("d*b"), {"d": parse_expression("a + 2*b")})
    assert found == _found("a*b + 2*b^2")


def test_derivatives_are_those_of_central_differences() -> None:
    stacked = Stacked.of([_found(t) for t in TEXTS], PLACE, 3)
    x, weight, h = np.array([0.7, -1.3, 2.1]), np.array([1.0, -2.0, 0.5, 3.0, 0.1]), 1e-5
    slope, bend = stacked.value(x)[1], stacked.curvature(x, weight)
    for i in range(3):
        step = h * np.eye(3)[i]
        up, down = stacked.value(x + step), stacked.value(x - step)
        assert slope[:, i] == pytest.approx((up[0] - down[0]) / (2 * h), abs=1e-7)
        assert bend[i] == pytest.approx(weight @ (up[1] - down[1]) / (2 * h), abs=1e-7)
    assert bend == pytest.approx(bend.T)
