"""What the literature reports of these methods, each beside our own figures.

Only what was read at the source is quoted: the papers' abstracts.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmarks.moderation_study.design import EFFECT, Predictors

MARSH = "Marsh, Wen & Hau (2004), Psychological Methods 9, 275–300"
CHAM = "Cham, West, Ma & Aiken (2012), Multivariate Behavioral Research 47, 840–876"
LIN = "Lin, Wen, Marsh & Lin (2010), Structural Equation Modeling 17, 374–391"
LONATI = "Lonati, Rönkkö & Antonakis, Psychological Methods 30, 1242–1262"

INTRODUCTION = """## Beside the literature

Only what could be read at the source is quoted, which is the abstracts. The papers' tables were not at hand,
so that no figure of theirs is printed here; Kelava et al. (2011) could not be read at all. UPI is `uca`,
CPI `ca`, orthogonalizing `rca`."""


def rounded(value: float, *, sign: bool = False) -> str:
    """Three decimals, without a negative zero."""
    value = round(float(value), 3) + 0.0
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def literature(table: pd.DataFrame) -> str:
    """A Markdown table: study, finding, our figures."""
    lines = [INTRODUCTION, "", "| study | its abstract says | here |", "|---|---|---|"]
    lines += [f"| {study} | {finding} | {ours} |" for study, finding, ours in _beside(table)]
    return "\n".join(lines)


def _beside(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    def of(column: str, method: str, predictors: Predictors, effect: float, n: int) -> str:
        chosen = table[
            (table["method"] == method)
            & (table["predictors"] == predictors)
            & (table["effect"] == effect)
            & (table["n"] == n)
        ]
        return rounded(chosen[column].iloc[0], sign=column == "bias") if len(chosen) else "–"

    def each(column: str, methods: Sequence[str], predictors: Predictors, effect: float, n: int) -> str:
        return ", ".join(f"{m} {of(column, m, predictors, effect, n)}" for m in methods)

    def bias(methods: Sequence[str], predictors: Predictors, n: int, effect: float = EFFECT) -> str:
        return f"bias at N = {n:,}: " + each("bias", methods, predictors, effect, n)

    return [
        (
            MARSH,
            "normal indicators: constrained, unconstrained, GAPI and QML all relatively unbiased",
            bias(("ca", "uca", "qml"), "normal", 1_000),
        ),
        (
            MARSH,
            "nonnormal data: constrained and QML more biased, the bias varying with the distribution but not "
            "with N",
            "; ".join(bias(("ca", "qml", "uca"), "skewed", n) for n in (387, 1_000)),
        ),
        (
            MARSH,
            "QML has more power, qualified by consistently higher type I error rates",
            f"power of Wald tests (ML) at N = 387: {each('wald', ('qml', 'uca'), 'normal', EFFECT, 387)}; "
            f"type I error: {each('wald', ('qml', 'uca'), 'normal', 0.0, 387)}; with skewed predictors: "
            f"{each('wald', ('qml', 'uca'), 'skewed', 0.0, 387)}, and at N = 1,000: "
            f"{each('wald', ('qml', 'uca'), 'skewed', 0.0, 1_000)}",
        ),
        (
            CHAM,
            "highly nonnormal predictors: CPI and LMS biased, GAPI and UPI unbiased",
            bias(("ca", "lms", "uca"), "skewed", 1_000),
        ),
        (
            CHAM,
            "there UPI has acceptable type I error rates of Wald and likelihood-ratio tests at N ≥ 500",
            "uca at N = 1,000: "
            f"Wald {of('wald', 'uca', 'skewed', 0.0, 1_000)}, LR {of('lr', 'uca', 'skewed', 0.0, 1_000)}",
        ),
        (
            CHAM,
            "without severe nonnormality LMS is the most efficient, with the highest power",
            f"sd at N = 387: {each('sd', ('lms', 'qml', 'uca', 'ca'), 'normal', EFFECT, 387)}; power: "
            + each("wald", ("lms", "qml", "uca", "ca"), "normal", EFFECT, 387),
        ),
        (
            LIN,
            "orthogonalizing and double-mean-centering are equivalent with normal indicators, "
            "double-mean-centering superior otherwise",
            f"normal, {bias(('rca', 'dblcent'), 'normal', 1_000)}; skewed, "
            f"{bias(('rca', 'dblcent'), 'skewed', 1_000)}",
        ),
        (
            LONATI,
            "LMS can be severely biased when the latent predictors are nonnormal",
            f"{bias(('lms',), 'skewed', 1_000)}; without an interaction, "
            f"{bias(('lms',), 'skewed', 1_000, 0.0)}",
        ),
    ]
