"""The populations of the study and the samples drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import sqrt
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MODEL = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\nY ~ X + Z + X:Z"
SIZES = (100, 387, 1_000)
PREDICTORS: tuple[Predictors, ...] = ("normal", "skewed")
EFFECT = 0.2
"""γ₃ of X:Z where there is an interaction; X and Z have variance 1, and so has Y where γ₃ = 0."""
MAIN = 0.4
CORRELATION = 0.3
LOADINGS = (1.0, 0.9, 0.8)
RELIABILITY = 0.7
"""Of the first item of each construct; all items have its error variance."""

Predictors = Literal["normal", "skewed"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One population and sample size; `predictors` is the distribution of X and Z."""

    n: int
    predictors: Predictors
    effect: float

    @property
    def name(self) -> str:
        return f"{self.n} {self.predictors} {self.effect:g}"


def cells(sizes: tuple[int, ...] = SIZES) -> tuple[Cell, ...]:
    """Every size with every distribution, with and without an interaction."""
    return tuple(Cell(n, p, e) for p, e, n in product(PREDICTORS, (EFFECT, 0.0), sizes))


def draw(cell: Cell, number: int, seed: int) -> pd.DataFrame:
    """Sample `number` of a cell, the same whatever else is drawn.

    Skewed predictors are sums of independent exponential variables, standardized: skewness 1.5 and excess
    kurtosis 3.5 with a correlation of .3. The disturbance of Y and the items' errors are normal throughout.
    """
    key = [seed, number, cell.n, PREDICTORS.index(cell.predictors), round(1_000 * cell.effect)]
    rng = np.random.default_rng(key)
    x, z = _predictors(cell, rng)
    explained = 2.0 * MAIN**2 * (1.0 + CORRELATION)
    # what X:Z adds to the variance of Y is left on top, so that γ₃ = 0 changes nothing else
    y = MAIN * (x + z) + cell.effect * (x * z - CORRELATION) + sqrt(1.0 - explained) * rng.normal(size=cell.n)
    noise = sqrt((1.0 - RELIABILITY) / RELIABILITY)
    return pd.DataFrame(
        {
            f"{stem}{i}": loading * score + noise * rng.normal(size=cell.n)
            for stem, score in (("x", x), ("z", z), ("y", y))
            for i, loading in enumerate(LOADINGS, start=1)
        }
    )


def _predictors(cell: Cell, rng: np.random.Generator) -> NDArray[np.float64]:
    """X and Z (2, n), standardized, correlated."""
    shape = (3, cell.n)
    sources = rng.normal(size=shape) if cell.predictors == "normal" else rng.exponential(size=shape) - 1.0
    return np.asarray(sqrt(CORRELATION) * sources[0] + sqrt(1.0 - CORRELATION) * sources[1:])
