"""Latent moderated structural equations: the likelihood as a mixture over the moderators.

ℓ = Σᵢ log Σ_k w_k N(yᵢ; μ_k, Σ_k) (Klein & Moosbrugger, 2000, Psychometrika 65, eq. 17). Every Σ_k differs
from one matrix by rank k + o (products and the factors that stay), so a row enters through z = UᵀW(y − μ) of
that many dimensions and r more: rows × nodes cost as much for 50 items as for 5. By missing pattern, so that
incomplete rows are used as they are. All parameters' derivatives follow by the chain rule, backwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import log, pi

import numpy as np

from sem_models.estimation import kernels
from sem_models.model.ram import Array, IntArray, RamModel
from sem_models.moderation.latent.conditioning import (
    Plan,
    Slopes,
    Split,
    path_slopes,
    pull_back,
    slots_of,
    split,
)
from sem_models.moderation.latent.node_algebra import Nodes, Update, at_nodes, nodes_back, update
from sem_models.moderation.latent.quadrature import Rule
from sem_models.moderation.latent.row_blocks import RowBlocks
from sem_models.observed.patterns import Discrepancy, discrepancy, sum_by_group

AT_ONCE = 2_000_000
"""Rows × nodes × parameter vectors evaluated in one array."""


def _t(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


@dataclass(frozen=True, slots=True)
class State:
    """One evaluation, with a leading batch axis b: what the gradient is computed from.

    at the linear model; z (b, N, d) the rows' statistics, features (b, N, m) with their squares; linear
    (b, t, K, d) the coefficients of z; weight_u (b, t, p, d) W U; gram (b, t, d, d) UᵀWU; pull (b, t, K, v)
    G a; log_mix (b, N) log of the rows' densities relative to the base; posterior (b, N, K).
    """

    at: kernels.Implied
    parts: Split
    base: Discrepancy
    nodes: Nodes
    update: Update
    z: Array
    features: Array
    linear: Array
    weight_u: Array
    gram: Array
    pull: Array
    log_mix: Array
    posterior: Array
    value: Array


@dataclass(frozen=True, eq=False)
class LMS:
    """The likelihood of one model and data at one quadrature rule; see `Likelihood`.

    units (k,) are the sizes of the parameters.
    """

    ram: RamModel
    plan: Plan
    rows: RowBlocks
    rule: Rule
    units: Array

    # ------------------------------------------------------------------ values

    @cached_property
    def _classes(self) -> tuple[IntArray, Array, IntArray]:
        """Group and products of observed moderators of each class, and the class of each cell."""
        rows, columns = self.rows, sorted({c for own in self.plan.observed for c in own})
        if not columns:
            g = self.ram.n_groups
            return np.arange(g, dtype=np.intp), np.ones((g, len(self.plan.products))), rows.group
        at = {c: j for j, c in enumerate(columns)}
        known = np.stack(
            [rows.moderators[:, [at[c] for c in own]].prod(axis=1) for own in self.plan.observed], axis=1
        )
        return rows.group, known, np.arange(len(rows.group), dtype=np.intp)

    def state(self, params: Array) -> State | None:
        """Evaluate parameter vectors (b, k); None where any of them is not admissible."""
        ram, plan, rows, rule = self.ram, self.plan, self.rows, self.rule
        p, r = ram.n_observed, plan.r
        try:
            at = kernels.implied(*ram.matrices(ram.free_values(params)), p, ram.places.sources)
            parts = split(at, plan, p)
            base = discrepancy(parts.base, parts.mean, rows.patterns)
        except np.linalg.LinAlgError:
            return None
        basis = parts.basis[..., rows.group, :, :]
        weight_u = base.weight @ basis
        gram = _t(basis) @ weight_u
        group, known, cell_class = self._classes
        nodes = at_nodes(parts, plan, rule.nodes, group, known)
        shift, spread = nodes.shift[..., cell_class, :, :], nodes.spread[..., cell_class, :, :, :]
        changed = update(spread, gram[..., r:, r:])
        if changed is None:
            return None
        pull = shift @ gram[..., :, r:]
        bent = (changed.inner @ pull[..., None])[..., 0]
        constant = 0.5 * ((pull * bent).sum(axis=-1) - (shift @ gram * shift).sum(axis=-1) - changed.log_det)
        linear = shift.copy()
        linear[..., r:] -= bent
        i, j, scale = _pairs(spread.shape[-1])
        coefficients = np.concatenate(
            [(constant + rule.log_weight)[..., None], linear, scale * changed.inner[..., i, j]], axis=-1
        )
        origin = (parts.mean[..., rows.group, None, :] @ weight_u)[..., 0, :]
        z = rows.times(rows.values, weight_u) - origin[..., rows.cell, :]
        features = np.concatenate([np.ones((*z.shape[:-1], 1)), z, z[..., r + i] * z[..., r + j]], axis=-1)
        exponent = rows.times(features, _t(coefficients))
        largest = exponent.max(axis=-1, keepdims=True)
        np.exp(np.subtract(exponent, largest, out=exponent), out=exponent)
        total = exponent.sum(axis=-1, keepdims=True)
        exponent /= total
        log_mix = (np.log(total) + largest)[..., 0]
        size = rows.patterns.size
        seen = rows.patterns.seen.sum(axis=1)
        value = log_mix.sum(axis=-1) - 0.5 * (size * (base.value + seen * log(2 * pi))).sum(axis=-1)
        if not np.isfinite(value).all():
            return None
        return State(
            at, parts, base, nodes, changed, z, features, linear, weight_u, gram, pull, log_mix, exponent,
            value,
        )  # fmt: skip

    def value(self, params: Array) -> float | None:
        """ℓ at params (k,)."""
        state = self.state(params[None])
        return None if state is None else float(state.value[0])

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        """ℓ and ∂ℓ/∂params (k,); None where a matrix is not positive definite."""
        state = self.state(params[None])
        return None if state is None else (float(state.value[0]), self.gradient(state)[0])

    # ------------------------------------------------------------------ derivatives

    def gradient(self, state: State) -> Array:
        """∂ℓ/∂params (b, k)."""
        ram, plan, rows = self.ram, self.plan, self.rows
        p, r, g = ram.n_observed, plan.r, ram.n_groups
        group, known, cell_class = self._classes
        size = rows.patterns.size
        inner, pull, gram, weight_u = state.update.inner, state.pull, state.gram, state.weight_u
        shift = state.nodes.shift[..., cell_class, :, :]
        d, v = shift.shape[-1], pull.shape[-1]
        sums = rows.outer(state.posterior, state.features)
        n, first = sums[..., 0], sums[..., 1 : 1 + d]
        first_v = first[..., r:]
        i, j, _ = _pairs(v)
        second = np.empty((*n.shape, v, v))
        second[..., i, j] = second[..., j, i] = sums[..., 1 + d :]
        cross = first_v[..., :, None] * pull[..., None, :]
        second += n[..., None, None] * pull[..., :, None] * pull[..., None, :] - cross - _t(cross)
        gram_v = gram[..., None, r:, r:]
        y = np.eye(v) - gram_v @ inner  # (I + G D)⁻¹
        d_spread = 0.5 * (y @ second @ _t(y) - n[..., None, None] * (gram_v @ _t(y)))
        d_pull = -(inner @ (first_v - n[..., None] * pull)[..., None])[..., 0]
        d_shift = first - n[..., None] * (shift @ gram) + d_pull @ gram[..., r:, :]
        d_gram = -0.5 * (_t(shift * n[..., None]) @ shift)
        d_gram[..., r:, :] += _t(d_pull) @ shift
        d_gram[..., r:, r:] -= 0.5 * (inner @ second @ inner + n[..., None, None] * inner).sum(axis=-3)
        d_gram = 0.5 * (d_gram + _t(d_gram))
        d_z = rows.times(state.posterior, state.linear)
        curve = rows.times(state.posterior, inner.reshape(*inner.shape[:-2], v * v))
        curve = curve.reshape(*curve.shape[:-1], v, v)
        d_z[..., r:] += (curve @ state.z[..., r:, None])[..., 0]
        total_z = rows.total(d_z)
        mean = state.parts.mean[..., rows.group, :]
        moment = rows.outer(rows.values, d_z) - mean[..., :, None] * total_z[..., None, :]
        weighted = state.base.weight @ moment
        weight = state.base.weight
        d_basis = 2.0 * weight_u @ d_gram + weighted
        d_base = -0.5 * size[:, None, None] * (weight - weight @ state.base.second @ weight)
        sandwich = weight_u @ (d_gram @ _t(weight_u) + _t(weighted))
        d_base = d_base - 0.5 * (sandwich + _t(sandwich))
        d_mean = size[:, None] * (weight @ state.base.shift[..., None])[..., 0]
        d_mean = d_mean - (weight_u @ total_z[..., None])[..., 0]
        if len(group) != len(rows.group):  # classes are groups
            d_shift = sum_by_group(d_shift, rows.group, g, -3)
            d_spread = sum_by_group(d_spread, rows.group, g, -4)
        back = nodes_back(state.parts, plan, self.rule.nodes, group, known, state.nodes, d_shift, d_spread)
        slopes = Slopes(
            sum_by_group(d_base, rows.group, g, -3), sum_by_group(d_mean, rows.group, g, -2),
            sum_by_group(d_basis, rows.group, g, -3), sum_by_group(back.slopes, group, g, -3),
            sum_by_group(back.left, group, g, -3), sum_by_group(back.level, group, g, -2),
            sum_by_group(back.feed, group, g, -3),
        )  # fmt: skip
        d_cov, d_joint_mean, d_effects = pull_back(state.at, plan, p, state.parts, slopes)
        joint, at_rows = slots_of(state.at, plan, p)
        by_slot = kernels.slopes_along(ram.slots, joint, 2.0 * d_cov, d_joint_mean)
        by_slot = by_slot + path_slopes(ram, joint, at_rows, plan, d_effects)
        return ram.to_parameters(by_slot)

    def _moved(self, params: Array, step: float, *, gradients: bool) -> tuple[Array, Array]:
        """Rows' log-likelihoods (2k, N) and gradients (2k, k) one step of `units` beside params."""
        k = len(params)
        steps = step * self.units
        beside = np.concatenate([params + np.diag(steps), params - np.diag(steps)])
        at_once = max(1, AT_ONCE // (len(self.rows.values) * len(self.rule.log_weight)))
        values, slopes = [], []
        for start in range(0, 2 * k, at_once):
            state = self.state(beside[start : start + at_once])
            if state is None:
                raise np.linalg.LinAlgError("a neighbor of the solution is not admissible")
            values.append(self._by_row(state) if not gradients else np.empty((0, 0)))
            slopes.append(self.gradient(state) if gradients else np.empty((0, 0)))
        return np.concatenate(values), np.concatenate(slopes)

    def _by_row(self, state: State) -> Array:
        """ℓᵢ (b, N) in the order of `rows`, without the constants that no parameter moves."""
        rows = self.rows
        mean = state.parts.mean[..., rows.group, :][..., rows.cell, :]
        centered = np.where(rows.patterns.seen[rows.cell], rows.values - mean, 0.0)
        quadratic = (rows.times(centered, state.base.weight) * centered).sum(axis=-1)
        size, second = rows.patterns.size, state.base.second
        log_det = state.base.value - (state.base.weight * second).sum(axis=(-1, -2))
        del size
        return state.log_mix - 0.5 * (quadratic + log_det[..., rows.cell])

    def information(self, params: Array) -> Array:
        """−∂²ℓ/∂params² (k, k): central differences of the analytic gradient."""
        k = len(params)
        _, slopes = self._moved(params, 1e-4, gradients=True)
        hessian = (slopes[k:] - slopes[:k]) / (2e-4 * self.units[:, None])
        return 0.5 * (hessian + hessian.T)

    def case_scores(self, params: Array) -> Array:
        """∂ℓᵢ/∂params (N, k): central differences, rows in the order of the sample."""
        k = len(params)
        values, _ = self._moved(params, 1e-4, gradients=False)
        scores = (values[:k] - values[k:]).T / (2e-4 * self.units)
        out = np.empty_like(scores)
        out[self.rows.order] = scores
        return out

    def with_rule(self, rule: Rule) -> LMS:
        """The same likelihood on other nodes."""
        return replace(self, rule=rule)


def _pairs(v: int) -> tuple[IntArray, IntArray, Array]:
    """Pairs i ≤ j of v dimensions and the factor of their products in ½ zᵀBz."""
    i, j = np.triu_indices(v)
    return i, j, np.where(i == j, 0.5, 1.0)
