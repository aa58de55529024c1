"""Path diagram with estimates: constructs in layers, arrows as wide and dark as their coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from sem_models.charts import text, theme
from sem_models.charts.layout import Array, Box, Edge, Point, layers, place_labels, shorten
from sem_models.charts.paths import paths_title
from sem_models.charts.structure import ITEM_SIZE, Geometry, Structure, arrange, read_structure

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

_LABEL = 11
_Values = Mapping[tuple[str, str, str], tuple[float, float, float]]
_STATES = ("positive", "negative", "open", "item")
_COLORS = (theme.POSITIVE, theme.NEGATIVE, theme.OPEN, theme.MUTED)


def diagram(
    frame: pd.DataFrame,
    *,
    names: Mapping[str, str] | None = None,
    items: bool = False,
    arrange_groups: Literal["auto", "beside", "below"] = "auto",
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """Structural model with standardized estimates, one panel a group.

    `frame` has the columns of `fit.standardized()`: lhs, op, rhs, est_std, ci_lower, ci_upper, optionally
    group. Latents are ellipses, observed variables boxes; arrows whose interval covers 0 are dashed gray;
    R² is 1 minus the standardized residual variance. `items` adds the indicators with their loadings.
    """
    import altair as alt

    columns = ("lhs", "op", "rhs", "est_std", "ci_lower", "ci_upper")
    theme.require(frame, columns, "table of standardized estimates")
    named = names or {}
    structure = read_structure(frame)
    groups = theme.group_labels(frame)
    depth = max(layers(structure.nodes, structure.arrows).values()) + 1
    fits = len(groups) == 2 and depth <= 4 and not items
    beside = arrange_groups == "beside" or (arrange_groups == "auto" and fits)
    per_row = min(len(groups), 2) if beside else 1
    geometry = arrange(structure, named, (theme.WIDTH - 20 * (per_row - 1)) / per_row, items=items)
    panels = []
    for group in groups:
        rows = frame[frame["group"].astype(str) == group] if "group" in frame.columns else frame
        panel = _panel(rows, structure, geometry, named, group)
        if group:
            panel = panel.properties(title=alt.TitleParams(group, anchor="start", fontSize=12, offset=4))
        panels.append(panel)
    chart: ChartType = alt.concat(*panels, columns=per_row, spacing=20) if len(panels) > 1 else panels[0]
    if title is None:
        regressions = bool((frame["op"] == "~").any())
        title = paths_title(frame, names=names) if regressions else "Constructs and correlations"
    note = "Standardized estimates; width and darkness show size; dashed: interval covers 0."
    notes = [n for n in (subtitle, note, geometry.key) if n]
    return theme.finish(chart, title=title, subtitle="\n".join(notes))


def _panel(
    rows: pd.DataFrame, structure: Structure, geometry: Geometry, named: Mapping[str, str], group: str
) -> ChartType:
    import altair as alt

    keys = zip(rows["lhs"].astype(str), rows["op"].astype(str), rows["rhs"].astype(str), strict=True)
    figures = rows[["est_std", "ci_lower", "ci_upper"]].astype(float).itertuples(index=False, name=None)
    values: _Values = dict(zip(keys, figures, strict=True))
    lines, heads, labels = _edges(values, structure, geometry, named, group)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, geometry.width], nice=False, zero=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[geometry.height, 0], nice=False, zero=False))
    drawn = _draw_edges(lines, heads, {"x": x, "y": y})
    drawn += _draw_nodes(*_nodes(values, structure, geometry, named, group), {"x": x, "y": y}, geometry.font)
    if len(labels):
        base = alt.Chart(labels).encode(text="text:N", x=x, y=y)
        look: dict[str, Any] = {"fontSize": _LABEL, "fontWeight": "bold", "baseline": "middle"}
        drawn.append(base.mark_text(stroke="white", strokeWidth=4, strokeJoin="round", aria=False, **look))
        drawn.append(base.mark_text(**look).encode(color=_color(), **theme.tips()))
    return alt.layer(*drawn).properties(width=geometry.width, height=geometry.height)


def _color() -> alt.Color:
    import altair as alt

    return alt.Color("state:N", scale=alt.Scale(domain=list(_STATES), range=list(_COLORS)), legend=None)


def _draw_edges(lines: pd.DataFrame, heads: pd.DataFrame, where: Mapping[str, Any]) -> list[alt.Chart]:
    import altair as alt

    drawn = []
    if len(lines):
        dashes = alt.Scale(domain=list(_STATES), range=[[1, 0], [1, 0], [5, 3], [1, 0]])
        drawn.append(
            alt.Chart(lines)
            .mark_line(strokeCap="butt")
            .encode(
                detail="edge:N",
                order="step:Q",
                color=_color(),
                strokeDash=alt.StrokeDash("state:N", scale=dashes, legend=None),
                strokeWidth=alt.StrokeWidth("width:Q", scale=None),
                opacity=alt.Opacity("opacity:Q", scale=None),
                **where,
                **theme.tips(),
            )
        )
    if len(heads):
        drawn.append(
            alt.Chart(heads)
            .mark_point(filled=True, shape="M0,0L-2,0.8L-2,-0.8Z", strokeWidth=0, opacity=1)
            .encode(
                angle=alt.Angle("angle:Q", scale=None),
                size=alt.Size("size:Q", scale=None),
                color=_color(),
                **where,
                **theme.tips(),
            )
        )
    return drawn


def _draw_nodes(
    outlines: pd.DataFrame, words: pd.DataFrame, where: Mapping[str, Any], font: int
) -> list[alt.Chart]:
    import altair as alt

    drawn = []
    for kind, part in outlines.groupby("kind", sort=False):
        rx, ry = float(part["rx"].iloc[0]), float(part["ry"].iloc[0])
        r = f"{ry / rx:.4f}"
        ellipse, box = f"M-1,0A1,{r},0,1,1,1,0A1,{r},0,1,1,-1,0Z", f"M-1,-{r}L1,-{r}L1,{r}L-1,{r}Z"
        item = kind == "item"
        outline = alt.Chart(part).mark_point(
            shape=ellipse if kind == "latent" else box,
            size=4 * rx * rx,
            fill="white",
            stroke=theme.MUTED if item else theme.INK,
            strokeWidth=0.8 if item else 1.4,
            opacity=1,
        )
        drawn.append(outline.encode(**where, **theme.tips()))
    for look, part in words.groupby("look", sort=False):
        style = {"fontSize": font, "fontWeight": "bold"} if look == "name" else {"fontSize": ITEM_SIZE}
        drawn.append(
            alt.Chart(part)
            .mark_text(baseline="middle", **style)
            .encode(text="text:N", **where, **theme.tips())
        )
    return drawn


def _edges(
    values: _Values, structure: Structure, geometry: Geometry, named: Mapping[str, str], group: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Points of all lines, arrowheads, and the labels with their places."""
    lines: list[pd.DataFrame] = []
    heads: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    curves: list[Array] = []
    for arc, edges in ((False, structure.arrows), (True, structure.arcs)):
        for a, b in edges:
            found = _value(values, a, b, arc)
            if found is None:
                continue
            value, lower, upper = found
            points = (geometry.arcs if arc else geometry.curves)[a, b]
            size = min(abs(value), 1.0)
            stroke = 1.2 if arc else 1.0 + 4.0 * size
            name = (
                f"{named.get(a, a)} \N{LEFT RIGHT ARROW} {named.get(b, b)}"
                if arc
                else text.path_name(a, b, named)
            )
            tip = "\n".join(t for t in (name, group, text.estimate(value, lower, upper)) if t)
            look: dict[str, Any] = {"state": _state(value, lower, upper), "tip": tip}
            head = 5.0 + 1.6 * stroke
            # The line ends inside the arrowhead, so that a wide line does not show beside its tip.
            body = shorten(points, head - 2 if arc else 0.0, head - 2)
            weight = {"width": stroke, "opacity": 0.45 + 0.55 * size}
            lines.append(_line(f"{a}>{b}>{arc}", body, {**look, **weight}))
            ends = [(points[-1], body[-1])] + ([(points[0], body[0])] if arc else [])
            for tip_at, back in ends:
                angle = math.degrees(math.atan2(tip_at[1] - back[1], tip_at[0] - back[0]))
                heads.append({"x": tip_at[0], "y": tip_at[1], "angle": angle, "size": head**2, **look})
            labels.append({"text": text.number(value), **look})
            curves.append(body)
    places = _label_places(geometry, curves, [label["text"] for label in labels])
    labels = [{**label, "x": x, "y": y} for label, (x, y) in zip(labels, places, strict=True)]
    for (node, item), points in _item_lines(geometry).items():
        look = {"state": "item", "tip": named.get(node, node), "width": 0.8, "opacity": 1.0}
        lines.append(_line(f"{node}=~{item}", points, look))
    return (pd.concat(lines) if lines else pd.DataFrame()), pd.DataFrame(heads), pd.DataFrame(labels)


