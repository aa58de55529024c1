"""A tree of models: nodes by the covariate that splits them, leaves with their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

LEAF, GAP, ROW, LINE = 150.0, 14.0, 96.0, 15.0
"""Pixels: width of a leaf, between leaves, between levels (with one line of rules), and a line of text."""


def tree_chart(
    table: pd.DataFrame, parameters: pd.DataFrame, sentence: str, *, paths: int = 4, title: str | None = None
) -> ChartType:
    """`table` and `parameters` of a `SemTree`; of the paths those whose estimates differ most over leaves."""
    import altair as alt

    theme.require(
        table, ("node", "parent", "depth", "rule", "n", "split_by", "pvalue_adjusted"), "table of nodes"
    )
    most = max(len(text.wrap(str(rule), LEAF, theme.TEXT)) for rule in table["rule"])
    x, y = _places(table, ROW + LINE * (most - 1))
    shown = _most_different(parameters, paths)
    boxes, words, marks, labels = [], [], [], []
    for row in table.to_dict("records"):
        number = int(row["node"])
        lines = _lines(row, parameters, shown)
        height = LINE * len(lines) + 10.0
        half = LEAF / 2
        tip = f"{row['rule']}\n" + "\n".join(lines)
        boxes.append(
            (x[number] - half, y[number], x[number] + half, y[number] + height, not row["split_by"], tip)
        )
        for k, line in enumerate(lines):
            words.append(
                (x[number], y[number] + 5.0 + LINE * (k + 0.5), line, "bold" if k == 0 else "normal")
            )
        if row["parent"]:
            up = int(row["parent"])
            rule = text.wrap(str(row["rule"]), LEAF, theme.TEXT)
            marks.append((x[up], y[up] + 2 * LINE + 10.0, x[number], y[number] - LINE * len(rule) - 3.0))
            labels += [
                (x[number], y[number] - 8.0 - LINE * (len(rule) - 1 - k), piece)
                for k, piece in enumerate(rule)
            ]
    frame = pd.DataFrame(boxes, columns=["x", "y", "x2", "y2", "leaf", "tip"])
    width, height = max(frame["x2"]) + 2.0, max(frame["y2"]) + 2.0
    at_x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-2.0, width], nice=False, zero=False))
    at_y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[height, -2.0], nice=False, zero=False))
    layers = []
    if marks:
        edges = pd.DataFrame(marks, columns=["x", "y", "x2", "y2"])
        layers.append(
            alt.Chart(edges)
            .mark_rule(color=theme.MUTED, strokeWidth=1.2)
            .encode(x=at_x, y=at_y, x2="x2", y2="y2")
        )
        ink = alt.Chart(pd.DataFrame(labels, columns=["x", "y", "line"])).mark_text(
            fontStyle="italic", baseline="middle"
        )
        layers.append(ink.encode(x=at_x, y=at_y, text="line:N"))
    fill = alt.Color(
        "leaf:N", legend=None, scale=alt.Scale(domain=[True, False], range=["#e8f1f8", theme.BAND])
    )
    box = alt.Chart(frame).mark_rect(stroke=theme.MUTED, strokeWidth=1, cornerRadius=4)
    layers.append(box.encode(x=at_x, y=at_y, x2="x2", y2="y2", color=fill, **theme.tips()))
    lines_frame = pd.DataFrame(words, columns=["x", "y", "line", "weight"])
    for weight in ("bold", "normal"):
        part = lines_frame[lines_frame["weight"] == weight]
        mark = alt.Chart(part).mark_text(fontWeight=weight, baseline="middle")
        layers.append(mark.encode(x=at_x, y=at_y, text="line:N"))
    chart = alt.layer(*layers).properties(width=width, height=height)
    note = "p: score tests, Bonferroni over covariates. Leaves: unstandardized paths"
    total = len(parameters.groupby(["lhs", "op", "rhs"]))
    note += f", the {len(shown)} of {total} that differ most." if total > len(shown) else "."
    return theme.finish(chart, title=title or sentence, subtitle=note, width=max(width, 320.0))


def _places(table: pd.DataFrame, step: float) -> tuple[dict[int, float], dict[int, float]]:
    """Centers of the nodes' boxes by number: leaves side by side, parents over their children's middle."""
    parents = dict(zip(table["node"], table["parent"], strict=True))
    children: dict[int, list[int]] = {}
    for node, parent in parents.items():
        children.setdefault(int(parent), []).append(int(node))
    x: dict[int, float] = {}

    def place(node: int) -> float:
        below = children.get(node, [])
        if not below:
            x[node] = LEAF / 2 + (LEAF + GAP) * sum(n not in children for n in x)
        else:
            found = [place(child) for child in below]
            x[node] = sum(found) / len(found)
        return x[node]

    place(1)
    return x, {int(n): step * float(d) for n, d in zip(table["node"], table["depth"], strict=True)}


def _lines(
    row: dict[object, object], parameters: pd.DataFrame, shown: list[tuple[str, str, str]]
) -> list[str]:
    if row["split_by"]:
        p = text.pvalue(float(str(row["pvalue_adjusted"])))
        return [str(row["split_by"]), f"{p}, n = {row['n']}"]
    own = parameters[parameters["node"] == row["node"]]
    out = [f"n = {row['n']}"]
    for lhs, op, rhs in shown:
        found = own[(own["lhs"] == lhs) & (own["op"] == op) & (own["rhs"] == rhs)].iloc[0]
        name = f"{rhs} → {lhs}" if op == "~" else f"{lhs} {op} {rhs}"
        out.append(f"{name}  {text.number(float(found['est']))}")
    return out


def _most_different(parameters: pd.DataFrame, paths: int) -> list[tuple[str, str, str]]:
    """The rows whose estimates range most over the leaves, in units of their mean error, in table order."""
    grouped = parameters.groupby(["lhs", "op", "rhs"], sort=False)
    spread = (grouped["est"].max() - grouped["est"].min()) / grouped["se"].mean()
    chosen = set(spread.sort_values(ascending=False).index[:paths])
    return [key for key in spread.index if key in chosen]
