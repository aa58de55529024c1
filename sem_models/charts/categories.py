"""Category-probability curves: how likely each answer to an ordered item is along its construct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

COLUMNS = ("construct", "item", "category", "answer", "value", "probability")
AXIS, GAP = 55, 18
"""Room of a panel's vertical axis, and between panels, in pixels."""


def category_curves(
    curves: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    columns: int = 2,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """A panel an item: the probability of each answer, a line each; groups by their dashes.

    `curves` as `fit.category_curves()`; columns is the number of panels side by side.
    """
    import altair as alt

    theme.require(curves, COLUMNS, "table of category curves")
    named = names or {}
    groups = theme.group_labels(curves)
    panels = list(dict.fromkeys(zip(curves["construct"], curves["item"], strict=True)))
    columns = max(1, min(columns, len(panels)))
    width = (theme.WIDTH - (columns - 1) * GAP) / columns - AXIS
    drawn = curves.assign(
        group=curves.get("group", ""),
        tip=[_tip(row, groups) for row in curves.to_dict("records")],
    )
    order = sorted(drawn["category"].unique().tolist())
    _, _, dash = theme.scales(groups)
    color = alt.Color(
        "category:O", title="answer",
        # answers are ordered, so their colors are: light to dark, told apart in gray and by the color-blind
        scale=alt.Scale(scheme="viridis", domain=order, reverse=True),
        legend=alt.Legend(
            labelExpr=_labels(curves), symbolStrokeWidth=4, symbolType="stroke", symbolSize=250, columns=8
        ),
    )  # fmt: skip
    by_group = alt.StrokeDash(
        "group:N", title="group", scale=dash,
        legend=alt.Legend(symbolType="stroke", symbolSize=700, symbolStrokeWidth=2),
    )  # fmt: skip
    parts = []
    for number, (construct, item) in enumerate(panels):
        part = drawn[(drawn["construct"] == construct) & (drawn["item"] == item)]
        first = number % columns == 0
        chart = (
            alt.Chart(part)
            .mark_line(strokeWidth=2)
            .encode(
                x=alt.X(
                    "value:Q", title=f"{named.get(construct, construct)} (standard deviations from its mean)",
                    axis=alt.Axis(labelExpr=theme.PLAIN_TICKS, tickCount=7, grid=False),
                ),
                y=alt.Y(
                    "probability:Q", title="probability of the answer" if first else None,
                    scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(labelExpr=theme.BOUNDED_TICKS, tickCount=5),
                ),
                color=color,
                **({"strokeDash": by_group} if len(groups) > 1 else {}),
                **theme.tips(),
            )
            .properties(
                width=width, height=150,
                title=alt.TitleParams(named.get(item, item), anchor="start", fontSize=theme.TEXT),
            )
        )  # fmt: skip
        parts.append(chart)
    chart = alt.concat(*parts, columns=columns, spacing=GAP)
    note = "Ordered items: a normal response cut at thresholds."
    heading = title if title is not None else category_title(curves, names=names)
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def category_title(curves: pd.DataFrame, *, names: Mapping[str, str] | None = None) -> str:
    """How many answers are the most likely one somewhere along the construct."""
    named = names or {}
    keys = ["item", "group"] if "group" in curves else ["item"]
    best = curves.loc[curves.groupby([*keys, "value"], sort=False)["probability"].idxmax()]
    used = best.groupby("item", sort=False)["category"].nunique()
    offered = curves.groupby("item", sort=False)["category"].nunique()
    low, high = (f"{v:g}".replace("-", text.MINUS) for v in (curves["value"].min(), curves["value"].max()))
    where = f"between {low} and {high} standard deviations"
    if len(used) == 1:
        item = str(used.index[0])
        construct = str(curves["construct"].iloc[0])
        n, of = int(used.iloc[0]), int(offered.iloc[0])
        what = f"Each of the {of} answers to {named.get(item, item)} is"
        if n < of:
            what = f"{n} of the {of} answers to {named.get(item, item)} {'is' if n == 1 else 'are'}"
        return f"{what} the most likely one somewhere {where} of {named.get(construct, construct)}"
    every = int((used == offered).sum())
    each = f"In {every} of {len(used)} items each answer"
    return f"{each} is the most likely one somewhere {where} of its construct"


def _tip(row: dict[object, object], groups: list[str]) -> str:
    who = f"{row['group']}: " if len(groups) > 1 else ""
    share = text.number(float(str(row["probability"])))
    at = text.number(float(str(row["value"])), bounded=False)
    return f"{row['item']}\n{who}answer {row['answer']} with probability {share} at {at}"


def _labels(curves: pd.DataFrame) -> str:
    """The answers' labels in place of their numbers where all items have the same."""
    answers = curves[["category", "answer"]].drop_duplicates()
    if answers["category"].duplicated().any():
        return "'no. ' + datum.label"
    pairs = [
        f"'{k}': {_quoted(label)}" for k, label in zip(answers["category"], answers["answer"], strict=True)
    ]
    return "({" + ", ".join(pairs) + "})[datum.label]"


def _quoted(label: object) -> str:
    return "'" + str(label).replace("\\", "\\\\").replace("'", "\\'") + "'"