def _line(edge: str, points: Array, look: Mapping[str, Any]) -> pd.DataFrame:
    columns = {"x": points[:, 0].round(2), "y": points[:, 1].round(2), "step": np.arange(len(points))}
    return pd.DataFrame(columns).assign(edge=edge, **look)


def _state(value: float, lower: float, upper: float) -> str:
    # A fixed coefficient has no interval that could cover 0.
    if math.isfinite(lower) and text.covers_zero(lower, upper):
        return "open"
    return "positive" if value >= 0 else "negative"


def _value(values: _Values, a: str, b: str, arc: bool) -> tuple[float, float, float] | None:
    if arc:
        return values.get((a, "~~", b)) or values.get((b, "~~", a))
    return values.get((b, "~", a)) or values.get((a, "=~", b))


def _label_places(geometry: Geometry, curves: list[Array], words: list[str]) -> list[Point]:
    sizes = [(text.text_width(w, _LABEL, bold=True) + 4, _LABEL + 2.0) for w in words]
    outlines: list[Box] = []
    for node, (x, y) in geometry.centers.items():
        shape = geometry.shapes[node]
        outlines.append((x - shape.rx, y - shape.ry, x + shape.rx, y + shape.ry))
    return place_labels(curves, sizes, [*outlines, *geometry.boxes.values()])


