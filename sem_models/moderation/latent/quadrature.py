"""Nodes for integrals over standard normal moderators: Gauss–Hermite, and even grids that fit the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array

NEGLIGIBLE = -60.0
"""Log weight below which a node cannot matter (a factor of 1e-26)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """∫ f(x) φ(x) dx ≈ Σ exp(log_weight) f(x): nodes (K, r) standardized, log_weight (K,)."""

    nodes: Array
    log_weight: Array
    per_dimension: int
    kind: str

    def product(self, r: int) -> Rule:
        """The grid over r dimensions of a rule over one, nodes of negligible weight left out."""
        if r == 1:
            return self
        axes = np.meshgrid(*[np.arange(len(self.log_weight))] * r, indexing="ij")
        at = np.stack([a.reshape(-1) for a in axes], axis=1)
        weight = self.log_weight[at].sum(axis=1)
        keep = weight > NEGLIGIBLE
        return Rule(self.nodes[at[keep], 0], weight[keep], self.per_dimension, self.kind)


def gauss_hermite(n: int) -> Rule:
    """n Gauss–Hermite nodes for a standard normal variable, exact for polynomials to degree 2n − 1."""
    from scipy.special import roots_hermitenorm

    with np.errstate(all="ignore"):
        x, w = roots_hermitenorm(n)
        log_weight = np.log(w) - 0.5 * np.log(2.0 * np.pi)
    keep = log_weight > NEGLIGIBLE
    return Rule(x[keep, None], log_weight[keep], n, "Gauss–Hermite")


def even(low: float, high: float, n: int) -> Rule:
    """n evenly spaced nodes from low to high with the normal density as weight.

    For integrands that have died out at both ends this trapezoidal rule converges faster than any power of
    the spacing h: for a normal peak of standard deviation σ its relative error is 2 exp(−2π²σ²/h²)
    (Trefethen & Weideman, 2014, SIAM Review 56, section 5).
    """
    x = np.linspace(low, high, n)
    log_weight = -0.5 * x**2 + np.log((high - low) / (n - 1) / np.sqrt(2.0 * np.pi))
    return Rule(x[:, None], log_weight, n, "even grid")


def spacing(sd: float, error: float) -> float:
    """The spacing at which a normal peak of standard deviation sd is integrated to a relative error."""
    return float(np.pi * sd * np.sqrt(2.0 / np.log(2.0 / error)))
