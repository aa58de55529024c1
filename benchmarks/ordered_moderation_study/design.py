"""The populations of the study and the samples drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ordered_study.design import HIGHEST, LOWEST, THRESHOLDS, Thresholds

N = 387
PER_FACTOR = 3
LOADING = 0.8
CORRELATION = 0.3
PATHS = (0.4, 0.3)
EFFECTS = (0.0, 0.2)
"""Standardized interactions."""
CATEGORIES = (3, 5)

MODEL = """
X =~ x1 + x2 + x3
Z =~ z1 + z2 + z3
Y =~ y1 + y2 + y3
Y ~ X + Z + X:Z
"""
ITEMS = tuple(f"{stem}{i}" for stem in "xzy" for i in range(1, PER_FACTOR + 1))


@dataclass(frozen=True, slots=True)
class Cell:
    """One population; all samples are of N customers."""

    thresholds: Thresholds
    categories: int
    effect: float

    @property
    def name(self) -> str:
        return f"{self.thresholds} {self.categories} {self.effect:g}"

    @property
    def tau(self) -> NDArray[np.float64]:
        """Thresholds (K − 1,) of every item, whose latent response has mean 0 and variance 1."""
        return np.linspace(LOWEST, HIGHEST[self.thresholds], self.categories + 1)[1:-1]


def cells() -> tuple[Cell, ...]:
    """Every pattern of thresholds with every number of categories and interaction."""
    return tuple(Cell(t, k, e) for t, k, e in product(THRESHOLDS, CATEGORIES, EFFECTS))


def draw(cell: Cell, number: int, seed: int) -> pd.DataFrame:
    """Sample `number` of a cell, the same whatever else is drawn: answers 1 to K. All variances are 1."""
    key = [seed, number, cell.categories, THRESHOLDS.index(cell.thresholds), int(100 * cell.effect)]
    rng = np.random.default_rng(key)
    common, own = rng.normal(size=(N, 1)), rng.normal(size=(N, 2))
    x, z = (sqrt(CORRELATION) * common + sqrt(1.0 - CORRELATION) * own).T
    a, b = PATHS
    explained = a * a + b * b + 2.0 * a * b * CORRELATION + cell.effect**2 * (1.0 + CORRELATION**2)
    y = a * x + b * z + cell.effect * (x * z - CORRELATION) + sqrt(1.0 - explained) * rng.normal(size=N)
    noise = rng.normal(size=(N, len(ITEMS)))
    responses = LOADING * np.repeat(np.stack([x, z, y], axis=1), PER_FACTOR, axis=1)
    return pd.DataFrame(
        np.searchsorted(cell.tau, responses + sqrt(1.0 - LOADING**2) * noise) + 1.0, columns=list(ITEMS)
    )
