"""Critical values of pointwise and simultaneous intervals."""

from __future__ import annotations

from math import sqrt
from typing import Literal

import numpy as np
from scipy.special import chdtri, fdtri, ndtr, ndtri, stdtr, stdtrit

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.columns import checked_level
from sem_models.model.ram import Array

Distribution = Literal["normal", "t"]
DISTRIBUTIONS: tuple[str, ...] = ("normal", "t")


def check(level: float, distribution: str, df: int) -> None:
    """SpecError for a level outside 0 to 1, an unknown distribution, or t without degrees of freedom."""
    checked_level(level)
    if distribution not in DISTRIBUTIONS:
        raise SpecError(
            f"distribution='{distribution}' is unknown. "
            f"{did_you_mean(str(distribution), DISTRIBUTIONS, noun='distributions')}"
        )
    if distribution == "t" and df < 1:
        raise SpecError("There are fewer customers than parameters: use distribution='normal'.")


def pointwise(level: float, distribution: Distribution, df: int) -> float:
    """The two-sided critical value of one interval."""
    tail = (1.0 + level) / 2.0
    return float(ndtri(tail) if distribution == "normal" else stdtrit(df, tail))


def simultaneous(level: float, distribution: Distribution, df: int, k: int) -> float:
    """√(k F(level; k, df)), or √χ²(level; k): the band holds at all values at once.

    k is the number of coefficients that the effect is a linear combination of. Working, H., & Hotelling, H.
    (1929); Scheffé, H. (1953). Biometrika, 40, 87–104.
    """
    if distribution == "normal":
        return sqrt(float(chdtri(k, 1.0 - level)))
    return sqrt(k * float(fdtri(k, df, level)))


def pvalues(ratio: Array, distribution: Distribution, df: int) -> Array:
    """Two-sided p of estimates in units of their errors."""
    below = ndtr(-np.abs(ratio)) if distribution == "normal" else stdtr(df, -np.abs(ratio))
    return np.asarray(2.0 * below)


def inference(est: Array, se: Array, level: float, distribution: Distribution, df: int) -> dict[str, Array]:
    """Columns est, se, z (or t), pvalue, ci_lower, ci_upper; z and p are NaN for what has no error."""
    half = pointwise(level, distribution, df) * se
    ratio = np.divide(est, se, out=np.full(np.shape(est), np.nan), where=se > 0)
    name = "z" if distribution == "normal" else "t"
    return {
        "est": est, "se": se, name: ratio, "pvalue": pvalues(ratio, distribution, df),
        "ci_lower": est - half, "ci_upper": est + half,
    }  # fmt: skip
