"""Arithmetic over parameter names: constraints, defined parameters and numeric modifiers.

Immutable nodes that print themselves, evaluate on floats or arrays, and differentiate exactly (forward
mode). Precedence is R's: `^` binds tighter than unary minus, which binds tighter than `*` and `/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.source import Span

Value = Any
"""A float or an ndarray; arrays broadcast, as in NumPy."""
Env = Mapping[str, Value]
_Dual = tuple[Value, dict[str, Value]]

_SUM, _PRODUCT, _UNARY, _POWER, _ATOM = 1, 2, 3, 4, 5
NAME_PATTERN = r"(?:[^\W\d_]|\.(?!\d))[\w.]*"
_IS_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` can be written as a name without quotes."""
    return _IS_NAME.fullmatch(text) is not None


def number_text(value: float) -> str:
    """Shortest text that reads back as the same number, in R and here."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _pnorm(x: Value) -> Value:
    from scipy.special import ndtr

    return ndtr(x)


def _qnorm(x: Value) -> Value:
    from scipy.special import ndtri

    return ndtri(x)


def _dnorm(x: Value) -> Value:
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2.0 * np.pi)


_UNARY_FUNCTIONS: dict[str, tuple[Callable[[Value], Value], Callable[[Value], Value]]] = {
    "exp": (np.exp, np.exp),
    "log": (np.log, lambda x: 1.0 / x),
    "log10": (np.log10, lambda x: 1.0 / (x * np.log(10.0))),
    "log2": (np.log2, lambda x: 1.0 / (x * np.log(2.0))),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "abs": (np.abs, np.sign),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda x: -np.sin(x)),
    "tan": (np.tan, lambda x: 1.0 / np.square(np.cos(x))),
    "asin": (np.arcsin, lambda x: 1.0 / np.sqrt(1.0 - np.square(x))),
    "acos": (np.arccos, lambda x: -1.0 / np.sqrt(1.0 - np.square(x))),
    "atan": (np.arctan, lambda x: 1.0 / (1.0 + np.square(x))),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "tanh": (np.tanh, lambda x: 1.0 / np.square(np.cosh(x))),
    "pnorm": (_pnorm, _dnorm),
    "qnorm": (_qnorm, lambda p: 1.0 / _dnorm(_qnorm(p))),
}
_FOLDS: dict[str, Callable[[Value, Value], Value]] = {
    "min": np.minimum,
    "max": np.maximum,
    "sum": lambda a, b: a + b,
}
FUNCTIONS: tuple[str, ...] = (*_UNARY_FUNCTIONS, *_FOLDS)
"""Functions an expression may call."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A node of an arithmetic expression; `span` is its place in the source, ignored by equality."""

    def children(self) -> tuple[Expression, ...]:
        return ()

    def walk(self) -> Iterator[Expression]:
        """This node and all below it, left to right."""
        yield self
        for child in self.children():
            yield from child.walk()

    @property
    def names(self) -> tuple[str, ...]:
        """Names used, in order of appearance, each once."""
        return tuple(dict.fromkeys(node.id for node in self.walk() if isinstance(node, Name)))

    def evaluate(self, env: Env) -> Value:
        """Value with the names bound by `env` (floats or arrays that broadcast)."""
        raise NotImplementedError

    def gradient(self, env: Env) -> dict[str, Value]:
        """Exact first derivatives by name, one entry for each of `names`."""
        derivatives = self._dual(env)[1]
        return {name: derivatives.get(name, 0.0) for name in self.names}

    def _dual(self, env: Env) -> _Dual:
        raise NotImplementedError

    def _rank(self) -> int:
        return _ATOM

    def _text(self, at_least: int) -> str:
        return str(self) if self._rank() >= at_least else f"({self})"


@dataclass(frozen=True, slots=True)
class Number(Expression):
    value: float
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return number_text(self.value)

    def evaluate(self, env: Env) -> Value:
        return self.value

    def _dual(self, env: Env) -> _Dual:
        return self.value, {}


@dataclass(frozen=True, slots=True)
class Name(Expression):
    id: str
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.id

    def evaluate(self, env: Env) -> Value:
        if self.id not in env:
            raise SpecError(
                f"'{self.id}' has no value here. {did_you_mean(self.id, env, noun='known names')}"
            )
        return env[self.id]

    def _dual(self, env: Env) -> _Dual:
        return self.evaluate(env), {self.id: 1.0}


