"""The equations of a fit with product indicators, as probing takes them: columns in their own metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sem_models.moderation.probing.terms import EffectTerms, Parts

if TYPE_CHECKING:
    from sem_models.inference.result import Fit


def product_terms(fit: Fit, method: str, title: str, centers: Mapping[str, tuple[float, ...]]) -> EffectTerms:
    """Terms of the fit; centers are the means by group of columns that are factors of latent products.

    Such a product stands for ξ (t − t̄), less its mean where products are centered again: in the column's own
    values it is ξ t − t̄ ξ.
    """
    terms = EffectTerms.from_fit(fit)
    made_of = dict(terms.made_of)
    for name, factors in terms.products.items():
        if any(f in centers for f in factors) and name in fit.solved.table.variables.latent:
            lacks = terms.offset.get(name, np.zeros(len(terms.groups)))
            made_of[name] = tuple(
                _expanded(factors, {f: c[g] for f, c in centers.items()}, float(lacks[g]))
                for g in range(len(terms.groups))
            )
    line = f"{title} · {fit.header.line()}"
    return replace(terms, method=method, header_line=line, made_of=made_of)


def _expanded(factors: tuple[str, ...], center: Mapping[str, float], lacks: float) -> Parts:
    """Π (factor − its center) − what the variable lacks, multiplied out."""
    moved = [k for k, f in enumerate(factors) if f in center]
    parts = []
    for size in range(len(moved) + 1):
        for chosen in combinations(moved, size):
            weight = float(np.prod([-center[factors[k]] for k in chosen]))
            parts.append((weight, tuple(f for k, f in enumerate(factors) if k not in chosen)))
    return (*parts, *([(-lacks, ())] if lacks else []))
