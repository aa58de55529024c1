"""The calibration of the scorecard: its populations, its table, and (slow) two claims run afresh."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from benchmarks.claims.__main__ import main
from benchmarks.claims.cases import Case, cases, population_of
from benchmarks.claims.judge import Found, judge_sample
from benchmarks.claims.page import calibration_table, part_table
from benchmarks.claims.shipped import edited, same_service_gaps
from benchmarks.log import stored
from sem_models.errors import SpecError
from sem_models.simulation.draw import implied_moments, simulate
from sem_models.simulation.structure import structure

SEED = 11


def case_named(name: str) -> Case:
    return next(case for case in cases() if case.name == name)


def test_every_claim_is_tried_true_false_and_on_its_boundary() -> None:
    tried: dict[str, set[str]] = {}
    for case in cases():
        structure(population_of(case))  # covariance matrices, no circles
        for claim, truth in case.truths.items():
            tried.setdefault(claim, set()).add(truth)
    assert set(tried) == {f"C{k}" for k in range(1, 13)}
    assert all({"true", "false"} <= truths for truths in tried.values())
    # C12's boundary, no moderation at all, is where it is false
    assert all("boundary" in truths for claim, truths in tried.items() if claim != "C12")


def test_weights_are_equal_over_all_customers() -> None:
    population = population_of(case_named("weights equal"))
    s = structure(population)
    slope = {x: s.a_mat[:, s.variables.index("PV"), s.variables.index(x)] for x in ("EDS", "OPS")}
    drawn = simulate(population, 200_000, rng=np.random.default_rng(1), complete=True, latents=True)
    assert np.ptp(slope["EDS"]) == np.ptp(slope["OPS"]) == 0
    weights = {x: slope[x][0] * drawn[x].std() for x in slope}
    assert weights["EDS"] == pytest.approx(weights["OPS"], rel=0.01)


def test_gap_at_the_same_service_is_zero() -> None:
    gaps = same_service_gaps(population_of(case_named("equally satisfied")))
    assert gaps["SAT_ORG"] == pytest.approx(0.0, abs=1e-7)
    assert gaps["SAT_REP"] > 0.3


@pytest.mark.parametrize(
    "name", ["a quarter harmed", "worthless where both high", "worthless with activity alone"]
)
def test_visits_are_worth_what_the_words_say(name: str) -> None:
    population = population_of(case_named(name))
    s = structure(population)
    data = simulate(population, 200_000, rng=np.random.default_rng(2), complete=True, latents=True)
    group = data["active"].map({g: k for k, g in enumerate(population.labels)}).to_numpy(dtype=int)
    means = [m.latent_mean for m in implied_moments(population).values()]
    center = {x: np.array([m[x] for m in means])[group] for x in ("ACT", "PV_PRIOR")}
    visit = np.zeros(len(data))
    for term in (t for t in s.terms if "onsite_visits" in t.factors):
        others = [data[f].to_numpy() - center[f] for f in term.factors if f != "onsite_visits"]
        visit += term.slope[group] * np.prod(others, axis=0)
    if name == "a quarter harmed":
        assert (visit < 0).mean() == pytest.approx(0.25, abs=0.005)
        return
    activity, prior = (data[x].to_numpy() for x in ("ACT", "PV_PRIOR"))
    wanted = 0.84 if name == "worthless where both high" else 0.16
    near = np.abs(activity - np.quantile(activity, 0.84)) < 0.1
    near &= np.abs(prior - np.quantile(prior, wanted)) < 0.1
    assert visit[near].mean() == pytest.approx(0.0, abs=0.02)


def test_a_line_that_is_no_longer_there_is_said() -> None:
    with pytest.raises(SpecError, match="no longer has the line"):
        edited({"PV ~ 9*EDS": ""})


def test_a_sample_is_the_same_whatever_else_is_drawn() -> None:
    case = case_named("contacts equal")
    first, again = (judge_sample(case, 3, n=200, seed=SEED)[0] for _ in range(2))
    assert first.parts == again.parts
    assert first.parts != judge_sample(case, 4, n=200, seed=SEED)[0].parts


def test_the_table_counts_wrong_verdicts() -> None:
    chosen = [case_named("room used up"), case_named("beyond the room")]
    verdicts = ("supported", "undecided", "undecided", "not testable")
    found = [
        Found(case.name, k, "C4", verdict, "", 0.5, {"PV": (verdict, float(k), 1.0)})
        for case in chosen
        for k, verdict in enumerate(verdicts)
    ]
    table = calibration_table(found, chosen)
    assert table["truth"].tolist() == ["boundary", "false"]
    assert table["wrong"].tolist() == [0.25, 0.25]
    assert table["wrong_error"].iloc[0] == pytest.approx(sqrt(0.25 * 0.75 / 4))
    assert table[["contradicted", "undecided", "not_testable"]].iloc[0].tolist() == [0.0, 0.5, 0.25]
    parts = part_table(found, chosen)
    assert parts[["mean", "sd"]].iloc[0].tolist() == pytest.approx([1.5, np.std(range(4), ddof=1)])


def test_the_program_goes_on_from_its_log_and_writes_a_page(tmp_path: Path) -> None:
    log, where = tmp_path / "log.jsonl", tmp_path / "page.md"
    arguments = ["--samples", "2", "--cases", "contacts equal", "visits help", "--seed", str(SEED)]
    arguments += ["--log", str(log), "--page", str(where)]
    assert main(arguments) == 0
    first = where.read_text(encoding="utf-8")
    assert "| C5 | boundary | contacts equal | 2 |" in first
    assert len(stored(log, Found)) == 4
    assert main(arguments) == 0
    assert len(stored(log, Found)) == 4
    assert where.read_text(encoding="utf-8") == first


@pytest.mark.slow
@pytest.mark.parametrize(("name", "claim"), [("weights equal", "C1"), ("harm to all alike", "C12")])
def test_wrong_verdicts_are_at_most_5_percent(name: str, claim: str) -> None:
    """200 samples: three Monte Carlo errors of .05 are .046."""
    case = case_named(name)
    found = [f for number in range(200) for f in judge_sample(case, number, n=387, seed=SEED)]
    row = calibration_table([f for f in found if f.claim == claim], [case]).iloc[0]
    assert row["wrong"] < 0.096
    assert row["not_testable"] == 0
