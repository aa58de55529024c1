"""The study's tables, as a data frame and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from textwrap import fill

import numpy as np
import pandas as pd

from benchmarks.local_study.design import CHANGE, SLOPE, TREND, Cell
from benchmarks.local_study.judge import DRAWS, METHODS, PERMUTATIONS, POINTS, Found

ALPHA = 0.05
WIDTH = 110
WORDS = {
    "constant": "The slope is constant",
    "line": "The slope follows a line",
    "bend": "The slope bends",
}
COLUMNS = ("pointwise", "simultaneous", "rejected", "rejected_all")


def study_table(found: Sequence[Found], cells: Sequence[Cell]) -> pd.DataFrame:
    """One row a cell and method, over the samples with a solution.

    pointwise and simultaneous coverage of 95 % bands, bias and its Monte Carlo error, rejected and
    rejected_all by the tests at 5 %, failed the mean share of fits without a solution.
    """
    frame = pd.DataFrame(found, columns=list(Found.__slots__))
    out = []
    for cell in cells:
        for method in METHODS:
            all_of = frame[(frame["cell"] == cell.name) & (frame["method"] == method)]
            own = all_of[all_of["pointwise"].notna()]
            if own.empty:
                continue
            bias = own["bias"].to_numpy(float)
            error = float(bias.std(ddof=1) / sqrt(len(own))) if len(own) > 1 else np.nan
            out.append(
                {
                    "shape": cell.shape, "moderator": cell.moderator, "n": cell.n, "method": method,
                    "samples": len(all_of), "solved": len(own) / len(all_of),
                    "pointwise": float(own["pointwise"].mean()),
                    "simultaneous": float(own["simultaneous"].mean()),
                    "bias": float(bias.mean()), "bias_error": error,
                    "rejected": _rate(own["p"]), "rejected_all": _rate(own["p_all"]),
                    "failed": float(own["failed"].mean()),
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def _rate(p: pd.Series) -> float:
    kept = p.dropna()
    return float((kept <= ALPHA).mean()) if len(kept) else np.nan


def page(table: pd.DataFrame, seed: int) -> str:
    """The page in Markdown."""
    most = int(table["samples"].max())
    error = f"{sqrt(ALPHA * (1.0 - ALPHA) / most):.3f}"
    parts = [
        "# Parameters along a continuous moderator: a simulation",
        f"Made by `python -m benchmarks.local_study --samples {most} --seed {seed}`.",
        _text(
            f"{most} samples a cell. Y = b(m) X + ζ, X and Y latent with three items each (loadings 1, .9, "
            f".8; reliability of the first item of X .70), every item's mean rises by {TREND} m. The "
            "moderator m is standardized, *normal* or *skewed* (exponential, skewness 2). b(m) is "
            f"{SLOPE} (*constant*), {SLOPE} + {CHANGE} m (*line*) or {SLOPE} + {CHANGE} tanh 2m (*bend*). "
            f"Judged at {POINTS} focal points, the quantiles .05 to .95 of m."
        ),
        _item(
            "`lsem 1.1`, `lsem 2`: local models (residualized, Gaussian kernel, h = 1.1 or 2) with sandwich "
            f"errors, and permutation tests of {PERMUTATIONS} permutations; `… bootstrap`: bands from "
            f"{DRAWS} bootstrap draws."
        )
        + "\n"
        + _item(
            "`mnlfa`: b and the items' intercepts as lines in m, maximum likelihood; delta-method bands and "
            "likelihood-ratio test. The line is the wrong shape where the slope bends."
        ),
        _text(
            "Coverage is of 95 % bands: *pointwise* the mean over focal points, *at once* the share of "
            "samples whose simultaneous band holds the curve at all of them. Rejected at 5 %: that the slope "
            "is constant (type I error where it is, power else); that every parameter is (adjusted for "
            f"looking at all). The Monte Carlo error of a rate of .05 or .95 is {error}."
        ),
        in_short(table),
    ]
    for shape, words in WORDS.items():
        part = table[table["shape"] == shape]
        if not part.empty:
            parts += [f"## {words}", _markdown(part, "type I error" if shape == "constant" else "power")]
    return "\n\n".join(parts).rstrip() + "\n"


def _text(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _item(text: str) -> str:
    return fill(
        text,
        WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def in_short(table: pd.DataFrame) -> str:
    """The findings in words, each with its range."""

    def span(rows: pd.Series, column: str) -> str:
        values = table.loc[rows, column].dropna()
        ends = [f"{v:.2f}" for v in (values.min(), values.max())] if len(values) else ["–", "–"]
        return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"

    local = table["method"].str.startswith("lsem")
    drawn = table["method"].str.endswith("bootstrap")
    flat = table["shape"] == "constant"
    rough, smooth = table["method"].str.contains("1.1"), table["method"].str.contains("lsem 2")
    follows = table["method"] == "mnlfa"
    bent = table["shape"] == "bend"
    line = table["shape"] == "line"
    points = [
        f"A constant slope: the permutation test rejects it in {span(local & flat, 'rejected')} of the "
        f"samples, the test of all parameters in {span(local & flat, 'rejected_all')}, the likelihood-ratio "
        f"test of the line in {span(follows & flat, 'rejected')}.",
        f"A constant slope: sandwich bands hold it pointwise in {span(local & ~drawn & flat, 'pointwise')} "
        f"and at once in {span(local & ~drawn & flat, 'simultaneous')} of the samples, bootstrap bands in "
        f"{span(drawn & flat, 'pointwise')} and {span(drawn & flat, 'simultaneous')}.",
        f"A slope that moves: bands with h = 1.1 hold it at once in {span(rough & ~flat, 'simultaneous')}, "
        f"with h = 2, whose smoothing pulls the curve flat, in {span(smooth & ~flat, 'simultaneous')} of the "
        "samples.",
        f"The line of `mnlfa` holds a line at once in {span(follows & line, 'simultaneous')} of the samples, "
        f"and a bend, which it cannot follow, in {span(follows & bent, 'simultaneous')}.",
    ]
    return "\n".join(["## In short", "", *map(_item, points)])


def _markdown(part: pd.DataFrame, rejected: str) -> str:
    head = [
        "moderator", "N", "method", "solved", "bias (± error)", "coverage, pointwise", "at once",
        f"{rejected}: slope", "all parameters", "fits failed",
    ]  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in part.to_dict("records"):
        rates = ["–" if row[c] != row[c] else f"{row[c]:.3f}" for c in COLUMNS]
        cells = [str(row["moderator"]), f"{row['n']:,}", str(row["method"]), f"{row['solved']:.3f}",
                 f"{row['bias']:+.3f} (± {row['bias_error']:.3f})".replace("-", "−"), *rates,
                 f"{row['failed']:.4f}"]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
