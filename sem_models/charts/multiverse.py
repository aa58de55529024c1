"""One moderation under many methods: estimates with their intervals on the common metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme
from sem_models.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    from altair.typing import ChartType

NEEDED = ("term", "group", "method", "title", "std_estimate", "std_ci_lower", "std_ci_upper", "usable")
LABELS = 250
STATES = ["interval excludes 0", "interval covers 0", "not converged or not admissible"]


def multiverse_chart(
    table: pd.DataFrame,
    agreement: pd.DataFrame,
    line: str,
    *,
    term: str | None = None,
    title: str | None = None,
) -> ChartType:
    """`table` and `agreement` of a `Multiverse`; the dashed line is the methods' median.

    SpecError where several paths (or groups) are there and `term` names none.
    """
    import altair as alt

    theme.require(table, NEEDED, "table of methods")
    terms = text.unique(table.loc[table["term"] != "", "term"])
    if not terms:
        raise SpecError("No method has a result: there is nothing to draw. The column reason says why.")
    if term is None and len(terms) > 1:
        raise SpecError(f"The model has several products' paths. Name term=, one of: {', '.join(terms)}.")
    chosen = term or terms[0]
    if chosen not in terms:
        raise SpecError(
            f"term='{chosen}' is no path of a product. {did_you_mean(chosen, terms, noun='paths')}"
        )
    data = table[table["term"] == chosen].copy()
    found = agreement[agreement["term"] == chosen]
    several = len(text.unique(data["group"])) > 1
    data["label"] = [
        "\n".join(text.wrap(f"{t} ({m}){f', {g}' if several else ''}", LABELS - 20, theme.TEXT))
        for t, m, g in zip(data["title"], data["method"], data["group"], strict=True)
    ]
    data["state"] = [
        STATES[2] if not ok else STATES[1] if text.covers_zero(lo, hi) else STATES[0]
        for ok, lo, hi in zip(data["usable"], data["std_ci_lower"], data["std_ci_upper"], strict=True)
    ]
    data["figures"] = [
        text.estimate(e, lo, hi)
        for e, lo, hi in zip(data["std_estimate"], data["std_ci_lower"], data["std_ci_upper"], strict=True)
    ]
    data["tip"] = data["label"].str.replace("\n", " ") + "\n" + data["figures"] + "\n" + data["state"]
    shown = data[["label", "std_estimate", "std_ci_lower", "std_ci_upper", "state", "figures", "tip"]]
    order = shown["label"].tolist()
    ends = [*shown["std_ci_lower"].dropna(), *shown["std_ci_upper"].dropna(), 0.0]
    pad = 0.04 * (max(ends) - min(ends) or 1.0)
    scale = alt.Scale(domain=[min(ends) - pad, max(ends) + pad], nice=False, zero=False)
    y = alt.Y("label:N", sort=order, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labelPadding=8
    )
    x = alt.X("std_estimate:Q", scale=scale, title="standardized interaction, b·sd(x)·sd(z)/sd(y)").axis(
        labelExpr=theme.BOUNDED_TICKS, tickCount=6
    )
    present = [s for s in STATES if (shown["state"] == s).any()]
    colors = dict(zip(STATES, (theme.POSITIVE, theme.OPEN, theme.NEGATIVE), strict=True))
    shapes = dict(zip(STATES, ("circle", "square", "diamond"), strict=True))
    legend = alt.Legend(title=None, orient="top")
    color = alt.Color(
        "state:N", legend=legend, scale=alt.Scale(domain=present, range=[colors[s] for s in present])
    )
    shape = alt.Shape(
        "state:N", legend=legend, scale=alt.Scale(domain=present, range=[shapes[s] for s in present])
    )
    zero = alt.Chart(pd.DataFrame({"std_estimate": [0.0]})).mark_rule(color=theme.MUTED).encode(x=x)
    middle = alt.Chart(found[["median"]].rename(columns={"median": "std_estimate"})).mark_rule(
        color=theme.MUTED, strokeDash=[4, 3]
    ).encode(x=x)  # fmt: skip
    bars = alt.Chart(shown).mark_rule(strokeWidth=2).encode(
        x=alt.X("std_ci_lower:Q", scale=scale), x2="std_ci_upper:Q", y=y, color=color, **theme.tips()
    )  # fmt: skip
    points = alt.Chart(shown).mark_point(filled=True, size=80, opacity=1).encode(
        x=x, y=y, color=color, shape=shape, **theme.tips()
    )  # fmt: skip
    height = 34 * len(order)
    figures = alt.Chart(shown).mark_text(align="left").encode(
        y=alt.Y("label:N", sort=order, axis=None), x=alt.value(0), text="figures:N",
        color=alt.value(theme.INK),
    )  # fmt: skip
    chart = alt.hconcat(
        alt.layer(zero, middle, bars, points).properties(width=theme.WIDTH - LABELS - 115, height=height),
        figures.properties(width=100, height=height), spacing=12,
    )  # fmt: skip
    note = f"{line}. Bars: 95 % interval; dashed: the methods' median."
    return theme.finish(chart, title=title or multiverse_title(found, chosen), subtitle=note)


def multiverse_title(agreement: pd.DataFrame, term: str) -> str:
    """Whether the methods agree on one path, with the range of their estimates."""
    outcome, product = term.split(" ~ ")
    what = f"{product.replace(':', ' × ')} on {outcome}"
    usable = agreement[agreement["methods"] > 0]
    if usable.empty:
        return f"No method has a usable result for {what}"
    low, high = text.number(usable["lowest"].min()), text.number(usable["highest"].max())
    span = low if low == high else f"{low} to {high}"
    n = int(usable["methods"].max())
    if n == 1:
        return f"One method alone has a usable result for {what}: {span}"
    if not usable["agree"].all():
        names = text.unique(name for cell in usable["stand_out"] if cell for name in cell.split(", "))
        tail = f"; {text.listing(names)} stand{'s' if len(names) == 1 else ''} out" if names else ""
        on = "the size of " if _one_verdict(usable) else ""
        return f"{n} methods disagree on {on}{what}: {span}{tail}"
    row = usable.iloc[0]
    kind = "positive" if row["positive"] else "negative" if row["negative"] else "not distinguishable from 0"
    return f"{n} methods agree on {what}: {kind}, {span}"


def _one_verdict(usable: pd.DataFrame) -> bool:
    """Whether all intervals say the same of the sign."""
    return int((usable[["positive", "negative", "undecided"]].sum() > 0).sum()) == 1
