"""Simple-slope lines with their bands: the outcome on each predictor, one line a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme
from sem_models.charts.rows import Row, read_rows

if TYPE_CHECKING:
    from altair.typing import ChartType


def slopes(
    frame: pd.DataFrame,
    *,
    outcome: str,
    slopes: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
    x_unit: str = "scale points",
    y_unit: str = "scale points",
    confidence: float = 0.95,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """One panel a predictor, one line with a band a group.

    `frame`: group, predictor, x, y, lower, upper (the line's points and its pointwise band). `slopes`:
    predictor, group, est, ci_lower, ci_upper. `differences`: predictor, est, ci_lower, ci_upper and
    optionally group, reference_group (est is group minus reference). Without them the title claims nothing.
    """
    import altair as alt

    theme.require(frame, ("group", "predictor", "x", "y", "lower", "upper"), "table of slope lines")
    named = names or {}
    groups, predictors = theme.group_labels(frame), text.unique(frame["predictor"])
    heading = title
    if heading is None:
        heading = slopes_title(
            outcome, slopes=slopes, differences=differences, predictors=predictors, names=names
        )
    data = _drawn(frame, slopes, named)
    color, shape, dash = theme.scales(groups)
    low, high = float(data["lower"].min()), float(data["upper"].max())
    margin = 0.04 * (high - low or 1.0)
    y_scale = alt.Scale(domain=[low - margin, high + margin], zero=False, nice=True)
    gap = 26
    width = min((theme.WIDTH - 60 - gap * (len(predictors) - 1)) / len(predictors), 420)
    panels = []
    for i, predictor in enumerate(predictors):
        part = data[data["predictor"] == predictor]
        x_title = text.wrap(f"{named.get(predictor, predictor)} ({x_unit})", width, theme.TEXT)
        y_title = f"{named.get(outcome, outcome)} ({y_unit})" if i == 0 else None
        # Shapes sit on a few points only: they tell the groups apart in gray without hiding the line.
        marked = part[part["marked"]]
        legend = (
            alt.Legend(title=None, symbolOpacity=1, symbolStrokeWidth=0)
            if len(groups) > 1 and i == 0
            else None
        )
        tint = alt.Color("group:N", scale=color, sort=groups, legend=legend)
        base = alt.Chart(part).encode(
            x=alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, nice=False)).axis(
                grid=False, labelFlush=False, tickCount=5, labelExpr=theme.PLAIN_TICKS
            ),
            color=tint,
        )
        y = alt.Y("y:Q", title=y_title, scale=y_scale).axis(
            tickCount=5, labelExpr=theme.PLAIN_TICKS, domain=False
        )
        band = base.mark_area(opacity=0.16).encode(
            y=alt.Y("lower:Q", title=y_title, scale=y_scale), y2="upper:Q", **theme.tips()
        )
        line = base.mark_line(strokeWidth=2.2).encode(
            y=y,
            strokeDash=alt.StrokeDash("group:N", scale=dash, sort=groups, legend=None),
            **theme.tips(),
        )
        points = (
            alt.Chart(marked)
            .mark_point(filled=True, size=70, opacity=1)
            .encode(
                x="x:Q",
                y=y,
                color=tint,
                shape=alt.Shape("group:N", scale=shape, sort=groups, legend=legend),
                **theme.tips(),
            )
        )
        panels.append(alt.layer(band, line, points).properties(width=width, height=230))
    note = f"Bands: {confidence:.0%} pointwise interval."
    chart = alt.hconcat(*panels, spacing=gap).resolve_scale(
        color="independent", shape="independent", strokeDash="independent"
    )
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def slopes_title(
    outcome: str,
    *,
    slopes: pd.DataFrame | None = None,
    differences: pd.DataFrame | None = None,
    predictors: list[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """What the slopes and their differences support; a plain caption where neither was given."""
    named = names or {}
    to = named.get(outcome, outcome)
    if differences is not None:
        tested = read_rows(
            differences, "table of slope differences", value="est", lhs="predictor", rhs="predictor"
        )
        sentence = "; ".join(_difference(r, to, named) for r in tested)
        return sentence[:1].upper() + sentence[1:]
    if slopes is not None:
        rows = read_rows(slopes, "table of slopes", value="est", lhs="predictor", rhs="predictor")
        parts = [
            _slopes_of(p, [r for r in rows if r.rhs == p], named) for p in text.unique(slopes["predictor"])
        ]
        untested = "; differences are not tested here" if len({r.group for r in rows}) > 1 else ""
        return f"Slope of {to} on {'; on '.join(parts)}{untested}"
    return f"{to} at levels of {text.listing([named.get(p, p) for p in predictors or []])}"


def _difference(row: Row, to: str, named: Mapping[str, str]) -> str:
    predictor = named.get(row.rhs, row.rhs)
    both = bool(row.group and row.reference)
    if row.open:
        between = f" between {row.group} and {row.reference}" if both else ""
        return f"no detectable difference{between} in the slope of {to} on {predictor} ({row.figures()})"
    if not both:
        return f"the slope of {to} on {predictor} differs between the groups by {row.figures()}"
    word = "higher" if row.value > 0 else "lower"
    groups = f"for {row.group} than for {row.reference}"
    return f"the slope of {to} on {predictor} is {word} {groups} by {row.figures()}"


def _slopes_of(predictor: str, rows: list[Row], named: Mapping[str, str]) -> str:
    parts = []
    for row in rows:
        notes = ", ".join(n for n in (row.group, "not detectable" if row.open else "") if n)
        parts.append(f"{row.figures()} ({notes})" if notes else row.figures())
    return f"{named.get(predictor, predictor)}: {text.listing(parts, 4)}"


def _drawn(frame: pd.DataFrame, slopes: pd.DataFrame | None, named: Mapping[str, str]) -> pd.DataFrame:
    """The lines' points in order of x, a few of them marked, with what to show on hovering."""
    known = (
        read_rows(slopes, "table of slopes", value="est", lhs="predictor", rhs="predictor")
        if slopes is not None
        else []
    )
    parts: list[pd.DataFrame] = []
    for group, predictor in dict.fromkeys(zip(frame["group"], frame["predictor"], strict=True)):
        part = frame[(frame["group"] == group) & (frame["predictor"] == predictor)]
        line = part[["x", "y", "lower", "upper"]].astype(float).sort_values("x", kind="stable")
        marked = np.zeros(len(line), dtype=bool)
        marked[np.linspace(0, len(line) - 1, min(4, len(line))).round().astype(int)] = True
        slope = next((r for r in known if r.rhs == str(predictor) and r.group in (str(group), "")), None)
        shown = [
            named.get(str(predictor), str(predictor)),
            str(group),
            f"slope {slope.figures()}" if slope else "",
        ]
        tip = "\n".join(t for t in shown if t)
        points = zip(*(line[c] for c in ("x", "y", "lower", "upper")), marked, strict=True)
        tips = [f"{tip}\n{_point(x, y, lo, up)}" if m else tip for x, y, lo, up, m in points]
        parts.append(line.assign(group=str(group), predictor=str(predictor), marked=marked, tip=tips))
    return pd.concat(parts, ignore_index=True)


def _point(x: float, y: float, lower: float, upper: float) -> str:
    return f"at {text.number(x, bounded=False)}: {text.estimate(y, lower, upper, bounded=False)}"
