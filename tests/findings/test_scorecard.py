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
from sem_models.findings.evidence import VERDICTS
from sem_models.findings.fits import ClaimFits
from sem_models.findings.parts import headroom, same_moderator
from sem_models.findings.preregistration import read_preregistration
from sem_models.findings.scorecard import COLUMNS, Scorecard


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return ds.load(examples.path(), schema="b2b_service").analysis_frame().data


@pytest.fixture(scope="module")
def card(frame: pd.DataFrame) -> Scorecard:
    """Complete rows of one construct's worth of interactions would be slow; the whole card once."""
    return sm.scorecard("b2b_service", frame)


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
    directed = table[(table["part"] != "") & table["claim"].isin(["C1", "C2", "C8", "C9", "C11"])]
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
