"""What a fit tried, in order: from which starting values, by which steps, and how each attempt ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sem_models.estimation.optimizer import Outcome, Solution

FROM_MOMENTS = "starting values from the moments"
GIVEN = "starting values as given"
AS_COMPLETE = "the EM moments fitted as if complete"
HELD = "starting values from the moments, within the restrictions"
PLAIN = "plain starting values, all paths zero"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One search: what it began from, how it ended, after how many steps, and at what value.

    objective is the discrepancy per row (χ² = 2 N (objective − its saturated value)), NaN without a valid
    point; `chosen` marks the attempt whose solution the fit reports.
    """

    what: str
    method: str
    outcome: Outcome
    iterations: int
    objective: float
    chosen: bool = False


def attempt(what: str, solution: Solution, *, chosen: bool = False) -> Attempt:
    """The record of one search."""
    point: Any = solution.point
    value = float("nan") if point is None else float(point.value)
    method = "trust region" if solution.trust_region else "scoring, then Newton"
    return Attempt(what, method, solution.outcome, solution.iterations, value, chosen)


def with_trail(found: Solution, *tried: tuple[str, Solution]) -> Solution:
    """`found`, one of the solutions `tried`, carrying the record of them all."""
    return replace(found, trail=tuple(attempt(what, s, chosen=s is found) for what, s in tried))
