"""The equations of a fit with product indicators, as probing takes them: factors in their own metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sem_models.model.table import Row
from sem_models.moderation.probing.terms import EffectTerms

if TYPE_CHECKING:
    from sem_models.inference.result import Fit


def product_terms(fit: Fit, method: str, title: str, centers: Mapping[str, tuple[float, ...]]) -> EffectTerms:
    """Terms of the fit; centers are the means by group of columns that are factors of latent products.

    Such a product stands for ξ (t − t̄). Its path b is that of ξ t, with −b t̄ added to the path of ξ, so that
    values of t may be given in its own metric.
    """
    terms = replace(EffectTerms.from_fit(fit), method=method, header_line=f"{title} · {fit.header.line()}")
    latent = set(fit.solved.table.variables.latent)
    moved = [
        (i, row)
        for i, row in enumerate(terms.table.rows)
        if row.op == "~" and row.rhs in terms.products and row.rhs in latent
        and any(f in centers for f in terms.products[row.rhs])
    ]  # fmt: skip
    for i, row in moved:
        factors = terms.products[row.rhs]
        columns = [k for k, f in enumerate(factors) if f in centers]
        for size in range(1, len(columns) + 1):
            for chosen in combinations(columns, size):
                weight = float(np.prod([-centers[factors[k]][row.block - 1] for k in chosen]))
                kept = tuple(f for k, f in enumerate(factors) if k not in chosen)
                terms = _added(terms, row, i, kept, weight)
    return terms


def _added(terms: EffectTerms, row: Row, source: int, kept: tuple[str, ...], weight: float) -> EffectTerms:
    """weight × the coefficient of row `source` added to the path of the product of `kept` to its outcome."""
    names = {tuple(sorted(parts)): name for name, parts in terms.products.items()}
    target = kept[0] if len(kept) == 1 else names.get(tuple(sorted(kept)), ":".join(kept))
    op, rhs = ("~", target) if kept else ("~1", "")
    rows, value, jacobian = list(terms.table.rows), terms.value.copy(), terms.jacobian.copy()
    at = next((k for k, r in enumerate(rows) if r.key == (row.lhs, op, rhs) and r.block == row.block), None)
    products = dict(terms.products)
    if at is None:
        at = len(rows)
        rows.append(Row(row.lhs, op, rhs, row.block))
        value, jacobian = np.append(value, 0.0), np.vstack([jacobian, np.zeros(jacobian.shape[1])])
        if len(kept) > 1:
            products[target] = kept
    value[at] += weight * value[source]
    jacobian[at] += weight * jacobian[source]
    return replace(
        terms, table=replace(terms.table, rows=tuple(rows)), value=value, jacobian=jacobian, products=products
    )
