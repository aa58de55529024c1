"""The equations of a fit with product indicators, as probing takes them: factors in their own metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sem_models.model.ram import Array
from sem_models.moderation.probing.product_moments import expectation
from sem_models.moderation.probing.terms import EffectTerms, Parts

if TYPE_CHECKING:
    from sem_models.inference.result import Fit
    from sem_models.moderation.products.pairs import Measured


def product_terms(
    fit: Fit, method: str, title: str, products: Sequence[Measured], centers: Mapping[str, Sequence[float]],
    shifts: Mapping[str, Sequence[float]],
) -> EffectTerms:  # fmt: skip
    """Terms of the fit, with each latent product as what it is in its factors.

    It stands for Π (factor − center), less its mean where products are centered again. The center of a column
    is the mean by group in `centers`; that of a latent variable is its mean in the model, moved by what
    centering at other than the group's own means did to its items (`shifts`, by item and group).
    """
    terms = EffectTerms.from_fit(fit)
    place = {name: i for i, name in enumerate(fit.solved.ram.variables)}
    made_of = dict(terms.made_of)
    groups = range(len(terms.groups))
    for measured in products:
        factors = measured.product.factors
        center = np.array([_center(fit, terms, f, centers, shifts) for f in factors]).T
        if not center.any():
            continue
        at = [terms.place(f) for f in factors if f in terms.names]
        eta = fit.solved.point.at.eta[:, place[measured.name]]
        parts = []
        for g in groups:
            lacks = 0.0
            if len(at) == len(factors):
                mean = terms.mean[g].copy()
                for i, c in zip(at, center[g], strict=True):
                    mean[i] = terms.mean[g, i] - c
                lacks = expectation(at, mean, terms.cov[g]) - float(eta[g])
            parts.append(_expanded(factors, center[g], lacks))
        made_of[measured.name] = tuple(parts)
    line = f"{title} · {fit.header.line()}"
    return replace(terms, method=method, header_line=line, made_of=made_of)


def _center(
    fit: Fit, terms: EffectTerms, factor: str, centers: Mapping[str, Sequence[float]],
    shifts: Mapping[str, Sequence[float]],
) -> Array:  # fmt: skip
    """What was taken from a factor, by group (g,)."""
    if factor in centers:
        return np.array(centers[factor])
    mean = terms.mean[:, terms.place(factor)].copy()
    table, value = fit.solved.table, fit.solved.rows.value
    for g in range(len(mean)):
        moved = [
            shifts[row.rhs][g] / value[i]
            for i, row in enumerate(table.rows)
            if row.op == "=~" and row.lhs == factor and row.block == g + 1 and row.rhs in shifts and value[i]
        ]
        mean[g] += np.mean(moved) if moved else 0.0
    return np.asarray(mean)


def _expanded(factors: tuple[str, ...], center: Array, lacks: float) -> Parts:
    """Π (factor − its center) − what the variable lacks, multiplied out."""
    moved = [k for k in range(len(factors)) if center[k]]
    parts = []
    for size in range(len(moved) + 1):
        for chosen in combinations(moved, size):
            weight = float(np.prod([-center[k] for k in chosen]))
            parts.append((weight, tuple(f for k, f in enumerate(factors) if k not in chosen)))
    return (*parts, *([(-lacks, ())] if lacks else []))
