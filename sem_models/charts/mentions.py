"""Freely mentioned elements of a service: how many name each, its kind, and whether the provider saw it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.findings.mentions import Mentions

SHOWN = 25
KINDS = ("process", "outcome", "rest")


def mentions_chart(result: Mentions) -> ChartType:
    """One row an element: share of respondents with its interval; a star marks what is off the list."""
    import altair as alt

    frame = result.elements().head(SHOWN)
    off = frame["provider"].eq(False).to_numpy(dtype=bool)
    labels = [f"{e} *" if o else str(e) for e, o in zip(frame["element"], off, strict=True)]
    lines = ["\n".join(text.wrap(label, 190, theme.TEXT)) for label in labels]
    data = pd.DataFrame(
        {
            "element": lines, "share": 100 * frame["share"].to_numpy(float),
            "lower": 100 * frame["ci_lower"].to_numpy(float),
            "upper": 100 * frame["ci_upper"].to_numpy(float),
            "kind": np.where(frame["kind"] == "", "rest", frame["kind"]),
            "tip": [
                f"{label}\n{100 * s:.0f} % of respondents [{100 * lo:.0f}, {100 * hi:.0f}]"
                for label, s, lo, hi in zip(
                    labels, frame["share"], frame["ci_lower"], frame["ci_upper"], strict=True
                )
            ],
        }
    )  # fmt: skip
    present = [k for k in KINDS if k in set(data["kind"])]
    colors = {"process": theme.PALETTE[0], "outcome": theme.PALETTE[1], "rest": theme.OPEN}
    shapes = {"process": "circle", "outcome": "square", "rest": "diamond"}
    color = alt.Color(
        "kind:N", scale=alt.Scale(domain=present, range=[colors[k] for k in present]),
        legend=alt.Legend(title=None, orient="top"),
    )  # fmt: skip
    y = alt.Y("element:N", sort=None, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labelPadding=8
    )
    scale = alt.Scale(domain=[0, float(min(100.0, 1.05 * data["upper"].max()))], nice=False)
    base = alt.Chart(data)
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", scale=scale), x2="upper:Q", y=y, color=color, **theme.tips()
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("share:Q", scale=scale, title="share of respondents who name it (%)").axis(
            labelExpr=theme.PLAIN_TICKS, tickCount=8
        ),
        y=y, color=color,
        shape=alt.Shape(
            "kind:N", scale=alt.Scale(domain=present, range=[shapes[k] for k in present]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        **theme.tips(),
    )  # fmt: skip
    chart = alt.layer(bars, points).properties(width=theme.WIDTH - 210, height=30 * len(data))
    note = (
        f"{result.n_mentions} mentions of {result.n_naming} respondents. Bars: {result.level:.0%} interval."
    )
    if off.any():
        note += " * not on the provider's list."
    return theme.finish(chart, title=mentions_title(result), subtitle=note)


def mentions_title(result: Mentions) -> str:
    """The share of process mentions, and how it stands to the provider's list (or to one half)."""
    shares = result.shares().set_index("kind")
    row = {c: shares[c].to_numpy(dtype=float)[0] for c in ("share", "ci_lower", "ci_upper")}
    if not np.isfinite(row["share"]):
        return "Elements of the service that customers name"
    test = result.test()
    figures = f"{100 * row['share']:.0f} % [{100 * row['ci_lower']:.0f}, {100 * row['ci_upper']:.0f}]"
    lead = f"{figures} of what customers name is process"
    listed = bool(result._provider)
    other = f"{100 * test['against']:.0f} % of the provider's list" if listed else "one half"
    if test["pvalue"] < 0.05:
        word = "more" if test["difference"] > 0 else "less"
        return f"{lead}, {word} than {other} ({text.pvalue(test['pvalue'])})"
    return f"{lead}, not detectably another share than {other} ({text.pvalue(test['pvalue'])})"
