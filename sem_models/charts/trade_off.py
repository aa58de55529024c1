"""Iso-value lines: mixes of two services between which the outcome does not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

EDGE = 4.0
"""Points beyond which an unbounded band is cut off."""


def iso_value(
    frame: pd.DataFrame, rates: pd.DataFrame, *, takes: str, gives: str, outcome: str,
    names: Mapping[str, str] | None = None, title: str | None = None, subtitle: str = "",
) -> ChartType:  # fmt: skip
    """One panel a group: the line through the average customer, its Fieller band, dashed beyond the data.

    `frame` is `TradeOff.iso_value()`, `rates` `TradeOff.rates()`.
    """
    import altair as alt

    theme.require(frame, ("group", "x", "y", "lower", "upper", "supported"), "table of iso-value lines")
    named = names or {}
    groups = theme.group_labels(frame)
    reach = min(EDGE, float(np.abs(frame["y"]).max()) * 1.6)
    drawn = frame.assign(
        lower=frame["lower"].clip(-reach, reach), upper=frame["upper"].clip(-reach, reach),
        y=frame["y"].where(frame["y"].abs() <= reach),
    )  # fmt: skip
    drawn["tip"] = [
        f"{text.number(x, bounded=False)} points of {gives}, {text.number(y, bounded=False)} of {takes}"
        for x, y in zip(frame["x"], frame["y"], strict=True)
    ]
    color, _, _ = theme.scales(groups)
    width = (theme.WIDTH - 70 - 24 * (len(groups) - 1)) / len(groups)
    x_title = f"change of {named.get(gives, gives)} (points)"
    y_title = f"change of {named.get(takes, takes)} (points)"
    y_scale = alt.Scale(domain=[-reach, reach], nice=False)
    panels = []
    for k, label in enumerate(groups):
        part = drawn[drawn["group"] == label]
        base = alt.Chart(part).encode(
            x=alt.X("x:Q", title=text.wrap(x_title, width, theme.TEXT), scale=alt.Scale(nice=False)).axis(
                grid=False, tickCount=5, labelExpr=theme.PLAIN_TICKS
            ),
            color=alt.value(color.range[k]),
        )
        y = alt.Y("y:Q", title=y_title if k == 0 else None, scale=y_scale).axis(
            tickCount=5, labelExpr=theme.PLAIN_TICKS, domain=False
        )
        band = base.mark_area(opacity=0.16).encode(
            y=alt.Y("lower:Q", title=y_title if k == 0 else None, scale=y_scale), y2="upper:Q"
        )
        beyond = base.mark_line(strokeWidth=1.6, strokeDash=[3, 3]).encode(y=y)
        inside = base.transform_filter("datum.supported").mark_line(strokeWidth=2.4).encode(
            y=y, **theme.tips()
        )  # fmt: skip
        zero = alt.Chart(pd.DataFrame({"x": [0.0], "y": [0.0]})).mark_point(
            filled=True, size=60, color=theme.INK, aria=False
        ).encode(x="x:Q", y="y:Q")  # fmt: skip
        panels.append(
            alt.layer(band, beyond, inside, zero).properties(
                width=width, height=220, title=alt.TitleParams(label, fontSize=theme.TEXT)
            )
        )
    chart = alt.hconcat(*panels, spacing=24) if len(panels) > 1 else panels[0]
    heading = title or iso_value_title(rates, takes=takes, gives=gives, outcome=outcome, names=named)
    note = "Dot: the average customer. Band: Fieller set; dashed: beyond 95 % of the customers."
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def iso_value_title(
    rates: pd.DataFrame, *, takes: str, gives: str, outcome: str, names: Mapping[str, str] | None = None
) -> str:
    """How much makes up for a point less, by group, as far as the sets say."""
    named = names or {}
    parts = []
    for row in rates[rates["scale"] == "points"].to_dict("records"):
        where = f" ({row['group']})" if row["group"] else ""
        if row["set"] != "interval":
            parts.append(f"any amount is possible{where}")
        else:
            figures = text.estimate(row["rate"], row["ci_lower"], row["ci_upper"], bounded=False)
            parts.append(f"{figures}{where}")
    what, less = named.get(takes, takes), named.get(gives, gives)
    return (
        f"Points of {what} that make up for a point less of {less}, {named.get(outcome, outcome)} unchanged: "
        f"{text.listing(parts, 4)}"
    )
