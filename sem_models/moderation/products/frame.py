"""The data with the columns of the product indicators, and what was taken from their components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from sem_models.errors import DataError
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.products.columns import Centering, product_columns, weighted_mean
from sem_models.moderation.products.pairs import Measured
from sem_models.observed.design import weight_column
from sem_models.observed.sample import membership_of, numeric_columns

if TYPE_CHECKING:
    import pandas as pd

Scope = Literal["within", "overall"]
SCOPES = ("within", "overall")


@dataclass(frozen=True, eq=False)
class ProductFrame:
    """The frame with its product columns.

    centers: the mean, by group, taken from each column that is a factor itself; shifts: by how much the
    mean taken from an item lies above the group's own, where centering is overall.
    """

    frame: pd.DataFrame
    centers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    shifts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def product_frame(
    frame: pd.DataFrame, products: tuple[Measured, ...], how: Centering, *, group: str | None,
    labels: tuple[str, ...], scope: Scope, sampling_weights: str | None,
) -> ProductFrame:  # fmt: skip
    """Add the product indicators to a copy of the frame. DataError for a component that does not vary."""
    import pandas as pd

    if not products:
        return ProductFrame(frame)
    items = list(dict.fromkeys(item for m in products for item in m.items))
    place = {item: k for k, item in enumerate(items)}
    values = numeric_columns(frame, items)
    _refuse_constant(values, items, products)
    weight = np.ones(len(frame)) if sampling_weights is None else weight_column(frame, sampling_weights)
    of_group = np.zeros(len(frame), dtype=np.intp)
    if group is not None:
        of_group = membership_of(frame[group], labels)
    together = np.where(of_group >= 0, 0, -1) if scope == "overall" else of_group
    columns = product_columns(
        values,
        [[place[item] for item in i.items] for m in products for i in m.indicators],
        [tuple(place[item] for item in m.items) for m in products for _ in m.indicators],
        how=how, membership=None if group is None else together, weight=weight,
    )  # fmt: skip
    names = [i.name for m in products for i in m.indicators]
    clash = [n for n in names if n in frame.columns]
    kept = frame.drop(columns=clash) if clash else frame
    added = pd.DataFrame(columns, columns=pd.Index(names), index=frame.index)
    own = _means(values, weight, of_group, len(labels))
    taken = np.repeat(_means(values, weight, together, 1), len(labels), axis=0) if scope == "overall" else own
    factors = {f for m in products for f in m.product.factors if f not in m.product.latent}
    centers = {name: tuple(taken[:, k]) for name, k in place.items() if name in factors}
    moved = {name: tuple(taken[:, k] - own[:, k]) for name, k in place.items() if name not in factors}
    shifts = moved if scope == "overall" and len(labels) > 1 else {}
    return ProductFrame(pd.concat([kept, added], axis=1), centers, shifts)


def _means(values: Array, weight: Array, membership: IntArray, groups: int) -> Array:
    """Means of the columns in each group, (g, m)."""
    rows = [membership == g for g in range(groups)]
    return np.array([weighted_mean(values[r], weight[r]) for r in rows])


def _refuse_constant(values: Array, items: Sequence[str], products: tuple[Measured, ...]) -> None:
    """DataError for a factor or an item of one that does not vary: its products would be no products."""
    with np.errstate(invalid="ignore"):
        low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    for name, constant in zip(items, low == high, strict=True):
        if constant:
            product = next(m.product for m in products if name in m.items)
            what = f"The moderator '{name}'" if name in product.factors else f"The item '{name}'"
            raise DataError(
                f"{what} of the product '{product.name}' is constant: all answers are the same, so nothing "
                "can depend on it. Leave it out of the model."
            )
