"""Findings in words. A sentence says only what its interval supports, and every one carries its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from sem_models.charts import text
from sem_models.inference.header import Status

CFI_DROP, RMSEA_RISE = -0.010, 0.015
"""Change of fit up to which a level of invariance is retained (Chen, 2007, for N > 300)."""
TOO_CLOSE = 0.85
"""Latent correlation above which two constructs are too close to compare their weights."""


def num(value: float, digits: int = 2) -> str:
    """A number with a true minus sign and no leading zero below one."""
    return text.number(value, digits)


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """The 95 % interval in words and figures; its limits show on which side of 0 they lie."""
    return f"95 % interval {text.interval(lower, upper, digits)}"


def p_text(pvalue: float) -> str:
    return "p < .001" if pvalue < 0.0005 else f"p = {num(pvalue, 3)}"


def association(
    outcome: str, predictor: str, est: float, lower: float, upper: float, *, where: str = ""
) -> str:
    """One standardized path in words."""
    figures = f"{num(est)} standardized ({interval(lower, upper)})"
    if lower <= 0 <= upper:
        return f"No direct association of {predictor} with {outcome} is detectable{where}: {figures}."
    direction = "higher" if est > 0 else "lower"
    return f"Higher {predictor} is associated with {direction} {outcome}{where}: {figures}."


def correlation(first: str, second: str, est: float, lower: float, upper: float) -> str:
    """A latent correlation, and what it means for telling the two apart."""
    figures = f"{first} and {second} correlate {num(est)} ({interval(lower, upper)})"
    if est > TOO_CLOSE:
        return f"{figures}: above {num(TOO_CLOSE)}, so their separate weights cannot be told apart."
    return f"{figures}, so their separate weights carry the uncertainty shown in the intervals."


def contrast(
    title: str,
    expression: str,
    est: float,
    lower: float,
    upper: float,
    scale: str,
    sign: int,
    *,
    reason: str = "",
) -> str:
    """A claim's contrast against zero; `reason` says why it is undecided whatever its interval."""
    shown = f"{expression} = " if len(expression) <= 48 else ""
    figures = f"{shown}{num(est)}, {scale} ({interval(lower, upper)})"
    if sign == 0:
        return f"{title}: {figures}."
    if reason:
        return f"{title}: undecided, because {reason}: {figures}."
    if lower <= 0 <= upper:
        return f"{title}: undecided, the interval covers zero: {figures}."
    agrees = (est > 0) == (sign > 0)
    return f"{title}: {'supported' if agrees else 'contradicted'} by these data: {figures}."


def fit_sentence(measures: pd.Series) -> str:
    """How the model fits, in the figures reviewers ask for."""
    robust = "chisq_scaled" in measures.index
    chisq, p = ("chisq_scaled", "pvalue_scaled") if robust else ("chisq", "pvalue")
    if not measures["df"]:
        return "The model is saturated: it has no degrees of freedom, so its fit cannot be judged."
    cfi = (
        measures["cfi_robust"]
        if measures.get("cfi_robust", float("nan")) == measures.get("cfi_robust")
        else measures["cfi"]
    )
    has = "rmsea_robust" in measures.index and measures["rmsea_robust"] == measures["rmsea_robust"]
    suffix, word = ("_robust", "robust ") if has else ("", "")
    exact = "is rejected" if measures[p] < 0.05 else "is not rejected"
    return (
        f"Exact fit {exact}: {'scaled ' if robust else ''}χ²({measures['df']:.0f}) = {measures[chisq]:.1f}, {p_text(measures[p])}. "
        f"{word}CFI {num(cfi, 3)}, {word}RMSEA {num(measures[f'rmsea{suffix}'], 3)} "
        f"(90 % interval {text.interval(measures[f'rmsea_ci_lower{suffix}'], measures[f'rmsea_ci_upper{suffix}'], 3)}), "
        f"SRMR {num(measures['srmr'], 3)}."
    ).replace("robust CFI", "Robust CFI", 1)


def status_sentences(status: Status, what: str) -> list[str]:
    """Trouble with a fit, first and in full; nothing when there is none."""
    if status.ok:
        return []
    return [f"Caution, {what}: {status}"]


def invariance_sentences(comparisons: pd.DataFrame) -> list[str]:
    """Each step of the ladder: retained or not by change of fit, with the test beside it."""
    out = []
    held = {"metric": "equal loadings", "scalar": "equal intercepts", "strict": "equal residual variances"}
    for row in comparisons.to_dict("records"):
        cfi = row.get("delta_cfi_robust", row["delta_cfi"])
        rmsea = row.get("delta_rmsea_robust", row["delta_rmsea"])
        kept = cfi >= CFI_DROP and rmsea <= RMSEA_RISE
        figures = f"ΔCFI {num(cfi, 3)}, ΔRMSEA {num(rmsea, 3)}"
        if row["chisq_diff"] == row["chisq_diff"]:
            figures += f", Δχ²({row['df_diff']:.0f}) = {row['chisq_diff']:.1f}, {p_text(row['pvalue'])}"
        name = held.get(row["level"], row["level"])
        verdict = "is retained" if kept else "is not retained"
        out.append(f"{row['level'].capitalize()} invariance ({name}) {verdict} by change of fit: {figures}.")
    return out


def difference_sentences(
    differences: pd.DataFrame, tests: pd.DataFrame, names: Mapping[str, str]
) -> list[str]:
    """Paths that differ between groups, by label and with intervals; one sentence for those that do not."""
    out, silent = [], []
    for row in differences.to_dict("records"):
        path = first_upper(f"{names.get(row['rhs'], row['rhs'])} → {names.get(row['lhs'], row['lhs'])}")
        if row["ci_lower"] <= 0 <= row["ci_upper"]:
            silent.append(path)
            continue
        test = tests[(tests["lhs"] == row["lhs"]) & (tests["rhs"] == row["rhs"])].iloc[0]
        word = "stronger" if abs(row["est_group"]) > abs(row["est_reference"]) else "weaker"
        lrt = (
            f", likelihood-ratio {p_text(test['lrt_pvalue'])}"
            if test["lrt_pvalue"] == test["lrt_pvalue"]
            else ""
        )
        out.append(
            f"{path} is {word} for {row['group']} than for {row['reference_group']}: {num(row['est_group'])} against "
            f"{num(row['est_reference'])}, difference {num(row['est'])} ({interval(row['ci_lower'], row['ci_upper'])}; "
            f"Wald {p_text(row['pvalue'])}{lrt})."
        )
    if silent:
        if len(silent) == 1:
            out.append(f"No difference between the groups is detectable for the path {silent[0]}.")
        else:
            shown = "; ".join(silent[:4]) + (f" and {len(silent) - 4} more" if len(silent) > 4 else "")
            out.append(
                f"No difference between the groups is detectable for {len(silent)} of {len(differences)} paths: {shown}."
            )
    return out


def first_upper(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def as_names(pairs: Mapping[str, Any]) -> dict[str, str]:
    """Titles in running text: lower case but for the first letter of abbreviations."""
    return {
        key: (t if len(t) > 1 and t[1:2].isupper() else t[:1].lower() + t[1:])
        for key, t in pairs.items()
        if t
    }
