"""Arithmetic over parameter names: text, value, gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sem_models.errors import SpecError
from sem_models.model.expressions import FUNCTIONS
from sem_models.model.syntax import parse_expression

ENV = {"a": 0.7, "b": -0.4, "c": 2.5, ".p1.": 0.2}
GRADIENT_TOLERANCE = 1e-8
"""Central differences with step 1e-6 on values of order one are good to about 1e-10."""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2*3", 7.0),
        ("(1 + 2)*3", 9.0),
        ("2 - 3 - 4", -5.0),
        ("2 - (3 - 4)", 3.0),
        ("8/4/2", 1.0),
        ("-2^2", -4.0),
        ("(-2)^2", 4.0),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("2**3", 8.0),
        ("a*b", -0.28),
        ("a + .p1.", 0.9),
        ("exp(log(c))", 2.5),
        ("pnorm(qnorm(0.3))", 0.3),
        ("pnorm(0)", 0.5),
        ("log10(1000) + log2(8)", 6.0),
        ("min(a, b, c)", -0.4),
        ("max(a, b, c)", 2.5),
        ("sum(a, b, c)", 2.8),
        ("abs(b)", 0.4),
        ("asin(sin(a)) + acos(cos(a)) + atan(tan(a))", 2.1),
        ("cosh(a)^2 - sinh(a)^2 + tanh(0)", 1.0),
    ],
)
def test_value(text: str, value: float) -> None:
    assert parse_expression(text).evaluate(ENV) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{name}(a)" for name in FUNCTIONS if name != "qnorm"),
        "qnorm(a)",
        "max(a, b*c)",
        "min(a*b, c)",
        "sum(a, b^2, 3*c)",
        "a*b/(a*b + c)",
        "c^a",
        "c^2.5 - a^c",
        "-(a - b)^3/c",
        "exp(a*b)*sqrt(c)/(1 + a^2)",
        "b^2",
        "2",
    ],
)
def test_gradient_matches_central_differences(text: str) -> None:
    expression = parse_expression(text)
    gradient = expression.gradient(ENV)
    assert tuple(gradient) == expression.names
    for name, derivative in gradient.items():
        up, down = ({**ENV, name: ENV[name] + h} for h in (1e-6, -1e-6))
        numeric = (expression.evaluate(up) - expression.evaluate(down)) / 2e-6
        assert derivative == pytest.approx(numeric, abs=GRADIENT_TOLERANCE)


def test_arrays_broadcast() -> None:
    expression = parse_expression("a*b + max(a, 0)^2")
    env = {"a": np.array([0.5, -1.0, 2.0]), "b": 3.0}
    np.testing.assert_allclose(expression.evaluate(env), [1.75, -3.0, 10.0])
    gradient = expression.gradient(env)
    np.testing.assert_allclose(gradient["a"], [4.0, 3.0, 7.0])
    np.testing.assert_allclose(gradient["b"], env["a"])


def test_names_in_order_of_appearance() -> None:
    assert parse_expression("b*a + exp(c - b) + .p1.").names == ("b", "a", "c", ".p1.")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("((a+b))*c", "(a + b)*c"),
        ("a-(b-c)", "a - (b - c)"),
        ("a/(b*c)", "a/(b*c)"),
        ("(a^b)^c", "(a^b)^c"),
        ("a^b^c", "a^b^c"),
        ("-(a+b)", "-(a + b)"),
        ("-a^2", "-a^2"),
        ("(-a)^2", "(-a)^2"),
        ("a*-b", "a*-b"),
        ("1e-7*a + 1000000", "1e-07*a + 1000000"),
        ("max( a,b )", "max(a, b)"),
    ],
)
def test_text(text: str, printed: str) -> None:
    assert str(parse_expression(text)) == printed


def test_a_missing_name_is_named() -> None:
    with pytest.raises(SpecError, match=r"'ab1' has no value here.*Did you mean 'ab'"):
        parse_expression("ab1*2").evaluate({"ab": 1.0})


def test_division_by_zero_is_infinite_not_an_error() -> None:
    with np.errstate(divide="ignore"):
        assert math.isinf(parse_expression("1/a").evaluate({"a": 0.0}))
