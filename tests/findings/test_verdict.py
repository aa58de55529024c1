"""Verdicts from intervals: each rule by hand."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from sem_models.findings.evidence import Evidence
from sem_models.findings.verdict import judge, summarize
from sem_models.model.parts import Rules

RULES = Rules()


def seen(
    lower: float, upper: float, *, sign: int = 1, std: tuple[float, float] | None = None, **more: Any
) -> Evidence:
    middle = (lower + upper) / 2
    sized = (nan, nan, nan) if std is None else (sum(std) / 2, *std)
    return Evidence(middle, (upper - lower) / 3.92, lower, upper, 0.5, sign, sized, **more)


@pytest.mark.parametrize(
    ("found", "verdict", "words"),
    [
        (seen(0.1, 0.5), "supported", ""),
        (seen(-0.5, -0.1), "contradicted", "other side"),
        (seen(-0.5, -0.1, sign=-1), "supported", ""),
        (seen(0.1, 0.5, sign=-1), "contradicted", "other side"),
        (seen(-0.5, -0.1, sign=0), "supported", ""),
        (seen(-0.2, 0.3), "undecided", "covers zero"),
        (seen(-0.2, 0.3, std=(-0.15, 0.25)), "undecided", "beyond ±0.1"),
        (seen(-0.09, 0.08, std=(-0.07, 0.06)), "undecided", "No effect of relevant size"),
        (seen(-inf, inf), "undecided", "not bounded"),
        (seen(0.1, 0.5, obstacle="The data have no visits."), "not testable", "no visits"),
        (seen(0.1, 0.5, doubt="EDS and OPS cannot be told apart."), "undecided", "told apart"),
        (seen(0.3, 0.5, threshold=0.25), "supported", ""),
        (seen(0.1, 0.2, threshold=0.25), "contradicted", "other side"),
        (seen(0.1, 0.5, threshold=0.25), "undecided", "covers 0.25"),
        (seen(0.2, 0.8, sign=0, headroom=1.0), "supported", ""),
        (seen(0.2, 1.8, sign=0, headroom=1.0), "undecided", "beyond what the data leave"),
        (seen(1.2, 1.8, sign=0, headroom=1.0), "contradicted", "lower limit"),
        (seen(-0.2, 0.8, sign=0, headroom=1.0), "undecided", "nothing to compensate"),
        (seen(-inf, inf, sign=0, headroom=1.0, note="Unbounded"), "undecided", "Unbounded"),
    ],
)
def test_a_part_is_judged_by_where_its_interval_lies(found: Evidence, verdict: str, words: str) -> None:
    assert judge(found, RULES)[0] == verdict
    assert words in judge(found, RULES)[1]


S, C, U, N = (("supported", ""), ("contradicted", "no"), ("undecided", "wide"), ("not testable", "lacks"))


@pytest.mark.parametrize(
    ("judged", "pvalues", "verdict"),
    [
        ([S, S], [0.01, 0.02], "supported"),
        ([S, U], [0.01, 0.4], "undecided"),
        ([S, N], [0.01, nan], "supported"),
        ([N, N], [nan, nan], "not testable"),
        ([C], [0.03], "contradicted"),
        ([C, U], [0.01, 0.5], "contradicted"),
        ([C, U], [0.03, 0.5], "undecided"),  # Holm: .06
        ([C, S], [0.001, 0.001], "undecided"),
        ([U], [0.5], "undecided"),
    ],
)
def test_a_claim_is_judged_from_its_parts(
    judged: list[tuple[str, str]], pvalues: list[float], verdict: str
) -> None:
    assert summarize(judged, pvalues, [True] * len(judged), RULES)[0] == verdict


def test_parts_beside_do_not_count() -> None:
    assert summarize([S, U], [0.01, 0.5], [True, False], RULES) == ("supported", "")
    assert summarize([U, S], [0.5, 0.01], [True, False], RULES)[0] == "undecided"


def test_the_probability_of_the_direction_is_the_normal_one() -> None:
    assert Evidence(0.196, 0.1, sign=1).probability == pytest.approx(0.975, abs=1e-4)
    assert Evidence(0.196, 0.1, sign=-1).probability == pytest.approx(0.025, abs=1e-4)
    assert Evidence(0.196, 0.1, sign=0).probability != Evidence(0.196, 0.1, sign=0).probability


def test_distances_point_to_the_claimed_side() -> None:
    assert Evidence(-0.3, 0.1, -0.5, -0.1, sign=-1).toward == pytest.approx((3, 1, 5))
    assert Evidence(0.3, 0.1, 0.1, 0.5, sign=-1).toward == pytest.approx((-3, -5, -1))
    assert Evidence(0.5, 0.1, 0.2, 0.9, sign=0, headroom=1.0).toward == pytest.approx((5, 1, 8))
