"""The study's tables, as a data frame and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd
from scipy.special import ndtri

from benchmarks.ordered_moderation_study.design import CORRELATION, LOADING, PATHS, PER_FACTOR, Cell, N
from benchmarks.ordered_moderation_study.judge import METHODS, Found

ALPHA = 0.05


def study_table(found: Sequence[Found], cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a cell and method, over the samples that converged to an admissible solution.

    bias of the mean estimate, sd of the estimates, ratio of the mean error to it, coverage of the 95 %
    interval; wald and ratio_test are the shares of tests below 5 %; seconds are medians.
    """
    by_cell: dict[tuple[str, str], list[Found]] = {}
    for f in found:
        by_cell.setdefault((f.cell, f.method), []).append(f)
    half, out = float(ndtri(1.0 - ALPHA / 2)), []
    for cell in cells:
        for method in METHODS:
            every = by_cell.get((cell.name, method), [])
            own = [f for f in every if f.converged and f.proper and np.isfinite(f.error)]
            if len(own) < 2:
                continue
            value, error = np.array([f.estimate for f in own]), np.array([f.error for f in own])
            ratio = np.array([f.p_ratio for f in own])
            out.append(
                {
                    "thresholds": cell.thresholds, "categories": cell.categories, "effect": cell.effect,
                    "method": method, "samples": len(every), "used": len(own),
                    "bias": float(value.mean() - cell.effect), "sd": float(value.std(ddof=1)),
                    "ratio": float(error.mean() / value.std(ddof=1)),
                    "coverage": float((np.abs(value - cell.effect) <= half * error).mean()),
                    "wald": float(np.mean([f.p_wald < ALPHA for f in own])),
                    "ratio_test": float((ratio < ALPHA).mean()) if np.isfinite(ratio).all() else np.nan,
                    "seconds": float(np.median([f.seconds for f in own])),
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def page(table: pd.DataFrame, seed: int) -> str:
    """The page in Markdown."""
    most = int(table["samples"].max())
    parts = [
        "# Latent interactions of ordered items: a simulation",
        f"Made by `python -m benchmarks.ordered_moderation_study --samples {most} --seed {seed}`.",
        f"""\
Y = {PATHS[0]} X + {PATHS[1]} Z + b XZ + residual, X and Z normal and correlated {CORRELATION}, all
variances 1, {PER_FACTOR} items a factor with standardized loadings {LOADING}, N = {N}. The items' latent
responses are cut as in [ordered-simulation.md](ordered-simulation.md): symmetric, or skewed so that half
of the answers or more fall into the best category. All data are simulated and all methods analyze the same
samples: **LMS of the answers** is `method="lms"` with `ordered=True`, the marginal likelihood; the others
take the answers' numbers as continuous, `estimator="MLR"`; **uca of parcels** multiplies means of items
(`parcels=2`), as Aytürk et al. (2020) advise for product indicators. Figures are of the standardized
interaction and its delta-method error, over the samples that converged to an admissible solution ("used");
"se/sd" is the mean error over the standard deviation of the estimates. Wald and LR: share of tests below 5 %
(b = 0: type I error; b > 0: power); their Monte Carlo error at .05 is {sqrt(ALPHA * (1 - ALPHA) / most):.3f}.
Seconds are CPU medians with both tests.""",
        _in_short(table),
        _markdown(table),
        """## Beside the literature

Only the abstract could be read: Aytürk, Cham, Jennings & Brown (2020, *Educational and Psychological
Measurement* 80, 262–292) compare product indicators of ordered items by four strategies with LMS that takes
them as continuous, and support "a parceling strategy" or LMS "when the categorical indicators are
symmetrically distributed". The rows with symmetric and with skewed thresholds above show the same divide;
the likelihood of the answers itself is not among what they compare.""",
    ]
    return "\n\n".join(parts).rstrip() + "\n"


def _in_short(table: pd.DataFrame) -> str:
    lines = ["## In short", ""]
    for method in METHODS:
        own = table[table["method"] == method]
        effect, none = own[own["effect"] > 0], own[own["effect"] == 0]
        if not len(effect) or not len(none):
            continue
        share = effect["bias"] / effect["effect"]
        lines.append(
            f"- **{method}**: bias {share.min():+.0%} to {share.max():+.0%} of b, coverage "
            f"{own['coverage'].min():.3f} to {own['coverage'].max():.3f}, type I error (Wald) "
            f"{none['wald'].min():.3f} to {none['wald'].max():.3f}."
        )
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> str:
    head = [
        "thresholds", "categories", "b", "method", "samples", "used", "bias", "sd", "se/sd", "coverage",
        "Wald", "LR", "seconds",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in table.to_dict("records"):
        ratio = "–" if np.isnan(row["ratio_test"]) else f"{row['ratio_test']:.3f}"
        cells = [
            row["thresholds"], str(row["categories"]), f"{row['effect']:g}", row["method"],
            str(row["samples"]), str(row["used"]),
            *(f"{row[name]:.3f}" for name in ("bias", "sd", "ratio", "coverage", "wald")),
            ratio, f"{row['seconds']:.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
