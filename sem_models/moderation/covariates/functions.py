"""Free rows of the model as functions of parameters and covariates, with first and second derivatives.

Bauer, D. J., & Hussong, A. M. (2009). Psychometric approaches for developing commensurate measures across
independent studies. Psychological Methods, 14, 101–125, eq. 6–10; Bauer, D. J. (2017). A more general model
for testing measurement invariance and differential item functioning. Psychological Methods, 22, 507–526.

With x⁰ a row's value where all covariates are 0 and η the line Σ γ z in them, a loading, path, mean or
intercept is x⁰ + η, a variance x⁰ exp(η), and a covariance keeps its correlation between −1 and 1:
√(v₁ v₂) tanh(atanh ρ⁰ + η), v the two variances at the covariates and ρ⁰ the correlation where they are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sem_models.model.ram import Array, IntArray

STEP = 1e-30
"""Step of complex differentiation: far below rounding, as no difference is taken (Squire & Trapp, 1998)."""


@dataclass(frozen=True, slots=True)
class Correlated:
    """A covariance that follows covariates: its free row, its line, the free rows of the two variances (−1
    where fixed at `fixed`), and their lines (−1 where they follow nothing)."""

    row: int
    line: int
    variances: tuple[int, int]
    fixed: tuple[float, float]
    lines: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ParameterMap:
    """How q free rows follow k parameters and c covariates through l lines.

    reduction (q, k₀) and offset (q,) are the model's own; design (m, l, c)-shaped by place: coefficient j
    moves line of[j] by covariate by[j]; coefficients (m,) = spread @ γ + base with γ the free ones. linear,
    scaled: pairs of free row and line by link; correlated the covariances.
    """

    reduction: Array
    offset: Array
    of: IntArray
    by: IntArray
    spread: Array
    base: Array
    n_lines: int
    linear: tuple[tuple[int, int], ...]
    scaled: tuple[tuple[int, int], ...]
    correlated: tuple[Correlated, ...]

    @property
    def k0(self) -> int:
        """Parameters of the model where all covariates are 0."""
        return self.reduction.shape[1]

    @property
    def q(self) -> int:
        return self.reduction.shape[0]

    @property
    def n_params(self) -> int:
        return self.k0 + self.spread.shape[1]

    def coefficients(self, params: Array) -> Array:
        """All coefficients (m,), fixed ones included."""
        return np.asarray(self.spread @ params[self.k0 :] + self.base)

    def inputs(self, params: Array, z: Array) -> tuple[Array, Array]:
        """Rows x⁰ (q,) and lines η (u, l) at covariates z (u, c)."""
        zero = self.reduction @ params[: self.k0] + self.offset
        lines = np.zeros((len(z), self.n_lines))
        for j, value in enumerate(self.coefficients(params)):
            lines[:, self.of[j]] += value * z[:, self.by[j]]
        return zero, lines

    def values(self, zero: Array, lines: Array) -> Array | None:
        """Free rows (u, q); None where a correlation or a variance under it is not admissible."""
        out = np.tile(zero, (len(lines), 1))
        for row, line in self.linear:
            out[:, row] += lines[:, line]
        for row, line in self.scaled:
            out[:, row] *= np.exp(lines[:, line])
        for c in self.correlated:
            found = self._arguments(c, zero, lines)
            if min(found[1].min(), found[2].min()) <= 0 or (found[0] ** 2 >= found[1] * found[2]).any():
                return None
            out[:, c.row] = covariance(*found)
        return out

    def slopes(self, zero: Array, lines: Array) -> Array:
        """Derivatives (u, q, q + l) of the rows by x⁰ and η."""
        u, q = len(lines), self.q
        out = np.zeros((u, q, q + self.n_lines))
        out[:, np.arange(q), np.arange(q)] = 1.0
        for row, line in self.linear:
            out[:, row, q + line] = 1.0
        for row, line in self.scaled:
            growth = np.exp(lines[:, line])
            out[:, row, row] = growth
            out[:, row, q + line] = zero[row] * growth
        for c in self.correlated:
            out[:, c.row, c.row] = 0.0
            found = covariance_slopes(*self._arguments(c, zero, lines))
            for place, slope in zip(self._places(c), found, strict=True):
                if place >= 0:
                    out[:, c.row, place] += slope
        return out

    def bend(self, zero: Array, lines: Array, by_row: Array) -> Array:
        """Σ_r by_row[u, r] ∂²x_r by pairs of inputs, (u, q + l, q + l), for weights by_row (u, q)."""
        u, q = len(lines), self.q
        out = np.zeros((u, q + self.n_lines, q + self.n_lines))
        for row, line in self.scaled:
            growth = np.exp(lines[:, line]) * by_row[:, row]
            out[:, row, q + line] += growth
            out[:, q + line, row] += growth
            out[:, q + line, q + line] += zero[row] * growth
        for c in self.correlated:
            found: list[Any] = list(self._arguments(c, zero, lines))
            places = self._places(c)
            for i, place in enumerate(places):
                if place < 0:
                    continue
                moved = list(found)
                moved[i] = moved[i] + 1j * STEP
                for other, slope in zip(places, covariance_slopes(*moved), strict=True):
                    if other >= 0:
                        out[:, place, other] += np.imag(slope) / STEP * by_row[:, c.row]
        return out

    def to_params(self, by_input: Array, z: Array) -> Array:
        """Derivatives by input (u, q + l) to derivatives by parameter (u, k)."""
        base = by_input[:, : self.q] @ self.reduction
        along = by_input[:, self.q + self.of] * z[:, self.by]
        return np.concatenate([base, along @ self.spread], axis=1)

    def pairs_to_params(self, by_input: Array, z: Array) -> Array:
        """Σ_u over pairs of inputs (u, q + l, q + l) in pairs of parameters (k, k)."""
        q, r = self.q, self.reduction
        at, values = self.q + self.of, z[:, self.by]
        top = r.T @ by_input[:, :q, :q].sum(axis=0) @ r
        cross = r.T @ np.einsum("uqm,um->qm", by_input[:, :q, at], values) @ self.spread
        low = np.einsum("umn,um,un->mn", by_input[:, at[:, None], at], values, values)
        low = self.spread.T @ low @ self.spread
        return np.block([[top, cross], [cross.T, low]])

    def _arguments(self, c: Correlated, zero: Array, lines: Array) -> tuple[Array, ...]:
        """ψ⁰, v₁⁰, v₂⁰, η, η₁, η₂ of a covariance, (u,) each."""
        u = len(lines)
        variance = [
            np.full(u, zero[at] if at >= 0 else value) for at, value in zip(c.variances, c.fixed, strict=True)
        ]
        own = [lines[:, at] if at >= 0 else np.zeros(u) for at in c.lines]
        return (np.full(u, zero[c.row]), variance[0], variance[1], lines[:, c.line], own[0], own[1])

    def _places(self, c: Correlated) -> tuple[int, ...]:
        """The inputs that these arguments are, −1 for fixed ones."""
        lines = (self.q + at if at >= 0 else -1 for at in c.lines)
        return (c.row, *c.variances, self.q + c.line, *lines)


def covariance(psi: Array, v1: Array, v2: Array, eta: Array, eta1: Array, eta2: Array) -> Array:
    """√(v₁ v₂ e^(η₁+η₂)) tanh(atanh ρ⁰ + η), written without the inverse: (ρ + t) / (1 + ρ t), t = tanh η."""
    s, t = np.sqrt(v1 * v2), np.tanh(eta)
    return np.asarray(np.exp(0.5 * (eta1 + eta2)) * s * (psi + s * t) / (s + psi * t))


def covariance_slopes(
    psi: Array, v1: Array, v2: Array, eta: Array, eta1: Array, eta2: Array
) -> tuple[Array, ...]:
    """Derivatives of `covariance` by its six arguments."""
    s, t = np.sqrt(v1 * v2), np.tanh(eta)
    growth = np.exp(0.5 * (eta1 + eta2))
    over, under = s * (psi + s * t), s + psi * t
    by_s = growth * ((psi + 2.0 * s * t) * under - over) / under**2
    by_t = growth * (s * s * under - over * psi) / under**2
    half = 0.5 * growth * over / under
    return (
        growth * (s * under - over * t) / under**2, by_s * v2 / (2.0 * s), by_s * v1 / (2.0 * s),
        by_t * (1.0 - t * t), half, half,
    )  # fmt: skip
