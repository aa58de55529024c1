"""Path estimates by group with their intervals, and, where they were tested, the differences beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    import altair as alt
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
    rows = structural(frame)
    standardized = "est_std" in frame.columns
    unit = unit or (STANDARDIZED if standardized else RAW)
    heading = (
        title if title is not None else paths_title(rows, differences, names=names, bounded=standardized)
    )
    drawn = _drawn(rows, names, standardized)
    groups = theme.group_labels(rows)
    note = f"{unit} (bars: {confidence:.0%} interval)"
    labels = max(text.text_width(line, theme.TEXT) for p in drawn["path"] for line in p.split("\n"))
    room = theme.WIDTH - labels - 16
    if differences is None:
        chart: ChartType = _forest(drawn, groups, note, standardized, width=room - 110, text_column=True)
    else:
        import altair as alt

        tested = _drawn(_difference_rows(differences, rows), names, standardized)
        second = _forest(
            tested,
            [""],
            "difference",
            standardized,
            width=0.3 * (room - 130),
            text_column=True,
            labels=False,
            height=_height(drawn, groups),
        )
        first = _forest(drawn, groups, note, standardized, width=0.7 * (room - 130), text_column=False)
        chart = alt.hconcat(first, second, spacing=14).resolve_scale(color="independent", shape="independent")
    return theme.finish(chart, title=heading, subtitle=subtitle)


def structural(frame: pd.DataFrame) -> pd.DataFrame:
    """The regression rows with the estimate in column `value`; DataError where columns are missing."""
    value = "est_std" if "est_std" in frame.columns else "est"
    theme.require(frame, ("lhs", "rhs", value, "ci_lower", "ci_upper"), "table of path estimates")
    rows = frame[(frame["op"] == "~") & (frame["rhs"] != "")] if "op" in frame.columns else frame
    theme.require(rows, (), "table of path estimates (rows with op '~')")
    return rows.assign(value=rows[value].astype(float))


def paths_title(
    frame: pd.DataFrame,
    differences: pd.DataFrame | None = None,
    *,
    names: Mapping[str, str] | None = None,
    bounded: bool = True,
) -> str:
    """What the intervals support, in one sentence with its numbers."""
    rows = frame if "value" in frame.columns else structural(frame)
    if differences is not None:
        return _difference_sentence(_difference_rows(differences, rows), names, bounded)
    if len(theme.group_labels(rows)) > 1:
        return _group_sentence(rows, names, bounded)
    return _single_sentence(rows, names, bounded)


def _single_sentence(rows: pd.DataFrame, names: Mapping[str, str] | None, bounded: bool) -> str:
    open_ = _open(rows)
    if open_.all():
        return f"No path is detectable: all {len(rows)} intervals cover 0"
    clear = rows[~open_]
    top = clear.loc[clear["value"].abs().idxmax()]
    sentence = f"{_path(top, names)} has the largest detectable estimate: {_figures(top, bounded)}"
    if int(open_.sum()) == 1:
        other = rows[open_].iloc[0]
        sentence += f"; {_path(other, names)} is not detectable: {_figures(other, bounded)}"
    elif open_.any():
        sentence += f"; {int(open_.sum())} of {len(rows)} paths are not detectable"
    return sentence


def _group_sentence(rows: pd.DataFrame, names: Mapping[str, str] | None, bounded: bool) -> str:
    clear = rows[~_open(rows)]
    if clear.empty:
        return f"No path is detectable in any group: all {len(rows)} intervals cover 0"
    top = clear.loc[clear["value"].abs().idxmax()]
    same = rows[(rows["lhs"] == top["lhs"]) & (rows["rhs"] == top["rhs"])]
    parts = [f"{_figures(r, bounded)} ({r['group']})" for _, r in same.iterrows()]
    return f"{_path(top, names)}: {text.listing(parts, 4)}; differences between groups are not tested here"


def _difference_sentence(rows: pd.DataFrame, names: Mapping[str, str] | None, bounded: bool) -> str:
    open_ = _open(rows)
    pool = rows if open_.all() else rows[~open_]
    top = pool.loc[pool["value"].abs().idxmax()]
    first, second = (str(top.get(c, "") or "") for c in ("group", "reference_group"))
    between = f" between {first} and {second}" if first and second else " between the groups"
    figures = _figures(top, bounded)
    if open_.all():
        start, path = f"No detectable difference{between} in", _path(top, names)
        if len(rows) == 1:
            return f"{start} {path}: {figures}"
        return f"{start} any of {len(rows)} paths; largest: {path}, {figures}"
    higher = f" for {first} than for {second}" if first and second else " for one group than for the other"
    word = "higher" if top["value"] > 0 or not (first and second) else "lower"
    sentence = f"{_path(top, names)} is {word}{higher}: difference {figures}"
    others = int((~open_).sum()) - 1
    if others:
        sentence += f"; {others} more path{'s differ' if others > 1 else ' differs'}"
    if open_.any():
        sentence += f"; no detectable difference in {int(open_.sum())} of {len(rows)}"
    return sentence


def _open(rows: pd.DataFrame) -> pd.Series:
    pairs = zip(rows["ci_lower"].astype(float), rows["ci_upper"].astype(float), strict=True)
    return pd.Series([text.covers_zero(lo, hi) for lo, hi in pairs], index=rows.index, dtype=bool)


def _path(row: pd.Series, names: Mapping[str, str] | None) -> str:
    return text.path_name(str(row["rhs"]), str(row["lhs"]), names)


def _figures(row: pd.Series, bounded: bool) -> str:
    return text.estimate(float(row["value"]), float(row["ci_lower"]), float(row["ci_upper"]), bounded=bounded)


def _difference_rows(differences: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Differences of the drawn paths, in their order."""
    theme.require(differences, ("lhs", "rhs", "est", "ci_lower", "ci_upper"), "table of differences")
    kept = rows[["lhs", "rhs"]].drop_duplicates().merge(differences, on=["lhs", "rhs"], how="inner")
    theme.require(kept, (), "table of differences (for the paths drawn)")
    return kept.assign(value=kept["est"].astype(float))


