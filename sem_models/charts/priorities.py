"""Importance against performance, against investment, and combined with necessity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

SIDE, HEIGHT = theme.WIDTH - 90, 380
CORNERS = ("Possible overkill", "Keep up the good work", "Low priority", "Concentrate here")


def priority_map(frame: pd.DataFrame, *, target: str, names: Mapping[str, str] | None = None) -> ChartType:
    """One panel a group.

    `frame`: construct or item, importance, ci_lower, ci_upper, performance, quadrant.
    """
    import altair as alt

    column = "item" if "item" in frame.columns else "construct"
    theme.require(frame, (column, "importance", "ci_lower", "ci_upper", "performance"), "table of priorities")
    named = names or {}
    groups = theme.group_labels(frame)
    panels = []
    for group in groups:
        part = frame[frame["group"].astype(str) == group] if "group" in frame.columns else frame
        data = _drawn(part, column, named)
        panel = _panel(data, target, named, intervals=column == "construct")
        panels.append(panel.properties(title=group) if group else panel)
    chart: Any = panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=24)
    note = "Dashed: means of the points. " + (
        "Bars: 95 % interval of the importance."
        if column == "construct"
        else "Names of the items as in the data."
    )
    return theme.finish(chart, title=priority_title(frame, column, target, named), subtitle=note)


def priority_title(frame: pd.DataFrame, column: str, target: str, named: Mapping[str, str]) -> str:
    """What to work on: important and done below average; else the most important one."""
    urgent = frame[frame["quadrant"] == "concentrate here"] if "quadrant" in frame.columns else frame.iloc[:0]
    to = named.get(target, target)
    if len(urgent):
        rows = urgent.sort_values("importance", ascending=False)
        labels = text.unique(named.get(str(n), str(n)) for n in rows[column])
        verbs = ("matters", "scores") if len(labels) == 1 else ("matter", "score")
        return f"{text.listing(labels)} {verbs[0]} more than average for {to} and {verbs[1]} below average"
    top = frame.sort_values("importance", ascending=False).iloc[0]
    name = named.get(str(top[column]), str(top[column]))
    return f"{name} matters most for {to}; nothing important scores below average"


def combined_map(
    frame: pd.DataFrame, *, target: str, level: float, names: Mapping[str, str] | None = None
) -> ChartType:
    """`frame` of `Priorities.combined`: filled where necessary, the larger the more customers fall short."""
    import altair as alt

    theme.require(frame, ("construct", "importance", "performance", "below", "necessary"), "combined table")
    named = names or {}
    groups = theme.group_labels(frame)
    panels = []
    for group in groups:
        part = frame[frame["group"].astype(str) == group]
        data = _drawn(part, "construct", named).assign(
            below=part["below"].to_numpy(float),
            kind=np.where(part["necessary"], "necessary", "not shown to be necessary"),
        )
        data["tip"] = data["tip"] + [
            f"\n{b:.0f} % below the level needed" if k == "necessary" else ""
            for b, k in zip(data["below"], data["kind"], strict=True)
        ]
        panel = _combined_panel(data, target, named)
        panels.append(panel.properties(title=group) if group else panel)
    chart: Any = panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=24)
    to = named.get(target, target)
    held = frame[frame["necessary"]].sort_values("below", ascending=False)
    if len(held):
        first = held.iloc[0]
        name = named.get(str(first["construct"]), str(first["construct"]))
        count = held["construct"].nunique()
        how_many = f"{count} construct{'s are' if count > 1 else ' is'}"
        lead = f"{how_many} necessary for {to} at {level:.0f} % of its range"
        title = f"{lead}; {float(first['below']):.0f} % of customers fall short on {name}"
    else:
        title = f"No construct is shown to be necessary for {to} at {level:.0f} % of its range"
    note = "Size: share of customers below the level that the target needs (necessity); dashed: means."
    return theme.finish(chart, title=title, subtitle=note)


def investment_map(frame: pd.DataFrame, *, target: str, names: Mapping[str, str] | None = None) -> ChartType:
    """`frame` of `Priorities.investment`: one row a construct, what it weighs and what is spent on it."""
    import altair as alt

    columns = ("construct", "investment", "importance_share", "gap", "ci_lower", "ci_upper")
    theme.require(frame, columns, "table of investments")
    named = names or {}
    groups = theme.group_labels(frame)
    panels = []
    for group in groups:
        part = frame[frame["group"].astype(str) == group].sort_values("gap", ascending=False)
        labels = [named.get(str(c), str(c)) for c in part["construct"]]
        tips = [
            f"{n}\ngap {text.estimate(g, lo, hi, 0, bounded=False)} points"
            for n, g, lo, hi in zip(labels, part["gap"], part["ci_lower"], part["ci_upper"], strict=True)
        ]
        wide = pd.DataFrame(
            {
                "name": labels, "spent": part["investment"].to_numpy(float),
                "weighs": part["importance_share"].to_numpy(float), "tip": tips,
            }
        )  # fmt: skip
        kinds = ["share of importance", "share of investment"]
        marks = pd.concat(
            [
                wide[["name", "tip"]].assign(value=wide["weighs"], kind=kinds[0]),
                wide[["name", "tip"]].assign(value=wide["spent"], kind=kinds[1]),
            ]
        )
        y = alt.Y("name:N", sort=labels, title=None).axis(domain=False, ticks=False, labelPadding=8)
        rule = (
            alt.Chart(wide).mark_rule(color=theme.MUTED, strokeWidth=2)
            .encode(x=alt.X("spent:Q"), x2="weighs:Q", y=y, **theme.tips())
        )  # fmt: skip
        color, shape, _ = theme.scales(kinds)
        points = (
            alt.Chart(marks).mark_point(filled=True, size=90, opacity=1)
            .encode(
                x=alt.X("value:Q", title="share (%)", scale=alt.Scale(zero=True)).axis(
                    labelExpr=theme.PLAIN_TICKS
                ),
                y=y, color=alt.Color("kind:N", scale=color, legend=alt.Legend(title=None)),
                shape=alt.Shape("kind:N", scale=shape, legend=alt.Legend(title=None)), **theme.tips(),
            )
        )  # fmt: skip
        panel = alt.layer(rule, points).properties(width=theme.WIDTH - 200, height=34 * len(labels))
        panels.append(panel.properties(title=group) if group else panel)
    chart: Any = panels[0] if len(panels) == 1 else alt.vconcat(*panels, spacing=24)
    return theme.finish(
        chart, title=_investment_title(frame, target, named),
        subtitle="Shares among the constructs shown, with what customers weigh and what the provider spends.",
    )  # fmt: skip


def _investment_title(frame: pd.DataFrame, target: str, named: Mapping[str, str]) -> str:
    under = frame[frame["ci_lower"] > 0].sort_values("gap", ascending=False)
    over = frame[frame["ci_upper"] < 0].sort_values("gap")
    parts = []
    for rows, words in ((under, "weighs more than is spent on it"), (over, "gets more than it weighs")):
        if len(rows):
            r = rows.iloc[0]
            name = named.get(str(r["construct"]), str(r["construct"]))
            figures = text.estimate(
                float(r["gap"]), float(r["ci_lower"]), float(r["ci_upper"]), 0, bounded=False
            )
            parts.append(f"{name} {words} ({figures} points)")
    if parts:
        return f"For {named.get(target, target)}, " + "; ".join(parts)
    return f"No detectable gap between importance for {named.get(target, target)} and investment"


def _drawn(part: pd.DataFrame, column: str, named: Mapping[str, str]) -> pd.DataFrame:
    labels = [named.get(str(n), str(n)) for n in part[column]]
    tips = [
        f"{n}\nimportance {text.estimate(i, lo, hi)}\nperformance {p:.0f}"
        for n, i, lo, hi, p in zip(
            labels, part["importance"], part["ci_lower"], part["ci_upper"], part["performance"], strict=True
        )
    ]
    return pd.DataFrame(
        {
            "name": labels, "importance": part["importance"].to_numpy(float),
            "lower": part["ci_lower"].to_numpy(float), "upper": part["ci_upper"].to_numpy(float),
            "performance": part["performance"].to_numpy(float), "tip": tips,
        }
    )  # fmt: skip


def _frame(data: pd.DataFrame, *, intervals: bool) -> tuple[list[float], list[float]]:
    """Domains of importance and performance with room for the labels."""
    low = float(data["lower"].min() if intervals else data["importance"].min())
    high = float(data["upper"].max() if intervals else data["importance"].max())
    low, gap = min(low, 0.0), (high - min(low, 0.0)) or 1.0
    bottom, top = float(data["performance"].min()), float(data["performance"].max())
    spread = max(top - bottom, 6.0)
    return (
        [low - 0.03 * gap, high + 0.22 * gap],
        [max(0.0, bottom - 0.25 * spread), min(100.0, top + 0.25 * spread)],
    )


def _axes(data: pd.DataFrame, target: str, named: Mapping[str, str], *, intervals: bool) -> tuple[Any, Any]:
    import altair as alt

    across, up = _frame(data, intervals=intervals)
    x = alt.X(
        "importance:Q", scale=alt.Scale(domain=across, nice=False, zero=False),
        title=f"importance (points of {named.get(target, target)} per point, both 0–100)",
    ).axis(grid=False, labelExpr=theme.BOUNDED_TICKS, tickCount=8)  # fmt: skip
    y = alt.Y(
        "performance:Q", scale=alt.Scale(domain=up, nice=False, zero=False), title="performance (mean, 0–100)"
    ).axis(grid=False, labelExpr=theme.PLAIN_TICKS)
    return x, y


def _background(data: pd.DataFrame, x: Any, y: Any, *, intervals: bool) -> list[Any]:
    """Lines at the means, and the names of the four fields."""
    import altair as alt

    across, up = _frame(data, intervals=intervals)
    means = data[["importance", "performance"]].mean()
    base = alt.Chart(
        pd.DataFrame({"importance": [means["importance"]], "performance": [means["performance"]]})
    )
    words = []
    for name, k, left, top in (
        (CORNERS[0], 0, True, True), (CORNERS[1], 1, False, True),
        (CORNERS[2], 0, True, False), (CORNERS[3], 1, False, False),
    ):  # fmt: skip
        corner = pd.DataFrame(
            {"importance": [across[k]], "performance": [up[1 if top else 0]], "name": [name]}
        )
        mark = alt.Chart(corner).mark_text(
            align="left" if left else "right", baseline="top" if top else "bottom", color=theme.MUTED,
            fontStyle="italic", dx=4 if left else -4, dy=3 if top else -3,
        )  # fmt: skip
        words.append(mark.encode(x=x, y=y, text="name:N"))
    across_line = base.mark_rule(strokeDash=[4, 4], color=theme.MUTED)
    return [across_line.encode(x=x), across_line.encode(y=y), *words]


def _labels(data: pd.DataFrame, x: Any, y: Any, *, intervals: bool, shift: float = 9) -> list[Any]:
    """Names beside their points, moved up or down where two would lie on one another."""
    import altair as alt

    across, up = _frame(data, intervals=intervals)
    px = (data["importance"] - across[0]) / (across[1] - across[0]) * SIDE
    py = (up[1] - data["performance"]) / (up[1] - up[0]) * HEIGHT
    boxes = [(a - 5, a + 5, b) for a, b in zip(px, py, strict=True)]  # the points themselves
    layers = []
    for i in np.argsort(py.to_numpy()):
        at, height = float(px.iloc[i]), float(py.iloc[i])
        width = text.text_width(str(data["name"].iloc[i]), theme.TEXT)
        places = [(side, dy) for dy in (-9.0, 11.0, -22.0, 24.0) for side in (1, -1)]
        spans = {
            p: (at + shift, at + shift + width) if p[0] > 0 else (at - shift - width, at - shift)
            for p in places
        }
        free = [
            p for p in places
            if spans[p][0] > 0
            and all(abs(height + p[1] - b) > 12 or spans[p][0] > r or spans[p][1] < k for k, r, b in boxes)
        ]  # fmt: skip
        side, dy = free[0] if free else places[0]
        boxes.append((*spans[(side, dy)], height + dy))
        mark = alt.Chart(data.iloc[[i]]).mark_text(
            align="left" if side > 0 else "right", dx=side * shift, dy=dy, color=theme.INK
        )
        layers.append(mark.encode(x=x, y=y, text="name:N"))
    return layers


def _panel(data: pd.DataFrame, target: str, named: Mapping[str, str], *, intervals: bool) -> Any:
    import altair as alt

    x, y = _axes(data, target, named, intervals=intervals)
    base = alt.Chart(data)
    layers = _background(data, x, y, intervals=intervals)
    if intervals:
        bar = base.mark_rule(strokeWidth=2, color=theme.POSITIVE, opacity=0.55)
        across = alt.Scale(domain=_frame(data, intervals=True)[0], nice=False, zero=False)
        layers.append(bar.encode(x=alt.X("lower:Q", scale=across), x2="upper:Q", y=y))
    dots = base.mark_point(filled=True, size=80, opacity=1, color=theme.POSITIVE)
    layers.append(dots.encode(x=x, y=y, **theme.tips()))
    return alt.layer(*layers, *_labels(data, x, y, intervals=intervals)).properties(width=SIDE, height=HEIGHT)


def _combined_panel(data: pd.DataFrame, target: str, named: Mapping[str, str]) -> Any:
    import altair as alt

    x, y = _axes(data, target, named, intervals=False)
    kinds = ["necessary", "not shown to be necessary"]
    largest = max(20.0, float(data["below"].max()))
    dots = (
        alt.Chart(data)
        .mark_point(filled=True, opacity=0.85, strokeWidth=2)
        .encode(
            x=x, y=y,
            size=alt.Size(
                "below:Q", scale=alt.Scale(domain=[0, largest], range=[60, 900]),
                legend=alt.Legend(title="% below", orient="right"),
            ),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=kinds, range=[theme.NEGATIVE, theme.OPEN]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            shape=alt.Shape(
                "kind:N", scale=alt.Scale(domain=kinds, range=["circle", "square"]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            **theme.tips(),
        )
    )  # fmt: skip
    layers = [
        *_background(data, x, y, intervals=False),
        dots,
        *_labels(data, x, y, intervals=False, shift=16),
    ]
    return alt.layer(*layers).properties(width=SIDE - 60, height=HEIGHT)
