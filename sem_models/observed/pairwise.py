"""Moments of the rows that answer both of two items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError
from sem_models.model.ram import Array
from sem_models.observed.rows import Rows, pieces

if TYPE_CHECKING:
    from sem_models.observed.patterns import BoolArray, Patterns
    from sem_models.observed.sample import Sample


def pairwise_of(rows: Rows, near: Array) -> tuple[Array, Array]:
    """Covariance (p, p) of rows that answer both items, times (N − 1)/N, and available means (p,).

    `near` (p,) is any point close to the means, for precision. Weighted rows have divisor Σw in place of n.
    """
    p, weight = rows.values.shape[1], rows.weight
    n, cross, sums, total = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
    for piece in pieces(len(rows.values)):
        seen = ~np.isnan(rows.values[piece])
        centered = np.where(seen, rows.values[piece] - near, 0.0)
        answered = seen.astype(np.float64)
        by_weight = 1.0 if weight is None else weight[piece, None]
        n += answered.T @ (answered * by_weight)
        cross += centered.T @ (centered * by_weight)
        sums += (centered * by_weight).T @ answered
        total += (centered * by_weight).sum(axis=0)
    cov = cross - sums * sums.T / n
    if weight is None:
        size = float(len(rows.values))
        cov = cov / (n - 1.0) * (size - 1.0) / size
    else:
        cov = cov / n
    return cov, near + total / np.diagonal(n)


def pairwise_moments(sample: Sample) -> tuple[Array, Array]:
    """Pairwise covariances (g, p, p) and available means (g, p) of a sample with rows."""
    assert sample.rows is not None
    found = [pairwise_of(rows, mean) for rows, mean in zip(sample.rows, sample.mean, strict=True)]
    return np.stack([cov for cov, _ in found]), np.stack([mean for _, mean in found])


def never_together(patterns: Patterns, n_groups: int) -> BoolArray:
    """Pairs of variables, each below the diagonal of (g, p, p), that no row of the group answers both of."""
    out = []
    for g in range(n_groups):
        of_group = patterns.group == g
        seen = patterns.seen[of_group] & (patterns.size[of_group] > 0)[:, None]
        together = seen.T.astype(np.float64) @ (seen * patterns.size[of_group][:, None])
        out.append(np.tril(together == 0.0, -1))
    return np.stack(out)


def refuse_apart(patterns: Patterns, variables: Sequence[str], where: Sequence[str]) -> None:
    """DataError naming the pairs of items that no row (of two at least) answers both of, by group."""
    for place, apart in zip(where, never_together(patterns, len(where)), strict=True):
        i, j = np.nonzero(apart)
        if len(i):
            named = [
                f"'{variables[b]}' with '{variables[a]}'" for a, b in zip(i.tolist(), j.tolist(), strict=True)
            ]
            more = f" and {len(named) - 3} more pairs" if len(named) > 3 else ""
            raise DataError(
                f"No row answers both of {', '.join(named[:3])}{more}{place}, so their covariance cannot be "
                "estimated. Use missing='fiml', or leave one of them out of the model."
            )
