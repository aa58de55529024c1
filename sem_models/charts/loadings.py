"""Standardized loadings with their intervals, items under their construct."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme
from sem_models.charts.rows import Row, read_rows

if TYPE_CHECKING:
    from altair.typing import ChartType


def loadings(
    frame: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    threshold: float = 0.5,
    confidence: float = 0.95,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """One row an item, grouped by construct; `frame` as `fit.standardized()` (rows with op "=~").

    Columns: lhs, op, rhs, est_std, ci_lower, ci_upper, optionally group. `names` titles constructs and
    items. `threshold` is drawn as a dashed line and used in the title.
    """
    import altair as alt

    rows = _loading_rows(frame)
    heading = title if title is not None else _sentence(rows, threshold, names or {})
    data = _drawn(rows, names or {})
    groups = theme.group_labels(data)
    color, shape, _ = theme.scales(groups)
    # Dots, not bars: the axis need not start at 0, but never hides how far the loadings are from it.
    low = min(0.4, math.floor(5 * float(data[["value", "lower"]].min().min())) / 5)
    x_scale = alt.Scale(
        domain=[low, max(1.0, float(data[["value", "upper"]].max().max()))], nice=False, zero=False
    )
    x_title = f"standardized loading (bars: {confidence:.0%} interval; dashed: {text.number(threshold)})"
    panels = []
    constructs = text.unique(data["construct"])
    label_width = max(text.text_width(line, theme.TEXT) for i in data["item"] for line in i.split("\n"))
    width = theme.WIDTH - label_width - 130
    for k, construct in enumerate(constructs):
        part = data[data["construct"] == construct]
        last = k == len(constructs) - 1
        x = alt.X("value:Q", scale=x_scale, title=x_title if last else None).axis(
            labels=last,
            ticks=last,
            domain=False,
            labelFlush=False,
            labelExpr=theme.BOUNDED_TICKS,
            values=[v / 10 for v in range(-10, 11, 2)],
        )
        # Labels of equal width keep the panels' zero lines in one column.
        y = alt.Y("item:N", sort=None, title=None).axis(
            labelExpr="split(datum.label, '\\n')",
            domain=False,
            ticks=False,
            minExtent=label_width + 8,
            labelPadding=8,
        )
        where = {"y": y, **theme.offset(groups)}
        legend = alt.Legend(title=None, orient="bottom") if len(groups) > 1 and last else None
        tint = alt.Color("group:N", scale=color, sort=groups, legend=legend)
        base = alt.Chart(part)
        bars = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("lower:Q"), x2="upper:Q", color=tint, **where, **theme.tips()
        )
        points = base.mark_point(filled=True, size=65, opacity=1).encode(
            x=x,
            color=tint,
            shape=alt.Shape("group:N", scale=shape, sort=groups, legend=legend),
            **where,
            **theme.tips(),
        )
        line = (
            alt.Chart(pd.DataFrame({"value": [threshold]}))
            .mark_rule(strokeDash=[4, 3], color=theme.MUTED, aria=False)
            .encode(x="value:Q")
        )
        layers = [
            line,
            bars,
            points,
            base.mark_text(align="left", dx=8).encode(
                x=alt.value(width), text="figures:N", **where, **theme.tips()
            ),
        ]
        lines = max(i.count("\n") + 1 for i in part["item"])
        height = part["item"].nunique() * max(16 * len(groups) + 5, 13 * lines + 6)
        panels.append(
            alt.layer(*layers).properties(
                width=width,
                height=height,
                title=alt.TitleParams(
                    construct,
                    anchor="start",
                    frame="bounds",
                    fontSize=theme.TEXT,
                    fontWeight="bold",
                    offset=2,
                ),
            )
        )
    chart = alt.vconcat(*panels, spacing=8).resolve_scale(color="independent", shape="independent")
    return theme.finish(chart, title=heading, subtitle=subtitle)


def loadings_title(
    frame: pd.DataFrame, *, threshold: float = 0.5, names: Mapping[str, str] | None = None
) -> str:
    """How many loadings reach the threshold, and the weakest one with its interval."""
    return _sentence(_loading_rows(frame), threshold, names or {})


def _sentence(rows: Sequence[Row], threshold: float, named: Mapping[str, str]) -> str:
    weakest = min(rows, key=lambda r: abs(r.value))
    item = named.get(weakest.rhs, weakest.rhs)
    lowest = f"the lowest is {item}{f' in {weakest.group}' if weakest.group else ''}, {weakest.figures()}"
    below = sum(abs(r.value) < threshold for r in rows)
    at = text.number(threshold)
    if below == 0:
        return f"All {len(rows)} loading estimates reach {at}; {lowest}"
    verb = "is" if below == 1 else "are"
    return f"{below} of {len(rows)} loading estimates {verb} below {at}; {lowest}"


def _loading_rows(frame: pd.DataFrame) -> list[Row]:
    theme.require(frame, ("lhs", "op", "rhs", "est_std", "ci_lower", "ci_upper"), "table of loadings")
    return read_rows(frame[frame["op"] == "=~"], "table of loadings (rows with op '=~')", value="est_std")


def _drawn(rows: Sequence[Row], named: Mapping[str, str]) -> pd.DataFrame:
    marks = []
    for r in rows:
        construct, item = named.get(r.lhs, r.lhs), named.get(r.rhs, r.rhs)
        marks.append(
            {
                "construct": construct,
                "item": "\n".join(text.wrap(item, 190, theme.TEXT)),
                "group": r.group,
                "value": r.value,
                "lower": r.value if r.fixed else r.lower,
                "upper": r.value if r.fixed else r.upper,
                "figures": r.figures(),
                "tip": "\n".join(t for t in (f"{construct}: {item}", r.group, r.figures()) if t),
            }
        )
    return pd.DataFrame(marks)
