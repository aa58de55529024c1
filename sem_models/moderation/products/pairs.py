"""Which items are multiplied to measure a latent product.

All pairs use all information (Foldnes & Hagtvet, 2014); matched pairs use each item once, by position or the
best with the best by standardized loading (Marsh, Wen & Hau, 2004; Jackman, Leite & Cochrane, 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product as combinations
from typing import Literal, cast

from sem_models.errors import SpecError, did_you_mean
from sem_models.moderation.statement import Product, Statement

Matching = Literal["all", "position", "loading"]
MATCHINGS = ("all", "position", "loading")


@dataclass(frozen=True, slots=True)
class Indicator:
    """A column that is a product of items, one item for each factor of the latent product."""

    name: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A latent product and its indicators.

    items are those of all factors, each once; exact are the items known without error: columns of the data
    that are factors themselves, and the only items of latent variables.
    """

    product: Product
    indicators: tuple[Indicator, ...]
    items: tuple[str, ...]
    exact: frozenset[str]

    @property
    def name(self) -> str:
        return self.product.name


def matching(asked: object) -> Matching:
    """`match=` as one of MATCHINGS: False or None is "all", True is "position"."""
    if asked is None or asked is False:
        return "all"
    if asked is True:
        return "position"
    if asked not in MATCHINGS:
        raise SpecError(
            f"match={asked!r} is unknown. {did_you_mean(str(asked), MATCHINGS, noun='strategies')}"
        )
    return cast(Matching, asked)


def measured_products(
    statement: Statement, how: Matching, *, recycle: bool, strengths: Mapping[str, float]
) -> tuple[Measured, ...]:
    """The latent products with their indicators.

    how "all" multiplies every item of one factor with every item of the others, the first factor's items
    running fastest; "position" the first with the first, "loading" the strongest with the strongest, as
    `strengths` has them. Matched factors of unequal length leave items over, unless `recycle` begins the
    shorter one anew. Raises SpecError where a factor has no items of its own, or two factors share one.
    """
    taken: set[str] = set(statement.variables.observed)
    found = []
    for product in statement.latent_products:
        items = {factor: _items(statement, product, factor) for factor in product.factors}
        _refuse_shared(product, items)
        if how == "loading":
            items = {f: tuple(sorted(own, key=lambda i: -strengths.get(i, 0.0))) for f, own in items.items()}
        chosen = _all_pairs(product, items) if how == "all" else _matched(product, items, recycle=recycle)
        indicators = []
        for parts in chosen:
            name = "".join(parts)
            name = name if name not in taken else "_x_".join(parts)
            taken.add(name)
            indicators.append(Indicator(name, parts))
        used = tuple(dict.fromkeys(item for own in items.values() for item in own))
        exact = frozenset(own[0] for own in items.values() if len(own) == 1)
        found.append(Measured(product, tuple(indicators), used, exact))
    return tuple(found)


def _items(statement: Statement, product: Product, factor: str) -> tuple[str, ...]:
    if factor not in product.latent:
        return (factor,)
    items = statement.items_of(factor)
    if not items:
        raise SpecError(
            f"'{factor}' in the product '{product.name}' has no items of its own, so its products of items "
            "cannot be built yet. Use a factor with items, or method='lms'."
        )
    return items


def _refuse_shared(product: Product, items: Mapping[str, tuple[str, ...]]) -> None:
    names = list(items)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            both = [x for x in items[first] if x in items[second]]
            if both:
                raise SpecError(
                    f"'{both[0]}' is an item of both factors of '{product.name}', so it would be multiplied "
                    f"with itself. Let it measure one of '{first}' and '{second}' only; for a curved effect "
                    f"write {first}:{first}."
                )


def _all_pairs(product: Product, items: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Every combination, the first factor's items fastest; of x1·x2 and x2·x1 the first to come."""
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}
    for parts in combinations(*(items[f] for f in reversed(product.factors))):
        forward = tuple(reversed(parts))
        seen.setdefault(tuple(sorted(forward)), forward)
    return list(seen.values())


def _matched(
    product: Product, items: Mapping[str, tuple[str, ...]], *, recycle: bool
) -> list[tuple[str, ...]]:
    """The k-th items together; a factor with one item goes with all of the others."""
    lengths = [len(items[f]) for f in product.factors]
    several = [n for n in lengths if n > 1] or [1]
    n = max(several) if recycle else min(several)
    return [tuple(items[f][k % len(items[f])] for f in product.factors) for k in range(n)]
