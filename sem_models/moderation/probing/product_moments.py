"""Means, variances and covariances of products of jointly normal variables.

Isserlis, L. (1918). Biometrika, 12, 134–139, with means: E[x₁ x₂ … xₙ] = μ₁ E[x₂ … xₙ] +
Σ_j Cov(x₁, x_j) E[the others].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sem_models.model.ram import Array


def expectation(factors: Sequence[int], mean: Array, cov: Array) -> float:
    """E[Π x] over positions `factors`, which may repeat; mean (v,) and cov (v, v)."""
    if not factors:
        return 1.0
    first, rest = factors[0], list(factors[1:])
    total = mean[first] * expectation(rest, mean, cov) if mean[first] != 0 else 0.0
    for j, other in enumerate(rest):
        total += cov[first, other] * expectation(rest[:j] + rest[j + 1 :], mean, cov)
    return float(total)


def covariance(left: Sequence[int], right: Sequence[int], mean: Array, cov: Array) -> float:
    """Cov(Π left, Π right) of products, each given by positions."""
    both = expectation([*left, *right], mean, cov)
    return both - expectation(left, mean, cov) * expectation(right, mean, cov)


def product_covariances(products: Sequence[Sequence[int]], mean: Array, cov: Array) -> Array:
    """(k, k + v): the products' covariances with each other and with the v variables."""
    v = len(mean)
    out = np.empty((len(products), len(products) + v))
    for i, one in enumerate(products):
        for j, other in enumerate([*products, *([n] for n in range(v))]):
            out[i, j] = covariance(one, other, mean, cov)
    return out
