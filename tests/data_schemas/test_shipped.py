"""The shipped schemas hold what the specifications and the simulator rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

import data_schemas as ds

CONSTRUCTS = {
    "b2b_service": {
        "EDS": ("eds1", "eds2", "eds3", "eds4"),
        "OPS": ("ops1", "ops2", "ops3", "ops4"),
        "SAT_REP": ("satr1", "satr2", "satr3"),
        "SAT_ORG": ("sato1", "sato2", "sato3"),
        "PV": ("pv1", "pv2", "pv3"),
        "BI": ("bi1", "bi2", "bi3"),
        "ACT": ("act1", "act2", "act3"),
        "PV_PRIOR": ("pvp1", "pvp2", "pvp3"),
        "SAT_PRIOR": ("satp1", "satp2", "satp3"),
    },
    "ecsi_mobile": {
        "EDS": ("IMAG4", "PERQ3", "PERQ7"),
        "OPS": ("PERQ2", "PERQ4", "PERQ6"),
        "PV": ("PERV1", "PERV2"),
        "SAT": ("CUSA1", "CUSA2", "CUSA3"),
        "BI": ("CUSL1", "CUSL3"),
    },
    "servuction": {"EXP": ("ex1", "ex2", "ex3"), "PV_PRIOR": ("pvp1", "pvp2", "pvp3")},
    "telecom_reputation": {"CUSL": ("cusl_1", "cusl_2", "cusl_3"), "CUSA": ("cusa",)},
}


def test_names_lists_the_shipped_schemas() -> None:
    assert set(ds.names()) == CONSTRUCTS.keys()


@pytest.mark.parametrize("name", ds.names())
def test_constructs(name: str) -> None:
    found = ds.Schema.load(name).constructs
    assert {construct: found[construct] for construct in CONSTRUCTS[name]} == CONSTRUCTS[name]


@pytest.mark.parametrize("name", ds.names())
def test_every_column_is_titled_and_every_item_has_a_scale(name: str) -> None:
    schema = ds.Schema.load(name)
    assert schema.name == name
    assert [c.name for c in schema.fields if not c.title] == []
    assert [c.name for c in schema.with_role("item") if "–" not in c.scale] == []


def test_service_records_of_the_business_survey() -> None:
    schema = ds.Schema.load("b2b_service")
    assert {c.name for c in schema.fields if c.source == "record"} == {
        "customer_id",
        "account_manager",
        "active",
        "wave",
        "onsite_visits",
        "customer_calls",
        "company_calls",
        "repair_hours",
        "billing_accuracy",
        "contract_months",
        "commission_rate",
        "tenure_years",
    }
    assert [c.name for c in schema.with_role("id")] == ["customer_id"]
    assert [c.name for c in schema.with_role("cluster")] == ["account_manager"]
    assert {c.label for c in schema.missing_values} == {"refused", "not applicable", "not asked"}


@pytest.mark.parametrize("suffix", ["csv", "sav"])
@pytest.mark.parametrize("name", ["ecsi_mobile", "telecom_reputation"])
def test_real_surveys_fit(shared_dir: Path, name: str, suffix: str) -> None:
    survey = ds.load(shared_dir / f"{name}.{suffix}", schema=name)
    assert survey.issues().empty
    frame = survey.analysis_frame().data
    assert list(frame.columns) == list(ds.Schema.load(name).names)
    assert survey.hash == ds.load(shared_dir / f"{name}.csv", schema=name).hash


def test_undeclared_code_is_noticed_without_a_schema(shared_dir: Path) -> None:
    issues = ds.load(shared_dir / "telecom_reputation.csv").issues()
    assert "-99 is far outside the other answers" in set(issues.loc[issues.column == "cusa", "message"])


def test_real_plan_types_become_labels(shared_dir: Path) -> None:
    frame = ds.load(shared_dir / "telecom_reputation.csv", schema="telecom_reputation").analysis_frame().data
    assert set(frame["servicetype"]) == {"prepaid", "contract"}
    assert frame["cusa"].isna().sum() == 1
    assert frame["cusa"].min() >= 1
