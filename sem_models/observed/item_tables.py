"""Thresholds and polychoric correlations of many resamples at once, from how often each row is drawn.

Where all variables are ordered and nothing is conditioned on, a resample is its two-way tables, and what a
row moves the statistics depends on its cell alone: no resample is ever written out row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from sem_models.model.ordinal import Layout
from sem_models.observed.margins import Array, threshold_scores
from sem_models.observed.pair_correlations import polychoric_of_tables
from sem_models.observed.patterns import BoolArray


@dataclass(frozen=True, slots=True)
class Resampled:
    """statistics (b, s) in the order of the layout and their variances (b, s) times the rows; NaN in
    resamples in which a category was not drawn or two items determine one another."""

    statistics: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class ItemTables:
    """The rows of one group as ones where they answer: flat (n, p size), the missing answer as a last
    category."""

    layout: Layout
    flat: Array
    size: int

    @classmethod
    def of(cls, values: Array, layout: Layout) -> ItemTables:
        """values (n, p): categories from 0, NaN where missing."""
        size = max(layout.n_categories) + 1
        codes = np.where(np.isnan(values), size - 1, values).astype(np.intp)
        n, p = codes.shape
        flat = np.zeros((n, p * size))
        flat[np.arange(n)[:, None], np.arange(p) * size + codes] = 1.0
        return cls(layout, flat, size)

    @property
    def numbers(self) -> int:
        """Cells of all pairs: what a resample takes in memory."""
        return len(self.layout.first) * self.size**2

    def counts(self, times: Array) -> Array:
        """Tables (b, r, size, size) from how often each row is drawn, times (b, n)."""
        p, size = self.layout.n_variables, self.size
        out = np.empty((len(times), len(self.layout.first), size, size))
        for k, drawn in enumerate(times):
            used = np.flatnonzero(drawn)
            every = ((self.flat[used] * drawn[used, None]).T @ self.flat[used]).reshape(p, size, p, size)
            out[k] = every[self.layout.first, :, self.layout.second, :]
        return out


def resampled_items(tables: ItemTables, times: Array, perfect: float) -> Resampled:
    """The statistics of resamples times (b, n); |ρ| beyond `perfect` counts as a pair that is determined."""
    layout, size = tables.layout, tables.size
    counts = tables.counts(times)
    b, r = len(times), len(layout.first)
    used = np.array(layout.n_categories)
    margin = _margins(counts, layout)  # (b, p, size), missing answers last
    real = np.arange(size - 1)[None, :] < used[:, None]
    whole = (margin[..., :-1] > 0)[:, real].all(axis=1)
    out = Resampled(np.full((b, layout.size), np.nan), np.full((b, layout.size), np.nan))
    if not whole.any():
        return out
    counts, margin = counts[whole], margin[whole]
    answered = np.where(real, margin[..., :-1], 0.0)
    share = np.cumsum(answered, axis=-1)[..., :-1] / answered.sum(axis=-1, keepdims=True)
    open_ends = np.arange(size - 2)[None, :] < used[:, None] - 1
    tau = np.where(open_ends, ndtri(np.where(open_ends, share, 0.5)), np.inf)  # (b, p, K − 1)
    influence = _threshold_influence(tau, answered, open_ends)
    flat = counts.reshape(-1, size, size)
    ends = [np.full((*tau.shape[:-1], 1), end) for end in (-np.inf, np.inf)]
    edged = np.concatenate([ends[0], tau, ends[1]], axis=-1)
    first, second = (np.tile(chosen, len(counts)) for chosen in (layout.first, layout.second))
    of_first, of_second = (
        edged[:, chosen].reshape(len(flat), -1) for chosen in (layout.first, layout.second)
    )
    found, through_first, through_second = polychoric_of_tables(
        flat[:, :-1, :-1], of_first, of_second, used[first], used[second]
    )
    shape = (len(counts), r)
    moved = np.zeros((*shape, size, size))
    moved[..., :-1, :-1] = found.scores.reshape(*shape, size - 1, size - 1)
    moved -= np.einsum(
        "bram,brm->bra", influence[:, layout.first], through_first.reshape(*shape, -1)
    )[..., :, None]  # fmt: skip
    moved -= np.einsum(
        "bram,brm->bra", influence[:, layout.second], through_second.reshape(*shape, -1)
    )[..., None, :]  # fmt: skip
    moved /= found.information.reshape(*shape, 1, 1)
    rho = found.rho.reshape(shape)
    rows = times[whole].sum(axis=1)
    th, _, _, cov = layout.parts
    statistics = np.empty((len(counts), layout.size))
    variance = np.empty_like(statistics)
    statistics[:, th] = tau[:, layout.th_variable, layout.th_number]
    of_th = influence[:, layout.th_variable, :, layout.th_number]  # (t, b, size)
    variance[:, th] = np.einsum("tbc,btc->bt", of_th**2, margin[:, layout.th_variable])
    statistics[:, cov] = rho
    variance[:, cov] = (counts * moved**2).sum(axis=(2, 3))
    fine = (
        (np.abs(rho) <= perfect).all(axis=1) & (variance > 0).all(axis=1) & np.isfinite(variance).all(axis=1)
    )
    place = np.flatnonzero(whole)[fine]
    out.statistics[place] = statistics[fine]
    out.variance[place] = variance[fine] * rows[fine, None]
    return out


def _margins(counts: Array, layout: Layout) -> Array:
    """Frequencies of each item's answers (b, p, size) from the tables of a pair that it is in."""
    out = np.empty((len(counts), layout.n_variables, counts.shape[-1]))
    for j in range(layout.n_variables):
        pair = int(np.flatnonzero((layout.first == j) | (layout.second == j))[0])
        out[:, j] = counts[:, pair].sum(axis=2 if layout.first[pair] == j else 1)
    return out


def _threshold_influence(tau: Array, answered: Array, open_ends: BoolArray) -> Array:
    """What an answer (…, size) moves the thresholds (…, K − 1); zero for missing answers and unused
    places."""
    # places beyond an item's last threshold hold τ = ∞: their scores are left out
    with np.errstate(all="ignore"):
        scores = np.nan_to_num(threshold_scores(tau), nan=0.0, posinf=0.0, neginf=0.0)
    scores = np.where(open_ends[:, None, :], scores, 0.0)
    bread = np.einsum(
        "bpck,bpc,bpcl->bpkl", scores[..., :-1, :], answered, scores[..., :-1, :], optimize=True
    )
    blank = ~open_ends
    k = np.arange(tau.shape[-1])
    bread[..., k, k] += np.where(blank, 1.0, 0.0)
    return np.asarray(scores @ np.linalg.inv(bread))
