"""The scorecard on the bundled, simulated example, and on surveys that lack what a claim needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm
from sem_models import examples
from sem_models.errors import DataError, SpecError
from sem_models.findings.evidence import VERDICTS, Evidence
from sem_models.findings.fits import ClaimFits, NotTestable
from sem_models.findings.parts import headroom, same_moderator
from sem_models.findings.preregistration import read_preregistration
from sem_models.findings.scorecard import COLUMNS, Scorecard
from sem_models.findings.verdict import judge
from sem_models.model.parts import Rules


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return ds.load(examples.path(), schema="b2b_service").analysis_frame().data


@pytest.fixture(scope="module")
def card(frame: pd.DataFrame) -> Scorecard:
    """Complete rows of one construct's worth of interactions would be slow; the whole card once."""
    return sm.scorecard("b2b_service", frame)


@pytest.mark.slow
def test_ordered_items_are_judged_and_interactions_by_parcels(frame: pd.DataFrame) -> None:
    merged = sm.merge_categories(frame, list(sm.load("b2b_service").items), least=15, group="active").data
    card = sm.scorecard("b2b_service", merged, ordered=True, interactions={"parcels": 2})
    table = card.table()
    parts = table[(table["part"] != "") & table["claim"].isin(["C6", "C9", "C10", "C12"])]
    assert (parts["verdict"] != "not testable").all(), parts[["claim", "part", "reason"]]
    assert card.header.estimator == "WLSMV"


def test_a_row_a_claim_and_part(card: Scorecard) -> None:
    table = card.table()
    assert list(table.columns) == COLUMNS
    heads = table[table["part"] == ""]
    assert heads["claim"].tolist() == [f"C{k}" for k in range(1, 14)]
    assert set(table["verdict"]) <= set(VERDICTS)
    parts = table[table["part"] != ""]
    assert not parts.duplicated(["claim", "part"]).any()
    undecided = table["verdict"].isin(["contradicted", "not testable"])
    assert (table.loc[undecided, "reason"] != "").all()


def test_a_verdict_is_what_its_interval_says(card: Scorecard) -> None:
    table = card.table()
    directed = table[(table["part"] != "") & table["claim"].isin(["C1", "C2", "C8", "C9"])]
    for row in directed.to_dict("records"):
        if row["verdict"] == "supported":
            assert row["ci_lower"] > 0
        else:
            assert row["ci_lower"] <= 0 <= row["ci_upper"]


def test_figures_are_those_of_the_fit(card: Scorecard, frame: pd.DataFrame) -> None:
    fit = sm.fit(sm.load("b2b_service"), frame, estimator="MLR", missing="fiml")
    std = fit.standardized().set_index(["lhs", "op", "rhs"])["est_std"]
    table = card.table().set_index(["claim", "part"])
    by_hand = std["PV", "~", "EDS"] - std["PV", "~", "OPS"]
    assert table.loc[("C1", "PV"), "estimate"] == pytest.approx(by_hand, abs=1e-12)
    raw = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    ratio = raw["PV", "~", "OPS"] / raw["PV", "~", "EDS"]
    assert table.loc[("C4", "PV_RAW"), "estimate"] == pytest.approx(ratio, abs=1e-12)


def test_headroom_is_the_95th_percentile_less_the_mean(frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service")
    fits = ClaimFits.of(spec, frame, {"missing": "fiml"}, {})
    scores = frame[["eds1", "eds2", "eds3", "eds4"]].mean(axis=1)
    room = headroom(fits, fits.plain(), "EDS", standardized=False)
    assert room == pytest.approx(np.quantile(scores, 0.95) - scores.mean(), abs=1e-12)


def test_contacts_without_their_columns_are_not_testable(frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service_core")
    only = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id in ("C1", "C5", "C9"))})
    lean = frame.drop(columns=["onsite_visits", "active", "act1"])
    table = sm.scorecard(only, lean).table().set_index(["claim", "part"])
    assert table.loc[("C5", ""), "verdict"] == "not testable"
    assert "no onsite_visits" in table.loc[("C5", ""), "reason"]
    assert "no column 'active'" in table.loc[("C9", "PV_EDS"), "reason"]
    assert "no items of ACT" in table.loc[("C9", "PV_EDS_x"), "reason"]
    assert table.loc[("C1", ""), "verdict"] != "not testable"


