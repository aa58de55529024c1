"""Latent moderated structural equations: the likelihood as a mixture over the moderators.

ℓ = Σᵢ log Σ_k w_k N(yᵢ; μ_k, Σ_k) (Klein & Moosbrugger, 2000, Psychometrika 65, eq. 17). Every Σ_k differs
from one matrix by rank k + o (products and the factors that stay), so a row enters through z = UᵀW(y − μ) of
that many dimensions and r more: rows × nodes cost as much for 50 items as for 5. By missing pattern, so that
incomplete rows are used as they are. All parameters' derivatives follow by the chain rule, backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from sem_models.observed.patterns import Discrepancy, discrepancy

AT_ONCE = 1_000_000
"""Rows × nodes × parameter vectors evaluated in one array."""

PAIRS = 8_000_000
"""Rows × nodes evaluated in one array."""

SHOWN_AFTER = 2.0
"""Seconds before a progress bar appears."""


def _t(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


@dataclass(frozen=True, slots=True)
class State:
    """One evaluation, with a leading batch axis b: what the gradient is computed from.

    at the linear model; z (b, N, d) the rows' statistics, features (b, N, m) with their squares; linear
    (b, c, K, d) the coefficients of z by cell; weight_u (b, t, p, d) W U by pattern; gram (b, c, d, d)
    G = UᵀWU by cell; pull (b, c, K, v) G a; log_mix (b, N) log of the rows' densities relative to the base;
    posterior (b, N, K).
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

    units (k,) are the sizes of the parameters; with `casewise` the information keeps the rows' values beside
    the solution, of which their scores are made.
    """

    ram: RamModel
    plan: Plan
    rows: RowBlocks
    rule: Rule
    units: Array
    casewise: bool = False
    memory: dict[bytes, Array] = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------------ values

    @cached_property
    def _classes(self) -> tuple[IntArray, Array, IntArray]:
        """Group and products of observed moderators of each class, and the class of each cell."""
        rows, columns = self.rows, sorted({c for own in self.plan.observed for c in own})
        group = rows.patterns.group[rows.pattern_of_cell]
        if not columns:
            g = self.ram.n_groups
            return np.arange(g, dtype=np.intp), np.ones((g, len(self.plan.products))), group
        at = {c: j for j, c in enumerate(columns)}
        known = np.stack(
            [rows.moderators[:, [at[c] for c in own]].prod(axis=1) for own in self.plan.observed], axis=1
        )
        return group, known, np.arange(len(group), dtype=np.intp)

    def state(self, params: Array) -> State | None:
        """Evaluate parameter vectors (b, k); None where any of them is not admissible."""
        ram, plan, rows, rule = self.ram, self.plan, self.rows, self.rule
        p, f = ram.n_observed, plan.r + plan.still
        try:
            at = kernels.implied(*ram.matrices(ram.free_values(params)), p, ram.places.sources)
            parts = split(at, plan, p)
            base = discrepancy(parts.base, parts.mean, rows.patterns)
        except np.linalg.LinAlgError:
            return None
        of_pattern, of_cell = rows.patterns.group, rows.pattern_of_cell
        basis = parts.basis[..., of_pattern, :, :]
        weight_u = base.weight @ basis
        gram = _t(basis) @ weight_u
        own_gram = gram[..., of_cell, :, :]
        group, known, cell_class = self._classes
        nodes = at_nodes(parts, plan, rule.nodes, group, known)
        shift, spread = nodes.shift[..., cell_class, :, :], nodes.spread[..., cell_class, :, :, :]
        changed = update(spread, own_gram[..., f:, f:])
        if changed is None:
            return None
        pull = shift @ own_gram[..., :, f:]
        bent = (changed.inner @ pull[..., None])[..., 0]
        constant = 0.5 * (
            (pull * bent).sum(axis=-1) - (shift @ own_gram * shift).sum(axis=-1) - changed.log_det
        )
        linear = shift.copy()
        linear[..., f:] -= bent
        i, j, scale = _pairs(spread.shape[-1])
        coefficients = np.concatenate(
            [(constant + rule.log_weight)[..., None], linear, scale * changed.inner[..., i, j]], axis=-1
        )
        origin = (parts.mean[..., of_pattern, None, :] @ weight_u)[..., 0, :]
        z = rows.by_pattern.times(rows.values, weight_u) - origin[..., rows.by_pattern.part, :]
        features = np.concatenate([np.ones((*z.shape[:-1], 1)), z, z[..., f + i] * z[..., f + j]], axis=-1)
        exponent = rows.by_cell.times(features, _t(coefficients))
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
            at, parts, base, nodes, changed, z, features, linear, weight_u, own_gram, pull, log_mix,
            exponent, value,
        )  # fmt: skip

    @cached_property
    def _pieces(self) -> tuple[LMS, ...]:
        """Itself, or the likelihoods of pieces of the rows where rows × nodes do not go into one array."""
        at_once = max(1, PAIRS // len(self.rule.log_weight))
        if len(self.rows.values) <= at_once:
            return (self,)
        return tuple(replace(self, rows=rows, memory={}) for rows in self.rows.pieces(at_once))

    def value(self, params: Array) -> float | None:
        """ℓ at params (k,)."""
        total = 0.0
        for piece in self._pieces:
            state = piece.state(params[None])
            if state is None:
                return None
            total += float(state.value[0])
        return total

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        """ℓ and ∂ℓ/∂params (k,); None where a matrix is not positive definite."""
        total, slope = 0.0, np.zeros(len(params))
        for piece in self._pieces:
            state = piece.state(params[None])
            if state is None:
                return None
            total += float(state.value[0])
            slope += piece.gradient(state)[0]
        return total, slope

    # ------------------------------------------------------------------ derivatives

    def gradient(self, state: State) -> Array:
        """∂ℓ/∂params (b, k)."""
        ram, plan, rows = self.ram, self.plan, self.rows
        p, f, g = ram.n_observed, plan.r + plan.still, ram.n_groups
        group, known, cell_class = self._classes
        size = rows.patterns.size
        inner, pull, gram, weight_u = state.update.inner, state.pull, state.gram, state.weight_u
        shift = state.nodes.shift[..., cell_class, :, :]
        d, v = shift.shape[-1], pull.shape[-1]
        of_pattern, of_cell, n_patterns = rows.patterns.group, rows.pattern_of_cell, len(size)
        sums = rows.by_cell.outer(state.posterior, state.features)
        n, first = sums[..., 0], sums[..., 1 : 1 + d]
        first_v = first[..., f:]
        i, j, _ = _pairs(v)
        second = np.empty((*n.shape, v, v))
        second[..., i, j] = second[..., j, i] = sums[..., 1 + d :]
        cross = first_v[..., :, None] * pull[..., None, :]
        second += n[..., None, None] * pull[..., :, None] * pull[..., None, :] - cross - _t(cross)
        gram_v = gram[..., None, f:, f:]
        y = np.eye(v) - gram_v @ inner  # (I + G D)⁻¹
        d_spread = 0.5 * (y @ second @ _t(y) - n[..., None, None] * (gram_v @ _t(y)))
        d_pull = -(inner @ (first_v - n[..., None] * pull)[..., None])[..., 0]
        d_shift = first - n[..., None] * (shift @ gram) + d_pull @ gram[..., f:, :]
        d_gram = -0.5 * (_t(shift * n[..., None]) @ shift)
        d_gram[..., f:, :] += _t(d_pull) @ shift
        d_gram[..., f:, f:] -= 0.5 * (inner @ second @ inner + n[..., None, None] * inner).sum(axis=-3)
        d_gram = _sums(0.5 * (d_gram + _t(d_gram)), of_cell, n_patterns, -3)
        d_z = rows.by_cell.times(state.posterior, state.linear)
        curve = rows.by_cell.times(state.posterior, inner.reshape(*inner.shape[:-2], v * v))
        curve = curve.reshape(*curve.shape[:-1], v, v)
        d_z[..., f:] += (curve @ state.z[..., f:, None])[..., 0]
        total_z = rows.by_pattern.total(d_z)
        mean = state.parts.mean[..., of_pattern, :]
        moment = rows.by_pattern.outer(rows.values, d_z) - mean[..., :, None] * total_z[..., None, :]
        weighted = state.base.weight @ moment
        weight = state.base.weight
        d_basis = 2.0 * weight_u @ d_gram + weighted
        d_base = -0.5 * size[:, None, None] * (weight - weight @ state.base.second @ weight)
        sandwich = weight_u @ (d_gram @ _t(weight_u) + _t(weighted))
        d_base = d_base - 0.5 * (sandwich + _t(sandwich))
        d_mean = size[:, None] * (weight @ state.base.shift[..., None])[..., 0]
        d_mean = d_mean - (weight_u @ total_z[..., None])[..., 0]
        if len(group) != len(of_cell):  # classes are groups
            d_shift = _sums(d_shift, cell_class, g, -3)
            d_spread = _sums(d_spread, cell_class, g, -4)
        back = nodes_back(state.parts, plan, self.rule.nodes, group, known, state.nodes, d_shift, d_spread)
        slopes = Slopes(
            _sums(d_base, of_pattern, g, -3), _sums(d_mean, of_pattern, g, -2),
            _sums(d_basis, of_pattern, g, -3), _sums(back.slopes, group, g, -3),
            _sums(back.left, group, g, -3), _sums(back.level, group, g, -2),
            _sums(back.feed, group, g, -3),
        )  # fmt: skip
        d_cov, d_joint_mean, d_effects = pull_back(state.at, plan, p, state.parts, slopes)
        joint, at_rows = slots_of(state.at, plan, p)
        by_slot = kernels.slopes_along(ram.slots, joint, 2.0 * d_cov, d_joint_mean)
        by_slot = by_slot + path_slopes(ram, joint, at_rows, plan, d_effects)
        return ram.to_parameters(by_slot)

    def _beside(self, params: Array, step: float, of_state: Callable[[LMS, State], Array]) -> Array:
        """A function of the states one step of `units` beside params, up then down: (2k, ...).

        Summed over pieces of the rows; with a progress bar where it takes long.
        """
        from tqdm import tqdm

        k = len(params)
        steps = step * self.units
        beside = np.concatenate([params + np.diag(steps), params - np.diag(steps)])
        total: Array | None = None
        pieces = self._pieces
        with tqdm(total=2 * k * len(pieces), desc="Information", leave=False, delay=SHOWN_AFTER) as bar:
            for piece in pieces:
                at_once = max(1, AT_ONCE // (len(piece.rows.values) * len(self.rule.log_weight)))
                found = []
                for start in range(0, 2 * k, at_once):
                    chosen = beside[start : start + at_once]
                    state = piece.state(chosen)
                    if state is None:
                        raise np.linalg.LinAlgError("a neighbor of the solution is not admissible")
                    found.append(of_state(piece, state))
                    bar.update(len(chosen))
                values = np.concatenate(found)
                total = values if total is None else total + values
        assert total is not None
        return total

    def _by_row(self, state: State) -> Array:
        """ℓᵢ (b, N) in the order of `rows`, without the constants that no parameter moves."""
        rows, base = self.rows, state.base
        part = rows.by_pattern.part
        mean = state.parts.mean[..., rows.patterns.group, :][..., part, :]
        centered = np.where(rows.patterns.seen[part], rows.values - mean, 0.0)
        quadratic = (rows.by_pattern.times(centered, base.weight) * centered).sum(axis=-1)
        log_det = base.value - (base.weight * base.second).sum(axis=(-1, -2))
        return state.log_mix - 0.5 * (quadratic + log_det[..., part])

    def information(self, params: Array) -> Array:
        """−∂²ℓ/∂params² (k, k): central differences of the analytic gradient; NaN where they do not exist."""
        k = len(params)
        try:
            beside = self._beside(params, 1e-4, self._both if self.casewise else LMS._slopes)
        except np.linalg.LinAlgError:
            return np.full((k, k), np.nan)
        if self.casewise:  # the same neighbors give the rows' scores
            self.memory.clear()
            self.memory[params.tobytes()] = beside[:, k:]
        slopes = beside[:, :k]
        hessian = (slopes[k:] - slopes[:k]) / (2e-4 * self.units[:, None])
        return 0.5 * (hessian + hessian.T)

    def case_scores(self, params: Array) -> Array:
        """∂ℓᵢ/∂params (N, k): central differences, rows in the order of the sample."""
        k = len(params)
        values = self.memory.get(params.tobytes())
        if values is None:
            values = self._beside(params, 1e-4, self._rows_of)
        return np.asarray((values[:k] - values[k:]).T / (2e-4 * self.units))

    def _slopes(self, state: State) -> Array:
        return self.gradient(state)

    def _rows_of(self, piece: LMS, state: State) -> Array:
        """ℓᵢ of a piece's rows (b, N) among all rows of the sample, 0 elsewhere."""
        out = np.zeros((len(state.value), len(self.rows.values)))
        out[:, piece.rows.order] = piece._by_row(state)
        return out

    def _both(self, piece: LMS, state: State) -> Array:
        return np.concatenate([piece.gradient(state), self._rows_of(piece, state)], axis=1)

    def with_rule(self, rule: Rule) -> LMS:
        """The same likelihood on other nodes."""
        return replace(self, rule=rule, memory={})


def _sums(values: Array, part: IntArray, n_parts: int, axis: int) -> Array:
    """Sums along `axis` over sorted parts, any of which may be empty."""
    if len(part) == n_parts and np.array_equal(part, np.arange(n_parts)):
        return values
    start = np.searchsorted(part, np.arange(n_parts + 1))
    filled = np.flatnonzero(np.diff(start))
    sums = np.add.reduceat(values, start[filled], axis=axis)
    if len(filled) == n_parts:
        return np.asarray(sums)
    shape = list(values.shape)
    shape[axis] = n_parts
    out = np.zeros(shape)
    np.moveaxis(out, axis, 0)[filled] = np.moveaxis(sums, axis, 0)
    return out


def _pairs(v: int) -> tuple[IntArray, IntArray, Array]:
    """Pairs i ≤ j of v dimensions and the factor of their products in ½ zᵀBz."""
    i, j = np.triu_indices(v)
    return i, j, np.where(i == j, 0.5, 1.0)