def _drawn(rows: pd.DataFrame, names: Mapping[str, str] | None, bounded: bool) -> pd.DataFrame:
    """Only what is drawn leaves this module: path, group, estimate, interval, texts."""
    drawn = pd.DataFrame(
        {
            "path": ["\n".join(text.wrap(_path(r, names), 170, theme.TEXT)) for _, r in rows.iterrows()],
            "value": rows["value"].to_numpy(float),
            "lower": rows["ci_lower"].to_numpy(float),
            "upper": rows["ci_upper"].to_numpy(float),
            "figures": [_figures(r, bounded) for _, r in rows.iterrows()],
        }
    )
    # A difference belongs to no group, even though its row names the two it compares.
    tested = "reference_group" in rows.columns
    drawn["group"] = "" if tested or "group" not in rows.columns else rows["group"].astype(str).to_numpy()
    drawn["state"] = np.where(_open(rows).to_numpy(), "interval covers 0", "interval excludes 0")
    p = rows["pvalue"].to_numpy(float) if "pvalue" in rows.columns else np.full(len(rows), np.nan)
    drawn["tip"] = [
        "\n".join(
            part
            for part in (
                r.path.replace("\n", " "),
                r.group,
                r.figures,
                text.pvalue(q) if np.isfinite(q) else "",
                r.state,
            )
            if part
        )
        for r, q in zip(drawn.itertuples(), p, strict=True)
    ]
    return drawn


def _height(drawn: pd.DataFrame, groups: list[str]) -> float:
    lines = max(p.count("\n") + 1 for p in drawn["path"])
    return drawn["path"].nunique() * max(16 * len(groups) + 10, 13 * lines + 8, 26)


def _forest(
    drawn: pd.DataFrame,
    groups: list[str],
    axis_title: str,
    bounded: bool,
    *,
    width: float,
    text_column: bool,
    labels: bool = True,
    height: float | None = None,
) -> alt.LayerChart:
    import altair as alt

    color, shape, _ = theme.scales(groups)
    # A difference panel may lack a path; its rows still have to line up with the first panel.
    y = alt.Y("path:N", sort=None, title=None, scale=alt.Scale(paddingInner=0.15, paddingOuter=0.1)).axis(
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
    zero = alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=theme.MUTED).encode(x="value:Q")
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
    if text_column:
        figures = base.mark_text(align="left", dx=8).encode(x=alt.value(width), text="figures:N", **where)
        layers.append(figures)
    return alt.layer(*layers).properties(
        width=width, height=height if height is not None else _height(drawn, groups)
    )
