"""The rows behind the moments: values, weights and clusters, and sums over them in pieces.

Nothing here makes a second copy of the data: a million rows are walked in pieces of a few thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray

PIECE = 8_192
"""Rows handled at a time."""

MANY = 20_000
"""Rows from which it pays to walk them by missing pattern."""

Piece = slice | IntArray


@dataclass(frozen=True, slots=True)
class Rows:
    """The used rows of one group: values (n, p) with NaN where missing, position (n,) in the data.

    weight (n,) sampling weights as normalized, or None; cluster (n,) numbers from 0 without gaps, or None;
    beside (n, a) the auxiliary variables that informed two-stage moments, or None.
    """

    values: Array
    position: IntArray
    pattern: IntArray
    weight: Array | None = None
    cluster: IntArray | None = None
    beside: Array | None = None

    @property
    def n_clusters(self) -> int:
        return 0 if self.cluster is None else int(self.cluster.max()) + 1


def whole(values: Array) -> Rows:
    """Rows (n, p) by themselves, outside of any data."""
    return Rows(values, np.arange(len(values)), np.zeros(len(values), dtype=np.intp))


def pieces(n_rows: int, size: int = PIECE) -> Iterator[slice]:
    """Slices that cover n_rows rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def walk(rows: Rows) -> Iterator[Piece]:
    """Pieces that cover the rows; those given by index, of many incomplete rows, hold one pattern each."""
    n = len(rows.values)
    if n <= MANY or rows.pattern.min() == rows.pattern.max():
        yield from pieces(n)
        return
    order = np.argsort(rows.pattern, kind="stable")
    starts = np.flatnonzero(np.diff(rows.pattern[order])) + 1
    for of_pattern in np.split(order, starts):
        for piece in pieces(len(of_pattern)):
            yield of_pattern[piece]


def score_products(rows: Rows, score_of: Callable[[Piece], Array], n_scores: int) -> Array:
    """Σ s sᵀ (m, m) over independent units of one group: rows, weighted, or sums within clusters.

    `score_of` gives the unweighted scores (n, m) of a piece of the rows. Clusters c = 1 … C get the factor
    C / (C − 1) against the bias of few of them (Binder, 1983; Muthén & Satorra, 1995, eq. 8–9).
    """
    if rows.cluster is None:
        total = np.zeros((n_scores, n_scores))
        for piece in walk(rows):
            scores = score_of(piece)
            if rows.weight is not None:
                scores = scores * rows.weight[piece][:, None]
            total += scores.T @ scores
        return total
    sums = np.zeros((rows.n_clusters, n_scores))
    for piece in walk(rows):
        scores = score_of(piece)
        if rows.weight is not None:
            scores = scores * rows.weight[piece][:, None]
        order = np.argsort(rows.cluster[piece], kind="stable")
        members = rows.cluster[piece][order]
        first = np.flatnonzero(np.r_[True, members[1:] != members[:-1]])
        sums[members[first]] += np.add.reduceat(scores[order], first, axis=0)
    return np.asarray(sums.T @ sums * (len(sums) / (len(sums) - 1.0)))
