"""The populations of the study and the samples drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import sqrt
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PER_FACTOR = 5
LOADING = 0.7
CORRELATION = 0.3
SIZES = (200, 1_000)
CATEGORIES = (2, 3, 4, 5, 6, 7)
THRESHOLDS: tuple[Thresholds, ...] = ("symmetric", "skewed")
LOWEST = -2.5
HIGHEST: dict[Thresholds, float] = {"symmetric": 2.5, "skewed": 0.5}
"""Thresholds cut the interval from LOWEST to here into parts of equal width."""

Thresholds = Literal["symmetric", "skewed"]

ITEMS = tuple(f"{stem}{i}" for stem in "ab" for i in range(1, PER_FACTOR + 1))
MODEL = "\n".join(
    f"{factor} =~ " + " + ".join(f"{factor.lower()}{i}" for i in range(1, PER_FACTOR + 1)) for factor in "AB"
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One population and sample size."""

    thresholds: Thresholds
    categories: int
    n: int

    @property
    def name(self) -> str:
        return f"{self.thresholds} {self.categories} {self.n}"

    @property
    def tau(self) -> NDArray[np.float64]:
        """Thresholds (K − 1,) of every item, whose latent response has mean 0 and variance 1."""
        return np.linspace(LOWEST, HIGHEST[self.thresholds], self.categories + 1)[1:-1]


def cells() -> tuple[Cell, ...]:
    """Every pattern of thresholds with every number of categories and size."""
    return tuple(Cell(t, k, n) for t, k, n in product(THRESHOLDS, CATEGORIES, SIZES))


def draw(cell: Cell, number: int, seed: int) -> pd.DataFrame:
    """Sample `number` of a cell, the same whatever else is drawn: answers 1 to K of two factors' items."""
    key = [seed, number, cell.n, cell.categories, THRESHOLDS.index(cell.thresholds)]
    rng = np.random.default_rng(key)
    common = rng.normal(size=(cell.n, 1))
    factors = sqrt(CORRELATION) * common + sqrt(1.0 - CORRELATION) * rng.normal(size=(cell.n, 2))
    noise = rng.normal(size=(cell.n, len(ITEMS)))
    responses = LOADING * np.repeat(factors, PER_FACTOR, axis=1) + sqrt(1.0 - LOADING**2) * noise
    return pd.DataFrame(np.searchsorted(cell.tau, responses) + 1.0, columns=list(ITEMS))
