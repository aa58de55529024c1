"""Original beside replication, and studies beside what they say together (forest plot)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.findings.replication import Studies

KINDS = ["original", "replication"]


def replication_chart(frame: pd.DataFrame, *, study: str, level: float = 0.95) -> ChartType:
    """`frame` of `Replication.table`: two points a claim, with intervals."""
    import altair as alt

    columns = [f"{k}{s}" for k in KINDS for s in ("", "_ci_lower", "_ci_upper")]
    theme.require(frame, ("claim", "verdict", *columns), "table of replications")
    names = [f"{c}: {t}" if t else str(c) for c, t in zip(frame["claim"], frame["title"], strict=True)]
    labels = [
        "\n".join([*text.wrap(n, 200, theme.TEXT), f"({v})"])
        for n, v in zip(names, frame["verdict"], strict=True)
    ]
    parts = []
    for kind in KINDS:
        value, low, high = (frame[f"{kind}{s}"].to_numpy(float) for s in ("", "_ci_lower", "_ci_upper"))
        tips = [
            f"{n}\n{kind} {text.estimate(v, lo, hi)}"
            for n, v, lo, hi in zip(names, value, low, high, strict=True)
        ]
        parts.append(
            pd.DataFrame(
                {"label": labels, "group": kind, "value": value, "lower": low, "upper": high, "tip": tips}
            )
        )
    data = pd.concat(parts, ignore_index=True)
    color, shape, _ = theme.scales(KINDS)
    y = alt.Y("label:N", sort=labels, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labelPadding=8
    )
    where = {"y": y, **theme.offset(KINDS)}
    left, right = float(data["lower"].min()), float(data["upper"].max())
    pad = 0.04 * ((right - left) or 1.0)
    scale = alt.Scale(domain=[min(left - pad, 0.0), max(right + pad, 0.0)], nice=False, zero=False)
    base = alt.Chart(data)
    zero = (
        alt.Chart(pd.DataFrame({"value": [0.0]}))
        .mark_rule(color=theme.MUTED)
        .encode(x=alt.X("value:Q", scale=scale))
    )
    legend = alt.Legend(title=None, orient="top")
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", scale=scale), x2="upper:Q", color=alt.Color("group:N", scale=color, legend=legend),
        **where, **theme.tips(),
    )  # fmt: skip
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", scale=scale, title=f"estimate (bars: {level:.0%} interval)").axis(
            labelExpr=theme.BOUNDED_TICKS, tickCount=8
        ),
        color=alt.Color("group:N", scale=color, legend=legend),
        shape=alt.Shape("group:N", scale=shape, legend=legend), **where, **theme.tips(),
    )  # fmt: skip
    chart = alt.layer(zero, bars, points).properties(width=theme.WIDTH - 220, height=56 * len(frame))
    return theme.finish(chart, title=replication_title(frame, study))


def replication_title(frame: pd.DataFrame, study: str) -> str:
    """How many of the claims replicate, do not, or stay open."""
    counts = {v: int((frame["verdict"] == v).sum()) for v in ("replicated", "not replicated", "undecided")}
    n = len(frame)
    rest = [
        f"{counts[v]} {words}"
        for v, words in (("not replicated", "do not" if counts["not replicated"] != 1 else "does not"),
                         ("undecided", "stay undecided" if counts["undecided"] != 1 else "stays undecided"))
        if counts[v]
    ]  # fmt: skip
    tail = f"; {', '.join(rest)}" if rest else ""
    return f"{counts['replicated']} of {n} findings of {study} replicate{'s' if n == 1 else ''}{tail}"


def forest_chart(result: Studies) -> ChartType:
    """Squares by weight, the pooled estimate as a diamond, its prediction interval as a thin line."""
    import altair as alt

    table = result.table()
    p = result.pooled
    names = [*result.names, "pooled"]
    tips = [
        f"{n}\n{text.estimate(e, lo, hi)}\nweight {w:.0f} %"
        for n, e, lo, hi, w in zip(
            names, table["est"], table["ci_lower"], table["ci_upper"], table["weight"], strict=True
        )
    ]
    data = pd.DataFrame(
        {
            "study": names, "est": table["est"].to_numpy(float), "lower": table["ci_lower"].to_numpy(float),
            "upper": table["ci_upper"].to_numpy(float), "weight": table["weight"].to_numpy(float),
            "kind": ["study"] * (len(names) - 1) + ["pooled"], "tip": tips,
            "figures": [
                text.estimate(e, lo, hi)
                for e, lo, hi in zip(table["est"], table["ci_lower"], table["ci_upper"], strict=True)
            ],
        }
    )  # fmt: skip
    ends = [v for v in (p.pi_lower, p.pi_upper) if np.isfinite(v)]
    low, high = min([0.0, float(data["lower"].min()), *ends]), max([0.0, float(data["upper"].max()), *ends])
    pad = 0.04 * (high - low)
    scale = alt.Scale(domain=[low - pad, high + pad], nice=False, zero=False)
    y = alt.Y("study:N", sort=names, title=None).axis(domain=False, ticks=False, labelPadding=8)
    x = alt.X("est:Q", scale=scale, title=result.title).axis(labelExpr=theme.BOUNDED_TICKS, tickCount=7)
    zero = alt.Chart(pd.DataFrame({"est": [0.0]})).mark_rule(color=theme.MUTED).encode(x=x)
    alone, pooled = data[data["kind"] == "study"], data[data["kind"] == "pooled"]
    layers = [zero]
    if ends:
        expected = pooled.assign(lower=p.pi_lower, upper=p.pi_upper)
        line = alt.Chart(expected).mark_rule(color=theme.NEGATIVE, strokeDash=[3, 3], strokeWidth=1.5)
        layers.append(line.encode(x=alt.X("lower:Q", scale=scale), x2="upper:Q", y=y))
    for part, color in ((alone, theme.POSITIVE), (pooled, theme.NEGATIVE)):
        bar = alt.Chart(part).mark_rule(color=color, strokeWidth=2)
        layers.append(bar.encode(x=alt.X("lower:Q", scale=scale), x2="upper:Q", y=y, **theme.tips()))
    squares = alt.Chart(alone).mark_point(filled=True, shape="square", color=theme.POSITIVE, opacity=1)
    size = alt.Size("weight:Q", scale=alt.Scale(domain=[0, 100], range=[30, 500]), legend=None)
    layers.append(squares.encode(x=x, y=y, size=size, **theme.tips()))
    diamond = alt.Chart(pooled).mark_point(
        filled=True, shape="diamond", color=theme.NEGATIVE, size=220, opacity=1
    )
    layers.append(diamond.encode(x=x, y=y, **theme.tips()))
    height = 30 * len(names)
    figures = alt.Chart(data).mark_text(align="left").encode(
        y=alt.Y("study:N", sort=names, axis=None), x=alt.value(0), text="figures:N",
        color=alt.value(theme.INK),
    )  # fmt: skip
    chart = alt.hconcat(
        alt.layer(*layers).properties(width=theme.WIDTH - 270, height=height),
        figures.properties(width=105, height=height), spacing=14,
    )  # fmt: skip
    note = f"Bars: {result.level:.0%} interval; squares by weight."
    if ends:
        note += " Dashed: where the true value of a new study is expected."
    return theme.finish(chart, title=forest_title(result), subtitle=note)


def forest_title(result: Studies) -> str:
    """The pooled estimate, and how much the studies differ."""
    p = result.pooled
    figures = text.estimate(p.estimate, p.ci_lower, p.ci_upper)
    lead = f"Over {p.k} studies {result.title} is {figures}"
    if text.covers_zero(p.ci_lower, p.ci_upper):
        lead += ", which leaves its sign open"
    if p.k < 2:
        return lead
    differ = "the studies differ" if p.q_pvalue < 0.05 else "no detectable differences between the studies"
    return f"{lead}; {differ} (I² = {p.i2:.0f} %, {text.pvalue(p.q_pvalue)})"
