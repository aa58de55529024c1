"""Profiles of customers: effects at their own moderators, segments that give nobody away, files by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm
from sem_models import examples
from sem_models.errors import DataError, SpecError
from sem_models.findings.profiles import Profiles


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return ds.load(examples.path(), schema="b2b_service").analysis_frame().data


@pytest.fixture(scope="module")
def found(frame: pd.DataFrame) -> Profiles:
    return sm.profiles("b2b_service_core", frame, levers=["onsite_visits"])


def test_an_effect_is_that_at_the_customers_own_moderators(found: Profiles, frame: pd.DataFrame) -> None:
    spec = sm.load("b2b_service_core")
    records = [c.label for c in spec.controls if c.family == "records"]
    text = spec.syntax(interactions=["onsite_visits:ACT", "onsite_visits:PV_PRIOR"], controls=records)
    result = sm.moderate(text, frame, estimator="MLR", missing="fiml")
    rows = result.estimates().set_index(["lhs", "op", "rhs"])["est"]
    own = found._rows
    by_hand = (
        rows["PV", "~", "onsite_visits"]
        + rows["PV", "~", "onsite_visits:ACT"] * own["ACT"]
        + rows["PV", "~", "onsite_visits:PV_PRIOR"] * own["PV_PRIOR"]
    )
    gap = by_hand - own["effect_onsite_visits"]
    assert float(gap.std()) < 1e-9  # moderators are centered by the products, up to a constant
    plain = result.conditional_effects("PV", "onsite_visits", ("ACT", "PV_PRIOR")).at(
        {"ACT": own["ACT"].to_numpy(), "PV_PRIOR": own["PV_PRIOR"].to_numpy()}
    )
    np.testing.assert_allclose(own["effect_onsite_visits"], plain["est"], atol=1e-12)
    assert (own["effect_onsite_visits_se"].to_numpy() > plain["se"].to_numpy()).all()


def test_a_suggestion_is_made_where_the_interval_excludes_zero(found: Profiles) -> None:
    own = found._rows
    less = own["effect_onsite_visits_upper"] < 0
    assert (own.loc[less, "suggestion"] == "less onsite_visits").all()
    assert own.loc[less, "sure"].min() > 0.97
    open_ones = (own["effect_onsite_visits_lower"] < 0) & (own["effect_onsite_visits_upper"] > 0)
    assert (own.loc[open_ones, "suggestion"] == "no lever for sure").all()
    assert own.loc[open_ones, "sure"].isna().all()


def test_segments_are_never_smaller_than_five(found: Profiles) -> None:
    segments = found.segments()
    assert (segments["customers"] >= 5).all()
    assert segments["customers"].sum() <= 387
    assert "C0001" not in repr(found)


def test_rows_go_to_the_file_that_is_named(found: Profiles, frame: pd.DataFrame, tmp_path: Path) -> None:
    plain = found.write(tmp_path / "profiles.csv", ids=frame["customer_id"])
    assert pd.read_csv(plain)["customer"].iloc[0] == frame["customer_id"].iloc[0]
    coded = found.write(tmp_path / "coded.xlsx", ids=frame["customer_id"], pseudonymize=True)
    codes = pd.read_excel(coded)["customer"]
    assert codes.is_unique
    assert not set(codes) & set(frame["customer_id"])
    again = pd.read_excel(found.write(coded, ids=frame["customer_id"], pseudonymize=True))["customer"]
    assert not set(codes) & set(again)  # a new key each time
    with pytest.raises(DataError, match="must end in"):
        found.write(tmp_path / "profiles.txt", ids=frame["customer_id"])
    with pytest.raises(SpecError, match="give ids="):
        found.write(tmp_path / "profiles.csv")


def test_a_lever_without_moderation_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="Did you mean 'onsite_visits'"):
        sm.profiles("b2b_service_core", frame, levers=["onsite_visit"])
    with pytest.raises(SpecError, match="states no moderation"):
        sm.profiles("telecom_reputation", frame)


def test_a_rare_suggestion_hides_in_the_largest_segment(found: Profiles) -> None:
    """Two customers alone would be given away; the finding of the others is kept."""
    rows = found._rows.head(60).assign(
        suggestion=["no lever for sure"] * 40 + ["less onsite_visits"] * 18 + ["more onsite_visits"] * 2
    )
    few = Profiles(found.outcome, found.levers, found.header, found.level, rows, ())
    segments = few.segments().set_index("segment")["customers"]
    assert segments.to_dict() == {
        "no lever for sure, or what fewer than 5 do": 42, "less onsite_visits": 18,
    }  # fmt: skip
