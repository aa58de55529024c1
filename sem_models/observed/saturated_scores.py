"""Cross-products of the saturated model's scores."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import discrepancy
from sem_models.observed.rows import Piece, Rows, score_products
from sem_models.observed.sample import Sample


def saturated_meat(sample: Sample) -> Array:
    """B = Σ s sᵀ / N of the saturated scores by group, (g, r, r), over independent rows or clusters."""
    assert sample.rows is not None
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    p = len(sample.variables)
    out = []
    for rows, mean in zip(sample.rows, sample.mean, strict=True):

        def scores(piece: Piece, rows: Rows = rows, mean: Array = mean) -> Array:
            return moment_likelihood.moment_scores(
                parts, sample.patterns, rows.values[piece], mean, rows.pattern[piece]
            )

        out.append(score_products(rows, scores, p * (p + 1) // 2 + p) / sample.n)
    return np.stack(out)
