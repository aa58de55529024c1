"""The bundled example: what the generator gives is shipped, it is clean, and says that it is simulated."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm
from sem_models import examples
from sem_models.errors import DataError
from sem_models.simulation.example import REASONS, write_example
from sem_models.simulation.mentions import ELEMENTS, write_mentions
from sem_models.simulation.population import Population


@pytest.fixture(scope="module")
def survey() -> ds.Survey:
    return ds.load(examples.path(), schema="b2b_service")


@pytest.fixture(scope="module")
def items(survey: ds.Survey) -> list[str]:
    return [c.name for c in survey.schema.with_role("item") if c.name in survey.data.columns]


def test_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    csv, sav = write_example(tmp_path)
    assert csv.read_text(encoding="utf-8") == examples.path(kind="csv").read_text(encoding="utf-8")
    again = write_example(tmp_path)[1].read_bytes()
    assert again == sav.read_bytes()
    written, shipped = (ds.load(p, schema="b2b_service") for p in (sav, examples.path(kind="sav")))
    assert written.hash == shipped.hash


def test_names_and_unknown_examples() -> None:
    assert examples.names() == ("b2b_service", "servuction")
    assert examples.path(kind="population").is_file()
    with pytest.raises(DataError, match="Did you mean 'b2b_service'"):
        examples.path("b2b_servce")
    with pytest.raises(DataError, match="Kinds: csv, sav, population"):
        examples.path(kind="xlsx")
    with pytest.raises(DataError, match="has no file of kind 'sav'"):
        examples.path("servuction", kind="sav")
    assert len(examples.files()) == 3


def test_every_file_says_it_is_simulated() -> None:
    import pyreadstat

    _, meta = pyreadstat.read_sav(str(examples.path(kind="sav")), metadataonly=True)
    assert "imulated" in meta.file_label
    for text in (examples.path(kind="population"), examples.path().with_name("README.md")):
        assert "simulated" in text.read_text(encoding="utf-8")[:400].lower()


def test_customers_groups_and_missing_answers(survey: ds.Survey, items: list[str]) -> None:
    frame = survey.analysis_frame().data
    assert not survey.errors
    assert len(frame) == 387
    assert frame["active"].value_counts().to_dict() == {"active": 226, "inactive": 161}
    assert frame["customer_id"].is_unique
    assert frame["customer_id"].str.fullmatch(r"C\d{4}").all()
    assert frame["account_manager"].str.fullmatch(r"AM\d{2}").all()
    assert len(items) == 29
    answers = frame[items]
    assert 0.05 <= answers.isna().mean().mean() <= 0.08
    assert 4.1 < answers.mean().min() < answers.mean().max() < 5.6
    assert answers.min().min() == 1
    assert answers.max().max() == 7
    records = [c.name for c in survey.schema.with_role("measure")]
    assert set(frame[records].columns[frame[records].isna().any()]) == {"repair_hours"}
    assert frame["repair_hours"].isna().mean() < 0.03


def test_sav_has_labels_and_reasons(survey: ds.Survey, items: list[str]) -> None:
    sav = ds.load(examples.path(kind="sav"), schema="b2b_service")
    assert not sav.errors
    pd.testing.assert_frame_equal(sav.analysis_frame().data, survey.analysis_frame().data)
    codebook = sav.codebook().set_index("name")
    assert codebook.loc["eds1", "title"] == survey.schema.column("eds1").title
    for reason in REASONS.values():
        given = codebook[reason]
        assert given.sum() > 15
        assert set(codebook.index[given > 0]) <= set(items)
    assert set(codebook.index[codebook["not asked"] > 0]) == {
        i for i in items if i.startswith(("pvp", "satp"))
    }
    assert (survey.codebook().set_index("name").loc[items, "system missing"] > 0).all()


def test_two_group_fit_is_proper_and_shows_the_claims(survey: ds.Survey) -> None:
    fit = sm.fit(sm.load("b2b_service"), survey, estimator="MLR", missing="fiml", group="active")
    assert fit.status.converged
    assert fit.status.stationary
    assert fit.status.admissible, fit.status.reasons
    assert fit.header.n_used == 387
    assert fit.measures()["cfi_robust"] > 0.97
    raw = fit.estimates().query("op == '~'").set_index(["lhs", "rhs", "group"])["est"]
    standard = fit.standardized().query("op == '~'").set_index(["lhs", "rhs", "group"])["est_std"]
    for group in ("active", "inactive"):
        assert standard["PV", "EDS", group] > standard["PV", "OPS", group]
        assert standard["SAT_REP", "EDS", group] > standard["SAT_REP", "OPS", group]
        assert standard["SAT_ORG", "OPS", group] > standard["SAT_ORG", "EDS", group]
    for service in ("EDS", "OPS"):
        assert raw["PV", service, "active"] > raw["PV", service, "inactive"]


def test_invariance_holds_in_the_population(b2b: Population) -> None:
    from sem_models.simulation.monte_carlo import population_fit

    strict = ("loadings", "intercepts", "residuals")
    assert population_fit(b2b, "b2b_service", group_equal=strict).solved.fmin < 1e-12
    assert population_fit(b2b, "b2b_service", group_equal=("regressions",)).solved.fmin > 1e-3


def test_mentions_are_what_the_generator_writes(tmp_path: Path) -> None:
    for written, kind in zip(write_mentions(tmp_path), ("mentions", "provider"), strict=True):
        assert written.read_bytes() == examples.path("servuction", kind).read_bytes()
    shares = sm.mentions(pd.read_csv(written.with_name("servuction_mentions.csv"))).elements()
    assumed = {element: chance for element, _, chance, _ in ELEMENTS}
    for row in shares.to_dict("records"):
        if row["element"] in assumed:  # of those who name anything, so that shares lie above the chances
            assert row["ci_lower"] - 0.02 < assumed[row["element"]] / 0.87 < row["ci_upper"] + 0.02
