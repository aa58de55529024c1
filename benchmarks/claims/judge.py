"""One sample of a case: the verdicts on its claims, by the rules of the shipped specification."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from time import process_time
from zlib import crc32

import numpy as np

from benchmarks.claims.cases import Case, population_of
from sem_models.errors import SEMError
from sem_models.findings.evidence import NOT_TESTABLE, Evidence
from sem_models.findings.fits import ClaimFits
from sem_models.findings.parts import evidence
from sem_models.findings.scorecard import one_of
from sem_models.findings.verdict import Judgement, judge, summarize
from sem_models.model.parts import Claim, ClaimPart
from sem_models.model.spec import ModelSpec, load
from sem_models.simulation.draw import simulate

OPTIONS = {"estimator": "MLR", "missing": "listwise"}


@dataclass(frozen=True, slots=True)
class Found:
    """The verdict on a claim in one sample; `parts` by their names, as `part`: verdict, estimate, se.

    seconds (CPU) are those of the sample with all of the case's claims, divided among these.
    """

    case: str
    number: int
    claim: str
    verdict: str
    reason: str
    seconds: float
    parts: dict[str, tuple[str, float, float]]


@lru_cache(maxsize=1)
def specification() -> ModelSpec:
    """The shipped specification whose claims are judged."""
    return load("b2b_service")


def judge_sample(case: Case, number: int, *, n: int, seed: int) -> list[Found]:
    """Draw sample `number` of a case and judge its claims; the same whatever else is drawn."""
    began = process_time()
    spec = specification()
    rng = np.random.default_rng([seed, number, crc32(case.name.encode())])
    fits = ClaimFits.of(spec, simulate(population_of(case), n, rng=rng, complete=True), OPTIONS, {})
    seen: dict[str, tuple[Evidence, Judgement]] = {}
    verdicts = [_claim(claim, fits, seen) for claim in spec.claims if claim.id in case.truths]
    each = (process_time() - began) / len(verdicts)
    return [
        Found(case.name, number, claim, verdict, reason, round(each, 4), parts)
        for claim, (verdict, reason), parts in verdicts
    ]


def _claim(
    claim: Claim, fits: ClaimFits, seen: dict[str, tuple[Evidence, Judgement]]
) -> tuple[str, Judgement, dict[str, tuple[str, float, float]]]:
    """The verdict by the parts that count; those that stand beside it are not computed."""
    rules = fits.spec.rules
    counted = [part for part in claim.parts if part.primary]
    for part in counted:
        if part.effect == "any":
            for name in part.of:
                owner, _, own = name.partition(".")
                _see(owner, _part(fits.spec, owner, own), fits, seen)
            seen[f"{claim.id}.{part.part}"] = one_of(part.of, seen, rules)
        else:
            _see(claim.id, part, fits, seen)
    pairs = [seen[f"{claim.id}.{part.part}"] for part in counted]
    verdict = summarize([j for _, j in pairs], [e.pvalue for e, _ in pairs], [True] * len(pairs), rules)
    parts = {
        part.part: (judged[0], round(float(found.estimate), 4), round(float(found.se), 4))
        for part, (found, judged) in zip(counted, pairs, strict=True)
    }
    return claim.id, verdict, parts


def _see(claim: str, part: ClaimPart, fits: ClaimFits, seen: dict[str, tuple[Evidence, Judgement]]) -> None:
    name = f"{claim}.{part.part}"
    if name in seen:
        return
    try:
        found = evidence(claim, part, fits, fits.spec.rules)
    except SEMError as problem:  # where `sm.scorecard` would stop: the model of the paths has no solution
        reason = str(problem).splitlines()[0]
        seen[name] = Evidence(sign=part.sign, obstacle=reason), (NOT_TESTABLE, reason)
        return
    seen[name] = found, judge(found, fits.spec.rules)


def _part(spec: ModelSpec, claim: str, part: str) -> ClaimPart:
    return next(p for c in spec.claims if c.id == claim for p in c.parts if p.part == part)
