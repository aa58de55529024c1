"""Moments of latent products from factor scores, free of the scores' measurement error.

A score is f = η + e with e normal, independent of η and of known covariance Γ. The multivariate Hermite
polynomials of f are then unbiased for the monomials of η, row by row: f_a f_b − Γ_ab for η_a η_b, and so on.
This is the method of moments of Wall, M. M., & Amemiya, Y. (2000), Journal of the American Statistical
Association, 95, 929–940, and (2003), British Journal of Mathematical and Statistical Psychology, 56, 47–63,
and, for one product, the correction of Cox, K., & Kelcey, B. (2021), Structural Equation Modeling, 28.
Nothing is assumed of the distribution of η. All functions take complex arrays, for derivatives by complex
steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sem_models.model.ram import IntArray

Monomial = tuple[int, ...]
"""Factors of a product by their place among the scores, in ascending order: (0, 0, 2) is η₀² η₂."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Factor scores and their error; n rows, k variables, u patterns of answers.

    values (n, k); error (u, k, k) Γ by pattern, zero for variables without error; pattern (n,).
    """

    values: Any
    error: Any
    pattern: IntArray

    def without_error(self) -> Scores:
        """The same scores taken as they are."""
        return Scores(self.values, np.zeros_like(self.error), self.pattern)


@dataclass(slots=True)
class Unbiased:
    """Casewise unbiased values (n,) of the monomials of η, each computed once."""

    scores: Scores
    known: dict[Monomial, Any] = field(default_factory=dict)

    def __call__(self, monomial: Monomial) -> Any:
        """H_a(f) = f_i H_{a−i}(f) − Σ_j Γ_ij H_{a−i−j}(f), j over what is left (Hermite's recursion)."""
        if not monomial:
            return np.ones(len(self.scores.values))
        if monomial not in self.known:
            first, rest = monomial[0], monomial[1:]
            out = self.scores.values[:, first] * self(rest)
            for j, other in enumerate(rest):
                gamma = self.scores.error[:, first, other]
                if np.any(gamma):
                    left = rest[:j] + rest[j + 1 :]
                    out = out - (gamma[0] if len(gamma) == 1 else gamma[self.scores.pattern]) * self(left)
            self.known[monomial] = out
        return self.known[monomial]


@dataclass(frozen=True, slots=True)
class ProductMoments:
    """mean (d,) and cov (d, d) of the monomials, with divisor n."""

    mean: Any
    cov: Any


def monomials_of(n_scores: int, products: Sequence[Sequence[int]]) -> tuple[Monomial, ...]:
    """The variables themselves, then the products."""
    return (*((i,) for i in range(n_scores)), *(tuple(sorted(p)) for p in products))


def product_moments(scores: Scores, monomials: Sequence[Monomial]) -> ProductMoments:
    """Corrected means and covariances of the monomials (Wall & Amemiya, 2003)."""
    value = Unbiased(scores)
    mean = np.array([value(m).mean() for m in monomials])
    d = len(monomials)
    second = np.empty((d, d), dtype=mean.dtype)
    for a in range(d):
        for b in range(a + 1):
            second[a, b] = second[b, a] = value(_joined(monomials[a], monomials[b])).mean()
    return ProductMoments(mean, second - np.outer(mean, mean))


def casewise_covariances(scores: Scores, monomials: Sequence[Monomial]) -> Any:
    """Each row's part (n, d(d + 1)/2) in vech cov, less its mean: the influence of the row given Γ."""
    value = Unbiased(scores)
    mean = [value(m).mean() for m in monomials]
    out = []
    for a in range(len(monomials)):
        for b in range(a + 1):
            part = value(_joined(monomials[a], monomials[b]))
            part = part - mean[a] * value(monomials[b]) - mean[b] * value(monomials[a])
            out.append(part - part.mean())
    return np.stack(out, axis=1)


def _joined(first: Monomial, second: Monomial) -> Monomial:
    return tuple(sorted(first + second))