def test_a_survey_of_satisfaction_alone_is_told_what_it_cannot_support(frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service_core")
    only = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id in ("C2", "C3", "C13"))})
    lean = frame.drop(columns=["bi1", "bi2", "bi3", "pv1"])
    table = sm.scorecard(only, lean).table().set_index(["claim", "part"])
    assert table.loc[("C2", "SAT"), "verdict"] != "not testable"
    assert "PV, BI" in table.loc[("C3", "EDS"), "reason"]
    assert table.loc[("C13", ""), "verdict"] == "not testable"
    assert "It cannot support C" in table.loc[("C13", ""), "reason"]


def test_what_is_no_scorecard_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="states no claims"):
        sm.scorecard("telecom_reputation", frame)
    with pytest.raises(SpecError, match="rules: 'confidence'"):
        sm.scorecard("b2b_service", frame, rules={"confidence": 2})
    with pytest.raises(DataError, match="no path of the model"):
        sm.scorecard("b2b_service", pd.DataFrame({"x": [1.0, 2.0]}))


def test_constructs_that_cannot_be_told_apart_leave_the_comparison_undecided(frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service_core")
    only = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id == "C1")})
    table = sm.scorecard(only, frame, rules={"distinct": 0.3}).table().set_index(["claim", "part"])
    assert table.loc[("C1", "PV"), "verdict"] == "undecided"
    assert "EDS and OPS cannot be told apart (they correlate" in table.loc[("C1", "PV"), "reason"]


def test_a_preregistration_is_kept_or_not(tmp_path: Path, frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service_core")
    only = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id == "C1")})
    file = tmp_path / "registered.yaml"
    made = sm.preregister(only, file)
    read = read_preregistration(file)
    assert read.hash == made.hash
    assert read.deviations(sm.scorecard(read.spec, frame)) == []
    other = sm.scorecard(read.spec, frame, rules={"confidence": 0.9}, estimator="ML")
    assert read.deviations(other) == [
        "rules confidence: 0.95 was registered, 0.9 was used",
        "options estimator: 'MLR' was registered, 'ML' was used",
    ]
    assert any(line.startswith("specification") for line in read.deviations(sm.scorecard(spec.model_copy(
        update={"claims": tuple(c for c in spec.claims if c.id == "C2")}), frame)))  # fmt: skip
    with pytest.raises(DataError, match="is there already"):
        sm.preregister(only, file)
    file.write_text(file.read_text(encoding="utf-8").replace("MLR", "ML"), encoding="utf-8")
    with pytest.raises(DataError, match="was changed after it was written"):
        read_preregistration(file)


def test_the_chart_says_the_verdicts(card: Scorecard) -> None:
    from sem_models.charts.scorecard import scorecard_title

    title = scorecard_title(card.table())
    assert title.startswith("Of 13 claims")
    assert card.chart().to_dict()["title"]["text"]


def test_interactions_of_records_are_estimated_with_those_of_the_services() -> None:
    """Visits follow poor operations: operations by activity must not pass for visits by activity."""
    spec = sm.load("b2b_service")
    by_product = {m.product: m for m in spec.moderations}
    both = {"EDS:ACT", "OPS:ACT"}
    assert {m.product for m in same_moderator(spec, by_product["EDS:ACT"])} == both
    visits = same_moderator(spec, by_product["onsite_visits:ACT"])
    assert {m.product for m in visits} == both | {"onsite_visits:ACT"}
    prior = same_moderator(spec, by_product["OPS:PV_PRIOR"])
    assert {m.product for m in prior} == {"EDS:PV_PRIOR", "OPS:PV_PRIOR"}
    three = {m.product for m in same_moderator(spec, by_product["onsite_visits:ACT:PV_PRIOR"])}
    assert three >= both | {
        "EDS:PV_PRIOR",
        "onsite_visits:PV_PRIOR",
        "ACT:PV_PRIOR",
        "onsite_visits:ACT:PV_PRIOR",
    }
    assert not {"EDS:OPS", "EDS:tenure_years"} & three


