"""A parameter along a continuous moderator: its curve, both bands, the constant value, and the
customers beneath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts import along, text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

COLUMNS = ("x", "est", "ci_lower", "ci_upper", "band_lower", "band_upper")
POINTWISE, SIMULTANEOUS = "each value by itself", "all values at once"
CONSTANT = "one value for all customers"


def parameter_words(lhs: str, op: str, rhs: str, names: Mapping[str, str] | None = None) -> str:
    """A parameter as it stands in a sentence: "slope of value on service"."""
    named = names or {}
    left, right = named.get(lhs, lhs), named.get(rhs, rhs)
    if op == "~":
        return f"slope of {left} on {right}"
    if op == "=~":
        return f"loading of {right} on {left}"
    if op == "~1":
        return f"intercept of {left}"
    if op == "~~":
        return f"variance of {left}" if lhs == rhs else f"covariance of {left} and {right}"
    return left


def curve_title(
    frame: pd.DataFrame, words: str, moderator: str, *, varies: bool, evidence: str, unit: str = ""
) -> str:
    """What the curve says: from where to where it goes, or that no change is shown; evidence in brackets.

    `frame`: as `curve`. The values named are the curve's at its lowest and highest.
    """
    low, high = frame.iloc[int(frame["est"].argmin())], frame.iloc[int(frame["est"].argmax())]
    first, last = (low, high) if low["x"] <= high["x"] else (high, low)
    ends = " to ".join(
        f"{text.number(float(r['est']), bounded=False)} at {text.number(float(r['x']), 1, bounded=False)}"
        f"{f' {unit}' if unit else ''}"
        for r in (first, last)
    )
    subject = f"{words[:1].upper()}{words[1:]}"
    if not varies:
        return f"{subject} is not shown to vary with {moderator}: {ends} ({evidence})"
    verb = "falls" if first["est"] > last["est"] else "rises"
    return f"{subject} {verb} along {moderator}: {ends} ({evidence})"


def curve(
    frame: pd.DataFrame, *, words: str, moderator: str, density: tuple[np.ndarray, np.ndarray],
    constant: float | None, title: str, subtitle: str = "", unit: str = "", level: float = 0.95,
    points: bool = False,
) -> ChartType:  # fmt: skip
    """The curve with its pointwise and simultaneous band, the customers' distribution beneath.

    `frame`: x, est, ci_lower, ci_upper, band_lower, band_upper, and flagged (True where a local fit is
    not admissible). points draws the focal points; constant is drawn as a dashed line.
    """
    import altair as alt

    theme.require(frame, COLUMNS, "table of the curve")
    shown = frame.dropna(subset=["est"]).copy()
    domain = (float(frame["x"].min()), float(frame["x"].max()))
    shown["tip"] = [
        f"{moderator} {text.number(x, bounded=False)}\n{text.estimate(e, lo, up, bounded=False)}\n"
        f"at once {text.interval(wl, wu, bounded=False)}"
        for x, e, lo, up, wl, wu in zip(*(shown[c] for c in COLUMNS), strict=True)
    ]
    bands = pd.concat(
        [
            shown.assign(band=SIMULTANEOUS, lower=shown["band_lower"], upper=shown["band_upper"]),
            shown.assign(band=POINTWISE, lower=shown["ci_lower"], upper=shown["ci_upper"]),
        ],
        ignore_index=True,
    )[["x", "lower", "upper", "band", "tip"]]
    x = along.x_axis("", domain)
    tint = alt.Color(
        "band:N", sort=[POINTWISE, SIMULTANEOUS],
        scale=alt.Scale(domain=[POINTWISE, SIMULTANEOUS], range=[theme.PALETTE[0], theme.PALETTE[4]]),
        legend=alt.Legend(
            title=f"{level:.0%} band for", symbolType="square", symbolStrokeWidth=0, symbolOpacity=0.45
        ),
    )  # fmt: skip
    y_title = f"{words} (unstandardized)" if not unit else f"{words} ({unit})"
    y = alt.Y("est:Q", title=text.wrap(y_title, along.HEIGHT, theme.TEXT), scale=alt.Scale(zero=False)).axis(
        tickCount=6, labelExpr=theme.PLAIN_TICKS, domain=False
    )
    area = alt.Chart(bands).mark_area(opacity=0.28, line=False, clip=True).encode(
        x=x, y=alt.Y("lower:Q"), y2="upper:Q", color=tint, **theme.tips()
    )  # fmt: skip
    line = alt.Chart(shown).mark_line(strokeWidth=2.4, color=theme.INK).encode(x=x, y=y, **theme.tips())
    layers: list[Any] = [area]
    if float(bands["lower"].min()) < 0 < float(bands["upper"].max()):
        zero = pd.DataFrame({"y": [0.0]})
        layers.append(alt.Chart(zero).mark_rule(color=theme.MUTED, aria=False).encode(y="y:Q"))
    if constant is not None:
        flat = pd.DataFrame({"y": [constant], "tip": [f"{CONSTANT}: {text.number(constant, bounded=False)}"]})
        layers.append(
            alt.Chart(flat).mark_rule(color=theme.NEGATIVE, strokeDash=[6, 4], strokeWidth=1.6).encode(
                y="y:Q", **theme.tips()
            )
        )  # fmt: skip
    layers.append(line)
    if points:
        layers.append(_points(shown, x, y))
    top = alt.layer(*layers).properties(width=along.WIDTH, height=along.HEIGHT)
    edges, heights = density
    bars = pd.DataFrame(
        {"left": edges[:-1], "right": edges[1:], "height": heights, "state": "not detectable",
         "tip": f"customers by {moderator}"}
    )  # fmt: skip
    under = along.density_panel(bars, x_title=moderator, domain=domain, note="customers")
    chart = alt.vconcat(top, under, spacing=8).resolve_scale(color="independent")
    notes = [subtitle] if subtitle else []
    if constant is not None:
        notes.append(f"Dashed: {CONSTANT} ({text.number(constant, bounded=False)}).")
    return theme.finish(chart, title=title, subtitle="\n".join(notes))


def _points(shown: pd.DataFrame, x: Any, y: Any) -> Any:
    """Focal points; those whose local fit is not admissible are hollow."""
    import altair as alt

    flagged = shown.get("flagged", pd.Series(False, index=shown.index)).astype(bool)
    marked = shown.assign(fill=np.where(flagged, "white", theme.INK))
    return (
        alt.Chart(marked)
        .mark_point(filled=True, size=30, stroke=theme.INK, strokeWidth=1.2, opacity=1)
        .encode(x=x, y=y, color=alt.Color("fill:N", scale=None, legend=None), **theme.tips())
    )


def covers_constant(frame: pd.DataFrame) -> bool:
    """Whether some constant lies within the simultaneous band at every value."""
    return bool(frame["band_lower"].max() <= frame["band_upper"].min())
