"""Rows of data sorted by what they share, and sums over them, with a leading batch axis.

Rows of one pattern share a group and a set of observed variables; rows of one cell also share the values of
the observed moderators. Without observed moderators cells are patterns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import Patterns
from sem_models.observed.sample import Sample

FEW = 6
"""Rows by part from which a loop over the parts is faster than one gathered product."""


@dataclass(frozen=True, eq=False)
class Partition:
    """N sorted rows in t parts: part (N,) of each row, start (t + 1,) where parts begin."""

    part: IntArray
    start: IntArray

    @property
    def few(self) -> bool:
        return FEW * (len(self.start) - 1) <= len(self.part)

    def _spans(self) -> list[slice]:
        return [slice(int(a), int(b)) for a, b in zip(self.start[:-1], self.start[1:], strict=True)]

    def times(self, rows: Array, matrix: Array) -> Array:
        """Each row (..., N, a) times the matrix (..., t, a, b) of its part: (..., N, b)."""
        if not self.few:
            return np.asarray((rows[..., None, :] @ matrix[..., self.part, :, :])[..., 0, :])
        spans = self._spans()
        if len(spans) == 1:
            return np.asarray(rows @ matrix[..., 0, :, :])
        batch = np.broadcast_shapes(rows.shape[:-2], matrix.shape[:-3])
        out = np.empty((*batch, rows.shape[-2], matrix.shape[-1]))
        for t, s in enumerate(spans):
            np.matmul(rows[..., s, :], matrix[..., t, :, :], out=out[..., s, :])
        return out

    def outer(self, left: Array, right: Array) -> Array:
        """Σ over a part's rows of leftᵀ right: (..., N, a) and (..., N, b) to (..., t, a, b)."""
        if not self.few:
            return np.add.reduceat(left[..., :, None] * right[..., None, :], self.start[:-1], axis=-3)
        return np.stack(
            [np.swapaxes(left[..., s, :], -1, -2) @ right[..., s, :] for s in self._spans()], axis=-3
        )

    def total(self, rows: Array) -> Array:
        """Sums over parts: (..., N, a) to (..., t, a)."""
        return np.add.reduceat(rows, self.start[:-1], axis=-2)


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """N rows in the order of their patterns and, within them, of their cells.

    values (N, p), 0 where missing; patterns their moments; by_pattern, by_cell the two partitions;
    pattern_of_cell (c,); moderators (c, m) values of the observed moderators by cell; order (N,) positions
    of these rows among the sample's.
    """

    values: Array
    patterns: Patterns
    by_pattern: Partition
    by_cell: Partition
    pattern_of_cell: IntArray
    moderators: Array
    order: IntArray

    def pieces(self, size: int) -> tuple[RowBlocks, ...]:
        """The same rows in pieces of at most `size`."""
        n = len(self.values)
        edges = np.linspace(0, n, -(-n // size) + 1).astype(int)
        return tuple(self._piece(slice(a, b)) for a, b in pairwise(edges))

    def _piece(self, rows: slice) -> RowBlocks:
        values, seen = self.values[rows], self.patterns.seen
        kept, pattern = np.unique(self.by_pattern.part[rows], return_inverse=True)
        cells, cell = np.unique(self.by_cell.part[rows], return_inverse=True)
        by_pattern = _partition(pattern, len(kept))
        size = np.diff(by_pattern.start).astype(float)
        mean = by_pattern.total(values) / size[:, None]
        centered = np.where(seen[kept][pattern], values - mean[pattern], 0.0)
        cov = by_pattern.outer(centered, centered) / size[:, None, None]
        patterns = Patterns(self.patterns.group[kept], seen[kept], size, mean, cov)
        of_cell = np.searchsorted(kept, self.pattern_of_cell[cells])
        return RowBlocks(
            values, patterns, by_pattern, _partition(cell, len(cells)), of_cell.astype(np.intp),
            self.moderators[cells], self.order[rows],
        )  # fmt: skip


def row_blocks(sample: Sample, columns: IntArray) -> RowBlocks:
    """Sort a sample's rows into patterns and cells; `columns` (m,) are the observed moderators."""
    assert sample.rows is not None
    values = np.concatenate([rows.values for rows in sample.rows])
    pattern = np.concatenate([rows.pattern for rows in sample.rows])
    keys = np.column_stack([pattern, values[:, columns]])
    unique, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    order = np.argsort(cell, kind="stable")
    pattern_of_cell = unique[:, 0].astype(np.intp)
    seen = sample.patterns.seen
    filled = values[order]
    if not seen.all():
        filled = np.where(seen[pattern[order]], filled, 0.0)
    return RowBlocks(
        filled, sample.patterns, _partition(pattern[order], len(seen)), _partition(cell[order], len(unique)),
        pattern_of_cell, unique[:, 1:], order.astype(np.intp),
    )  # fmt: skip


def _partition(part: IntArray, n_parts: int) -> Partition:
    start = np.searchsorted(part, np.arange(n_parts + 1))
    return Partition(part.astype(np.intp), start.astype(np.intp))
