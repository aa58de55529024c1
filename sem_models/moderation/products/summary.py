"""A moderation by product indicators in the layout R users know, headed by what the products are made of."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sem_models.moderation.products.result import ProductModeration


@dataclass(frozen=True, slots=True, repr=False)
class ProductSummary:
    """What `summary()` of a product-indicator moderation returns: text, or tables in a notebook."""

    result: ProductModeration

    def __str__(self) -> str:
        return "\n".join([*_lines(self.result), "", str(self.result.fit.summary())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *rest = _lines(self.result)
        head = f"<p><b>{escape(first)}</b></p>" + "".join(f"<p>{escape(line.strip())}</p>" for line in rest)
        return head + str(self.result.fit.summary()._repr_html_())


def _lines(result: ProductModeration) -> list[str]:
    """The method, each product with its indicators, and what a reader should know of them."""
    how = {"all": "all pairs of items", "position": "items matched by position", "loading": "the strongest "
           "items together", "composite": "the product of composites"}[result.settings["match"]]  # fmt: skip
    lines = [result.title[:1].upper() + result.title[1:]]
    for measured in result.products:
        lines.append(f"  {measured.name:<44}{_count(len(measured.indicators))}, {how}")
    for name, value in result.settings.get("reliability", {}).items():
        lines.append(f"  {name:<44}reliability {value:.3f}")
    known = set(result.fit.header.notes)
    return lines + [f"  ! {note}" for note in result.header.notes if note not in known]


def _count(n: int) -> str:
    return f"{n} indicator{'' if n == 1 else 's'}"
