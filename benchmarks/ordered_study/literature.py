"""What the literature reports of both ways, each beside our own figures.

Only what was read at the source is quoted: the papers' abstracts.
"""

from __future__ import annotations

import pandas as pd

FLORA = "Flora & Curran (2004), Psychological Methods 9, 466–491"
RHEMTULLA = "Rhemtulla, Brosseau-Liard & Savalei (2012), Psychological Methods 17, 354–373"
LI = "Li (2016), Behavior Research Methods 48, 936–949"

INTRODUCTION = """## Beside the literature

Only what could be read at the source is quoted, which is the abstracts; no figure of the papers' tables was
at hand. Cat-LS and robust WLS are `WLSMV`, robust ML is `MLR`."""


def percent(share: float) -> str:
    """A signed share in percent with one decimal, without a negative zero."""
    value = round(100.0 * float(share), 1) + 0.0
    return f"{value:+.1f} %" if value else "0.0 %"


def literature(table: pd.DataFrame) -> str:
    """A Markdown table: study, finding, our figures."""
    lines = [INTRODUCTION, "", "| study | its abstract says | here |", "|---|---|---|"]
    lines += [f"| {study} | {finding} | {ours} |" for study, finding, ours in _beside(table)]
    return "\n".join(lines)


def _beside(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    wlsmv, mlr = table["method"] == "WLSMV", table["method"] == "MLR"
    few, many = table["categories"] < 5, table["categories"] >= 6
    skewed = table["thresholds"] == "skewed"
    small = table["n"] == table["n"].min()

    def span(rows: pd.Series, column: str, *, share: bool = True) -> str:
        values = table.loc[rows, column]
        if not len(values):
            return "–"
        ends = [percent(v) if share else f"{v:.3f}" for v in (values.min(), values.max())]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"

    bias, between = "loading_bias", "correlation_bias"
    return [
        (
            FLORA,
            "Robust WLS performed well across all conditions.",
            f"bias of loadings {span(wlsmv, bias)}, se/sd {span(wlsmv, 'loading_ratio', share=False)}",
        ),
        (
            RHEMTULLA,
            "Loadings and robust errors are generally most accurate by cat-LS, especially with fewer than 5 "
            "categories.",
            f"2 to 4 categories: {span(wlsmv & few, bias)} by WLSMV, {span(mlr & few, bias)} by MLR",
        ),
        (
            RHEMTULLA,
            "Factor correlations and model fit are assessed equally well with ML.",
            f"bias of the correlation {span(wlsmv, between)} and {span(mlr, between)}; rejected "
            f"{span(wlsmv, 'rejected', share=False)} and {span(mlr, 'rejected', share=False)}",
        ),
        (
            RHEMTULLA,
            "ML is more sensitive to asymmetric thresholds.",
            f"MLR, 5 to 7 categories: {span(mlr & ~few & ~skewed, bias)} symmetric, "
            f"{span(mlr & ~few & skewed, bias)} skewed",
        ),
        (
            RHEMTULLA,
            "With 6–7 categories, results are similar across methods for many conditions.",
            f"symmetric: {span(wlsmv & many & ~skewed, bias)} and {span(mlr & many & ~skewed, bias)}; "
            f"skewed: {span(wlsmv & many & skewed, bias)} and {span(mlr & many & skewed, bias)}",
        ),
        (
            LI,
            "WLSMV is less biased than MLR in loadings across nearly every condition, but overestimates the "
            "factors' correlation where the sample is small or the responses are not normal.",
            f"N = {table['n'].min()}: loadings {span(wlsmv & small, bias)} and {span(mlr & small, bias)}; "
            f"correlation {span(wlsmv & small, between)} and {span(mlr & small, between)} (responses are "
            "normal here)",
        ),
    ]
