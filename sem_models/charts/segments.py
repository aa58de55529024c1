"""Segments of customers: how many, and what each lever goes with among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType


def segments(frame: pd.DataFrame, *, title: str | None = None, subtitle: str = "") -> ChartType:
    """One bar a segment; `frame` is `Profiles.segments()`: segment, customers, share, effect_LEVER."""
    import altair as alt

    theme.require(frame, ("segment", "customers", "share"), "table of segments")
    levers = [
        c.removeprefix("effect_")
        for c in map(str, frame.columns)
        if c.startswith("effect_") and not c.endswith("_sd")
    ]
    drawn = frame.assign(
        label=[f"{s:.0%} ({n})" for s, n in zip(frame["share"], frame["customers"], strict=True)],
        name=["\n".join(str(s).split("; ")) for s in frame["segment"]],
    )
    drawn["tip"] = [
        f"{row['segment']}\n{row['customers']} customers\n"
        + "\n".join(f"{lever}: {text.number(row[f'effect_{lever}'], bounded=False)}" for lever in levers)
        for row in frame.to_dict("records")
    ]
    order = drawn["name"].tolist()
    y = alt.Y("name:N", sort=order, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labelPadding=8
    )
    x = alt.X("share:Q", title="share of customers").axis(format=".0%", grid=False, tickCount=5)
    base = alt.Chart(drawn)
    bars = base.mark_bar(color=theme.PALETTE[0], size=18).encode(x=x, y=y, **theme.tips())
    words = base.mark_text(align="left", dx=5).encode(x=x, y=y, text="label:N")
    heading = title if title is not None else segments_title(frame)
    chart = alt.layer(bars, words).properties(width=330, height=max(34 * len(drawn), 60))
    return theme.finish(chart, title=heading, subtitle=subtitle)


def segments_title(frame: pd.DataFrame) -> str:
    """The largest segment with its share."""
    top = frame.sort_values("share", ascending=False).iloc[0]
    return f"{top['share']:.0%} of the customers: {top['segment']}; {len(frame)} segments in all"
