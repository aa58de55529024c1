"""Second derivatives and case scores of the quasi-likelihood's added part, to rounding.

A row enters through c = (a, t, Γ, K, Φ, V), of which a and t are affine in its data. Second derivatives by c
are added up over rows as moments of the data; one batch of complex parameter vectors then gives ∂c/∂params,
and ∂(slopes · c)/∂params with the slopes held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array
from sem_models.moderation.latent.quasi_data import SortedRows
from sem_models.moderation.latent.quasi_moments import (
    Arrows,
    Layout,
    Numbers,
    QuasiMoments,
    Within,
    arrows,
    pull_back,
    quasi_moments,
    seen_inverse,
)
from sem_models.moderation.latent.quasi_row_curvature import row_curvature
from sem_models.moderation.latent.quasi_rows import RowInputs
from sem_models.observed.rows import pieces

STEP = 1e-30
"""Length of a complex step: no difference is taken, so that it may be as small as can be."""

BATCH = 4_000
"""Patterns times directions of a batch."""

PIECE = 16_384
"""Rows whose second derivatives are held at a time."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """m factors, r scaling variables, n products; packed coordinates a, t, Γ, K, Φ (upper), V (upper)."""

    m: int
    r: int
    n: int

    @property
    def shared(self) -> int:
        """Coordinates that the rows of a pattern share."""
        m, r = self.m, self.r
        return r * self.n + r * m + m * (m + 1) // 2 + r * (r + 1) // 2

    def pack(self, gamma: Numbers, k_mat: Numbers, phi: Numbers, v_mat: Numbers) -> Numbers:
        """(..., shared) values from (..., r, n), (..., r, m), (..., m, m), (..., r, r)."""
        batch = gamma.shape[:-2]
        i, j = np.triu_indices(self.m)
        s, u = np.triu_indices(self.r)
        flat = (gamma.reshape(*batch, -1), k_mat.reshape(*batch, -1), phi[..., i, j], v_mat[..., s, u])
        return np.concatenate(flat, axis=-1)

    def pack_slopes(self, gamma: Numbers, k_mat: Numbers, phi: Numbers, v_mat: Numbers) -> Numbers:
        """The same for derivatives: an entry off the diagonal stands for two."""

        def doubled(matrix: Numbers, size: int) -> Numbers:
            return matrix * (2.0 - np.eye(size))

        return self.pack(gamma, k_mat, doubled(phi, self.m), doubled(v_mat, self.r))


def _sizes(at: Layout) -> Sizes:
    return Sizes(len(at.plan.factors), len(at.plan.targets), len(at.plan.products))


def added_curvature(
    inputs: RowInputs, slopes: QuasiMoments, params: Array, at: Layout, rows: SortedRows
) -> Array:
    """∂²/∂params² (k, k) of the added part; `slopes` are its derivatives by the moments, summed."""
    second = _second_by_moments(inputs, at, rows)
    k = len(params)
    jac = np.empty((k, len(second), second.shape[-1]))
    bend = np.empty((k, k))
    for chosen, here, moments, within in _directions(params, at):
        jac[chosen] = _flat(moments, at).imag / STEP
        bend[chosen] = pull_back(slopes, moments, within, here, at).imag / STEP
    curve = np.einsum("ktc,tcd,ltd->kl", jac, second, jac, optimize=True)
    return 0.5 * (curve + curve.T) + 0.5 * (bend + bend.T)


def added_scores(slopes: RowInputs, params: Array, at: Layout, rows: SortedRows) -> Array:
    """Scores (N, k) of the added part, rows as sorted."""
    sizes = _sizes(at)
    m, r, p = sizes.m, sizes.r, at.ram.n_observed
    lead = np.concatenate([slopes.a, slopes.t]).T
    shared = sizes.pack_slopes(
        *(np.moveaxis(x, -1, 0) for x in (slopes.gamma, slopes.k_mat, slopes.phi, slopes.v_mat))
    )
    out = np.empty((len(lead), len(params)))
    design = np.vstack([rows.values, np.ones(len(lead))]).T
    for chosen, _, moments, _ in _directions(params, at):
        jac = _flat(moments, at).imag / STEP  # (d, t, c)
        for t, (low, high) in enumerate(zip(rows.start[:-1], rows.start[1:], strict=True)):
            affine = jac[:, t, : (m + r) * (p + 1)].reshape(-1, m + r, p + 1)
            out[low:high, chosen] = shared[low:high] @ jac[:, t, (m + r) * (p + 1) :].T
            for q in range(m + r):
                out[low:high, chosen] += lead[low:high, q, None] * (design[low:high] @ affine[:, q].T)
    return out


def _flat(moments: QuasiMoments, at: Layout) -> Numbers:
    """(..., t, c) coordinates of the moments: the rows of [P b_a; U b_t], then the shared ones."""
    lead = np.concatenate([moments.p_mat, moments.u_mat], axis=-2)
    constant = np.concatenate([moments.b_a, moments.b_t], axis=-1)
    affine = np.concatenate([lead, constant[..., None]], axis=-1)
    shared = _sizes(at).pack(moments.gamma, moments.k_mat, moments.phi, moments.v_mat)
    return np.concatenate([affine.reshape(*affine.shape[:-2], -1), shared], axis=-1)


def _directions(params: Array, at: Layout) -> Iterator[tuple[slice, Arrows, QuasiMoments, Within]]:
    """Moments at params + i h e_j for batches of directions j."""
    k = len(params)
    size = max(1, BATCH // len(at.group))
    for low in range(0, k, size):
        chosen = slice(low, min(low + size, k))
        moved = params + 1j * STEP * np.eye(k)[chosen]
        here = arrows(at.ram, moved)
        moments, within = quasi_moments(here, seen_inverse(here.omega, at), at)
        yield chosen, here, moments, within


def _second_by_moments(inputs: RowInputs, at: Layout, rows: SortedRows) -> Array:
    """Σ over the rows of each pattern of ∂²/∂c², in the coordinates of `_flat`, (t, c, c)."""
    sizes = _sizes(at)
    lead, p = sizes.m + sizes.r, at.ram.n_observed
    wide = lead * (p + 1)
    out = np.zeros((rows.n_patterns, wide + sizes.shared, wide + sizes.shared))
    for piece in pieces(rows.values.shape[1], PIECE):
        curves = row_curvature(inputs.only(piece), at.plan)
        design = np.vstack([rows.values[:, piece], np.ones(curves.shape[-1])])
        for t in range(rows.pattern[piece.start], rows.pattern[piece.stop - 1] + 1):
            own = slice(max(rows.start[t] - piece.start, 0), rows.start[t + 1] - piece.start)
            x, h = design[:, own], curves[..., own]
            both = (h[:lead, :lead, None] * x) @ x.T
            out[t, :wide, :wide] += both.swapaxes(1, 2).reshape(wide, wide)
            out[t, :wide, wide:] += (h[:lead, lead:] @ x.T).swapaxes(1, 2).reshape(wide, -1)
            out[t, wide:, wide:] += h[lead:, lead:].sum(axis=-1)
    out[:, wide:, :wide] = np.swapaxes(out[:, :wide, wide:], -1, -2)
    return out
