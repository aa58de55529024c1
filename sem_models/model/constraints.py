"""Constraints among parameters: the linear map they leave, and the ones that bend.

Shared labels and linear `==` become x = R θ + c once and for all; nonlinear `==`, `<`, `>` and bounds stay
functions of the free rows x, with derivatives, for the search to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sem_models.errors import SpecError
from sem_models.model.ast import Constraint
from sem_models.model.expressions import Env, Number
from sem_models.model.polynomials import Polynomial, Stacked, polynomial
from sem_models.model.table import ParameterTable

Array = NDArray[np.float64]

PROBES = (0.37, 1.61, -0.83)
"""Where a constraint is looked at to see whether it is linear."""


def linear_map(table: ParameterTable) -> tuple[Array, Array]:
    """R (q, k) and c (q,) of x = R θ + c: shared labels first, then linear `==` by their null space.

    Raises SpecError where the equalities contradict one another.
    """
    column: dict[str, int] = {}
    columns: list[int] = []
    for number in table.free_rows:
        name = table.rows[number].label or f"\0{number}"
        columns.append(column.setdefault(name, len(column)))
    reduction = np.zeros((len(columns), len(column)))
    reduction[np.arange(len(columns)), columns] = 1.0
    offset = np.zeros(len(columns))
    names = _Names(table)
    lines = [names.linear(c) for c in table.equalities]
    rows = [line for line in lines if line is not None]
    if not rows:
        return reduction, offset
    jacobian = np.array([slope for slope, _ in rows]) @ reduction
    residual = np.array([level for _, level in rows])
    particular = -np.linalg.lstsq(jacobian, residual, rcond=None)[0]
    if not np.allclose(jacobian @ particular + residual, 0.0, atol=1e-9):
        raise SpecError(
            "The equality constraints of the model contradict one another; no values satisfy them all."
        )
    _, singular, right = np.linalg.svd(jacobian)
    rank = int((singular > 1e-10 * max(singular[0], 1e-300)).sum())
    return reduction @ right[rank:].T, reduction @ particular


@dataclass(frozen=True, eq=False)
class Restrictions:
    """What a search must hold: h(x) = 0 and c(x) ≥ 0, functions of the free rows with their derivatives.

    equalities, inequalities: value and gradient (q,) at x (q,); texts name them for messages. stacked are the
    equalities where all are polynomials, straight says that the inequalities are all linear.
    """

    equalities: tuple[Callable[[Array], tuple[float, Array]], ...]
    inequalities: tuple[Callable[[Array], tuple[float, Array]], ...]
    texts: tuple[str, ...]
    stacked: Stacked | None = None
    straight: bool = False

    def __bool__(self) -> bool:
        return bool(self.equalities or self.inequalities)

    def equal(self, x: Array) -> tuple[Array, Array]:
        """h (e,) and its Jacobian (e, q)."""
        return _stack(self.equalities, x) if self.stacked is None else self.stacked.value(x)

    def above(self, x: Array) -> tuple[Array, Array]:
        """c (m,) and its Jacobian (m, q)."""
        return _stack(self.inequalities, x)

    def bending(self, x: Array, multipliers: Array) -> Array | None:
        """Σ λ ∇²constraint (q, q), or None where it is not known in closed form."""
        if self.stacked is None or not self.straight:
            return None
        return self.stacked.curvature(x, multipliers[: self.stacked.n])


def restrictions(table: ParameterTable, lower: Array, upper: Array) -> Restrictions:
    """Nonlinear equalities, inequalities and the finite bounds (q,) of the free rows."""
    names = _Names(table)
    equalities = [c for c in table.equalities if names.linear(c) is None]
    above = [names.function(c, 1.0 if c.op == ">" else -1.0) for c in table.inequalities]
    texts = [f"{c.lhs} {c.op} {c.rhs}" for c in (*equalities, *table.inequalities)]
    labels = table.names()
    for x, number in enumerate(table.free_rows):
        for bound, sign, mark in ((lower[x], 1.0, ">"), (upper[x], -1.0, "<")):
            if np.isfinite(bound):
                above.append(_bound(x, float(bound), sign, len(lower)))
                texts.append(f"{labels[number]} {mark} {bound:g}")
    held = tuple(names.function(c, 1.0) for c in equalities)
    found = [names.polynomial(c) for c in equalities]
    known = [p for p in found if p is not None]
    stacked = Stacked.of(known, names.row_of, names.q) if known and len(known) == len(found) else None
    straight = all(names.linear(c) is not None for c in table.inequalities)
    return Restrictions(held, tuple(above), tuple(texts), stacked, straight)


def _bound(x: int, bound: float, sign: float, q: int) -> Callable[[Array], tuple[float, Array]]:
    slope = np.zeros(q)
    slope[x] = sign
    return lambda free: (sign * (float(free[x]) - bound), slope)


def _stack(functions: Sequence[Callable[[Array], tuple[float, Array]]], x: Array) -> tuple[Array, Array]:
    found = [function(x) for function in functions]
    slopes = np.array([slope for _, slope in found]).reshape(len(found), len(x))
    return np.array([value for value, _ in found]), slopes


class _Names:
    """What the names in a constraint stand for: free rows, fixed values, and parameters defined by :=."""

    def __init__(self, table: ParameterTable) -> None:
        self.row_of: dict[str, int] = {}
        self.fixed: dict[str, float] = {}
        self.definitions = dict(table.definitions)
        self.q = len(table.free_rows)
        for x, number in enumerate(table.free_rows):
            label = table.rows[number].label
            if label:
                self.row_of.setdefault(label, x)
            self.row_of[table.plabel(number)] = x
        for number, row in enumerate(table.rows):
            if row.fixed is not None:
                self.fixed[table.plabel(number)] = row.fixed
                if row.label:
                    self.fixed[row.label] = row.fixed

    def value(self, constraint: Constraint, env: Env) -> tuple[float, Array]:
        """lhs − rhs and its derivative in the free rows (q,), by the chain rule through definitions."""
        total, slope = 0.0, np.zeros(self.q)
        for side, sign in ((constraint.lhs, 1.0), (constraint.rhs, -1.0)):
            known = dict(env)
            slopes: dict[str, Array] = {}
            for name in self._needed(side.names):
                self._define(name, known, slopes)
            with np.errstate(all="ignore"):
                total += sign * float(side.evaluate(known))
                for name, d in side.gradient(known).items():
                    slope += sign * float(d) * self._slope(name, slopes)
        return total, slope

    def _needed(self, names: Sequence[str]) -> list[str]:
        """Defined parameters among the names, those they are made of first."""
        out: list[str] = []
        for name in names:
            if name in self.definitions:
                out += [*self._needed(self.definitions[name].names), name]
        return list(dict.fromkeys(out))

    def _define(self, name: str, known: dict[str, float], slopes: dict[str, Array]) -> None:
        expression = self.definitions[name]
        with np.errstate(all="ignore"):
            known[name] = float(expression.evaluate(known))
            parts = expression.gradient(known)
        slopes[name] = sum((float(d) * self._slope(n, slopes) for n, d in parts.items()), np.zeros(self.q))

    def _slope(self, name: str, slopes: dict[str, Array]) -> Array:
        if name in slopes:
            return slopes[name]
        unit = np.zeros(self.q)
        if name in self.row_of:
            unit[self.row_of[name]] = 1.0
        return unit

    def at(self, x: Array) -> dict[str, float]:
        return {**{name: float(x[row]) for name, row in self.row_of.items()}, **self.fixed}

    def function(self, constraint: Constraint, sign: float) -> Callable[[Array], tuple[float, Array]]:
        def evaluate(x: Array) -> tuple[float, Array]:
            value, slope = self.value(constraint, self.at(x))
            return sign * value, sign * slope

        return evaluate

    def polynomial(self, constraint: Constraint) -> Polynomial | None:
        """lhs − rhs multiplied out in names of free rows, definitions and fixed values put in."""
        known = {**self.definitions, **{name: Number(value) for name, value in self.fixed.items()}}
        left, right = polynomial(constraint.lhs, known), polynomial(constraint.rhs, known)
        return None if left is None or right is None else left - right

    def linear(self, constraint: Constraint) -> tuple[Array, float] | None:
        """Slope (q,) and value at x = 0 where the constraint is linear in x, else None."""
        exact = self.polynomial(constraint)
        if exact is not None:
            if any(len(monomial) > 1 for monomial in exact.terms):
                return None
            slope = np.zeros(self.q)
            for monomial, coefficient in exact.terms.items():
                if monomial:
                    slope[self.row_of[monomial[0]]] += coefficient
            return slope, exact.terms.get((), 0.0)
        found = []
        for probe in PROBES:
            x = probe + 0.1 * np.arange(self.q) * np.sign(probe)
            value, slope = self.value(constraint, self.at(x))
            found.append(np.append(slope, value - slope @ x))
        if not np.isfinite(found).all():
            return None
        if any(not np.allclose(found[0], other, rtol=1e-9, atol=1e-9) for other in found[1:]):
            return None
        return found[0][:-1], float(found[0][-1])
