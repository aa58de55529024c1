"""An outcome as a polynomial in its predictors: weights on the table's rows that make predictions and slopes.

Every quantity is linear in the path coefficients, Σ_r w_r(values) β_r, so that its error is exact by the
covariance of the estimates.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.moderation.probing.terms import EffectTerms


@dataclass(frozen=True, slots=True)
class Monomial:
    """Part of a path: its row in the table, the powers of its variables, a factor; offset as in the terms."""

    row: int
    powers: tuple[tuple[str, int], ...]
    factor: float = 1.0
    offset: float = 0.0

    def power(self, name: str) -> int:
        return dict(self.powers).get(name, 0)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """The equation of one outcome in one group; `intercept` is its row, or None where it is fixed at 0."""

    outcome: str
    monomials: tuple[Monomial, ...]
    intercept: int | None
    n_rows: int

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that predict, products taken apart, in order of appearance."""
        return tuple(dict.fromkeys(name for m in self.monomials for name, _ in m.powers))

    def moderators_of(self, predictor: str) -> tuple[str, ...]:
        """Variables that the slope of `predictor` depends on; the predictor itself where it is curved."""
        found: dict[str, None] = {}
        for m in self.monomials:
            if m.power(predictor):
                for name, power in m.powers:
                    if name != predictor or power > 1:
                        found[name] = None
        return tuple(found)

    def prediction(self, values: dict[str, Array], *, centered: bool = False) -> Array:
        """Weights (m, rows) of the expected outcome; values maps every variable to (m,) or a number.

        centered takes the offsets off the products.
        """
        weights = np.zeros((_length(values), self.n_rows))
        for m in self.monomials:
            weights[:, m.row] += m.factor * _product(m.powers, values) - (m.offset if centered else 0.0)
        if self.intercept is not None:
            weights[:, self.intercept] = 1.0
        return weights

    def slope(self, predictor: str, values: dict[str, Array]) -> Array:
        """Weights (m, rows) of ∂ outcome / ∂ predictor."""
        weights = np.zeros((_length(values), self.n_rows))
        for m in self.monomials:
            power = m.power(predictor)
            if power:
                left = tuple((n, p - (n == predictor)) for n, p in m.powers)
                weights[:, m.row] += m.factor * power * _product(left, values)
        return weights

    def slope_in(self, predictor: str, moderator: str, values: dict[str, float]) -> Array:
        """The slope as a polynomial in one moderator: weights (degree + 1, rows), lowest power first."""
        rows: dict[int, Array] = {}
        for m in self.monomials:
            power = m.power(predictor)
            if not power:
                continue
            left = {n: p - (n == predictor) for n, p in m.powers}
            degree = left.pop(moderator, 0)
            weight = rows.setdefault(degree, np.zeros(self.n_rows))
            weight[m.row] += m.factor * power * float(_product(tuple(left.items()), values))
        top = max(rows, default=0)
        return np.array([rows.get(d, np.zeros(self.n_rows)) for d in range(top + 1)])


def polynomial(terms: EffectTerms, outcome: str, group: int) -> Polynomial:
    """The equation of `outcome`. SpecError where nothing predicts it."""
    monomials, intercept = [], None
    for i, row in enumerate(terms.table.rows):
        if row.block != group + 1 or row.lhs != outcome:
            continue
        if row.op == "~1":
            intercept = i
        elif row.op == "~":
            factors = terms.products.get(row.rhs, (row.rhs,))
            if row.rhs in terms.made_of:
                parts = terms.made_of[row.rhs][group]
                monomials += [Monomial(i, tuple(Counter(names).items()), c) for c, names in parts]
                continue
            offset = terms.offset.get(row.rhs)
            lacks = 0.0 if offset is None else float(offset[group])
            monomials.append(Monomial(i, tuple(Counter(factors).items()), 1.0, lacks))
    if not monomials:
        known = tuple(dict.fromkeys(row.lhs for row in terms.table.rows if row.op == "~"))
        raise SpecError(
            f"Nothing predicts '{outcome}' in this model. {did_you_mean(outcome, known, noun='outcomes')}"
        )
    return Polynomial(outcome, tuple(monomials), intercept, len(terms.table.rows))


def _product(powers: tuple[tuple[str, int], ...], values: dict[str, Array] | dict[str, float]) -> Array:
    out = np.ones(())
    for name, power in powers:
        if power:
            out = out * np.asarray(values[name], dtype=np.float64) ** power
    return out


def _length(values: dict[str, Array]) -> int:
    return max((np.size(v) for v in values.values()), default=1)
