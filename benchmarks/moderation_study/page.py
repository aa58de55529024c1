"""The study's tables, as a data frame and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmarks.moderation_study.design import CORRELATION, EFFECT, MAIN, Cell
from benchmarks.moderation_study.judge import METHODS, Found
from benchmarks.moderation_study.literature import literature, rounded

ALPHA = 0.05

LARGE = 387
"""Samples from here on are called large enough for the usual approximations."""


def study_table(
    found: Sequence[Found], cells: Sequence[Cell], methods: Sequence[str] = METHODS
) -> pd.DataFrame:
    """One row a cell and method, over the samples in which the method converged.

    bias and sd of the estimate, se and robust_se their medians, coverage of the 95 % intervals by either
    error, rejected by Wald tests with either error and by the likelihood-ratio test at 5 %: power where there
    is an interaction, type I error where there is none.
    """
    half = float(ndtri(1.0 - ALPHA / 2))
    frame = pd.DataFrame(found, columns=list(Found.__slots__))
    out = []
    for cell in cells:
        for method in methods:
            all_of = frame[(frame["cell"] == cell.name) & (frame["method"] == method)]
            own = all_of[all_of["converged"].astype(bool)]
            if own.empty:
                continue
            estimate = own["estimate"].to_numpy(float)
            away = np.abs(estimate - cell.effect)
            se, robust = own["se"].to_numpy(float), own["robust_se"].to_numpy(float)
            tested = own["lr_p"].dropna()
            out.append(
                {
                    "predictors": cell.predictors, "effect": cell.effect, "n": cell.n, "method": method,
                    "samples": len(all_of), "converged": len(own) / len(all_of),
                    "bias": float(estimate.mean() - cell.effect),
                    "bias_error": float(estimate.std(ddof=1) / sqrt(len(own))),
                    "sd": float(estimate.std(ddof=1)), "se": float(np.median(se)),
                    "robust_se": float(np.median(robust)),
                    "coverage": float((away <= half * se).mean()),
                    "robust_coverage": float((away <= half * robust).mean()),
                    "wald": float((np.abs(estimate) > half * se).mean()),
                    "robust_wald": float((np.abs(estimate) > half * robust).mean()),
                    "lr": float((tested < ALPHA).mean()) if len(tested) else np.nan,
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def page(table: pd.DataFrame, seed: int) -> str:
    """The page in Markdown."""
    samples = f"{table['samples'].min():,}–{table['samples'].max():,}"
    if table["samples"].min() == table["samples"].max():
        samples = f"{table['samples'].iloc[0]:,}"
    most = int(table["samples"].max())
    error = f"{sqrt(ALPHA * (1.0 - ALPHA) / most):.3f}"
    parts = [
        "# Latent interactions: a simulation",
        f"Made by `python -m benchmarks.moderation_study --samples {most} --seed {seed}`.",
        f"""{samples} samples a cell. Y = {MAIN} X + {MAIN} Z + γ₃ X·Z + ζ, X and Z standardized, correlated
{CORRELATION}, each construct measured by three items (loadings 1, .9, .8; reliability of the first .70;
normal errors of equal variance). *Normal*: X and Z normal. *Skewed*: sums of exponential variables,
skewness 1.5, excess kurtosis 3.5. The disturbance ζ and the items' errors are normal, and every method fits
the true model. Errors by maximum likelihood (ML) and by the sandwich (MLR); samples without convergence
under either are left out. The Monte Carlo error of a rate of .05 or .95 is {error}, that of the bias stands
beside it. All methods analyze the same samples.""",
    ]
    parts.append(in_short(table))
    for predictors in ("normal", "skewed"):
        for effect in (EFFECT, 0.0):
            part = table[(table["predictors"] == predictors) & (table["effect"] == effect)]
            if part.empty:
                continue
            title = f"interaction {effect:g}" if effect else "no interaction"
            parts.append(f"## {predictors.capitalize()} predictors, {title}")
            parts.append(markdown(part, rejected="power" if effect else "type I error"))
    parts.append(literature(table))
    return "\n\n".join(parts).rstrip() + "\n"


def in_short(table: pd.DataFrame) -> str:
    """The findings in words, each with its range over methods."""
    large = table["n"] >= min(LARGE, table["n"].max())
    normal, skewed = table["predictors"] == "normal", table["predictors"] == "skewed"
    none = table["effect"] == 0.0

    def span(rows: pd.Series, column: str) -> str:
        values = table.loc[rows, column]
        ends = [rounded(v) for v in (values.min(), values.max())] if len(values) else ["–", "–"]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"

    centered = table["method"].isin(("dblcent", "uca"))
    by_data = table["method"].isin(("lms", "qml"))
    first = normal & ~none & (table["n"] == table["n"].min())
    last = skewed & (table["n"] == table["n"].max())
    n = f"{table['n'].min():,}", f"{table['n'].max():,}"
    return f"""## In short

- Normal predictors, N ≥ {LARGE}: bias {span(normal & large, "bias")}, coverage of ML intervals
  {span(normal & large, "coverage")}, type I error of Wald tests
  {span(normal & large & none, "wald")}, over all methods.
- Normal predictors, N = {n[0]}: the standard deviation of the estimate is
  {span(first & by_data, "sd")} by LMS and QML, {span(first & ~by_data, "sd")} by products of items.
- Skewed predictors, N = {n[1]}: the bias of `dblcent` and `uca` is {span(last & centered, "bias")}, their
  type I error {span(last & none & centered, "wald")}; that of `rca`, `ca`, `lms` and `qml`
  {span(last & ~centered, "bias")}, their type I error {span(last & none & ~centered, "wald")}.
  A method that counts on normal predictors reads their skewness, passed on to the outcome, as an interaction;
  robust errors are no help against that: {span(last & none & ~centered, "robust_wald")}.

Where predictors are skewed, `dblcent` is the method to trust; where they are normal, LMS and QML make most of
few customers."""


def markdown(part: pd.DataFrame, *, rejected: str) -> str:
    head = [
        "N", "method", "converged", "bias (± error)", "sd", "median se, ML", "MLR", "coverage, ML", "MLR",
        f"{rejected}: Wald ML", "Wald MLR", "LR",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    rates = ("sd", "se", "robust_se", "coverage", "robust_coverage", "wald", "robust_wald", "lr")
    for row in part.to_dict("records"):
        bias = f"{rounded(row['bias'], sign=True)} (± {row['bias_error']:.3f})"
        cells = [f"{row['n']:,}", str(row["method"]), f"{row['converged']:.3f}", bias]
        cells += [f"{row[name]:.3f}" for name in rates]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
