"""Simple slopes: the outcome along its predictor at values of the moderator, and the moderator beneath."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import along, text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType


def simple_slopes(
    lines: pd.DataFrame,
    slopes: pd.DataFrame,
    *,
    difference: pd.Series | None = None,
    density: tuple[np.ndarray, np.ndarray] | None = None,
    names: Mapping[str, str] | None = None,
    x_unit: str = "",
    y_unit: str = "",
    moderator_unit: str = "",
    confidence: float = 0.95,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """One line with a band for each value of the moderator, the moderator's distribution beneath.

    `lines`: outcome, predictor, moderator, value, position, x, est, ci_lower, ci_upper; `slopes`: one row a
    line with its slope; difference: est, ci_lower, ci_upper of the last line's slope less the first's;
    density: edges (k + 1,) and heights (k,) of the moderator.
    """
    import altair as alt

    theme.require(lines, ("outcome", "predictor", "x", "est", "ci_lower", "ci_upper"), "table of lines")
    named = names or {}
    outcome, predictor = str(lines["outcome"].iloc[0]), str(lines["predictor"].iloc[0])
    moderated = "moderator" in lines.columns
    by = named.get(str(lines["moderator"].iloc[0]), str(lines["moderator"].iloc[0])) if moderated else ""
    data = _drawn(lines, slopes if moderated else None, by, named.get(predictor, predictor))
    groups = text.unique(data["group"])
    color, shape, dash = theme.scales(groups)
    legend = None
    if len(groups) > 1:
        legend = alt.Legend(title=text.wrap(by, 200, theme.TEXT), symbolOpacity=1, symbolStrokeWidth=0)
    tint = alt.Color("group:N", scale=color, sort=groups, legend=legend)
    x = alt.X(
        "x:Q", title=text.wrap(_with_unit(named.get(predictor, predictor), x_unit), along.WIDTH, theme.TEXT),
        scale=alt.Scale(zero=False, nice=False),
    ).axis(grid=False, labelFlush=False, tickCount=7, labelExpr=theme.PLAIN_TICKS)  # fmt: skip
    low, high = float(data["lower"].min()), float(data["upper"].max())
    margin = 0.04 * (high - low or 1.0)
    y_scale = alt.Scale(domain=[low - margin, high + margin], zero=False, nice=True)
    y_title = text.wrap(_with_unit(named.get(outcome, outcome), y_unit), along.HEIGHT, theme.TEXT)
    y = alt.Y("y:Q", title=y_title, scale=y_scale).axis(
        tickCount=6, labelExpr=theme.PLAIN_TICKS, domain=False
    )
    base = alt.Chart(data)
    band = base.mark_area(opacity=0.15).encode(
        x=x, y=alt.Y("lower:Q", title=y_title, scale=y_scale), y2="upper:Q", color=tint, **theme.tips()
    )
    line = base.mark_line(strokeWidth=2.4).encode(
        x=x, y=y, color=tint,
        strokeDash=alt.StrokeDash("group:N", scale=dash, sort=groups, legend=None), **theme.tips(),
    )  # fmt: skip
    points = alt.Chart(data[data["marked"]]).mark_point(filled=True, size=70, opacity=1)
    marks = points.encode(
        x="x:Q", y=y, color=tint,
        shape=alt.Shape("group:N", scale=shape, sort=groups, legend=legend), **theme.tips(),
    )  # fmt: skip
    top = alt.layer(band, line, marks).properties(width=along.WIDTH, height=along.HEIGHT)
    chart: ChartType = top
    if moderated and density is not None:
        where = data.drop_duplicates("group")
        rules = pd.DataFrame({"x": where["at"], "group": where["group"], "tip": where["group"]})
        edges, heights = density
        domain = (
            min(float(edges[0]), float(where["at"].min())),
            max(float(edges[-1]), float(where["at"].max())),
        )
        bars = along.colored_bars(edges, heights, [], {"not detectable": f"distribution of {by}"})
        under = along.density_panel(
            bars, x_title=_with_unit(by, moderator_unit), domain=domain, note="customers", marks=rules
        )
        chart = alt.vconcat(top, under, spacing=14).resolve_scale(
            color="independent", shape="independent", strokeDash="independent"
        )
    heading = title
    if heading is None:
        heading = simple_slopes_title(slopes, difference, names=names)
    note = f"Bands: {confidence:.0%} pointwise interval."
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def simple_slopes_title(
    slopes: pd.DataFrame, difference: pd.Series | None = None, *, names: Mapping[str, str] | None = None
) -> str:
    """How the slope changes with the moderator, if its difference shows that it does.

    `slopes`: outcome, predictor, moderator, position, est, ci_lower, ci_upper in the order of the values.
    """
    theme.require(slopes, ("outcome", "predictor", "est", "ci_lower", "ci_upper"), "table of simple slopes")
    named = names or {}
    rows = slopes.to_dict("records")
    outcome, predictor = (named.get(str(rows[0][k]), str(rows[0][k])) for k in ("outcome", "predictor"))
    subject = f"slope of {outcome} on {predictor}"
    if difference is None or "moderator" not in slopes.columns or len(rows) < 2:
        figures = [f"{_figures(r)}{_at(r)}" for r in rows]
        return f"The {subject}: {text.listing(figures, 4)}"
    by = named.get(str(rows[0]["moderator"]), str(rows[0]["moderator"]))
    first, last = rows[0], rows[-1]
    change = text.estimate(
        float(difference["est"]), float(difference["ci_lower"]), float(difference["ci_upper"]), bounded=False
    )
    ends = f"{_figures(first)}{_at(first)} to {_figures(last)}{_at(last)}"
    if text.covers_zero(float(difference["ci_lower"]), float(difference["ci_upper"])):
        return f"No detectable change of the {subject} with {by}: {ends} (difference {change})"
    word = "rises" if float(difference["est"]) > 0 else "falls"
    return f"The {subject} {word} with {by}: from {ends} (difference {change})"


def _figures(row: Mapping[object, object]) -> str:
    value, lower, upper = (float(str(row[k])) for k in ("est", "ci_lower", "ci_upper"))
    return text.estimate(value, lower, upper, bounded=False)


def _at(row: Mapping[object, object]) -> str:
    return f" at {_signed(str(row['position']))}" if "position" in row else ""


def _signed(position: str) -> str:
    return position.replace("-", text.MINUS)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def _drawn(lines: pd.DataFrame, slopes: pd.DataFrame | None, by: str, predictor: str) -> pd.DataFrame:
    """The lines' points, a few of them marked, with what to show on hovering."""
    keyed = lines.assign(value=lines["value"] if "value" in lines.columns else 0.0)
    frames = []
    for k, (value, part) in enumerate(keyed.groupby("value", sort=True)):
        part = part.sort_values("x", kind="stable")
        position = _signed(str(part["position"].iloc[0])) if "position" in part.columns else ""
        at = text.number(float(str(value)), bounded=False)
        plain = position in (at, f"{float(str(value)):g}".replace("-", text.MINUS), "")
        label = (position or predictor) if plain else f"{position} ({at})"
        tip = f"{by} {label}".strip()
        if slopes is not None and k < len(slopes):
            row = slopes.sort_values("value", kind="stable").iloc[k]
            label += ", beyond the data" if row.get("extrapolated", False) else ""
            tip = f"{tip}\nslope {_figures(row.to_dict())}"
        marked = np.zeros(len(part), dtype=bool)
        marked[np.linspace(0, len(part) - 1, min(4, len(part))).round().astype(int)] = True
        tips = [
            f"{tip}\nat {text.number(x, bounded=False)}: {text.estimate(y, lo, up, bounded=False)}"
            if m
            else tip
            for x, y, lo, up, m in zip(
                *(part[c] for c in ("x", "est", "ci_lower", "ci_upper")), marked, strict=True
            )
        ]
        frames.append(
            pd.DataFrame({"group": label, "at": float(str(value)), "x": part["x"],
                          "y": part["est"], "lower": part["ci_lower"], "upper": part["ci_upper"],
                          "marked": marked, "tip": tips})
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)
