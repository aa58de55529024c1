"""The values of a moderator at which an effect is looked at: mean and standard deviations, percentiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sem_models.errors import SpecError
from sem_models.moderation.probing.support import SMALLEST, Support

PERCENTILES = (16.0, 50.0, 84.0)
"""Where a normal distribution has its mean and one standard deviation to each side (Hayes, 2022)."""

Position = tuple[float, str]


def positions(
    support: Support, values: Any = None, percentiles: Iterable[float] | None = None
) -> tuple[Position, ...]:
    """Values with their names.

    values None or "sd" is the mean and one standard deviation (divisor n) to each side; None is both values
    of a moderator that has two. "percentiles" is the 16th, 50th and 84th, `percentiles` others; else numbers.
    """
    if percentiles is not None:
        return _percentiles(support, [float(p) for p in percentiles])
    if isinstance(values, str):
        if values == "percentiles":
            return _percentiles(support, PERCENTILES)
        if values == "sd":
            return _spread(support)
        raise SpecError(f"values='{values}' is unknown: numbers, 'sd' or 'percentiles'.")
    if values is None:
        return _two_values(support) or _spread(support)
    found = [float(v) for v in np.atleast_1d(np.asarray(values, dtype=np.float64))]
    if not found or not np.isfinite(found).all():
        raise SpecError("values= must be finite numbers, as (-1, 0, 1).")
    return tuple((v, f"{v:g}") for v in found)


def _spread(support: Support) -> tuple[Position, ...]:
    mean, sd = support.moments()
    if not sd > 0:
        raise SpecError("The moderator has no variance, so nothing can depend on it.")
    return ((mean - sd, "-1 SD"), (mean, "mean"), (mean + sd, "+1 SD"))


def _percentiles(support: Support, percentiles: Iterable[float]) -> tuple[Position, ...]:
    wanted = list(percentiles)
    if not wanted or not all(0 < p < 100 for p in wanted):
        raise SpecError("percentiles= must lie between 0 and 100, as (10, 50, 90).")
    at = support.quantile(np.array(wanted) / 100.0)
    n = float(support.n.sum())
    few = [p for p in wanted if min(p, 100 - p) / 100 * n < SMALLEST]
    if few and support.basis == "observed":
        raise SpecError(
            f"Fewer than {SMALLEST} of the {n:.0f} customers lie beyond the {_ordinal(few[0])} percentile. "
            f"Ask for percentiles between {np.ceil(100 * SMALLEST / n):.0f} and "
            f"{np.floor(100 - 100 * SMALLEST / n):.0f}."
        )
    return tuple((float(v), f"{_ordinal(p)} percentile") for v, p in zip(at, wanted, strict=True))


def _ordinal(p: float) -> str:
    """`16th`, `22nd`, `2.5th`."""
    last = int(p) % 10 if p == int(p) and int(p) % 100 not in (11, 12, 13) else 0
    return f"{p:g}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _two_values(support: Support) -> tuple[Position, ...]:
    """The values of a moderator that has exactly two, each with 5 customers or more."""
    if support.basis != "observed":
        return ()
    values, counts = np.unique(np.concatenate(support.values), return_counts=True)
    if len(values) != 2 or counts.min() < SMALLEST:
        return ()
    return tuple((float(v), f"{v:g}") for v in values)
