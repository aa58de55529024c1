"""Moderated mediation: an indirect effect along its moderator, titled by the index of moderated mediation."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import along, text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType


def conditional_indirect(
    curve: pd.DataFrame,
    index: pd.DataFrame,
    *,
    path: str | None = None,
    difference: pd.DataFrame | None = None,
    density: tuple[np.ndarray, np.ndarray] | None = None,
    names: Mapping[str, str] | None = None,
    unit: str = "",
    confidence: float = 0.95,
    kind: str = "delta",
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """One indirect effect with its band along the moderator, the moderator's distribution beneath.

    `curve`: path, value, est, ci_lower, ci_upper; `index`: outcome, predictor, path, moderator, est,
    ci_lower, ci_upper; `difference`: likewise with first and second, where there is no index. path: which one
    is drawn, by default the last (their total where there are several).
    """
    import altair as alt

    theme.require(curve, ("path", "value", "est", "ci_lower", "ci_upper"), "table of the indirect effect")
    chosen = path or str(curve["path"].iloc[-1])
    line = curve[curve["path"] == chosen].rename(columns={"value": "x"})
    theme.require(line, (), f"table of the indirect effect ('{chosen}')")
    named = names or {}
    row = index[index["path"] == chosen].iloc[0]
    by = named.get(str(row["moderator"]), str(row["moderator"]))
    drawn = _drawn(line, by)
    domain = (float(line["x"].min()), float(line["x"].max()))
    axis = f"{by} ({unit})" if unit else by
    y_title = f"indirect effect on {named.get(str(row['outcome']), str(row['outcome']))}"
    top = along.line_and_band(drawn, x_title="" if density else axis, y_title=y_title, domain=domain)
    chart: ChartType = top
    if density is not None:
        bars = along.colored_bars(*density, [], {"not detectable": f"distribution of {by}"})
        under = along.density_panel(bars, x_title=axis, domain=domain, note="customers")
        chart = alt.vconcat(top, under, spacing=8).resolve_scale(color="independent")
    heading = title
    if heading is None:
        heading = conditional_indirect_title(index, path=chosen, difference=difference, names=names)
    how = "Monte Carlo percentiles" if kind == "montecarlo" else "delta method"
    note = f"Band: {confidence:.0%} pointwise interval, {how}."
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def conditional_indirect_title(
    index: pd.DataFrame, *, path: str, difference: pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """Whether the indirect effect changes with the moderator: by the index, else by a difference."""
    named = names or {}
    row = index[index["path"] == path].iloc[0]
    by = named.get(str(row["moderator"]), str(row["moderator"]))
    if path.startswith("total"):
        way = text.path_name(str(row["predictor"]), str(row["outcome"]), named)
    else:
        way = f" {text.ARROW} ".join(named.get(v, v) for v in path.split(" \N{RIGHTWARDS ARROW} "))
    subject = f"The indirect effect {way}"
    words = "index of moderated mediation"
    if not isfinite(float(row["est"])):
        if difference is None:
            return f"{subject} along {by}"
        row = difference[difference["path"] == path].iloc[0]
        first, second = (text.number(float(row[k]), bounded=False) for k in ("first", "second"))
        words = f"difference between {by} {first} and {second}"
    low, high = float(row["ci_lower"]), float(row["ci_upper"])
    figures = text.estimate(float(row["est"]), low, high, bounded=False)
    if text.covers_zero(low, high):
        return f"{subject} does not detectably change with {by} ({words} {figures})"
    word = "rises" if float(row["est"]) > 0 else "falls"
    return f"{subject} {word} with {by} ({words} {figures})"


def _drawn(line: pd.DataFrame, by: str) -> pd.DataFrame:
    """Points of the curve, in pieces where its interval excludes 0 and where it does not."""
    rows = []
    part, before = 0, ""
    for r in line.sort_values("x", kind="stable").to_dict("records"):
        open_ = text.covers_zero(r["ci_lower"], r["ci_upper"])
        state = "not detectable" if open_ else "positive" if r["est"] > 0 else "negative"
        figures = text.estimate(r["est"], r["ci_lower"], r["ci_upper"], bounded=False)
        tip = f"{by} {text.number(r['x'], bounded=False)}\nindirect effect {figures}\n{state}"
        row = {"x": r["x"], "y": r["est"], "lower": r["ci_lower"], "upper": r["ci_upper"], "tip": tip}
        if before and state != before:  # the pieces meet at this point
            rows.append({**row, "part": str(part), "state": before})
            part += 1
        rows.append({**row, "part": str(part), "state": state})
        before = state
    return pd.DataFrame(rows)
