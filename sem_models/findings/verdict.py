"""How a part of a claim is judged, and a claim from its parts: stated rules, nothing else.

A part is supported, or contradicted, where its interval lies wholly on that side. Where it covers zero, the
bound of equivalence tells "no effect of relevant size" from "not enough data" (two one-sided tests:
Schuirmann, 1987, Journal of Pharmacokinetics and Biopharmaceutics 15).

A claim is supported where all of its testable parts are (an intersection–union test, Berger, 1982,
Technometrics 24: wrongly supported no more often than its weakest part), contradicted where one is
contradicted with its p value adjusted for the number of parts and none is supported, and undecided otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from sem_models.findings.evidence import (
    CONTRADICTED,
    NOT_TESTABLE,
    SUPPORTED,
    UNDECIDED,
    Evidence,
    Verdict,
)
from sem_models.inference.contrasts import adjust_pvalues
from sem_models.model.parts import Rules

Judgement = tuple[Verdict, str]


def judge(found: Evidence, rules: Rules) -> Judgement:
    """The verdict on one part and its reason in words; `supported` needs none."""
    if found.obstacle:
        return NOT_TESTABLE, found.obstacle
    if found.doubt:
        return UNDECIDED, found.doubt
    if isfinite(found.headroom):
        return _substitution(found)
    if found.by_size:
        return _by_size(found, rules)
    if not (isfinite(found.lower) and isfinite(found.upper)):
        return UNDECIDED, found.note or "The interval is not bounded."
    above, below = found.lower > found.threshold, found.upper < found.threshold
    if found.sign == 0:
        if above or below:
            return SUPPORTED, ""
        return _no_effect(found, rules)
    if above or below:
        claimed = above if found.sign > 0 else below
        return (SUPPORTED, "") if claimed else (CONTRADICTED, "The interval lies on the other side.")
    return _no_effect(found, rules)


def _substitution(found: Evidence) -> Judgement:
    """A rate of substitution: supported within the headroom, contradicted beyond it."""
    if not (isfinite(found.lower) and isfinite(found.upper)):
        return UNDECIDED, found.note
    if found.upper <= found.headroom and found.lower >= 0:
        return SUPPORTED, ""
    if found.lower > found.headroom:
        return CONTRADICTED, (
            f"Even the lower limit asks for more than the data leave room for ({found.headroom:.2f})."
        )
    if found.lower < 0:
        return UNDECIDED, "The rate may be zero or negative: there may be nothing to compensate."
    return UNDECIDED, f"The upper limit is beyond what the data leave room for ({found.headroom:.2f})."


def _by_size(found: Evidence, rules: Rules) -> Judgement:
    """An effect size without an interval: large enough, and more than chance."""
    if found.pvalue >= 1.0 - rules.confidence:
        return UNDECIDED, f"Chance alone does as much (p = {found.pvalue:.2f}, by permutation)."
    if found.estimate < found.threshold:
        return UNDECIDED, f"The effect size is below {found.threshold:g}, too small to count."
    return SUPPORTED, ""


def _no_effect(found: Evidence, rules: Rules) -> Judgement:
    """Undecided: no effect of relevant size, or not enough data to tell."""
    _, lower, upper = found.standardized
    bound = rules.equivalence
    where = "zero" if found.threshold == 0 else f"{found.threshold:g}"
    if isfinite(lower) and -bound < lower and upper < bound:
        return (
            UNDECIDED,
            f"No effect of relevant size: the 90 % interval lies within ±{bound:g} standardized.",
        )
    words = f"The interval covers {where}"
    if isfinite(lower):
        words += f" as well as effects beyond ±{bound:g}"
    return UNDECIDED, f"{words}."


def summarize(
    judged: Sequence[Judgement], pvalues: Sequence[float], primary: Sequence[bool], rules: Rules
) -> Judgement:
    """The verdict on a claim from those on its parts; parts that are not `primary` stand beside it only."""
    counted = [k for k, first in enumerate(primary) if first] or list(range(len(judged)))
    tested = [k for k in counted if judged[k][0] != NOT_TESTABLE]
    if not tested:
        reasons = list(dict.fromkeys(judged[k][1] for k in counted))
        return NOT_TESTABLE, " ".join(reasons)
    words = [judged[k][0] for k in tested]
    left_out = len(counted) - len(tested)
    beside = f" {left_out} of {len(counted)} parts could not be tested." if left_out else ""
    if all(word == SUPPORTED for word in words):
        return SUPPORTED, beside.strip()
    adjusted = adjust_pvalues(np.array([pvalues[k] for k in tested], dtype=np.float64), rules.adjust)
    level = 1.0 - rules.confidence
    against = [
        k
        for k, p in zip(tested, adjusted, strict=True)
        if judged[k][0] == CONTRADICTED and (p < level or p != p)
    ]
    if against and SUPPORTED not in words:
        return CONTRADICTED, (judged[against[0]][1] + beside).strip()
    held = words.count(SUPPORTED)
    if len(words) == 1:
        return UNDECIDED, (judged[tested[0]][1] + beside).strip()
    parts = f"{held} of {len(words)} parts supported"
    parts += f", {words.count(CONTRADICTED)} contradicted" if CONTRADICTED in words else ""
    return UNDECIDED, f"{parts}.{beside}"
