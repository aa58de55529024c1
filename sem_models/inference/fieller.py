"""Fieller's confidence set of a ratio, which may be an interval, the outside of one, or everything.

Fieller, E. C. (1954). Journal of the Royal Statistical Society B, 16, 175–185.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from typing import Literal

from sem_models.model.ram import Array

SetKind = Literal["interval", "disjoint", "unbounded", "undefined"]


@dataclass(frozen=True, slots=True)
class FiellerSet:
    """The values r with |a − r b| ≤ z √var(a − r b).

    kind "interval": from lower to upper; "disjoint": all but (gap_lower, gap_upper); "unbounded": any value;
    "undefined": without standard errors. lower and upper are infinite where the set is no interval.
    """

    kind: SetKind
    lower: float
    upper: float
    gap_lower: float = nan
    gap_upper: float = nan

    @property
    def note(self) -> str:
        """What a set that is no interval means; empty for an interval."""
        if self.kind == "undefined":
            return "No standard errors."
        if self.kind == "unbounded":
            return "Unbounded: the denominator may be zero, and any ratio is possible."
        if self.kind == "disjoint":
            return (
                f"Disjoint: the denominator may be zero; the set is all ratios below {self.gap_lower:.4g} or "
                f"above {self.gap_upper:.4g}."
            )
        return ""


def fieller_set(top: float, bottom: float, cov: Array, half: float) -> FiellerSet:
    """The set for top/bottom with covariance matrix cov (2, 2); half is the normal quantile of the level."""
    quadratic = bottom * bottom - half**2 * float(cov[1, 1])
    middle = top * bottom - half**2 * float(cov[0, 1])
    constant = top * top - half**2 * float(cov[0, 0])
    inside = middle**2 - quadratic * constant
    if not isfinite(inside):
        return FiellerSet("undefined", nan, nan)
    if quadratic > 0:
        root = sqrt(max(inside, 0.0))
        return FiellerSet("interval", (middle - root) / quadratic, (middle + root) / quadratic)
    if inside <= 0:
        return FiellerSet("unbounded", -inf, inf)
    root = sqrt(inside)
    low, high = sorted(((middle - root) / quadratic, (middle + root) / quadratic))
    return FiellerSet("disjoint", -inf, inf, low, high)
