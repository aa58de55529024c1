"""V1–V7: the servuction specification, its example, and its claims where they are true and false."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm
from sem_models import examples
from sem_models.moderation.waves import wave_syntax, waves
from sem_models.simulation.draw import simulate
from sem_models.simulation.example import write_servuction
from sem_models.simulation.monte_carlo import population_fit
from sem_models.simulation.population import Population, load_population

PV = {"PV": (("pvp1", "pvp2", "pvp3"), ("pv1", "pv2", "pv3"))}
LARGE = 6000
WRITTEN = 0.006
GROUPS = {
    "V5.STAGE": ("stage", {0: "early", 1: "established"}, "b_EXP_SO.established - b_EXP_SO.early"),
    "V6.PLACE": ("place", {0: "customer", 1: "provider"}, "b_EXP_PE.provider - b_EXP_PE.customer"),
    "V7.FE": ("customer_type", {}, "b_EXP_FE.B2B - b_EXP_FE.B2C"),
    "V7.CP": ("customer_type", {}, "b_EXP_CP.B2B - b_EXP_CP.B2C"),
}


@pytest.fixture(scope="module")
def true() -> Population:
    return load_population("servuction")


@pytest.fixture(scope="module")
def false(true: Population) -> Population:
    """No group differs, the outcome weighs more than all of the process, evidence more than employees."""
    text = true.model.replace(
        "EXP ~ c(0.40, 0.22)*FE + 0.15*PE + 0.20*IO + c(0.25, 0.08)*CP + 0.25*SO",
        "EXP ~ 0*FE + 0.12*PE + 0*IO + 0*CP + 0.60*SO",
    )
    text = text.replace("PV ~ 0.45*EXP + 0.15*SO + 0.25*PV_PRIOR", "PV ~ 0*EXP + 0.15*SO + 0*PV_PRIOR")
    text = text.replace("SAT ~ 0.45*EXP", "SAT ~ 0*EXP")
    text = text.replace("EXP ~ 0.20*SO:stage + 0.22*PE:place + -0.02*FE:contract_years", "")
    assert ":stage" not in text
    assert all(term in text for term in ("0.60*SO", "0*PV_PRIOR", "SAT ~ 0*EXP"))
    return true.model_copy(update={"model": text})


@pytest.fixture(scope="module")
def survey() -> ds.Survey:
    return ds.load(examples.path("servuction"), schema="servuction")


def test_example_is_what_the_generator_writes(tmp_path: object, survey: ds.Survey) -> None:
    from pathlib import Path

    written = write_servuction(Path(str(tmp_path)))
    assert written.read_text(encoding="utf-8") == examples.path("servuction").read_text(encoding="utf-8")
    assert not survey.errors
    frame = survey.analysis_frame().data
    assert len(frame) == 600
    assert set(frame["stage"]) == {"early", "established"}
    assert "SIMULATED" in examples.path("servuction", "population").read_text(encoding="utf-8")[:40]


def test_claims_of_the_linear_part_where_they_are_true(true: Population) -> None:
    written = {c.id: c.quantities for c in true.claims}
    fit = population_fit(true, "servuction", model_type="sem")
    groups = dict(zip(fit.groups, ("B2B", "B2C"), strict=True))
    assert set(groups) == {"B2B", "B2C"}
    for group in groups:
        raw = {
            name: sum(fit.contrast(f"b_EXP_{x}.{group}")["est"] * sign for x, sign in terms)
            for name, terms in {
                "FE": [("FE", 1)], "PE": [("PE", 1)], "IO": [("IO", 1)], "SO": [("SO", 1)],
                "V2": [("FE", 1), ("PE", 1), ("IO", 1), ("CP", 1), ("SO", -1)], "V3": [("FE", 1), ("PE", -1)],
            }.items()
        }  # fmt: skip
        assert raw["FE"] == pytest.approx(written["V1"][f"FE.{group}"], abs=WRITTEN)
        assert [raw[x] for x in ("PE", "IO", "SO")] == pytest.approx([0.15, 0.20, 0.25], abs=WRITTEN)
        assert raw["V2"] == pytest.approx(written["V2"][group], abs=WRITTEN)
        assert raw["V3"] == pytest.approx(written["V3"][group], abs=WRITTEN)
        through = 0.45 + 0.45 * 0.30
        assert 0.25 * through == pytest.approx(written["V4"]["OUTCOME"], abs=WRITTEN)
    prior = fit.contrast("b_PV_PV_PRIOR.B2B")["est"]
    assert prior == pytest.approx(written["V5"]["PRIOR"], abs=WRITTEN)


def test_claims_are_supported_where_true_and_not_where_false(true: Population, false: Population) -> None:
    spec = sm.load("servuction")
    rng = np.random.default_rng(12)
    found = {}
    for name, population in (("true", true), ("false", false)):
        data = simulate(population, LARGE, rng=rng, continuous=True, complete=True)
        found[name] = sm.fit(spec, data).contrasts(spec).set_index("id")
    expected = found["true"]["sign"] == 1
    assert (found["true"].loc[expected, "ci_lower"] > 0).all()
    lower, upper = found["false"]["ci_lower"], found["false"]["ci_upper"]
    for claim in ("V2.EXP", "V3.FE_PE"):
        assert upper[claim] < 0  # contradicted
    for claim in ("V1.FE", "V1.IO", "V1.CP", "V1.PV", "V1.SAT", "V4.OUTCOME", "V5.PRIOR"):
        assert lower[claim] < 0.04  # nothing there
        assert abs(found["false"].loc[claim, "z"]) < 3.5


@pytest.mark.parametrize("claim", sorted(GROUPS))
def test_group_claims_where_true_and_false(claim: str, true: Population, false: Population) -> None:
    column, labels, expression = GROUPS[claim]
    written = {**true.claims[4].quantities, **true.claims[5].quantities, **true.claims[6].quantities}
    for population, value in ((true, written[claim.partition(".")[2]]), (false, 0.0)):
        data = simulate(population, LARGE, rng=np.random.default_rng(6), continuous=True, complete=True)
        if labels:
            data[column] = data[column].map(labels)
        fit = sm.fit(sm.load("servuction"), data, group=column, group_equal=("loadings",))
        row = fit.contrast(expression)
        assert abs(row["est"] - value) < 3.5 * row["se"]
        assert (row["ci_lower"] > 0) == (value > 0)


def test_every_part_is_judged_on_its_own_groups(survey: ds.Survey) -> None:
    """Three columns of groups in one scorecard: each part on the groups that its labels name."""
    card = sm.scorecard("servuction", survey)
    table = card.table()
    table = table[table["part"] != ""]
    spec = sm.load("servuction")
    assert list(zip(table["claim"], table["part"], strict=True)) == [
        (c.id, p.part) for c in spec.claims for p in c.parts
    ]
    assert not (table["verdict"] == "not testable").any()
    assert (table[table["claim"] == "V1"]["verdict"] == "supported").all()
    estimates = table.set_index(["claim", "part"])["estimate"]
    for claim, (column, _, expression) in GROUPS.items():
        levels = ("configural", "metric", "scalar")
        by_hand = sm.moderate(
            spec, survey, method="groups", moderator=column, levels=levels, estimator="MLR", missing="fiml"
        )
        first, _, part = claim.partition(".")
        assert estimates[first, part] == pytest.approx(by_hand.fit.contrast(expression)["est"], abs=1e-6)


def test_the_length_of_the_contract_where_it_matters_and_where_not(
    true: Population, false: Population
) -> None:
    """V5.CONTRACT, two-sided: supported in the population that has it, not in the one without."""
    spec = sm.load("servuction")
    only = [c.model_copy(update={"parts": tuple(p for p in c.parts if p.part == "CONTRACT")})
            for c in spec.claims if c.id == "V5"]  # fmt: skip
    spec = spec.model_copy(update={"claims": tuple(only)})
    for population, verdict in ((true, "supported"), (false, "undecided")):
        data = simulate(population, 3000, rng=np.random.default_rng(8), continuous=True, complete=True)
        row = sm.scorecard(spec, data, missing="listwise").table().set_index("part").loc["CONTRACT"]
        assert row["verdict"] == verdict


def test_business_and_private_customers_answer_alike(survey: ds.Survey) -> None:
    ladder = sm.invariance(
        sm.load("servuction"), survey, group="customer_type", estimator="MLR", missing="fiml"
    )
    assert ladder.comparisons()["retained"].all()


def test_priorities_of_the_example(survey: ds.Survey) -> None:
    fit = sm.fit(sm.load("servuction"), survey, estimator="MLR", missing="fiml")
    result = sm.priorities(fit, "BI", schema=survey)
    elements = result.elements().set_index("element")
    assert elements.loc["process", "n_items"] == 12
    assert elements.loc["outcome", "n_items"] == 3
    direct = fit.effects().query("target == 'BI' and kind == 'total'").set_index("source")["est"]
    importance = result.table().set_index("construct")["importance"]
    assert importance["SAT"] / importance["EXP"] == pytest.approx(direct["SAT"] / direct["EXP"], rel=0.15)


# ------------------------------------------------------------------ two waves


def test_waves_hold_in_the_population(true: Population) -> None:
    """At the population's own moments every level fits, and the figures are those written down."""
    from sem_models.simulation.draw import implied_moments

    moments = implied_moments(true)["B2B"]
    items = [i for part in PV["PV"] for i in part]
    fit = sm.fit(
        wave_syntax(PV, "strict"), sample_cov=moments.cov.loc[items, items], sample_mean=moments.mean[items],
        sample_nobs=100_000, sample_cov_rescale=False, meanstructure=True,
    )  # fmt: skip
    assert fit.solved.fmin < 1e-10
    table = fit.estimates().set_index("label")["est"]
    cov, mean = moments.latent_cov, moments.latent_mean
    sd = np.sqrt(np.diagonal(cov.loc[["PV_PRIOR", "PV"], ["PV_PRIOR", "PV"]]))
    assert table["stability_PV"] == pytest.approx(cov.loc["PV_PRIOR", "PV"] / sd.prod(), abs=1e-5)
    change = (mean["PV"] - mean["PV_PRIOR"]) / sd[0]
    assert table["change_PV"] == pytest.approx(change, abs=1e-5)


