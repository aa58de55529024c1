"""Parcels: means of a factor's items, which stand for them as its indicators and in the products.

A product of ordered items has no thresholds, and is skewed where they are. The mean of several is nearly
continuous: for product indicators of ordered items Aytürk, Cham, Jennings and Brown (2020, Educational and
Psychological Measurement 80, 262–292) support parcels. Items are dealt out so that parcels are alike: the
strongest to each in turn, then back again (item-to-construct balance: Little, Cunningham, Shahar & Widaman,
2002, Structural Equation Modeling 9, 151–173).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError, SpecError
from sem_models.model.syntax import Formula, to_text
from sem_models.moderation.statement import Statement

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 2
"""Parcels that measure a factor."""


@dataclass(frozen=True, eq=False)
class Parcels:
    """The model text with parcels in place of items, the frame with their columns, and which items each
    parcel is the mean of, by its name."""

    text: str
    frame: pd.DataFrame
    of: Mapping[str, tuple[str, ...]]


def parceled(
    statement: Statement, numbers: pd.DataFrame, per_factor: int, strengths: Mapping[str, float]
) -> Parcels:
    """Gather the items of every factor of a latent product into `per_factor` parcels.

    numbers: the data with the items as numbers; a parcel is missing where one of its items is. strengths: the
    items' standardized loadings, in whose order they are dealt out.

    Raises SpecError where a factor has too few items or one of two answers would be a parcel by itself, and
    where the text says more of an item than that it measures its factor; DataError for a column that has a
    parcel's name.
    """
    import pandas as pd

    factors = list(dict.fromkeys(f for p in statement.latent_products for f in p.latent))
    of: dict[str, tuple[str, ...]] = {}
    for factor in factors:
        items = statement.items_of(factor)
        if not items:
            raise SpecError(
                f"parcels={per_factor}: '{factor}' is measured by latent variables, which have no means. "
                "Leave out parcels=, or use method='lms'."
            )
        against = _against_the_others(items, strengths)
        if against:
            raise SpecError(
                f"'{against[0]}' goes against the other items of '{factor}': in a mean with them it would "
                "cancel them. Reverse its answers first, or leave it out if it has nothing to do with them."
            )
        if len(items) < FEWEST:
            raise SpecError(
                f"parcels={per_factor}: '{factor}' has one item, '{items[0]}', and a mean needs several. Put "
                f"the column into the products in place of '{factor}', or use method='lms', which has a "
                "likelihood of the answers themselves."
            )
        if len(items) < per_factor:
            raise SpecError(
                f"parcels={per_factor}: '{factor}' has {len(items)} items, one a parcel at most. Give fewer "
                "parcels=, or use method='lms', which has a likelihood of the answers themselves."
            )
        for k, own in enumerate(_dealt(items, per_factor, strengths)):
            of[f"{factor}.p{k + 1}"] = own
        alone = [own[0] for own in of.values() if len(own) == 1 and numbers[own[0]].nunique() <= 2]
        if alone:
            fewer = "Give fewer parcels=, or use" if len(items) >= 2 * FEWEST else "Use"
            raise SpecError(
                f"parcels={per_factor}: '{factor}' has {len(items)} items, which leaves '{alone[0]}' alone "
                f"in a parcel, and its two answers are no number that could be multiplied. {fewer} "
                "method='lms', which has a likelihood of the answers themselves."
            )
    every = [item for own in of.values() for item in own]
    shared = [item for item in dict.fromkeys(every) if every.count(item) > 1]
    if shared:
        raise SpecError(
            f"'{shared[0]}' measures two factors of the products, and a parcel belongs to one. Leave out one "
            "of its loadings, or parcels=."
        )
    _refuse_more(statement, set(every), factors)
    clash = [name for name in of if name in numbers.columns]
    if clash:
        raise DataError(f"The data have a column '{clash[0]}', which is a parcel's name. Rename it.")
    columns = {name: numbers[list(own)].mean(axis=1, skipna=False) for name, own in of.items()}
    frame = pd.concat([numbers, pd.DataFrame(columns, index=numbers.index)], axis=1)
    return Parcels(_text(statement, of, factors), frame, of)


def check_parcels(statement: Statement, per_factor: object) -> int:
    """The number of parcels; SpecError for what is none, and where no factor of a product is latent."""
    if (
        isinstance(per_factor, bool)
        or not isinstance(per_factor, int | np.integer)
        or int(per_factor) < FEWEST
    ):
        raise SpecError(f"parcels={per_factor!r} must be a whole number of {FEWEST} or more.")
    if not statement.latent_products:
        raise SpecError(
            "parcels=: no product has a latent factor whose items could be gathered. Leave it out."
        )
    return int(per_factor)


def _against_the_others(items: Sequence[str], strengths: Mapping[str, float]) -> list[str]:
    """The items whose loadings have the sign of the fewer, negative ones of as many; none if all agree.

    The sign of a factor is that of its first item, which may itself be the odd one.
    """
    negative = [item for item in items if strengths.get(item, 1.0) < 0]
    positive = [item for item in items if item not in negative]
    return min(negative, positive, key=len) if negative and positive else []


def _dealt(items: Sequence[str], n: int, strengths: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Items in n parts: there and back again, from the strongest on."""
    ranked = sorted(items, key=lambda item: -abs(strengths.get(item, 0.0)))
    parts: list[list[str]] = [[] for _ in range(n)]
    for item, k in zip(ranked, cycle([*range(n), *reversed(range(n))]), strict=False):
        parts[k].append(item)
    return [tuple(sorted(part, key=list(items).index)) for part in parts]


def _refuse_more(statement: Statement, items: set[str], factors: Sequence[str]) -> None:
    for formula in statement.syntax.formulas:
        plain = formula.op == "=~" and formula.lhs in factors and not formula.modifiers
        said = {formula.lhs, formula.rhs} & items
        if said and not plain:
            raise SpecError(
                f"parcels= puts the mean of several items in place of '{min(said)}', of which the model says "
                f"more: {formula.lhs} {formula.op} {formula.rhs}, or a modifier there. Remove that, or leave "
                "out parcels=."
            )


def _text(statement: Statement, of: Mapping[str, Sequence[str]], factors: Sequence[str]) -> str:
    """The model text, the measurement of these factors by their parcels."""
    formulas: list[Formula] = []
    done: set[str] = set()
    for formula in statement.syntax.formulas:
        items = statement.items_of(formula.lhs)
        if not (formula.op == "=~" and formula.lhs in factors and formula.rhs in items):
            formulas.append(formula)
        elif formula.lhs not in done:
            done.add(formula.lhs)
            formulas += [replace(formula, rhs=name) for name in of if name.rsplit(".", 1)[0] == formula.lhs]
    return to_text(replace(statement.syntax, formulas=tuple(formulas)))
