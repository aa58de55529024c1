"""Means and covariances of all variables of a model with products, without approximation.

Given the moderators everything is linear and normal, and the conditional moments are polynomials in them, so
that a few Gauss–Hermite nodes integrate them exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sem_models.estimation.kernels import implied
from sem_models.model.ram import Array, IntArray, RamModel
from sem_models.moderation.latent.conditioning import Plan, make_plan, split
from sem_models.moderation.latent.node_algebra import at_nodes
from sem_models.moderation.latent.quadrature import Rule, gauss_hermite
from sem_models.moderation.statement import Product

ENOUGH = 8
"""Gauss–Hermite nodes that are exact to degree 15 in each moderator."""


@dataclass(frozen=True, eq=False)
class TrueMoments:
    """The map from free rows to the moments of all v variables, products included.

    A product is the variable of its own name, with its true mean and variance. Observed factors are taken
    as normal, with the sample's moments.
    """

    ram: RamModel
    plan: Plan
    rule: Rule

    def of(self, places: IntArray) -> MomentsOf:
        """The map to the moments of some of the variables."""
        return MomentsOf(self, places)

    def __call__(self, free: Array) -> tuple[Array, Array]:
        """Mean (..., g, v) and covariance (..., g, v, v) at free rows (..., q)."""
        ram, plan, v = self.ram, self.plan, len(self.ram.variables)
        at = implied(*ram.matrices(free), ram.n_observed, ram.places.sources)
        parts = split(at, plan, v)
        groups = np.arange(ram.n_groups, dtype=np.intp)
        known = np.ones((ram.n_groups, len(plan.products)))
        nodes = at_nodes(parts, plan, self.rule.nodes, groups, known)
        weight = np.exp(self.rule.log_weight)
        shift = (weight[:, None] * nodes.shift).sum(axis=-2)
        centered = nodes.shift - shift[..., None, :]
        scatter = np.swapaxes(centered * weight[:, None], -1, -2) @ centered
        f = plan.r + plan.still
        scatter[..., f:, f:] += (weight[:, None, None] * nodes.spread).sum(axis=-3)
        cov = parts.base + parts.basis @ scatter @ np.swapaxes(parts.basis, -1, -2)
        mean = parts.mean + (parts.basis @ shift[..., None])[..., 0]
        return mean, 0.5 * (cov + np.swapaxes(cov, -1, -2))


@dataclass(frozen=True, eq=False)
class MomentsOf:
    """The map from free rows to the moments of the variables at these places."""

    every: TrueMoments
    places: IntArray

    def __call__(self, free: Array) -> tuple[Array, Array]:
        """Mean (..., m) and covariance (..., m, m) at free rows (..., q)."""
        mean, cov = self.every(free)
        return mean[..., self.places], cov[..., self.places[:, None], self.places]


def true_moments(ram: RamModel, products: Sequence[Product]) -> TrueMoments:
    """The moments of a model; SpecError where its products feed one another beyond `make_plan`."""
    whole = [replace(p, latent=tuple(dict.fromkeys(p.factors))) for p in products]
    plan = make_plan(ram, whole)
    return TrueMoments(ram, plan, gauss_hermite(ENOUGH).product(plan.r))