def _item_lines(geometry: Geometry) -> dict[Edge, Array]:
    """A line from each construct to its items; to the nearest one only where they stand above or below."""
    lines: dict[Edge, Array] = {}
    for (node, item), (left, top, right, bottom) in geometry.boxes.items():
        (x, y), shape = geometry.centers[node], geometry.shapes[node]
        if right < x - shape.rx or left > x + shape.rx:
            end = (right if right < x else left, (top + bottom) / 2)
            start = (x - shape.rx if right < x else x + shape.rx, y)
        elif min(abs(top - y), abs(bottom - y)) < shape.ry + 9:
            start, end = (x, y - shape.ry if bottom < y else y + shape.ry), (x, bottom if bottom < y else top)
        else:
            continue
        lines[node, item] = np.array([start, end])
    return lines


def _nodes(
    values: _Values, structure: Structure, geometry: Geometry, named: Mapping[str, str], group: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outlines, and the words in them."""
    outlines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    for node in structure.nodes:
        (x, y), shape = geometry.centers[node], geometry.shapes[node]
        shown = [(w, "name") for w in geometry.words[node]]
        tip = [named.get(node, node), group]
        residual = values.get((node, "~~", node))
        if node in structure.explained and residual is not None:
            shown.append((f"R² {text.number(1 - residual[0])}", "small"))
            tip.append(shown[-1][0])
        kind = "latent" if shape.round else "observed"
        tip_text = "\n".join(t for t in tip if t)
        outlines.append({"x": x, "y": y, "rx": shape.rx, "ry": shape.ry, "kind": kind, "tip": tip_text})
        for k, (word, look) in enumerate(shown):
            words.append(
                {
                    "x": x,
                    "y": y + 14 * (k - (len(shown) - 1) / 2),
                    "text": word,
                    "look": look,
                    "tip": tip_text,
                }
            )
    for (node, item), (left, top, right, bottom) in geometry.boxes.items():
        x, y = (left + right) / 2, (top + bottom) / 2
        value = values.get((node, "=~", item))
        shown_value = text.estimate(*value) if value else ""
        tip_text = f"{named.get(node, node)}: {named.get(item, item)}\n{shown_value}".rstrip()
        size = {"rx": (right - left) / 2, "ry": (bottom - top) / 2}
        outlines.append({"x": x, "y": y, **size, "kind": "item", "tip": tip_text})
        figure = text.number(value[0]) if value else ""
        words.append(
            {"x": x, "y": y, "text": f"{named.get(item, item)} {figure}", "look": "small", "tip": tip_text}
        )
    return pd.DataFrame(outlines), pd.DataFrame(words)
