"""The study's tables, as a data frame and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmarks.ordered_study.design import (
    CORRELATION,
    HIGHEST,
    LOADING,
    LOWEST,
    PER_FACTOR,
    THRESHOLDS,
    Cell,
)
from benchmarks.ordered_study.judge import METHODS, Found
from benchmarks.ordered_study.literature import literature, percent

ALPHA = 0.05


def study_table(found: Sequence[Found], cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a cell and method, over the samples that converged to an admissible solution.

    loading_* and correlation_*: relative bias, ratio of the mean error to the estimate's standard deviation
    ("ratio"), coverage of the 95 % interval; loadings averaged over the items. rejected: share of scaled
    tests below 5 %, the model being true.
    """
    by_cell: dict[tuple[str, str], list[Found]] = {}
    for f in found:
        by_cell.setdefault((f.cell, f.method), []).append(f)
    out = []
    for cell in cells:
        for method in METHODS:
            every = by_cell.get((cell.name, method), [])
            own = [f for f in every if f.converged and f.proper]
            if len(own) < 2:
                continue
            loading = np.array([f.loadings for f in own])
            loading_error = np.array([f.loading_errors for f in own])
            between = np.array([[f.correlation] for f in own])
            between_error = np.array([[f.correlation_error] for f in own])
            out.append(
                {
                    "thresholds": cell.thresholds, "categories": cell.categories, "n": cell.n,
                    "method": method, "samples": len(every), "used": len(own),
                    **_recovery("loading", loading, loading_error, LOADING),
                    **_recovery("correlation", between, between_error, CORRELATION),
                    "rejected": float(np.mean([f.p_value < ALPHA for f in own])),
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def _recovery(name: str, estimate: np.ndarray, error: np.ndarray, truth: float) -> dict[str, float]:
    half = float(ndtri(1.0 - ALPHA / 2))
    return {
        f"{name}_bias": float(estimate.mean() / truth - 1.0),
        f"{name}_sd": float(estimate.std(axis=0, ddof=1).mean()),
        f"{name}_ratio": float((error.mean(axis=0) / estimate.std(axis=0, ddof=1)).mean()),
        f"{name}_coverage": float((np.abs(estimate - truth) <= half * error).mean()),
    }


def page(table: pd.DataFrame, seed: int) -> str:
    """The page in Markdown."""
    most = int(table["samples"].max())
    error = f"{sqrt(ALPHA * (1.0 - ALPHA) / most):.3f}"
    highest = ", ".join(f"{HIGHEST[t]:g} ({t})" for t in THRESHOLDS)
    parts = [
        "# Ordered items: a simulation",
        f"Made by `python -m benchmarks.ordered_study --samples {most} --seed {seed}`.",
        f"""Two factors correlated {CORRELATION}, {PER_FACTOR} items each with standardized loadings {LOADING}
and normal latent responses, cut at thresholds that divide the interval from {LOWEST:g} to {highest} into
parts of equal width; so with skewed thresholds about half of the answers, or more, fall into the best
category. All data are simulated and both methods analyze the same samples: WLSMV with the items as ordered,
MLR with their numbers as continuous. Figures are of the standardized solution, over the samples that
converged to an admissible solution ("used"). Relative bias is in percent of the true value; "se/sd" is the
mean standard error over the standard deviation of the estimates; loadings are averaged over the
{2 * PER_FACTOR} items. The truth that MLR is held to is that of the latent responses, since that is what one
wants to know. The Monte Carlo error of a rate of .05 or .95 of the correlation or the test is {error}.""",
        in_short(table),
    ]
    for thresholds in THRESHOLDS:
        part = table[table["thresholds"] == thresholds]
        if len(part):
            parts.append(f"## {thresholds.capitalize()} thresholds")
            parts.append(_markdown(part))
    parts.append(literature(table))
    return "\n\n".join(parts).rstrip() + "\n"


def in_short(table: pd.DataFrame) -> str:
    """The findings in words, each with its range."""
    few = table["categories"] < 5
    many = table["categories"] >= 5
    wlsmv, mlr = table["method"] == "WLSMV", table["method"] == "MLR"
    small, large = table["n"] == table["n"].min(), table["n"] == table["n"].max()
    n = f"{table['n'].min():,}", f"{table['n'].max():,}"
    skewed = table["thresholds"] == "skewed"

    def span(rows: pd.Series, column: str, *, share: bool = False) -> str:
        values = table.loc[rows, column]
        if not len(values):
            return "–"
        ends = [percent(v) if share else f"{v:.3f}" for v in (values.min(), values.max())]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"

    return f"""## In short

- WLSMV recovers loadings with a bias of {span(wlsmv & small, "loading_bias", share=True)} at N = {n[0]} and
  {span(wlsmv & large, "loading_bias", share=True)} at N = {n[1]}; their intervals cover
  {span(wlsmv & small, "loading_coverage")} and {span(wlsmv & large, "loading_coverage")}.
- MLR underestimates the loadings of the latent responses: {span(mlr & few, "loading_bias", share=True)} with
  2 to 4 categories, {span(mlr & many & ~skewed, "loading_bias", share=True)} with 5 to 7 and symmetric,
  {span(mlr & many & skewed, "loading_bias", share=True)} with 5 to 7 and skewed thresholds. At N = {n[1]} its
  intervals cover {span(mlr & large & few, "loading_coverage")} and
  {span(mlr & large & many, "loading_coverage")} (fewer than 5 categories; 5 to 7).
- The factors' correlation: bias {span(wlsmv, "correlation_bias", share=True)} by WLSMV and
  {span(mlr, "correlation_bias", share=True)} by MLR; coverage {span(wlsmv, "correlation_coverage")} and
  {span(mlr, "correlation_coverage")}.
- The true model is rejected at 5 % in {span(wlsmv & small, "rejected")} (WLSMV) and
  {span(mlr & small, "rejected")} (MLR) of the samples at N = {n[0]}, {span(wlsmv & large, "rejected")} and
  {span(mlr & large, "rejected")} at N = {n[1]}."""


def _markdown(part: pd.DataFrame) -> str:
    head = [
        "categories", "N", "method", "samples", "used", "loadings: bias", "sd", "se/sd", "coverage",
        "correlation: bias", "sd", "se/sd", "coverage", "rejected at 5 %",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in part.to_dict("records"):
        cells = [
            str(row["categories"]),
            f"{row['n']:,}",
            row["method"],
            str(row["samples"]),
            str(row["used"]),
        ]
        for name in ("loading", "correlation"):
            cells.append(percent(row[f"{name}_bias"]))
            cells += [f"{row[f'{name}_{column}']:.3f}" for column in ("sd", "ratio", "coverage")]
        lines.append("| " + " | ".join([*cells, f"{row['rejected']:.3f}"]) + " |")
    return "\n".join(lines)