@dataclass(frozen=True, slots=True)
class Text(Expression):
    """A quoted string; only modifiers hold one, it has no value."""

    text: str
    span: Span | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"'{self.text}'" if '"' in self.text else f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    op: Literal["-"]
    operand: Expression
    span: Span | None = field(default=None, compare=False, repr=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.operand,)

    def __str__(self) -> str:
        return f"-{self.operand._text(_UNARY)}"

    def evaluate(self, env: Env) -> Value:
        return -self.operand.evaluate(env)

    def _dual(self, env: Env) -> _Dual:
        value, derivatives = self.operand._dual(env)
        return -value, {name: -d for name, d in derivatives.items()}

    def _rank(self) -> int:
        return _UNARY


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    op: Literal["+", "-", "*", "/", "^", "?", ":"]
    left: Expression
    right: Expression
    span: Span | None = field(default=None, compare=False, repr=False)
    op_span: Span | None = field(default=None, compare=False, repr=False)

    def children(self) -> tuple[Expression, ...]:
        return (self.left, self.right)

    def __str__(self) -> str:
        if self.op in "+-":
            return f"{self.left._text(_SUM)} {self.op} {self.right._text(_PRODUCT)}"
        if self.op == "^":
            return f"{self.left._text(_ATOM)}^{self.right._text(_UNARY)}"
        return f"{self.left._text(_PRODUCT)}{self.op}{self.right._text(_UNARY)}"

    def evaluate(self, env: Env) -> Value:
        return self._combine(self.left.evaluate(env), self.right.evaluate(env))

    def _combine(self, a: Value, b: Value) -> Value:
        match self.op:
            case "+":
                return a + b
            case "-":
                return a - b
            case "*":
                return a * b
            case "/":
                return np.divide(a, b)
            case "^":
                return np.power(np.asarray(a, dtype=float), b)[()]
        raise SpecError(f"'{self.op}' has no place in arithmetic.")

    def _dual(self, env: Env) -> _Dual:
        (a, da), (b, db) = self.left._dual(env), self.right._dual(env)
        value = self._combine(a, b)
        match self.op:
            case "+" | "-":
                slope_a, slope_b = 1.0, 1.0 if self.op == "+" else -1.0
            case "*":
                slope_a, slope_b = b, a
            case "/":
                slope_a, slope_b = np.divide(1.0, b), np.divide(-value, b)
            case _:
                slope_a = b * np.power(np.asarray(a, dtype=float), np.subtract(b, 1.0)) if da else 0.0
                slope_b = value * np.log(a) if db else 0.0
        return value, _weighted((slope_a, da), (slope_b, db))

    def _rank(self) -> int:
        return {"+": _SUM, "-": _SUM, "^": _POWER}.get(self.op, _PRODUCT)


@dataclass(frozen=True, slots=True)
class Call(Expression):
    function: str
    args: tuple[Expression, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    def children(self) -> tuple[Expression, ...]:
        return self.args

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.args))})"

    def evaluate(self, env: Env) -> Value:
        values = [arg.evaluate(env) for arg in self.args]
        if self.function in _FOLDS:
            return reduce(_FOLDS[self.function], values)
        return _UNARY_FUNCTIONS[self.function][0](values[0])

    def _dual(self, env: Env) -> _Dual:
        if self.function in _UNARY_FUNCTIONS:
            function, slope = _UNARY_FUNCTIONS[self.function]
            value, derivatives = self.args[0]._dual(env)
            return function(value), _weighted((slope(value), derivatives))
        return reduce(self._fold_dual, (arg._dual(env) for arg in self.args))

    def _fold_dual(self, first: _Dual, second: _Dual) -> _Dual:
        (a, da), (b, db) = first, second
        value = _FOLDS[self.function](a, b)
        if self.function == "sum":
            return value, _weighted((1.0, da), (1.0, db))
        take_a = np.where(np.equal(value, a), 1.0, 0.0)
        return value, _weighted((take_a, da), (1.0 - take_a, db))


def _weighted(*parts: tuple[Value, dict[str, Value]]) -> dict[str, Value]:
    """Σ weight · derivatives, by name (the chain rule)."""
    total: dict[str, Value] = {}
    for weight, derivatives in parts:
        for name, d in derivatives.items():
            term = weight * d
            total[name] = total[name] + term if name in total else term
    return total
