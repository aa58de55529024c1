"""Draws of fits to moments of incomplete rows: pairwise ones, or those of maximum likelihood (two stages).

Each replicate makes its moments anew from its own rows, as the fit made them; from there a refit is that of
complete rows. Auxiliary variables are drawn with their rows. What draws from the model needs their moments
too: they follow the model's variables by the regressions that the data have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.batches import Batch, IncompleteBatch, IncompleteRows
from sem_models.estimation.data_options import TWO_STAGE
from sem_models.estimation.saturated_refit import Beginning, refit_saturated
from sem_models.inference.drawing import Times
from sem_models.inference.moved_rows import moved_rows
from sem_models.inference.resampling import gaps_from_model, gaps_of
from sem_models.model.ram import Array, IntArray
from sem_models.observed.pairwise import pairwise_of
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import BoolArray
from sem_models.observed.rows import whole
from sem_models.observed.saturated import saturated_moments

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

DEFINITE = 1e-9
"""Smallest eigenvalue of correlations that count as those of a sample, as in the fit."""

NOTHING = np.zeros(0, dtype=np.intp)


def of_moments(solved: Solved) -> bool:
    """Whether the model was fitted to moments made of incomplete rows, or with auxiliary variables."""
    sample, missing = solved.sample, solved.options.missing
    if sample.ordinal is not None:
        return False
    if missing == "pairwise" and sample.rows is not None:
        return any(np.isnan(block.values).any() for block in sample.rows)
    return missing in TWO_STAGE and sample.gamma is not None


@dataclass(frozen=True, slots=True)
class Moments:
    """What makes the moments of rows: values (n_g, p) by group with NaN where missing, auxiliary variables
    last; the first `kept` are the model's. cov and mean (g, p, …) are all rows' moments; begin is where
    those of replicates are searched from, None for pairwise ones."""

    values: tuple[Array, ...]
    kept: int
    cov: Array
    mean: Array
    begin: Beginning | None

    @property
    def pairwise(self) -> bool:
        return self.begin is None

    def moved(self, sigma: Array, mu: Array) -> Moments:
        """The same of rows that are moved so that their moments are the model's."""
        cov, mean = self.joint(sigma, mu)
        values = moved_rows(self.values, cov, mean, pairwise=self.pairwise)
        return Moments(values, self.kept, cov, mean, None if self.pairwise else _beginning(values, cov, mean))

    def of_blocks(self, blocks: list[Array]) -> tuple[Array, Array]:
        """Moments (g, kept, kept), (g, kept) of other rows. DataError where they do not exist."""
        if self.pairwise:
            with np.errstate(divide="ignore", invalid="ignore"):  # no row may answer both of two items
                found = [pairwise_of(whole(x), near) for x, near in zip(blocks, self.mean, strict=True)]
            cov, mean = np.stack([c for c, _ in found]), np.stack([m for _, m in found])
            if not _definite(cov).all():
                raise DataError("Pairwise moments of these rows contradict one another.")
            return cov, mean
        patterns, _ = group_patterns(blocks, [None] * len(blocks))
        return self._kept(*saturated_moments(patterns, len(blocks), (self.cov, self.mean)))

    def resampled(self, draws: Iterator[Times], n_rows: float) -> Iterator[Batch]:
        """Moments of batches of draws, NaN where they do not exist."""
        rows = gaps_of(self.values, NOTHING, self.cov, self.mean).rows
        for times in draws:
            yield self._of(rows, times, n_rows)

    def from_model(
        self, sigma: Array, mu: Array, n_draws: int, rng: np.random.Generator, chunk: int, n_rows: float
    ) -> Iterator[Batch]:
        """Moments of normal samples of the model, missing what the data miss."""
        gaps = gaps_of(self.values, NOTHING, self.cov, self.mean)
        for batch in gaps_from_model(gaps, *self.joint(sigma, mu), n_draws, rng, chunk):
            yield self._of(batch.rows, [np.ones_like(w) for w in batch.weights], n_rows)

    def joint(self, sigma: Array, mu: Array) -> tuple[Array, Array]:
        """The model's moments with those of auxiliary variables, which follow by the data's regressions."""
        k = self.kept
        if k == self.cov.shape[-1]:
            return sigma, mu
        slopes = np.swapaxes(np.linalg.solve(self.cov[:, :k, :k], self.cov[:, :k, k:]), 1, 2)
        along = slopes @ sigma
        rest = self.cov[:, k:, k:] + slopes @ (sigma - self.cov[:, :k, :k]) @ np.swapaxes(slopes, 1, 2)
        cov = np.block([[sigma, np.swapaxes(along, 1, 2)], [along, rest]])
        shift = (slopes @ (mu - self.mean[:, :k])[..., None])[..., 0]
        return cov, np.concatenate([mu, self.mean[:, k:] + shift], axis=1)

    def _of(self, rows: tuple[IncompleteRows, ...], times: Times, n_rows: float) -> Batch:
        sums = np.stack([t.sum(axis=1) for t in times], axis=1)
        share = sums / sums.sum(axis=1, keepdims=True)
        if self.begin is None:
            found = [_pairwise(*parts) for parts in zip(rows, times, self.mean, strict=True)]
            cov, mean = np.stack([c for c, _ in found], axis=1), np.stack([m for _, m in found], axis=1)
            cov[~_definite(cov).all(axis=1)] = np.nan
            return Batch(cov, mean, share)
        weights = tuple(t / sums[:, g, None] for g, t in enumerate(times))
        blank = np.zeros((*share.shape, *self.cov.shape[1:])), np.zeros((*share.shape, self.cov.shape[-1]))
        batch = IncompleteBatch(rows, weights, share, *blank)
        moments, _ = refit_saturated(batch, self.begin, n_rows)
        return Batch(*self._kept(moments.cov, moments.mean), share)

    def _kept(self, cov: Array, mean: Array) -> tuple[Array, Array]:
        return cov[..., : self.kept, : self.kept], mean[..., : self.kept]