def test_different_responses_are_read_off_interactions_alone() -> None:
    """A visit that does the same harm to all is no difference between customers."""
    spec = sm.load("b2b_service")
    parts = {f"{claim.id}.{part.part}": part for claim in spec.claims for part in claim.parts}
    for name in parts["C12.MIX"].of:
        assert parts[name].effect in ("interaction", "difference"), name


def test_necessity_is_that_of_the_items_own_means(card: Scorecard, frame: pd.DataFrame) -> None:
    """C11: an effect size with a permutation test, no interval; both parts count."""
    row = card.table().set_index(["claim", "part"]).loc[("C11", "NECESSARY")]
    items = {"SAT_ORG": ["sato1", "sato2", "sato3"], "BI": ["bi1", "bi2", "bi3"]}
    by_hand = sm.necessity(frame, "SAT_ORG", "BI", ceilings=("cr_fdh",), permutations=0, items=items).table()
    assert row["estimate"] == pytest.approx(by_hand["effect_size"].iloc[0], abs=1e-12)
    assert row["verdict"] == "supported"
    assert row["pvalue"] < 0.05
    assert np.isnan(row["ci_lower"])
    assert "(p < 0.001)" in str(card)


@pytest.mark.parametrize(
    ("size", "pvalue", "verdict", "reason"),
    [
        (0.30, 0.001, "supported", ""),
        (0.30, 0.200, "undecided", "Chance alone does as much (p = 0.20, by permutation)."),
        (0.05, 0.001, "undecided", "The effect size is below 0.1, too small to count."),
    ],
)
def test_an_empty_corner_counts_by_its_size_and_against_chance(
    size: float, pvalue: float, verdict: str, reason: str
) -> None:
    found = Evidence(size, pvalue=pvalue, threshold=0.1, by_size=True)
    assert judge(found, Rules()) == (verdict, reason)


def test_capped_counts_stand_beside_the_raw_ones(card: Scorecard, frame: pd.DataFrame) -> None:
    """Counts of contacts at their 95th percentile, in the same units: a visit stays a visit."""
    table = card.table().set_index(["claim", "part"])
    capped = frame.copy()
    for column in ("customer_calls", "onsite_visits"):
        capped[column] = capped[column].clip(upper=np.sort(frame[column])[int(np.ceil(0.95 * 387)) - 1])
    spec = sm.load("b2b_service")
    text = spec.syntax(controls=["b_PV_customer_calls", "b_PV_onsite_visits"])
    fit = sm.fit(text, capped, estimator="MLR", missing="fiml")
    by_hand = fit.contrast("b_PV_customer_calls - b_PV_onsite_visits")["est"]
    assert table.loc[("C5", "PV_CAPPED"), "estimate"] == pytest.approx(by_hand, abs=1e-9)
    assert table.loc[("C5", "PV"), "estimate"] != pytest.approx(by_hand, abs=1e-4)
    definition = table.loc[("C5", "PV_CAPPED"), "definition"]
    assert "onsite_visits at" in definition
    assert "tenure" not in definition  # years in decimals are no count
    assert not fit.contrasts(spec)["id"].isin(["C5.PV_CAPPED"]).any()


def test_without_counts_there_is_nothing_to_cap(frame: pd.DataFrame) -> None:
    fits = ClaimFits.of(
        sm.load("b2b_service"), frame.drop(columns=["customer_calls", "onsite_visits"]), {}, {}
    )
    with pytest.raises(NotTestable, match="no counts"):
        fits.capped(0.95)


def test_economic_incentives_are_levers(frame: pd.DataFrame) -> None:
    """Contract terms and commission rates: their effect at each customer's prior value."""
    found = sm.profiles("b2b_service", frame, levers=["contract_months", "commission_rate"])
    fit = sm.moderate(
        sm.load("b2b_service").syntax(
            interactions=["contract_months:PV_PRIOR"],
            controls=["b_PV_contract_months", "b_PV_commission_rate"],
        ),
        frame, estimator="MLR", missing="fiml",
    )  # fmt: skip
    effects = fit.conditional_effects("PV", "contract_months", ("PV_PRIOR",))
    at = effects.at({"PV_PRIOR": found._rows["PV_PRIOR"].to_numpy()})
    np.testing.assert_allclose(found._rows["effect_contract_months"], at["est"], atol=1e-10)
