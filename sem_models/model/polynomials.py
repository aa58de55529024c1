"""Polynomials in parameter names: built from expressions, multiplied out, printed, and stacked for search.

Constraints of the constrained approach to latent products are polynomials by the dozen; stacked, all their
values and first and second derivatives are a few array operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sem_models.model.expressions import Binary, Expression, Name, Number, Unary, number_text
from sem_models.model.source import Span

Monomial = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Σ coefficient × product of names; a name stands in a monomial as often as its power, names sorted."""

    terms: Mapping[Monomial, float]

    @classmethod
    def of(cls, value: float | str) -> Polynomial:
        """A number, or a name by itself."""
        return cls({(value,): 1.0} if isinstance(value, str) else {(): float(value)} if value else {})

    def __add__(self, other: Polynomial) -> Polynomial:
        total = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total[monomial] = total.get(monomial, 0.0) + coefficient
        return Polynomial({m: c for m, c in total.items() if c})

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + other * Polynomial.of(-1.0)

    def __mul__(self, other: Polynomial) -> Polynomial:
        total: dict[Monomial, float] = {}
        for one, a in self.terms.items():
            for two, b in other.terms.items():
                monomial = tuple(sorted(one + two))
                total[monomial] = total.get(monomial, 0.0) + a * b
        return Polynomial({m: c for m, c in total.items() if c})

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        """Text of the model language that reads back as this polynomial."""
        text = ""
        for monomial, coefficient in self.terms.items():
            size = abs(coefficient)
            powers = [
                name if monomial.count(name) == 1 else f"{name}^{monomial.count(name)}"
                for name in dict.fromkeys(monomial)
            ]
            factors = ([number_text(size)] if size != 1.0 or not powers else []) + powers
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += f" {sign} " if text else sign
            text += "*".join(factors)
        return text or "0"


def polynomial(expression: Expression, known: Mapping[str, Expression] | None = None) -> Polynomial | None:
    """The expression multiplied out, `known` names replaced by what they stand for; None if it is none."""
    match expression:
        case Number(value):
            return Polynomial.of(value)
        case Name(id):
            return polynomial(known[id], known) if known and id in known else Polynomial.of(id)
        case Unary("-", operand):
            inner = polynomial(operand, known)
            return None if inner is None else inner * Polynomial.of(-1.0)
        case Binary("^", base, Number(power)) if power in (0.0, 1.0, 2.0, 3.0, 4.0):
            inner, out = polynomial(base, known), Polynomial.of(1.0)
            if inner is None:
                return None
            for _ in range(int(power)):
                out = out * inner
            return out
        case Binary("+" | "-" | "*" as op, left, right):
            one, two = polynomial(left, known), polynomial(right, known)
            if one is None or two is None:
                return None
            return one + two if op == "+" else one - two if op == "-" else one * two
        case Binary("/", left, Number(value)) if value:
            inner = polynomial(left, known)
            return None if inner is None else inner * Polynomial.of(1.0 / value)
    return None


def expression_of(given: Polynomial, span: Span | None = None) -> Expression:
    """The polynomial as an expression tree."""
    total: Expression | None = None
    for monomial, coefficient in given.terms.items():
        term: Expression | None = None if coefficient == 1.0 and monomial else Number(coefficient, span)
        for name in monomial:
            term = Name(name, span) if term is None else Binary("*", term, Name(name, span), span)
        assert term is not None
        total = term if total is None else Binary("+", total, term, span)
    return total or Number(0.0, span)


@dataclass(frozen=True, eq=False)
class Stacked:
    """m polynomials in x (q,): t monomials of at most d factors.

    owner (t,) the polynomial of each monomial, coefficient (t,), factor (t, d) positions in x, filled up
    with q, where the value is 1.
    """

    n: int
    q: int
    owner: np.ndarray
    coefficient: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(cls, polynomials: Sequence[Polynomial], place: Mapping[str, int], q: int) -> Stacked:
        """Stack polynomials whose names are found in `place`."""
        rows = [
            (k, c, [place[name] for name in monomial])
            for k, given in enumerate(polynomials)
            for monomial, c in given.terms.items()
        ]
        d = max((len(f) for _, _, f in rows), default=0)
        factor = np.full((len(rows), max(d, 1)), q, dtype=np.intp)
        for i, (_, _, f) in enumerate(rows):
            factor[i, : len(f)] = f
        owner = np.array([k for k, _, _ in rows], dtype=np.intp)
        return cls(len(polynomials), q, owner, np.array([c for _, c, _ in rows], dtype=float), factor)

    def value(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (m,) and their Jacobian (m, q)."""
        at = np.append(x, 1.0)[self.factor]
        total = np.bincount(self.owner, self.coefficient * at.prod(axis=1), minlength=self.n)
        slope = np.zeros((self.n, self.q + 1))
        for d in range(at.shape[1]):
            part = self.coefficient * np.delete(at, d, axis=1).prod(axis=1)
            np.add.at(slope, (self.owner, self.factor[:, d]), part)
        return total, slope[:, : self.q]

    def curvature(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Σ weight · second derivatives, (q, q)."""
        at = np.append(x, 1.0)[self.factor]
        out = np.zeros((self.q + 1, self.q + 1))
        scaled = self.coefficient * weight[self.owner]
        for d in range(at.shape[1]):
            for e in range(at.shape[1]):
                if d != e:
                    part = scaled * np.delete(at, [d, e], axis=1).prod(axis=1)
                    np.add.at(out, (self.factor[:, d], self.factor[:, e]), part)
        return out[: self.q, : self.q]
