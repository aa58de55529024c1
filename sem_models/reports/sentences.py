"""Findings in words. A sentence says only what its interval supports, and every one carries its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from sem_models.charts import text
from sem_models.inference.header import Status
from sem_models.moderation.retention import changes, retained

TOO_CLOSE = 0.85
"""Latent correlation above which two constructs are too close to compare their weights."""
NOTHING = "No finding is stated here, because the estimation did not converge."
HELD = {"metric": "equal loadings", "scalar": "equal intercepts", "strict": "equal residual variances"}


def num(value: float, digits: int = 2) -> str:
    """A number with a true minus sign and no leading zero below one."""
    return text.number(value, digits)


def interval(lower: float, upper: float, *, bounded: bool = True) -> str:
    """The 95 % interval in words and figures; its limits show on which side of 0 they lie."""
    return f"95 % interval {text.interval(lower, upper, bounded=bounded)}"


def p_text(pvalue: float) -> str:
    """`p = .012`, `p < .001`."""
    return text.pvalue(pvalue).replace(text.NBSP, " ")


def association(outcome: str, predictor: str, est: float, lower: float, upper: float) -> str:
    """One standardized path in words; without an interval nothing is claimed."""
    if not has_interval(lower, upper):
        return f"The association of {predictor} with {outcome} has no interval: {num(est)} standardized."
    figures = f"{num(est)} standardized ({interval(lower, upper)})"
    if text.covers_zero(lower, upper):
        return f"No direct association of {predictor} with {outcome} is detectable: {figures}."
    direction = "higher" if est > 0 else "lower"
    return f"Higher {predictor} is associated with {direction} {outcome}: {figures}."


def correlation(first: str, second: str, est: float, lower: float, upper: float) -> str:
    """A latent correlation, and what it means for telling the two apart."""
    shown = f" ({interval(lower, upper)})" if has_interval(lower, upper) else ""
    figures = f"{first_upper(first)} and {second} correlate {num(est)}{shown}"
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
    """A claim's contrast against zero; `reason` says why it is undecided whatever its interval.

    `sign` is the expected one, 0 where none is expected. `expression` may be empty.
    """
    raw = scale == "raw"
    value = text.number(est, bounded=not raw)
    figures = f"{first_upper(expression)} = {value}" if expression else value
    figures += " unstandardized" if raw else f" {scale}"
    if not has_interval(lower, upper):
        return f"{title}: not testable, there is no interval. {figures}."
    figures += f" ({interval(lower, upper, bounded=not raw)})"
    if sign == 0:
        return f"{title}: {figures}."
    if reason:
        return f"{title}: undecided, because {reason}. {figures}."
    if text.covers_zero(lower, upper):
        return f"{title}: undecided, the interval covers zero. {figures}."
    agrees = (est > 0) == (sign > 0)
    return f"{title}: {'supported' if agrees else 'contradicted'} by these data. {figures}."


def fit_sentence(measures: pd.Series) -> str:
    """How the model fits, in the figures reviewers ask for."""
    robust = "chisq_scaled" in measures.index
    chisq, p = ("chisq_scaled", "pvalue_scaled") if robust else ("chisq", "pvalue")
    if not measures["df"]:
        return "The model is saturated: it has no degrees of freedom, so its fit cannot be judged."
    cfi, cfi_word = _robust(measures, "cfi")
    rmsea, rmsea_word = _robust(measures, "rmsea")
    limits = [_robust(measures, f"rmsea_ci_{end}")[0] for end in ("lower", "upper")]
    exact = "is rejected" if measures[p] < 0.05 else "is not rejected"
    return (
        f"Exact fit {exact}: {'scaled ' if robust else ''}χ²({measures['df']:.0f}) = {measures[chisq]:.1f}, "
        f"{p_text(measures[p])}. {first_upper(cfi_word + 'CFI')} {num(cfi, 3)}, {rmsea_word}RMSEA "
        f"{num(rmsea, 3)} (90 % interval {plain_interval(*limits)}), SRMR {num(measures['srmr'], 3)}."
    )


def plain_interval(lower: float, upper: float) -> str:
    """Limits of an index that cannot be negative, to three digits."""
    return f"[{num(lower, 3)},{text.NBSP}{num(upper, 3)}]"


def _robust(measures: pd.Series, name: str) -> tuple[float, str]:
    """The robust version of an index and its word where it is defined, else the plain one."""
    value = float(measures.get(f"{name}_robust", float("nan")))
    return (value, "robust ") if value == value else (float(measures[name]), "")


def status_sentences(status: Status, what: str) -> tuple[str, ...]:
    """Trouble with a fit; nothing when there is none."""
    if status.ok:
        return ()
    flags = {
        "DID NOT CONVERGE": status.converged,
        "is NOT STATIONARY": status.stationary,
        "is NOT ADMISSIBLE": status.admissible,
    }
    trouble = listing(words for words, fine in flags.items() if not fine)
    after = "Its figures must not be interpreted." if not status.converged else "Interpret with care."
    return (" ".join([f"Caution: {what} {trouble}.", *status.reasons, after]),)


def invariance_sentences(comparisons: pd.DataFrame) -> list[str]:
    """Each step of the ladder: retained or not by change of fit, with the test beside it."""
    out = []
    for row in comparisons.to_dict("records"):
        cfi, rmsea = changes(row)
        figures = f"ΔCFI {num(cfi, 3)}, ΔRMSEA {num(rmsea, 3)}"
        if row["chisq_diff"] == row["chisq_diff"]:
            figures += f", Δχ²({row['df_diff']:.0f}) = {row['chisq_diff']:.1f}, {p_text(row['pvalue'])}"
        level = str(row["level"])
        verdict = "is retained" if retained(row) else "is not retained"
        full = level.removeprefix("partial ")
        held = HELD.get(full, full)
        if full != level:
            held = f"{held} except {row.get('released') or 'none'}"
        name = f"{first_upper(level)} invariance ({held})"
        out.append(f"{name} {verdict} by change of fit: {figures}.")
    return out


def difference_sentences(
    differences: pd.DataFrame, tests: pd.DataFrame, names: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Paths that differ between groups, by label and with intervals; then those that do not.

    `differences` and `tests` are those of `GroupModeration`; each difference is group minus reference group,
    unstandardized. The second list holds the sentence on the paths without a detectable difference.
    """
    out, silent = [], []
    p_values = {(r["lhs"], r["rhs"]): float(r["lrt_pvalue"]) for r in tests.to_dict("records")}
    several = len(set(differences["group"])) > 1
    for row in differences.to_dict("records"):
        path = f"{names.get(row['rhs'], row['rhs'])} → {names.get(row['lhs'], row['lhs'])}"
        if text.covers_zero(row["ci_lower"], row["ci_upper"]):
            silent.append(f"{path} ({row['group']})" if several else path)
            continue
        lrt = p_values.get((row["lhs"], row["rhs"]), float("nan"))
        figures = [interval(row["ci_lower"], row["ci_upper"], bounded=False), f"Wald {p_text(row['pvalue'])}"]
        if lrt == lrt:
            figures.append(f"likelihood-ratio {p_text(lrt)}" + (" over all groups" if several else ""))
        group, reference, gap = (
            text.number(row[k], bounded=False) for k in ("est_group", "est_reference", "est")
        )
        out.append(
            f"{first_upper(path)} is {_stronger(row)} for {row['group']} than for {row['reference_group']}: "
            f"{group} against {reference}, difference {gap} unstandardized ({'; '.join(figures)})."
        )
    if not silent:
        return out, []
    shown = "; ".join(silent[:3]) + (f"; and {len(silent) - 3} more" if len(silent) > 3 else "")
    counted = f"{len(silent)} of {len(differences)} paths"
    return out, [f"No difference between the groups is detectable for {counted}: {shown}."]


def _stronger(row: Mapping[Any, Any]) -> str:
    """Stronger or weaker where both paths have one sign, else which of them is the higher."""
    group, reference = row["est_group"], row["est_reference"]
    if group * reference < 0:
        return "higher" if group > reference else "lower"
    return "stronger" if abs(group) > abs(reference) else "weaker"


def has_interval(lower: float, upper: float) -> bool:
    """Whether both limits are there."""
    return lower == lower and upper == upper


def first_upper(phrase: str) -> str:
    """The phrase with a capital at its start."""
    return phrase[:1].upper() + phrase[1:]


def first_lower(phrase: str) -> str:
    """The phrase as it stands within a sentence; abbreviations keep their capitals."""
    return phrase if phrase[1:2].isupper() or not phrase[1:2].isalpha() else phrase[:1].lower() + phrase[1:]


def as_names(pairs: Mapping[str, str]) -> dict[str, str]:
    """Titles by id as they stand within a sentence."""
    return {key: first_lower(title) for key, title in pairs.items() if title}


def listing(parts: Iterable[object]) -> str:
    """`a, b and c`."""
    words = [str(p) for p in parts]
    return text.listing(words, shown=len(words))
