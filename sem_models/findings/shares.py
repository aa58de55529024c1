"""Shares with intervals: of respondents, and of mentions that come several from one respondent."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import ndtri

from sem_models.model.ram import Array


@dataclass(frozen=True, slots=True)
class Share:
    """A share of n with its error and interval; effective_n is what n independent answers would be worth."""

    share: float
    se: float
    ci_lower: float
    ci_upper: float
    n: int
    effective_n: float


def wilson(share: float, n: float, level: float) -> tuple[float, float]:
    """Score interval of a share of n. Wilson (1927), Journal of the American Statistical Association, 22."""
    if n <= 0:
        return 0.0, 1.0
    z = float(ndtri((1 + level) / 2))
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def independent_share(successes: int, n: int, level: float) -> Share:
    """Share of n independent answers."""
    p = successes / n if n else float("nan")
    return Share(p, sqrt(p * (1 - p) / n) if n else float("nan"), *wilson(p, n, level), n, float(n))


def clustered_share(successes: Array, sizes: Array, level: float) -> Share:
    """Share Σx / Σm of mentions from respondents with x (k,) of m (k,) each.

    Linearized variance of a ratio, k/(k−1) Σ(x − pm)² / M² (Cochran, 1977, eq. 11.30 with equal weights), and
    Wilson's interval at the effective number p(1−p)/variance, at most M (Korn & Graubard, 1998, Survey
    Methodology, 24). Where all mentions are of one kind the effective number is that of respondents.
    """
    k, total = len(sizes), float(sizes.sum())
    p = float(successes.sum()) / total
    variance = k / max(k - 1, 1) * float(((successes - p * sizes) ** 2).sum()) / total**2
    effective = min(p * (1 - p) / variance, total) if variance > 0 else float(k)
    return Share(p, float(np.sqrt(variance)), *wilson(p, effective, level), int(total), effective)
