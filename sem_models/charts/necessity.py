"""Necessary conditions as a picture: where customers are, and the ceiling above which there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme
from sem_models.findings.columns import BINS
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.findings.necessity import Necessity, Pair

COLORS = {"ce_fdh": theme.PALETTE[1], "cr_fdh": theme.PALETTE[0]}
DASHES = {"ce_fdh": [1, 0], "cr_fdh": [7, 3]}
TITLES = {"ce_fdh": "CE-FDH (step)", "cr_fdh": "CR-FDH (line)"}
HEIGHT = 340
GRAIN = 40
"""Steps of the range to which corners are drawn."""


def necessity_chart(
    result: Necessity, condition: str, *, names: Mapping[str, str] | None = None
) -> ChartType:
    """Squares of 5 and more customers (darker is more), and the ceilings; no point is a customer."""
    import altair as alt

    named = names or {}
    pair = result.pair(condition)
    x_name, y_name = named.get(condition, condition), named.get(result.outcome, result.outcome)
    cells, hidden = result.cells(condition)
    scope = pair.scope
    data = pd.DataFrame(
        {
            "x1": cells["x"] - cells["x_width"] / 2, "x2": cells["x"] + cells["x_width"] / 2,
            "y1": cells["y"] - cells["y_width"] / 2, "y2": cells["y"] + cells["y_width"] / 2,
            "customers": cells["n"], "tip": [f"{n} customers" for n in cells["n"]],
        }
    )  # fmt: skip
    dx, dy = 0.04 * scope.width, 0.04 * scope.height
    low_x = min([scope.x_low - dx, *data["x1"]])
    high_x = max([scope.x_high + dx, *data["x2"]])
    low_y = min([scope.y_low - dy, *data["y1"]])
    high_y = max([scope.y_high + dy, *data["y2"]])
    x_scale = alt.Scale(domain=[low_x, high_x], nice=False, zero=False)
    y_scale = alt.Scale(domain=[low_y, high_y], nice=False, zero=False)
    x = alt.X("x1:Q", title=x_name, scale=x_scale).axis(grid=False, labelExpr=theme.PLAIN_TICKS)
    y = alt.Y("y1:Q", title=y_name, scale=y_scale).axis(grid=False, labelExpr=theme.PLAIN_TICKS)
    squares = (
        alt.Chart(data)
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=x, x2="x2:Q", y=y, y2="y2:Q",
            color=alt.Color(
                "customers:Q",
                scale=alt.Scale(range=["#e4e4e4", "#6a6a6a"], domainMin=0, zero=True),
                legend=alt.Legend(title="customers", orient="right", gradientLength=120, tickCount=4),
            ),
            **theme.tips(),
        )
    )  # fmt: skip
    lines = _lines(pair)
    shown = [k for k in TITLES if k in set(lines["kind"])]
    domain = [TITLES[k] for k in shown]
    drawn = (
        alt.Chart(lines)
        .mark_line(strokeWidth=2.4, interpolate="linear", clip=True)
        .encode(
            x=alt.X("x:Q", scale=x_scale), y=alt.Y("y:Q", scale=y_scale), order="step:Q",
            stroke=alt.Stroke(
                "ceiling:N", scale=alt.Scale(domain=domain, range=[COLORS[k] for k in shown]),
                legend=alt.Legend(title="ceiling", orient="right"),
            ),
            strokeDash=alt.StrokeDash(
                "ceiling:N", scale=alt.Scale(domain=domain, range=[DASHES[k] for k in shown]),
                legend=alt.Legend(title="ceiling", orient="right"),
            ),
            **theme.tips(),
        )
    )  # fmt: skip
    chart = alt.layer(squares, drawn).properties(width=theme.WIDTH - 190, height=HEIGHT)
    note = f"{len(pair.x)} customers; cells of fewer than 5 ({hidden} customers) are not drawn."
    return theme.finish(chart, title=necessity_title(result, condition, names=named), subtitle=note)


def necessity_title(result: Necessity, condition: str, *, names: Mapping[str, str] | None = None) -> str:
    """Effect size and test in a sentence: the line (CR-FDH) where there is one, else the step function."""
    named = names or {}
    table = result.table()
    rows = {r["ceiling"]: r for r in table[table["condition"] == condition].to_dict("records")}
    row = rows["cr_fdh"] if "cr_fdh" in rows else next(iter(rows.values()))
    d, p = float(row["effect_size"]), float(row["pvalue"])
    x, y = named.get(condition, condition), named.get(result.outcome, result.outcome)
    figures = f"d{text.NBSP}={text.NBSP}{text.number(d)}" + (
        f", {text.pvalue(p)}" if np.isfinite(p) else ", not tested"
    )
    if np.isfinite(p) and p < 0.05 and d >= 0.1:
        return f"High {y} does not occur without {x}: a {row['size']} necessity effect ({figures})"
    if np.isfinite(p) and p < 0.05 and d > 0:
        return f"The corner of high {y} with low {x} is empty, but small ({figures})"
    if np.isfinite(p):
        return f"No evidence that {x} is necessary for {y} ({figures})"
    return f"The empty corner of high {y} with low {x} ({figures})"


def _coarse(corners: Array, values: Array) -> Array:
    """Corners (k,) to the nearest 40th of the range, where the values are finer than an item's: a corner of
    exact scores would be a customer's."""
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        return corners
    low, step = float(distinct[0]), float(distinct[-1] - distinct[0]) / GRAIN
    return np.asarray(low + step * np.round((corners - low) / step))


def _lines(pair: Pair) -> pd.DataFrame:
    parts = []
    for kind, line in pair.ceilings.items():
        s = pair.scope
        if kind == "ce_fdh":
            places, heights = _coarse(line.corners[:, 0], pair.x), _coarse(line.corners[:, 1], pair.y)
            x = np.concatenate([[s.x_low], np.repeat(places, 2), [s.x_high]])
            y = np.concatenate([[s.y_low], [s.y_low], np.repeat(heights, 2)])
        elif np.isnan(line.slope):
            continue
        else:
            enters = float(np.clip((s.y_low - line.intercept) / line.slope, s.x_low, s.x_high))
            x = np.array([enters, line.x_at_top])
            y = line.intercept + line.slope * x
        tip = f"{TITLES[kind]}: d = {text.number(line.effect_size)}"
        parts.append(
            pd.DataFrame(
                {"x": x, "y": y, "step": np.arange(len(x)), "kind": kind, "ceiling": TITLES[kind], "tip": tip}
            )
        )
    columns = ["x", "y", "step", "kind", "ceiling", "tip"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
