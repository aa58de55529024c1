"""The part of a claim by which one construct is necessary for another (C11): necessary condition analysis."""

from __future__ import annotations

from sem_models.errors import DataError
from sem_models.findings.evidence import Evidence
from sem_models.findings.fits import ClaimFits, NotTestable
from sem_models.findings.necessity import necessity
from sem_models.model.parts import ClaimPart, Rules

PERMUTATIONS = 2000
SEED = 20031104
"""The draws are the same in every scorecard, so that a verdict does not change from run to run."""


def necessity_of(claim: str, part: ClaimPart, fits: ClaimFits, rules: Rules) -> Evidence:
    """Effect size d of the condition under the CR-FDH line, with its permutation test (Dul, 2016; Dul et al.,
    2020).

    Of the means of each construct's own items, which no other construct's answers enter as they would enter
    factor scores. The test is of two unrelated variables: what a linear relation alone empties counts too.
    """
    if set(fits.lacking) & {part.predictor, part.outcome}:
        raise NotTestable(f"The survey has no items of {', '.join(fits.lacking)}.")
    items = {c.id: c.ordered_items for c in fits.spec.constructs if c.id in (part.predictor, part.outcome)}
    try:
        found = necessity(
            fits.frame, part.predictor, part.outcome, ceilings=("cr_fdh",), permutations=PERMUTATIONS,
            seed=SEED, items=items,
        )  # fmt: skip
    except DataError as problem:
        raise NotTestable(str(problem)) from None
    row = found.table().iloc[0]
    return Evidence(
        float(row["effect_size"]), pvalue=float(row["pvalue"]), sign=part.sign,
        definition=f"effect size d of {part.predictor} as a necessary condition for {part.outcome} (CR-FDH "
        f"line, item means, {int(row['n'])} customers); {rules.necessary:g} is the least that counts",
        threshold=rules.necessary, by_size=True,
    )  # fmt: skip
