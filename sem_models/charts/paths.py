"""Path estimates by group with their intervals, and, where they were tested, the differences beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme
from sem_models.charts.rows import Row, largest, read_rows

if TYPE_CHECKING:
    from altair.typing import ChartType

STANDARDIZED = "standardized coefficient"
RAW = "coefficient in scale points"


def paths(
    frame: pd.DataFrame,
    *,
    differences: pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    confidence: float = 0.95,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """Forest of the structural paths, one row a path, one mark a group.

    `frame` has the columns of `fit.standardized()` (`est_std`) or `fit.estimates()` (`est`): lhs, rhs,
    ci_lower, ci_upper, and optionally op (only "~" is drawn) and group. `differences` has lhs, rhs, est,
    ci_lower, ci_upper, and optionally pvalue, group and reference_group: est is group minus reference.
    """
    import altair as alt

    rows = structural(frame)
    standardized = "est_std" in frame.columns
    unit = unit or (STANDARDIZED if standardized else RAW)
    tested = None if differences is None else _tested(differences, rows)
    heading = title if title is not None else _sentence(rows, tested, names, standardized)
    drawn = _drawn(rows, names, standardized)
    groups = theme.group_labels(drawn)
    order = text.unique(drawn["path"])
    lines = [line for p in order for line in p.split("\n")]
    room = theme.WIDTH - max(text.text_width(line, theme.TEXT) for line in lines) - 16
    tallest = max(p.count("\n") + 1 for p in order)
    height = len(order) * max(16 * len(groups) + 10, 13 * tallest + 8, 26)
    note = f"{unit} (bars: {confidence:.0%} interval)"
    chart: ChartType
    if tested is None:
        chart = _forest(drawn, groups, order, note, standardized, width=room - 110, height=height)
    else:
        first = _forest(
            drawn, groups, order, note, standardized, width=0.7 * (room - 130), height=height, figures=False
        )
        second_drawn = _drawn(tested, names, standardized).assign(group="")
        second = _forest(
            second_drawn,
            [""],
            order,
            "difference",
            standardized,
            width=0.3 * (room - 130),
            height=height,
            labels=False,
        )
        chart = alt.hconcat(first, second, spacing=14).resolve_scale(color="independent", shape="independent")
    return theme.finish(chart, title=heading, subtitle=subtitle)


def structural(frame: pd.DataFrame) -> list[Row]:
    """The regression rows; DataError where columns are missing or there is no regression."""
    value = "est_std" if "est_std" in frame.columns else "est"
    theme.require(frame, ("lhs", "rhs", value, "ci_lower", "ci_upper"), "table of path estimates")
    rows = frame[(frame["op"] == "~") & (frame["rhs"] != "")] if "op" in frame.columns else frame
    return read_rows(rows, "table of path estimates (rows with op '~')", value=value)


def paths_title(
    frame: pd.DataFrame,
    differences: pd.DataFrame | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> str:
    """What the intervals support, in one sentence with its numbers."""
    rows = structural(frame)
    tested = None if differences is None else _tested(differences, rows)
    return _sentence(rows, tested, names, "est_std" in frame.columns)


def _sentence(
    rows: Sequence[Row], tested: Sequence[Row] | None, names: Mapping[str, str] | None, bounded: bool
) -> str:
    free = [r for r in rows if not r.fixed]
    if tested is not None:
        return _difference_sentence(tested, names, bounded)
    if not free:
        return "All paths are fixed"
    clear = [r for r in free if not r.open]
    several = len({r.group for r in rows}) > 1
    if not clear:
        return f"No path is detectable{' in any group' if several else ''}: all {len(free)} intervals cover 0"
    top = largest(clear)
    if several:
        same = [r for r in rows if (r.lhs, r.rhs) == (top.lhs, top.rhs)]
        parts = [f"{r.figures(bounded=bounded)} ({r.group})" for r in same]
        return f"{top.path(names)}: {text.listing(parts, 4)}; differences between groups are not tested here"
    sentence = f"{top.path(names)} has the largest detectable estimate: {top.figures(bounded=bounded)}"
    hidden = [r for r in free if r.open]
    if len(hidden) == 1:
        return f"{sentence}; {hidden[0].path(names)} is not detectable: {hidden[0].figures(bounded=bounded)}"
    return f"{sentence}; {len(hidden)} of {len(free)} paths are not detectable" if hidden else sentence


def _difference_sentence(rows: Sequence[Row], names: Mapping[str, str] | None, bounded: bool) -> str:
    clear = [r for r in rows if not r.open]
    top = largest(clear or list(rows))
    named = bool(top.group and top.reference)
    figures = top.figures(bounded=bounded)
    if not clear:
        between = f" between {top.group} and {top.reference}" if named else " between the groups"
        if len(rows) == 1:
            return f"No detectable difference{between} in {top.path(names)}: {figures}"
        start = f"No detectable difference{between} in any of {len(rows)} paths"
        return f"{start}; largest: {top.path(names)}, {figures}"
    if named:
        word = "higher" if top.value > 0 else "lower"
        sentence = (
            f"{top.path(names)} is {word} for {top.group} than for {top.reference}: difference {figures}"
        )
    else:
        sentence = f"{top.path(names)} differs between the groups by {figures}"
    if len(clear) > 1:
        sentence += f"; {len(clear) - 1} more path{'s differ' if len(clear) > 2 else ' differs'}"
    if len(clear) < len(rows):
        sentence += f"; no detectable difference in {len(rows) - len(clear)} of {len(rows)}"
    return sentence


def _tested(differences: pd.DataFrame, rows: Sequence[Row]) -> list[Row]:
    """Differences of the drawn paths, in their order."""
    known = list(dict.fromkeys((r.lhs, r.rhs) for r in rows))
    tested = [
        r for r in read_rows(differences, "table of differences", value="est") if (r.lhs, r.rhs) in known
    ]
    theme.require(pd.DataFrame(tested), (), "table of differences (for the paths drawn)")
    return sorted(tested, key=lambda r: known.index((r.lhs, r.rhs)))


def _drawn(rows: Sequence[Row], names: Mapping[str, str] | None, bounded: bool) -> pd.DataFrame:
    """Only what is drawn leaves this module: path, group, estimate, interval, texts."""
    marks = []
    for r in rows:
        figures = r.figures(bounded=bounded)
        between = f"{r.group} {text.MINUS} {r.reference}" if r.reference else r.group
        p = text.pvalue(r.pvalue) if math.isfinite(r.pvalue) and not r.fixed else ""
        marks.append(
            {
                "path": "\n".join(text.wrap(r.path(names), 170, theme.TEXT)),
                "group": r.group,
                "value": r.value,
                "lower": r.value if r.fixed else r.lower,
                "upper": r.value if r.fixed else r.upper,
                "figures": figures,
                "state": r.state,
                "tip": "\n".join(t for t in (r.path(names), between, figures, p, r.state) if t),
            }
        )
    return pd.DataFrame(marks)


def _forest(
    drawn: pd.DataFrame,
    groups: Sequence[str],
    order: Sequence[str],
    axis_title: str,
    bounded: bool,
    *,
    width: float,
    height: float,
    figures: bool = True,
    labels: bool = True,
) -> ChartType:
    import altair as alt

    color, shape, _ = theme.scales(groups)
    if not labels:  # differences belong to no group: none of the groups' colors
        color = alt.Scale(domain=[""], range=[theme.INK])
    # A difference panel may lack a path; its rows still have to line up with the first panel.
    rows = alt.Scale(domain=list(order), paddingInner=0.15, paddingOuter=0.1)
    y = alt.Y("path:N", sort=None, title=None, scale=rows).axis(
        labelExpr="split(datum.label, '\\n')",
        domain=False,
        ticks=False,
        grid=False,
        labels=labels,
        labelPadding=8,
    )
    ticks = theme.BOUNDED_TICKS if bounded else theme.PLAIN_TICKS
    x = alt.X(
        "value:Q", title=text.wrap(axis_title, width + 40, theme.TEXT), scale=alt.Scale(zero=True, nice=True)
    ).axis(
        labelExpr=ticks, tickCount=max(3, int(width // 50)), domain=False, labelFlush=False, labelOverlap=True
    )
    legend = alt.Legend(title=None) if len(groups) > 1 else None
    base = alt.Chart(drawn)
    zero = (
        alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=theme.MUTED, aria=False).encode(x="value:Q")
    )
    where = {"y": y, **theme.offset(groups)}
    tint = alt.Color("group:N", scale=color, sort=groups, legend=legend)
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q"), x2="upper:Q", color=tint, **where, **theme.tips()
    )
    points = base.mark_point(filled=True, size=75, opacity=1).encode(
        x=x,
        color=tint,
        shape=alt.Shape("group:N", scale=shape, sort=groups, legend=legend),
        **where,
        **theme.tips(),
    )
    hollow = (
        base.transform_filter("datum.state == 'interval covers 0'")
        .mark_point(filled=True, size=18, color="white", opacity=1)
        .encode(x=x, **where, **theme.tips())
    )
    layers = [zero, bars, points, hollow]
    if figures:
        column = base.mark_text(align="left", dx=8).encode(
            x=alt.value(width), text="figures:N", **where, **theme.tips()
        )
        layers.append(column)
    return alt.layer(*layers).properties(width=width, height=height)
