"""Johnson–Neyman regions: a slope along its moderator, its band, and whom the significant part concerns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from sem_models.charts import along, text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

SIGNS = ("negative", "positive")
LABEL = 46
"""Pixels that the figure beside a limit needs."""
COLUMNS = (
    "outcome", "predictor", "moderator", "lower", "upper", "effect", "share", "basis", "level", "band",
    "extrapolated",
)  # fmt: skip


def johnson_neyman(
    band: pd.DataFrame,
    regions: pd.DataFrame,
    *,
    density: tuple[np.ndarray, np.ndarray],
    observed: tuple[float, float],
    names: Mapping[str, str] | None = None,
    unit: str = "",
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """The slope with its band over the observed moderator, significant parts colored, customers beneath.

    `band`: value, est, ci_lower, ci_upper, holding the regions' limits; `regions`: as
    `johnson_neyman_title`; density: edges (k + 1,) and heights (k,) of the moderator's distribution.
    """
    import altair as alt

    theme.require(band, ("value", "est", "ci_lower", "ci_upper"), "table of the band")
    theme.require(regions, COLUMNS, "table of regions")
    named = names or {}
    first = regions.iloc[0]
    predictor, outcome, moderator = (str(first[k]) for k in ("predictor", "outcome", "moderator"))
    by = named.get(moderator, moderator)
    domain = (float(band["value"].min()), float(band["value"].max()))
    pieces = along.parts(regions, domain)
    axis = f"{by} ({unit})" if unit else by
    drawn = _drawn(band, pieces, by)
    y_title = f"slope of {named.get(outcome, outcome)} on {named.get(predictor, predictor)}"
    top = along.line_and_band(drawn, x_title="", y_title=y_title, domain=domain)
    limits = [high for _, high, _ in pieces[:-1]]
    if limits:
        marks = pd.DataFrame({"x": limits, "tip": [f"{by} {_figure(v)}" for v in limits],
                              "words": [_figure(v) for v in limits]})  # fmt: skip
        rule = alt.Chart(marks).mark_rule(color=theme.MUTED, strokeDash=[3, 3])
        layers = [top, rule.encode(x="x:Q", **theme.tips())]
        sides: tuple[tuple[Literal["left", "right"], int], ...] = (("left", 4), ("right", -4))
        for side, dx in sides:
            chosen = marks[_sides(limits, domain) == side]
            words = alt.Chart(chosen).mark_text(align=side, baseline="top", dx=dx, dy=2, color=theme.MUTED)
            layers.append(words.encode(x="x:Q", y=alt.value(0), text="words:N", **theme.tips()))
        top = alt.layer(*layers)
    share = {"positive": 0.0, "negative": 0.0, "not detectable": 0.0}
    for r in regions.to_dict("records"):
        share[r["effect"] if r["effect"] in SIGNS else "not detectable"] += float(r["share"])
    tips = {state: f"{state}: {value:.0%} of customers" for state, value in share.items()}
    bars = along.colored_bars(*density, pieces, tips)
    under = along.density_panel(bars, x_title=axis, domain=domain, note="customers")
    chart = alt.vconcat(top, under, spacing=8).resolve_scale(color="independent")
    heading = johnson_neyman_title(regions, observed, names=names) if title is None else title
    note = f"Band: {float(first['level']):.0%} {first['band']}. Shares from the {first['basis']}."
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def johnson_neyman_title(
    regions: pd.DataFrame, observed: tuple[float, float], *, names: Mapping[str, str] | None = None
) -> str:
    """Where the slope differs from zero, and for which share of customers.

    `regions`: outcome, predictor, moderator, lower, upper, effect, share, basis, level, band, extrapolated,
    from the lowest to the highest values. Regions beyond the observed moderator are left out.
    """
    theme.require(regions, COLUMNS, "table of regions")
    named = names or {}
    first = regions.iloc[0]
    on, of, by = (named.get(str(first[k]), str(first[k])) for k in ("predictor", "outcome", "moderator"))
    kind = "simultaneous band" if str(first["band"]).startswith("simultaneous") else "interval"
    how = f"{float(first['level']):.0%} {kind}"
    seen = [r for r in regions.to_dict("records") if not r["extrapolated"]]
    clear = [r for r in seen if r["effect"] in SIGNS]
    subject = f"The slope of {of} on {on}"
    if not clear:
        return f"{subject} is not detectable at any observed value of {by}: its {how} covers 0 throughout"
    if len(seen) == 1:
        return f"{subject} is {clear[0]['effect']} at every observed value of {by} ({how})"
    found = [f"{r['effect']} {_where(r, observed, by)} ({_share(r['share'])} of customers)" for r in clear]
    return f"{subject} is {text.listing(found, 4)}; elsewhere its {how} covers{text.NBSP}0"


def _sides(limits: list[float], domain: tuple[float, float]) -> np.ndarray:
    """Which side of its text each limit is at: left, unless the next one is so near that they would meet."""
    gaps = np.diff([*limits, np.inf]) / (domain[1] - domain[0]) * along.WIDTH
    room = (np.array(limits) - domain[0]) / (domain[1] - domain[0]) * along.WIDTH
    return np.where((gaps < LABEL) & (room > LABEL), "right", "left")


def _share(share: float) -> str:
    """A share in whole percent that never says none or all where it is neither."""
    if 0 < share < 0.005:
        return "below 1%"
    return "over 99%" if 0.995 < share < 1 else f"{share:.0%}"


def _where(region: Mapping[Hashable, object], observed: tuple[float, float], moderator: str) -> str:
    """`for ACT above 0.52`, `for ACT between −1.00 and 0.52`: limits beyond the data are left out."""
    low, high = float(str(region["lower"])), float(str(region["upper"]))
    from_below = isfinite(low) and low > observed[0]
    from_above = isfinite(high) and high < observed[1]
    if from_below and from_above:
        return f"for {moderator} between {_figure(low)} and {_figure(high)}"
    return f"for {moderator} above {_figure(low)}" if from_below else f"for {moderator} below {_figure(high)}"


def _drawn(band: pd.DataFrame, pieces: list[tuple[float, float, str]], by: str) -> pd.DataFrame:
    """The band's points by piece; a limit belongs to both of its pieces."""
    frames = []
    for k, (low, high, state) in enumerate(pieces):
        part = band[(band["value"] >= low) & (band["value"] <= high)]
        tips = [
            f"{by} {_figure(v)}\nslope {text.estimate(e, lo, up, bounded=False)}\n{state}"
            for v, e, lo, up in zip(*(part[c] for c in ("value", "est", "ci_lower", "ci_upper")), strict=True)
        ]
        frames.append(
            pd.DataFrame({"part": str(k), "state": state, "x": part["value"], "y": part["est"],
                          "lower": part["ci_lower"], "upper": part["ci_upper"], "tip": tips})
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _figure(value: float) -> str:
    return text.number(value, bounded=False)
