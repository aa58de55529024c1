"""Simple-slope lines with their bands: the outcome on each predictor, one line a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

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
        theme.require(differences, ("predictor", "est", "ci_lower", "ci_upper"), "table of slope differences")
        return _sentence_start("; ".join(_difference(r, to, named) for _, r in differences.iterrows()))
    if slopes is not None:
        theme.require(slopes, ("predictor", "est", "ci_lower", "ci_upper"), "table of slopes")
        parts = [
            _slopes_of(p, slopes[slopes["predictor"] == p], named) for p in text.unique(slopes["predictor"])
        ]
        return f"Slope of {to} on {'; on '.join(parts)}" + (
            "; differences are not tested here" if len(theme.group_labels(slopes)) > 1 else ""
        )
    return f"{to} at levels of {text.listing([named.get(p, p) for p in predictors or []])}"


def _difference(row: pd.Series, to: str, named: Mapping[str, str]) -> str:
    figures = _figures(row)
    predictor = named.get(str(row["predictor"]), str(row["predictor"]))
    first, second = (str(row.get(c, "") or "") for c in ("group", "reference_group"))
    between = f" between {first} and {second}" if first and second else ""
    if text.covers_zero(float(row["ci_lower"]), float(row["ci_upper"])):
        return f"no detectable difference{between} in the slope of {to} on {predictor} ({figures})"
    if not between:
        return f"the slope of {to} on {predictor} differs between the groups by {figures}"
    word = "higher" if float(row["est"]) > 0 else "lower"
    return f"the slope of {to} on {predictor} is {word} for {first} than for {second} by {figures}"


def _slopes_of(predictor: str, rows: pd.DataFrame, named: Mapping[str, str]) -> str:
    parts = []
    for _, row in rows.iterrows():
        open_ = text.covers_zero(float(row["ci_lower"]), float(row["ci_upper"]))
        group = str(row.get("group", "") or "")
        notes = [n for n in (group, "not detectable" if open_ else "") if n]
        parts.append(
            f"{_figures(row)}{f' ({text.listing(notes)})' if notes else ''}".replace(" and not", ", not")
        )
    return f"{named.get(predictor, predictor)}: {text.listing(parts, 4)}"


def _figures(row: pd.Series) -> str:
    return text.estimate(float(row["est"]), float(row["ci_lower"]), float(row["ci_upper"]))


def _sentence_start(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _drawn(frame: pd.DataFrame, slopes: pd.DataFrame | None, named: Mapping[str, str]) -> pd.DataFrame:
    data = (
        frame[["group", "predictor"]]
        .astype(str)
        .assign(**{c: frame[c].astype(float) for c in ("x", "y", "lower", "upper")})
    )
    data = data.sort_values("x", kind="stable")
    data["marked"] = False
    tips: dict[tuple[str, str], str] = {}
    for (group, predictor), part in data.groupby(["group", "predictor"], sort=False):
        keep = np.linspace(0, len(part) - 1, min(4, len(part))).round().astype(int)
        data.loc[part.index[keep], "marked"] = True
        tips[str(group), str(predictor)] = _slope_tip(str(group), str(predictor), slopes, named)
    data["tip"] = [tips[g, p] for g, p in zip(data["group"], data["predictor"], strict=True)]
    points = [
        f"{t}\nx {text.number(r.x, bounded=False)}: {text.estimate(r.y, r.lower, r.upper, bounded=False)}"
        for t, r in zip(data["tip"], data.itertuples(), strict=True)
    ]
    data["tip"] = np.where(data["marked"], points, data["tip"])
    return data


def _slope_tip(group: str, predictor: str, slopes: pd.DataFrame | None, named: Mapping[str, str]) -> str:
    shown = "\n".join(p for p in (named.get(predictor, predictor), group) if p)
    if slopes is None:
        return shown
    rows = slopes[slopes["predictor"].astype(str) == predictor]
    if "group" in slopes.columns:
        rows = rows[rows["group"].astype(str) == group]
    return shown if rows.empty else f"{shown}\nslope {_figures(rows.iloc[0])}"
