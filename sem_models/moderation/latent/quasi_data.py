"""The rows as the quasi-likelihood walks them: sorted by missing pattern, one column a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.moderation.latent.quasi_moments import Numbers
from sem_models.observed.sample import Sample

FEW = 50
"""Mean number of rows of a pattern below which all patterns are handled in one go."""


@dataclass(frozen=True, eq=False)
class SortedRows:
    """values (p, N), zero where missing, rows ordered by pattern; start (t + 1,) where each pattern begins.

    pattern (N,) of each row; order (N,) its place in `Sample.rows`, groups one after the other.
    """

    values: Array
    start: IntArray
    pattern: IntArray
    order: IntArray

    @property
    def n_patterns(self) -> int:
        return len(self.start) - 1

    @property
    def _scattered(self) -> bool:
        """Whether patterns are too small to be worth a matrix product each."""
        return self.values.shape[1] < FEW * self.n_patterns

    def affine(self, matrix: Numbers, constant: Numbers) -> Numbers:
        """matrix_t o + constant_t of every row, (..., q, N), from (t, q, p) and (t, q)."""
        if self.n_patterns == 1:
            return np.asarray(matrix[0] @ self.values + constant[0][:, None])
        if self._scattered:
            out = np.einsum("nqp,pn->qn", matrix[self.pattern], self.values)
        else:
            segments = zip(matrix, self.start[:-1], self.start[1:], strict=True)
            out = np.concatenate([m @ self.values[:, low:high] for m, low, high in segments], axis=1)
        return out + constant.T[:, self.pattern]

    def spread(self, by_pattern: Numbers) -> Numbers:
        """Values of patterns (t, *shape) by row (*shape, N), or (*shape, 1) where there is one pattern."""
        last = np.moveaxis(by_pattern, 0, -1)
        return last if self.n_patterns == 1 else last[..., self.pattern]

    def add_up(self, by_row: Numbers) -> Numbers:
        """Sums (t, *shape) of values by row (*shape, N)."""
        if self.n_patterns == 1:
            return np.asarray(by_row.sum(axis=-1)[None])
        return np.moveaxis(np.add.reduceat(by_row, self.start[:-1], axis=-1), -1, 0)

    def add_products(self, by_row: Numbers) -> Numbers:
        """Σ b oᵀ (t, q, p) of values by row b (q, N)."""
        if self.n_patterns == 1:
            return np.asarray((by_row @ self.values.T)[None])
        if self._scattered:
            return self.add_up(by_row[:, None] * self.values)
        segments = zip(self.start[:-1], self.start[1:], strict=True)
        return np.stack([by_row[:, low:high] @ self.values[:, low:high].T for low, high in segments])


def sorted_rows(sample: Sample) -> SortedRows:
    """The sample's rows; those of a group are together, since patterns belong to groups."""
    assert sample.rows is not None
    values = np.concatenate([block.values for block in sample.rows])
    pattern = np.concatenate([block.pattern for block in sample.rows])
    order = np.argsort(pattern, kind="stable")
    pattern = pattern[order]
    start = np.searchsorted(pattern, np.arange(len(sample.patterns.group) + 1))
    filled = np.ascontiguousarray(np.nan_to_num(values[order]).T)
    return SortedRows(filled, start, pattern, order)