def moments_of(solved: Solved, values: tuple[Array, ...]) -> Moments:
    """How the fit made its moments of rows `values`, without auxiliary variables."""
    sample = solved.sample
    kept = len(sample.variables)
    if solved.options.missing == "pairwise":
        return Moments(values, kept, sample.cov, sample.mean, None)
    beside = [block.beside for block in sample.rows or ()]
    if beside[0] is not None:
        values = tuple(np.hstack([x, aux]) for x, aux in zip(values, beside, strict=True) if aux is not None)
    patterns, _ = group_patterns(values, [None] * len(values))
    near = (sample.cov, sample.mean) if beside[0] is None else None
    cov, mean = saturated_moments(patterns, len(values), near)
    return Moments(values, kept, cov, mean, Beginning.at(cov, mean, patterns))


def _beginning(values: tuple[Array, ...], cov: Array, mean: Array) -> Beginning:
    return Beginning.at(cov, mean, group_patterns(values, [None] * len(values))[0])


def exists(batch: Batch) -> IntArray:
    """The replicates whose moments exist."""
    return np.flatnonzero(np.isfinite(batch.cov).all(axis=(1, 2, 3)))


def _definite(cov: Array) -> BoolArray:
    """Whether covariance matrices (…, p, p) are positive definite."""
    positive = (np.diagonal(cov, axis1=-2, axis2=-1) > 0).all(axis=-1)
    fine = np.asarray(np.isfinite(cov).all(axis=(-1, -2)) & positive, dtype=bool)
    safe = np.where(fine[..., None, None], cov, np.eye(cov.shape[-1]))
    sd = np.sqrt(np.diagonal(safe, axis1=-2, axis2=-1))
    smallest = np.linalg.eigvalsh(safe / (sd[..., :, None] * sd[..., None, :]))[..., 0]
    return np.asarray(fine & (smallest > DEFINITE), dtype=bool)


def _pairwise(rows: IncompleteRows, times: Array, near: Array) -> tuple[Array, Array]:
    """Pairwise covariances (b, p, p) and available means (b, p) of rows that count `times` (b, n), as
    `pairwise_of` has them."""
    centered = (rows.values - near) * rows.seen
    if centered.ndim == 2:
        centered = centered[None]
    heavy = np.swapaxes(centered * times[..., None], -1, -2)
    answered = np.swapaxes(rows.seen * times[..., None], -1, -2)
    n, cross, sums = answered @ rows.seen, heavy @ centered, heavy @ rows.seen
    size = times.sum(axis=1)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cov = (cross - sums * np.swapaxes(sums, -1, -2) / n) / (n - 1.0) * (size - 1.0) / size
        return cov, near + heavy.sum(axis=-1) / np.diagonal(n, axis1=-2, axis2=-1)
