"""Rows of data sorted by what they share, and sums over them, with a leading batch axis.

A cell is a group, a set of observed variables, and the values of observed moderators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import BoolArray, Patterns
from sem_models.observed.sample import Sample

FEW = 24
"""Cells up to which a loop over them is faster than one gathered product."""


@dataclass(frozen=True, eq=False)
class RowBlocks:
    """N rows in the order of their t cells.

    values (N, p), 0 where missing; cell (N,); start (t + 1,) where cells begin; group (t,); moderators
    (t, c) values of the observed moderators; patterns the cells' moments; order (N,) positions of these rows
    among the sample's.
    """

    values: Array
    cell: IntArray
    start: IntArray
    group: IntArray
    moderators: Array
    patterns: Patterns
    order: IntArray

    @property
    def few(self) -> bool:
        return len(self.group) <= FEW

    def spans(self) -> list[slice]:
        return [slice(int(a), int(b)) for a, b in zip(self.start[:-1], self.start[1:], strict=True)]

    def times(self, rows: Array, matrix: Array) -> Array:
        """Each row (..., N, a) times the matrix (..., t, a, b) of its cell: (..., N, b)."""
        if self.few:
            parts = [rows[..., s, :] @ matrix[..., t, :, :] for t, s in enumerate(self.spans())]
            return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)
        gathered = matrix[..., self.cell, :, :]
        return np.asarray((rows[..., None, :] @ gathered)[..., 0, :])

    def outer(self, left: Array, right: Array) -> Array:
        """Σ over a cell's rows of leftᵀ right: (..., N, a) and (..., N, b) to (..., t, a, b)."""
        if self.few:
            parts = [np.swapaxes(left[..., s, :], -1, -2) @ right[..., s, :] for s in self.spans()]
            return np.stack(parts, axis=-3)
        return np.add.reduceat(left[..., :, None] * right[..., None, :], self.start[:-1], axis=-3)

    def total(self, rows: Array) -> Array:
        """Sums over cells: (..., N, a) to (..., t, a)."""
        return np.add.reduceat(rows, self.start[:-1], axis=-2)


def row_blocks(sample: Sample, columns: IntArray) -> RowBlocks:
    """Sort a sample's rows into cells; `columns` (c,) are the observed moderators."""
    assert sample.rows is not None
    values = np.concatenate([rows.values for rows in sample.rows])
    pattern = np.concatenate([rows.pattern for rows in sample.rows])
    keys = np.column_stack([pattern, values[:, columns]]) if len(columns) else pattern[:, None].astype(float)
    unique, cell = np.unique(keys, axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    order = np.argsort(cell, kind="stable")
    start = np.append(np.searchsorted(cell[order], np.arange(len(unique))), len(cell))
    of_pattern = unique[:, 0].astype(np.intp)
    seen, group = sample.patterns.seen[of_pattern], sample.patterns.group[of_pattern]
    sorted_values = values[order]
    patterns = _cell_moments(sorted_values, start, group, seen) if len(columns) else sample.patterns
    filled = np.where(seen[cell[order]], sorted_values, 0.0) if not seen.all() else sorted_values
    return RowBlocks(
        filled, cell[order].astype(np.intp), start.astype(np.intp), group, unique[:, 1:], patterns,
        order.astype(np.intp),
    )  # fmt: skip


def _cell_moments(values: Array, start: IntArray, group: IntArray, seen: BoolArray) -> Patterns:
    """Size, mean and covariance (divisor n) of each cell, 0 where unseen."""
    filled = np.where(np.isnan(values), 0.0, values)
    size = np.diff(start).astype(float)
    mean = np.add.reduceat(filled, start[:-1], axis=0) / size[:, None]
    centered = np.where(np.isnan(values), 0.0, filled - np.repeat(mean, np.diff(start), axis=0))
    products = centered[:, :, None] * centered[:, None, :]
    cov = np.add.reduceat(products, start[:-1], axis=0) / size[:, None, None]
    return Patterns(group, seen, size, mean, cov)
