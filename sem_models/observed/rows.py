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


@dataclass(frozen=True, slots=True)
class Rows:
    """The used rows of one group: values (n, p) with NaN where missing, position (n,) in the data.

    weight (n,) sampling weights as normalized, or None; cluster (n,) numbers from 0 without gaps, or None.
    """

    values: Array
    position: IntArray
    pattern: IntArray
    weight: Array | None = None
    cluster: IntArray | None = None

    @property
    def n_clusters(self) -> int:
        return 0 if self.cluster is None else int(self.cluster.max()) + 1


def pieces(n_rows: int, size: int = PIECE) -> Iterator[slice]:
    """Slices that cover n_rows rows."""
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def score_products(rows: Rows, score_of: Callable[[slice], Array], n_scores: int) -> Array:
    """Σ s sᵀ (m, m) over independent units of one group: rows, weighted, or sums within clusters.

    `score_of` gives the unweighted scores (n, m) of a slice of rows. Clusters c = 1 … C get the factor
    C / (C − 1) against the bias of few of them (Binder, 1983; Muthén & Satorra, 1995, eq. 8–9).
    """
    if rows.cluster is None:
        total = np.zeros((n_scores, n_scores))
        for piece in pieces(len(rows.values)):
            scores = score_of(piece)
            if rows.weight is not None:
                scores = scores * rows.weight[piece, None]
            total += scores.T @ scores
        return total
    sums = np.zeros((rows.n_clusters, n_scores))
    for piece in pieces(len(rows.values)):
        scores = score_of(piece)
        if rows.weight is not None:
            scores = scores * rows.weight[piece, None]
        order = np.argsort(rows.cluster[piece], kind="stable")
        members = rows.cluster[piece][order]
        first = np.flatnonzero(np.r_[True, members[1:] != members[:-1]])
        sums[members[first]] += np.add.reduceat(scores[order], first, axis=0)
    return np.asarray(sums.T @ sums * (len(sums) / (len(sums) - 1.0)))
