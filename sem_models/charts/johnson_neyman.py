"""Johnson–Neyman regions: an effect along its moderator, its band, and whom the significant part concerns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isfinite

import pandas as pd

from sem_models.charts import text, theme

SIGNS = ("negative", "positive")
COLUMNS = (
    "outcome", "predictor", "moderator", "lower", "upper", "effect", "share", "basis", "level", "band",
    "extrapolated",
)  # fmt: skip


def johnson_neyman_title(
    regions: pd.DataFrame, observed: tuple[float, float], *, names: Mapping[str, str] | None = None
) -> str:
    """Where the effect differs from zero, for which share of customers, and by which basis.

    `regions`: outcome, predictor, moderator, lower, upper, effect, share, basis, level, band, extrapolated,
    from the lowest to the highest values. Regions beyond the observed moderator are left out.
    """
    theme.require(regions, COLUMNS, "table of regions")
    named = names or {}
    first = regions.iloc[0]
    effect, to, by = (named.get(str(first[k]), str(first[k])) for k in ("predictor", "outcome", "moderator"))
    kind = "simultaneous band" if str(first["band"]).startswith("simultaneous") else "interval"
    how = f"{float(first['level']):.0%} {kind}"
    seen = [r for r in regions.to_dict("records") if not r["extrapolated"]]
    clear = [r for r in seen if r["effect"] in SIGNS]
    subject = f"The effect of {effect} on {to}"
    if not clear:
        return f"{subject} is not detectable at any observed value of {by}: its {how} covers 0 throughout"
    if len(seen) == 1:
        return f"{subject} is {clear[0]['effect']} at every observed value of {by} ({how})"
    parts = [f"{r['effect']} {_where(r, observed, by)} ({r['share']:.0%} of customers)" for r in clear]
    return f"{subject} is {text.listing(parts, 4)}; elsewhere its {how} covers 0"


def _where(region: Mapping[Hashable, object], observed: tuple[float, float], moderator: str) -> str:
    """`for ACT above 0.52`, `for ACT between −1.00 and 0.52`: limits beyond the data are left out."""
    low, high = float(str(region["lower"])), float(str(region["upper"]))
    from_below = isfinite(low) and low > observed[0]
    from_above = isfinite(high) and high < observed[1]
    if from_below and from_above:
        return f"for {moderator} between {_figure(low)} and {_figure(high)}"
    return f"for {moderator} above {_figure(low)}" if from_below else f"for {moderator} below {_figure(high)}"


def _figure(value: float) -> str:
    return text.number(value, bounded=False)
