"""Resamples of the rows: how often each row is drawn, and the moments that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sem_models.estimation.refit import Batch
from sem_models.model.ram import Array

Kind = Literal["ordinary", "bollen.stine", "parametric"]

WEIGHED = 3_000_000
"""Largest number of entries of the matrix of products and of a batch of draws; beyond it rows are drawn one
replicate at a time, and memory stays that of the data."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of each group as they are resampled: values (n_g, p), centered at `center` (p,)."""

    centered: tuple[Array, ...]
    center: tuple[Array, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(x) for x in self.centered)


def rows_to_draw(values: tuple[Array, ...], sigma: Array, mu: Array, kind: Kind) -> Rows:
    """Rows for the ordinary bootstrap, or moved so that the model holds in them exactly.

    Bollen & Stine (1992, Sociological Methods & Research 21): z = Σ^½ S^-½ (y − ȳ) + μ has the model's
    moments sigma (g, p, p) and mu (g, p), with divisor n, and the data's higher moments.
    """
    centered, center = [], []
    for g, x in enumerate(values):
        mean = x.mean(axis=0)
        away = x - mean
        if kind == "bollen.stine":
            away = away @ np.linalg.inv(_root(away.T @ away / len(x))) @ _root(sigma[g])
            mean = mu[g]
        centered.append(away)
        center.append(mean)
    return Rows(tuple(centered), tuple(center))


def _root(matrix: Array) -> Array:
    """The symmetric square root."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def resampled(rows: Rows, n_draws: int, rng: np.random.Generator, chunk: int) -> Iterator[Batch]:
    """Moments of resamples with replacement within groups, `chunk` replicates at a time.

    The draws come replicate by replicate from one stream, so the chunk does not change them.
    """
    g, p = len(rows.centered), rows.centered[0].shape[1]
    share = np.array(rows.sizes) / sum(rows.sizes)
    i, j = np.tril_indices(p)
    small = max(rows.sizes) * max(len(i), chunk) <= WEIGHED
    products = [x[:, i] * x[:, j] for x in rows.centered] if small else []
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        cov, mean = np.empty((b, g, p, p)), np.empty((b, g, p))
        drawn = _indices(rows.sizes, b, rng)
        for k, x in enumerate(rows.centered):
            n = len(x)
            if small:
                flat = (drawn[k] + n * np.arange(b)[:, None]).ravel()
                counts = np.bincount(flat, minlength=b * n).reshape(b, n).astype(float)
                first, second = counts @ x / n, counts @ products[k] / n
                cov[:, k, i, j] = cov[:, k, j, i] = second - first[:, i] * first[:, j]
                mean[:, k] = first + rows.center[k]
                continue
            for r in range(b):
                times = np.bincount(drawn[k][r], minlength=n).astype(float)
                first = times @ x / n
                cov[r, k] = (x * times[:, None]).T @ x / n - np.outer(first, first)
                mean[r, k] = first + rows.center[k]
        yield Batch(cov, mean, np.broadcast_to(share, (b, g)))


def _indices(sizes: tuple[int, ...], b: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Row numbers (b, n_g) by group, taken from the stream replicate by replicate."""
    if len(sizes) == 1:
        return [rng.integers(0, sizes[0], size=(b, sizes[0]))]
    drawn = [[rng.integers(0, n, size=n) for n in sizes] for _ in range(b)]
    return [np.stack([d[k] for d in drawn]) for k in range(len(sizes))]


def drawn_from_model(
    sigma: Array, mu: Array, sizes: tuple[int, ...], n_draws: int, rng: np.random.Generator, chunk: int
) -> Iterator[Batch]:
    """Moments of normal samples of the model's population, sigma (g, p, p) and mu (g, p)."""
    g, p = mu.shape
    share = np.array(sizes) / sum(sizes)
    roots = np.linalg.cholesky(sigma)
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        cov, mean = np.empty((b, g, p, p)), np.empty((b, g, p))
        for r in range(b):
            for k, n in enumerate(sizes):
                x = rng.standard_normal((n, p)) @ roots[k].T
                mean[r, k] = x.mean(axis=0) + mu[k]
                x = x - x.mean(axis=0)
                cov[r, k] = x.T @ x / n
        yield Batch(cov, mean, np.broadcast_to(share, (b, g)))


def left_out(rows: Rows, chunk: int) -> Iterator[Batch]:
    """Moments without each row in turn, group by group (the jackknife)."""
    g, p = len(rows.centered), rows.centered[0].shape[1]
    sizes = np.array(rows.sizes, dtype=float)
    whole = np.stack([x.T @ x / len(x) for x in rows.centered])
    for k, x in enumerate(rows.centered):
        n = len(x)
        kept = sizes.copy()
        kept[k] -= 1.0
        for begin in range(0, n, chunk):
            out = x[begin : begin + chunk]
            b = len(out)
            cov = np.broadcast_to(whole, (b, g, p, p)).copy()
            mean = np.broadcast_to(np.stack(rows.center), (b, g, p)).copy()
            first = -out / (n - 1.0)
            second = (n * whole[k] - out[:, :, None] * out[:, None, :]) / (n - 1.0)
            cov[:, k] = second - first[:, :, None] * first[:, None, :]
            mean[:, k] = first + rows.center[k]
            yield Batch(cov, mean, np.broadcast_to(kept / kept.sum(), (b, g)))
