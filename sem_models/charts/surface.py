"""A surface over two variables as a map: colors for values, a line where the slope is 0, dots where open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

SIDE = 400
OVERLAP = 1.1
"""How far a cell reaches over its neighbors, so that no seams show between them."""

EVERY = 2
"""Every which row and column of the grid carries a dot where the interval covers 0."""


def surface(
    frame: pd.DataFrame,
    contour: pd.DataFrame,
    *,
    outcome: str,
    predictor: str,
    x: str,
    y: str,
    of_effect: bool,
    shares: Mapping[str, float] | None = None,
    names: Mapping[str, str] | None = None,
    units: tuple[str, str] = ("", ""),
    confidence: float = 0.95,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """The map. `frame` as `Surface.table()`, `contour` as `Surface.contour()`.

    of_effect: est is the predictor's slope, else the expected outcome. `shares` of customers by "negative",
    "not significant" and "positive" go into the title.
    """
    import altair as alt

    theme.require(frame, ("x", "y", "est", "ci_lower", "ci_upper", "significant"), "table of the surface")
    named = names or {}
    of, on = named.get(outcome, outcome), named.get(predictor, predictor)
    quantity = f"slope of {of} on {on}" if of_effect else of
    cells = _cells(frame, named.get(x, x), named.get(y, y), quantity, of_effect)
    if of_effect:
        top = float(cells["est"].abs().max()) or 1.0
        scale = alt.Scale(domain=[-top, 0, top], range=[theme.NEGATIVE, "#f7f7f7", theme.POSITIVE])
    else:
        scale = alt.Scale(scheme="blues")
    legend = alt.Legend(
        title=text.wrap(quantity, 170, theme.TEXT), orient="right", gradientLength=160,
        labelExpr=theme.PLAIN_TICKS, tickCount=5,
    )  # fmt: skip

    def axis(name: str, unit: str) -> str:
        return f"{named.get(name, name)} ({unit})" if unit else named.get(name, name)

    titles = [text.wrap(axis(n, u), SIDE, theme.TEXT) for n, u in zip((x, y), units, strict=True)]
    across = alt.Scale(domain=[cells["x"].min(), cells["x"].max()], zero=False, nice=False)
    up = alt.Scale(domain=[cells["y"].min(), cells["y"].max()], zero=False, nice=False)
    ticks: dict[str, Any] = {
        "grid": False,
        "labelFlush": False,
        "tickCount": 6,
        "labelExpr": theme.PLAIN_TICKS,
    }
    rects = (
        alt.Chart(cells)
        .mark_rect(strokeWidth=0, clip=True)
        .encode(
            x=alt.X("left:Q", title=titles[0], scale=across).axis(**ticks),
            x2="right:Q",
            y=alt.Y("low:Q", title=titles[1], scale=up).axis(**ticks),
            y2="high:Q", color=alt.Color("est:Q", scale=scale, legend=legend), **theme.tips(),
        )
    )  # fmt: skip
    layers = [rects]
    pale = cells[cells["beyond"]]
    if len(pale):
        layers.append(
            alt.Chart(pale).mark_rect(color="white", opacity=0.65, strokeWidth=0, clip=True).encode(
                x="left:Q", x2="right:Q", y="low:Q", y2="high:Q", **theme.tips()
            )
        )  # fmt: skip
    dotted = cells[cells["dot"]] if of_effect else cells.iloc[:0]
    if len(dotted):
        layers.append(
            alt.Chart(dotted).mark_point(filled=True, size=5, color=theme.MUTED, opacity=0.8).encode(
                x="x:Q", y="y:Q", **theme.tips()
            )
        )  # fmt: skip
    if len(contour):
        line = contour.assign(tip=f"slope of {of} on {on} is 0")
        layers.append(
            alt.Chart(line).mark_rule(color=theme.INK, strokeWidth=2, strokeCap="round").encode(
                x="x:Q", x2="x_end:Q", y="y:Q", y2="y_end:Q", **theme.tips()
            )
        )  # fmt: skip
    chart = alt.layer(*layers).properties(width=SIDE, height=300)
    heading = title
    if heading is None:
        heading = surface_title(outcome, predictor, x, y, of_effect=of_effect, shares=shares, names=names)
    notes = [subtitle] if subtitle else []
    notes += ["Line: the slope is 0."] if len(contour) else []
    notes += [f"Dots: its {confidence:.0%} interval covers{text.NBSP}0."] if len(dotted) else []
    notes += ["Pale: combinations beyond the data."] if len(pale) else []
    if shares is not None and of_effect:
        notes.append("Shares from the model's normal distribution of both.")
    words = "\n".join([*notes[:1], " ".join(notes[1:])]) if subtitle else " ".join(notes)
    return theme.finish(chart, title=heading, subtitle=words)


def surface_title(
    outcome: str, predictor: str, x: str, y: str, *, of_effect: bool,
    shares: Mapping[str, float] | None = None, names: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """For which share of customers the slope is detectable; a plain caption for the outcome itself."""
    named = names or {}
    of, on, first, second = (named.get(n, n) for n in (outcome, predictor, x, y))
    if not of_effect:
        return f"Expected {of} over {first} and {second}"
    if shares is None:
        return f"Slope of {of} on {on} over {first} and {second}"
    clear = [(k, shares[k]) for k in ("positive", "negative") if shares[k] >= 0.005]
    if not clear:
        return f"The slope of {of} on {on} is detectable for hardly any combination of {first} and {second}"
    parts = [f"{k} for {v:.0%} of customers" for k, v in clear]
    rest = shares["not significant"]
    open_ = f"; for {rest:.0%} its interval covers{text.NBSP}0" if rest >= 0.005 else ""
    return f"By {first} and {second} the slope of {of} on {on} is {text.listing(parts)}{open_}"


def _cells(frame: pd.DataFrame, x: str, y: str, quantity: str, of_effect: bool) -> pd.DataFrame:
    """Cells around the grid's points, with what to show on hovering, and a dot on some."""
    across, up = sorted(set(frame["x"])), sorted(set(frame["y"]))
    half_x = (across[-1] - across[0]) / (len(across) - 1) / 2
    half_y = (up[-1] - up[0]) / (len(up) - 1) / 2
    column = {v: i for i, v in enumerate(across)}
    row = {v: i for i, v in enumerate(up)}
    rows = []
    for r in frame.to_dict("records"):
        figures = text.estimate(r["est"], r["ci_lower"], r["ci_upper"], bounded=False)
        place = f"{x} {text.number(r['x'], bounded=False)}, {y} {text.number(r['y'], bounded=False)}"
        beyond = "\nbeyond the data" if r.get("extrapolated", False) else ""
        state = "" if r["significant"] or not of_effect else "\ninterval covers 0"
        chosen = column[r["x"]] % EVERY == 1 and row[r["y"]] % EVERY == 1
        rows.append(
            {"x": r["x"], "y": r["y"], "left": r["x"] - half_x, "right": r["x"] + OVERLAP * half_x,
             "low": r["y"] - half_y, "high": r["y"] + OVERLAP * half_y, "est": r["est"],
             "beyond": bool(r.get("extrapolated", False)),
             "dot": chosen and not r["significant"], "tip": f"{place}\n{quantity} {figures}{state}{beyond}"}
        )  # fmt: skip
    return pd.DataFrame(rows)