def test_waves_of_the_example(survey: ds.Survey) -> None:
    result = waves(survey, PV, missing="fiml", estimator="MLR")
    assert result.table()["df"].tolist() == [5, 7, 9, 12]
    assert result.comparisons()["retained"].all()
    assert result.comparisons()["df_diff"].tolist() == [2, 2, 3]
    stability = result.stability().iloc[0]
    assert stability["ci_lower"] > 0.2
    change = result.changes().iloc[0]
    assert change["ci_lower"] < 0 < change["ci_upper"]


def test_waves_find_a_moved_question_and_a_moved_mean(true: Population) -> None:
    data = simulate(true, 2000, rng=np.random.default_rng(3), continuous=True, complete=True)
    moved = data.assign(pv2=data["pv2"] + 0.5)
    steps = waves(moved, PV).comparisons().set_index("level")
    assert steps.loc["metric", "retained"]
    assert steps.loc["scalar", "pvalue"] < 1e-6
    higher = data.assign(**{i: data[i] + load for i, load in zip(PV["PV"][1], (1, 0.95, 0.9), strict=True)})
    change = waves(higher, PV, levels=("scalar",)).changes().iloc[0]
    assert change["est"] * np.sqrt(0.95) == pytest.approx(1.0, abs=0.25)
    assert change["ci_lower"] > 0.5


@pytest.mark.parametrize(
    ("constructs", "more", "words"),
    [
        ({"PV": (["pvp1"], ["pv1"])}, {}, "two or more questions"),
        ({"PV": (["pvp1", "pvp2"], ["pv1"])}, {}, "it has 2 and 1 items"),
        ({"PV": (["pvp1", "pv1"], ["pv1", "pv2"])}, {}, "named twice"),
        ({}, {}, "at least one construct"),
        (PV, {"levels": ["weak"]}, "levels= takes"),
        (PV, {"group": "stage"}, "set by the ladder"),
    ],
)
def test_refusals(constructs: object, more: dict[str, object], words: str) -> None:
    with pytest.raises(sm.SpecError, match=words):
        waves(pd.DataFrame(), constructs, **more)  # type: ignore[arg-type]
