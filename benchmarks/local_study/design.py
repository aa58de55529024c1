"""The populations of the study: a slope that follows a moderator, and the samples drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Literal["constant", "line", "bend"]
Moderator = Literal["normal", "skewed"]

MODEL = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ b*X"
FOLLOWING = (
    MODEL + "".join(f"\n{s}{i} ~ a{s}{i}*1\na{s}{i} :~ m" for s in "xy" for i in (1, 2, 3)) + "\nb :~ m"
)
SHAPES: tuple[Shape, ...] = ("constant", "line", "bend")
MODERATORS: tuple[Moderator, ...] = ("normal", "skewed")
SIZES = (387, 1_000)
SLOPE, CHANGE = 0.5, 0.2
TREND = 0.3
"""Rise of every item's mean with the moderator, in every population."""
LOADINGS = (1.0, 0.9, 0.8)
NOISE = (0.3 / 0.7) ** 0.5
"""Standard deviation of the items' errors: reliability .70 of the first item of X."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One population and sample size."""

    n: int
    moderator: Moderator
    shape: Shape

    @property
    def name(self) -> str:
        return f"{self.n} {self.moderator} {self.shape}"


def cells() -> tuple[Cell, ...]:
    """Every shape under every moderator and size."""
    return tuple(Cell(n, m, s) for s, m, n in product(SHAPES, MODERATORS, SIZES))


def slope(shape: Shape, moderator: Array) -> Array:
    """The slope of Y on X at values of the standardized moderator."""
    if shape == "line":
        return SLOPE + CHANGE * moderator
    if shape == "bend":
        return SLOPE + CHANGE * np.tanh(2.0 * moderator)
    return np.full(np.shape(moderator), SLOPE)


def draw(cell: Cell, number: int, seed: int) -> pd.DataFrame:
    """Sample `number` of a cell, the same whatever else is drawn.

    The moderator is normal, or an exponential variable, standardized (skewness 2).
    """
    key = [seed, number, cell.n, MODERATORS.index(cell.moderator), SHAPES.index(cell.shape)]
    rng = np.random.default_rng(key)
    m = rng.normal(size=cell.n) if cell.moderator == "normal" else rng.exponential(size=cell.n) - 1.0
    x = rng.normal(size=cell.n)
    y = slope(cell.shape, m) * x + 0.75**0.5 * rng.normal(size=cell.n)
    frame = pd.DataFrame(
        {
            f"{stem}{i}": loading * score + TREND * m + NOISE * rng.normal(size=cell.n)
            for stem, score in (("x", x), ("y", y))
            for i, loading in enumerate(LOADINGS, start=1)
        }
    )
    return frame.assign(m=m)
