"""An effect along a moderator: its line and band in parts, and where the customers lie beneath."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

STATES = ("negative", "not detectable", "positive")
TINTS = {"negative": theme.NEGATIVE, "not detectable": theme.OPEN, "positive": theme.POSITIVE}
WIDTH, HEIGHT, BENEATH = 470, 250, 58


def state_scale(states: Sequence[str]) -> Any:
    """Colors of the states that occur."""
    import altair as alt

    shown = [s for s in STATES if s in states]
    return alt.Scale(domain=shown, range=[TINTS[s] for s in shown])


def x_axis(title: str, domain: tuple[float, float]) -> Any:
    import altair as alt

    scale = alt.Scale(domain=list(domain), zero=False, nice=False)
    return alt.X("x:Q", title=text.wrap(title, WIDTH, theme.TEXT) if title else None, scale=scale).axis(
        grid=False, labelFlush=False, tickCount=7, labelExpr=theme.PLAIN_TICKS
    )


def line_and_band(
    frame: pd.DataFrame, *, x_title: str, y_title: str, domain: tuple[float, float]
) -> ChartType:
    """Line with its band, colored by `state`, over a rule at 0.

    `frame`: part, state, x, y, lower, upper, tip; one part is drawn in one piece.
    """
    import altair as alt

    states = text.unique(frame["state"])
    tint = alt.Color(
        "state:N", scale=state_scale(states), sort=list(STATES),
        legend=alt.Legend(title=None, symbolType="square", symbolOpacity=1, symbolStrokeWidth=0)
        if len(states) > 1 else None,
    )  # fmt: skip
    x = x_axis(x_title, domain)
    y = alt.Y("y:Q", title=text.wrap(y_title, HEIGHT, theme.TEXT)).axis(
        tickCount=6, labelExpr=theme.PLAIN_TICKS, domain=False
    )
    base = alt.Chart(frame)
    zero = alt.Chart(pd.DataFrame({"y": [0.0]})).mark_rule(color=theme.INK, aria=False).encode(y="y:Q")
    band = base.mark_area(opacity=0.2, line=False).encode(
        x=x, y=alt.Y("lower:Q"), y2="upper:Q", color=tint, detail="part:N", **theme.tips()
    )
    line = base.mark_line(strokeWidth=2.4).encode(x=x, y=y, color=tint, detail="part:N", **theme.tips())
    return alt.layer(band, zero, line).properties(width=WIDTH, height=HEIGHT)


def density_panel(
    bars: pd.DataFrame, *, x_title: str, domain: tuple[float, float], note: str,
    marks: pd.DataFrame | None = None,
) -> ChartType:  # fmt: skip
    """Where the customers lie: bars left to right, height, state, tip; `marks` (x, tip, group) are rules."""
    import altair as alt

    states = text.unique(bars["state"])
    inside = bars[(bars["right"] > domain[0]) & (bars["left"] < domain[1])].assign(
        left=lambda f: f["left"].clip(lower=domain[0]), right=lambda f: f["right"].clip(upper=domain[1])
    )
    tint = alt.Color("state:N", scale=state_scale(states), legend=None)
    area = (
        alt.Chart(inside)
        .mark_rect(opacity=0.45, strokeWidth=0)
        .encode(
            x=alt.X("left:Q", title=text.wrap(x_title, WIDTH, theme.TEXT),
                    scale=alt.Scale(domain=list(domain), zero=False, nice=False))
            .axis(grid=False, labelFlush=False, tickCount=7, labelExpr=theme.PLAIN_TICKS),
            x2="right:Q",
            y=alt.Y("height:Q", title=note, axis=alt.Axis(
                labels=False, ticks=False, grid=False, domain=False, titleAngle=0, titleAlign="right",
                titlePadding=6)),
            y2=alt.datum(0), color=tint, **theme.tips(),
        )
    )  # fmt: skip
    layers: list[Any] = [area]
    if marks is not None:
        groups = text.unique(marks["group"])
        color, _, dash = theme.scales(groups)
        layers.append(
            alt.Chart(marks).mark_rule(strokeWidth=2).encode(
                x="x:Q", color=alt.Color("group:N", scale=color, sort=groups, legend=None),
                strokeDash=alt.StrokeDash("group:N", scale=dash, sort=groups, legend=None), **theme.tips(),
            )
        )  # fmt: skip
    return alt.layer(*layers).resolve_scale(color="independent").properties(width=WIDTH, height=BENEATH)


def parts(regions: pd.DataFrame, domain: tuple[float, float]) -> list[tuple[float, float, str]]:
    """Regions (lower, upper, effect) as pieces of the domain with their states."""
    out = []
    for r in regions.to_dict("records"):
        low, high = max(float(r["lower"]), domain[0]), min(float(r["upper"]), domain[1])
        state = str(r["effect"]) if r["effect"] in ("negative", "positive") else "not detectable"
        if high > low:
            out.append((low, high, state))
    return out


def colored_bars(
    edges: np.ndarray,
    heights: np.ndarray,
    pieces: Sequence[tuple[float, float, str]],
    tips: Mapping[str, str],
) -> pd.DataFrame:
    """Bars cut at the pieces' ends, each with its piece's state; beyond the pieces "not detectable"."""
    cuts = [e for low, high, _ in pieces for e in (low, high)]
    points = np.unique(np.concatenate([edges, [c for c in cuts if edges[0] < c < edges[-1]]]))
    rows = []
    for left, right in pairwise(points):
        middle = (left + right) / 2
        k = int(np.clip(np.searchsorted(edges, middle) - 1, 0, len(heights) - 1))
        state = next((s for low, high, s in pieces if low <= middle <= high), "not detectable")
        rows.append(
            {"left": left, "right": right, "height": heights[k], "state": state, "tip": tips.get(state, "")}
        )
    return pd.DataFrame(rows)
