"""Moments of the rows that answer both of two items, and their asymptotic covariance."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array
from sem_models.observed.rows import pieces
from sem_models.observed.sample import Sample


def pairwise_moments(sample: Sample) -> tuple[Array, Array]:
    """Covariances (g, p, p) of rows that answer both items, times (N − 1)/N, and available means (g, p).

    Weighted rows have divisor Σw in place of n.
    """
    assert sample.rows is not None
    covs, means = [], []
    for rows in sample.rows:
        p = rows.values.shape[1]
        mean = sample.mean[len(covs)]  # anything near them
        n, cross, sums, count = np.zeros((p, p)), np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
        for piece in pieces(len(rows.values)):
            seen = ~np.isnan(rows.values[piece])
            centered = np.where(seen, rows.values[piece] - mean, 0.0)
            answered = seen.astype(np.float64)
            weighted, counted = centered, answered
            if rows.weight is not None:
                weighted = centered * rows.weight[piece, None]
                counted = answered * rows.weight[piece, None]
            n += answered.T @ counted
            cross += centered.T @ weighted
            sums += weighted.T @ answered
            count += weighted.sum(axis=0)
        total = len(rows.values) if rows.weight is None else float(rows.weight.sum())
        if rows.weight is None:
            cov = (cross - sums * sums.T / n) / (n - 1.0) * (total - 1.0) / total
        else:
            cov = (cross - sums * sums.T / n) / n
        covs.append(cov)
        means.append(mean + count / np.diagonal(n))
    return np.stack(covs), np.stack(means)
