"""The normal likelihood of customers who have Σ and μ of their own, and its derivatives.

Customers with the same covariates share Σ and μ; these are the groups of the kernels, taken in blocks.
Missing answers are left out of each customer's part (full information maximum likelihood).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.estimation import kernels
from sem_models.estimation.kernels import Implied, implied
from sem_models.model.ram import Array, IntArray, RamModel
from sem_models.moderation.covariates.functions import ParameterMap
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import Discrepancy, Patterns, discrepancy

BLOCK = 256
"""Distinct covariate values handled at once."""


@dataclass(frozen=True, eq=False)
class CovariateBlock:
    """Customers of some distinct covariate values z (u, c): moments by value and missing pattern, the
    customers' numbers rows (n,), values (n, p), value of each (n,) among the u and pattern (n,), and weight
    (n,) or None."""

    z: Array
    patterns: Patterns
    rows: IntArray
    values: Array
    member: IntArray
    pattern: IntArray
    size: float


def covariate_blocks(values: Array, z: Array) -> tuple[CovariateBlock, ...]:
    """Rows (n, p), NaN where missing, with covariates (n, c), by distinct covariate values."""
    unique, inverse = np.unique(z, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    out = []
    for begin in range(0, len(unique), BLOCK):
        chosen = np.arange(begin, min(begin + BLOCK, len(unique)))
        members = [np.flatnonzero(inverse == u) for u in chosen]
        patterns, of = group_patterns([values[m] for m in members], [None] * len(members))
        rows = np.concatenate(members)
        member = np.repeat(np.arange(len(members)), [len(m) for m in members])
        out.append(
            CovariateBlock(
                unique[chosen], patterns, rows, values[rows], member, np.concatenate(of), float(len(rows))
            )
        )
    return tuple(out)


@dataclass(frozen=True, eq=False)
class BlockAt:
    """One block at one point: lines (u, l), moments, and each pattern's part in the likelihood."""

    lines: Array
    at: Implied
    parts: Discrepancy


@dataclass(frozen=True, eq=False)
class CovariatePoint:
    """Parameters (k,), the rows x⁰ (q,), every block there, and f = −ℓ / N without the constant."""

    params: Array
    zero: Array
    blocks: tuple[BlockAt, ...]
    value: Array


@dataclass(frozen=True, eq=False)
class CovariateLikelihood:
    """f(params) = ½ Σ_i (log|Σ_i| + (y − μ_i)ᵀ Σ_i⁻¹ (y − μ_i)) / N, as the optimizer takes it."""

    ram: RamModel
    along: ParameterMap
    blocks: tuple[CovariateBlock, ...]

    @property
    def n(self) -> float:
        return sum(block.size for block in self.blocks)

    def at(self, params: Array) -> CovariatePoint | None:
        """None where Σ is not positive definite for some customer."""
        found, total = [], 0.0
        zero = self.along.inputs(params, self.blocks[0].z[:1])[0]
        for block in self.blocks:
            lines = self.along.inputs(params, block.z)[1]
            with np.errstate(all="ignore"):
                free = self.along.values(zero, lines)
            if free is None or not np.isfinite(free).all():
                return None
            try:
                at = self.implied(free)
                parts = discrepancy(at.sigma, at.mu, block.patterns)
            except np.linalg.LinAlgError:
                return None
            total += 0.5 * float((block.patterns.size * parts.value).sum())
            found.append(BlockAt(lines, at, parts))
        if not np.isfinite(total):
            return None
        return CovariatePoint(params, zero, tuple(found), np.asarray(total / self.n))

    def implied(self, free: Array) -> Implied:
        """Moments at free rows (u, q), each a group of the kernels."""
        a_mat, s_mat, m_vec = (m[:, 0] for m in self.ram.matrices(free))
        return implied(a_mat, s_mat, m_vec, self.ram.n_observed, self.ram.places.sources)

    def gradient(self, point: CovariatePoint) -> Array:
        """∂f/∂params (k,)."""
        total = np.zeros(self.along.n_params)
        for block, here in zip(self.blocks, point.blocks, strict=True):
            by_row = self._by_row(block, here)
            slopes = self.along.slopes(point.zero, here.lines)
            by_input = np.einsum("uq,uqi->ui", by_row, slopes)
            total += self.along.to_params(by_input, block.z).sum(axis=0)
        return total / self.n

    def information(self, point: CovariatePoint) -> Array:
        """Expected information per customer (k, k), given which answers are there."""
        return self._curvature(point, observed=False)

    def hessian(self, point: CovariatePoint) -> Array:
        """Observed information per customer (k, k)."""
        return self._curvature(point, observed=True)

    def _by_row(self, block: CovariateBlock, here: BlockAt) -> Array:
        """½ ∂ Σ value / ∂ free row by covariate value, (u, q)."""
        by_slot = kernels.gradient(self.ram.slots, here.at, here.parts, block.patterns) * block.size
        out = np.zeros((len(by_slot), self.ram.n_free))
        out[:, self._index] = by_slot
        return out

    @property
    def _index(self) -> IntArray:
        """The free row of each slot."""
        return self.ram.slots.free[0]

    def _curvature(self, point: CovariatePoint, *, observed: bool) -> Array:
        total = np.zeros((self.along.n_params,) * 2)
        kernel = kernels.hessian if observed else kernels.expected_information
        index = self._index
        for block, here in zip(self.blocks, point.blocks, strict=True):
            by_slot = kernel(self.ram.slots, here.at, here.parts, block.patterns) * block.size
            by_row = np.empty_like(by_slot)
            by_row[:, index[:, None], index] = by_slot
            slopes = self.along.slopes(point.zero, here.lines)
            pairs = np.swapaxes(slopes, 1, 2) @ by_row @ slopes
            if observed:
                pairs += self.along.bend(point.zero, here.lines, self._by_row(block, here))
            total += self.along.pairs_to_params(pairs, block.z)
        return total / self.n

    def case_scores(self, point: CovariatePoint) -> Array:
        """∂ log-likelihood / ∂params of every customer, (n, k), in the order of the rows given."""
        out = np.empty((int(self.n), self.along.n_params))
        slots = self.ram.slots
        for block, here in zip(self.blocks, point.blocks, strict=True):
            weight = here.parts.weight[block.pattern]
            centered = block.values - here.at.mu[block.member]
            centered = np.where(np.isnan(centered), 0.0, centered)
            z = here.at.z_cols[block.member]
            w_z = weight @ z
            along = np.einsum("np,npv->nv", centered, w_z)
            trace = np.einsum("npi,npi->ni", z[:, :, slots.left], w_z[:, :, slots.right])
            means = kernels.mean_slopes(slots, here.at.eta)[block.member]
            by_slot = slots.weight * (along[:, slots.left] * along[:, slots.right] - trace)
            by_slot = by_slot + means * along[:, slots.row]
            by_row = np.zeros((len(by_slot), self.ram.n_free))
            by_row[:, self._index] = by_slot
            slopes = self.along.slopes(point.zero, here.lines)[block.member]
            by_input = np.einsum("nq,nqi->ni", by_row, slopes)
            out[block.rows] = self.along.to_params(by_input, block.z[block.member])
        return out
