"""The columns of product indicators: products of centered items, centered again or made residuals.

Lin, Wen, Marsh & Lin (2010), double-mean-centering; Marsh, Wen & Hau (2004), centered items; Little, Bovaird
& Widaman (2006), residual-centering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from sem_models.model.ram import Array, IntArray

Centering = Literal["double", "items", "residual"]


def product_columns(
    items: Array, factors: Sequence[Sequence[int]], beside: Sequence[tuple[int, ...]], *, how: Centering,
    membership: IntArray | None = None, weight: Array | None = None,
) -> Array:  # fmt: skip
    """Products (n, k) of the columns `factors` (k lists) of items (n, m); NaN where a component is missing.

    Items are centered at the means of the answers there are. how "double" centers the products again, at the
    mean of the products there are; "residual" takes from each product its regression on the items of the
    same latent product (`of_product` (k,) numbers them) with an intercept, over the rows that have them
    all, and leaves it missing elsewhere; "items" leaves the products as they are. membership (n,) numbers
    the sets of rows that are centered apart, negative for rows in none; weight (n,) weighs the means.
    """
    out = np.full((len(items), len(factors)), np.nan)
    sets = [np.arange(len(items))] if membership is None else [
        np.flatnonzero(membership == g) for g in np.unique(membership[membership >= 0])
    ]  # fmt: skip
    for rows in sets:
        w = np.ones(len(rows)) if weight is None else weight[rows]
        out[rows] = _products(items[rows], factors, beside, how, w)
    return out


def _products(
    items: Array, factors: Sequence[Sequence[int]], beside: Sequence[tuple[int, ...]], how: Centering,
    weight: Array,
) -> Array:  # fmt: skip
    centered = items - weighted_mean(items, weight)
    out = np.stack([np.prod(centered[:, list(parts)], axis=1) for parts in factors], axis=1)
    if how == "double":
        return np.asarray(out - weighted_mean(out, weight))
    if how == "items":
        return out
    for used in set(beside):
        own = [k for k, columns in enumerate(beside) if columns == used]
        out[:, own] = _residuals(out[:, own], centered[:, list(used)], weight)
    return out


def _residuals(products: Array, items: Array, weight: Array) -> Array:
    """What is left of products (n, k) after their regression on items (n, m), NaN in incomplete rows."""
    known = np.isfinite(items).all(axis=1) & (weight > 0)
    design = np.column_stack([np.ones(int(known.sum())), items[known]])
    root = np.sqrt(weight[known])[:, None]
    slope = np.linalg.lstsq(root * design, root * products[known], rcond=None)[0]
    out = np.full(products.shape, np.nan)
    out[known] = products[known] - design @ slope
    return out


def weighted_mean(values: Array, weight: Array) -> Array:
    """Means (k,) of values (n, k) over the answers there are; NaN for a column without any."""
    seen = np.isfinite(values)
    if seen.all():
        return np.asarray(weight @ values / weight.sum())
    total = weight @ seen
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(total > 0, weight @ np.where(seen, values, 0.0) / total, np.nan))
