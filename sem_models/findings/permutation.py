"""Is an empty corner more than chance? Effect sizes of necessary conditions when X and Y are unrelated.

Dul, van der Laan & Kuik (2020), Organizational Research Methods, 23, 385–395: the values of one variable are
dealt out anew, and the share of effect sizes at least as large as the observed one is the p-value.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from sem_models.findings.ceilings import CeilingKind, Scope, area_above, line_through
from sem_models.model.ram import Array

CELLS = 2_000_000
"""Values held at once: permutations are drawn in blocks of this many numbers."""


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """p counts the observed arrangement among the permutations, so that it is never 0 (Phipson & Smyth,
    2010, eq. 2); accuracy is the half-width of its 95 % Monte Carlo interval."""

    pvalue: float
    accuracy: float
    permutations: int


def permutation_test(
    x: Array, y: Array, kind: CeilingKind, scope: Scope, observed: float, draws: int, rng: np.random.Generator
) -> PermutationTest:
    """Test of an observed effect size by `draws` random permutations of y (n,) over x (n,)."""
    reached = 0
    block = max(1, CELLS // len(x))
    x_sorted = np.sort(x)
    for start in range(0, draws, block):
        shuffled = rng.permuted(np.tile(y, (min(block, draws - start), 1)), axis=1)
        reached += int((effect_sizes(x_sorted, shuffled, kind, scope) >= observed - 1e-12).sum())
    p = (reached + 1) / (draws + 1)
    return PermutationTest(p, 1.96 * sqrt(p * (1 - p) / draws), draws)


def effect_sizes(x: Array, y: Array, kind: CeilingKind, scope: Scope) -> Array:
    """Effect sizes (b,) of sorted x (n,) with each row of y (b, n)."""
    first = np.flatnonzero(np.append(True, np.diff(x) > 0))
    top = np.maximum.reduceat(y, first, axis=1)
    highest = np.maximum.accumulate(top, axis=1)
    if kind == "ce_fdh":
        widths = np.diff(np.append(x[first], scope.x_high))
        zone = (scope.y_high - highest) @ widths + (x[0] - scope.x_low) * scope.height
        return np.asarray(zone / scope.area)
    before = np.concatenate([np.full((len(y), 1), -np.inf), highest[:, :-1]], axis=1)
    level = np.where(top > before, top, np.inf)
    sizes = np.diff(np.append(first, len(x)))
    weight = (y == np.repeat(level, sizes, axis=1)).astype(np.float64)
    n = weight.sum(axis=1)
    mean_x, mean_y = weight @ x / n, (weight * y).sum(axis=1) / n
    dx = x - mean_x[:, None]
    squares = (weight * dx * dx).sum(axis=1)
    products = (weight * dx * (y - mean_y[:, None])).sum(axis=1)
    return area_above(*line_through(n, mean_x, mean_y, squares, products), scope) / scope.area
