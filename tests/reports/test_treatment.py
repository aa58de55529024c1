"""A study that treats its items as ordered."""

from __future__ import annotations

import pytest

from sem_models.errors import SpecError
from sem_models.reports import Study


@pytest.fixture(scope="module")
def ordered() -> Study:
    return Study.open("example", model="b2b_service_core", moderator="active", treat_as="ordered")


def test_ordered_items_bring_their_estimator(ordered: Study) -> None:
    assert (ordered.estimator, ordered.missing) == ("WLSMV", "pairwise")
    assert set(ordered.options["ordered"]) == set(ordered.spec.items)
    assert ordered.fit.header.estimator == "WLSMV"
    assert "as ordered" in repr(ordered)
    assert "treated as ordered" in ordered._repr_html_()
    assert ordered._given()["treat_as"] == "ordered"


def test_measurement_and_structure_are_of_the_responses(ordered: Study) -> None:
    measurement = ordered.measurement()
    (table,) = (t for t in measurement.tables if t.name == "reliability")
    assert "Green and Yang" in table.note
    assert table.frame["omega"].between(0.6, 1.0).all()
    assert "WLSMV" in ordered.structure().header


def test_the_treatment_section_says_what_it_changes(ordered: Study, study: Study) -> None:
    assert "treatment" in ordered._sections()
    assert "treatment" not in study._sections()
    for of, word in ((ordered, "ordered"), (study, "continuous")):
        section = of.treatment()
        assert section.sentences[0].endswith(f"treat the items as {word}.")
        assert "standardized loadings are larger" in section.sentences[1]
        assert {t.name for t in section.tables} == {"treatment", "treatment_fit", "treatment_reliability"}
        assert "<table" in section.html()


def test_groups_are_compared_on_merged_categories(ordered: Study) -> None:
    assert ordered.by_group.notes
    assert list(ordered.group_moderation.invariance.fits)[:3] == ["configural", "thresholds", "metric"]
    section = ordered.moderation()
    assert section.sentences[0].startswith("Answers that one of the groups never gave are merged")


def test_unknown_treatments_and_items_without_categories_are_refused() -> None:
    with pytest.raises(SpecError, match="Did you mean 'ordered'"):
        Study.open("example", model="b2b_service_core", treat_as="orderd")
    with pytest.raises(SpecError, match="WLSMV"):
        Study.open("example", model="b2b_service_core", treat_as="ordered", estimator="MLM")
    with pytest.raises(SpecError, match="pairwise"):
        Study.open("example", model="b2b_service_core", treat_as="ordered", missing="two.stage")


def test_interactions_of_ordered_items_take_parcels() -> None:
    study = Study.open("example", model="b2b_service_core", treat_as="ordered", interactions="EDS:ACT")
    section = study.latent_moderation()
    assert "WLSMV" in section.header
    assert any("means of these items stand for them" in s for s in section.sentences)
    assert any(s.startswith("χ² difference test of") for s in section.sentences)
    assert "p (Δχ²)" in section.html()


SMALL = """
EDS =~ eds1 + eds2 + eds3
ACT =~ act1 + act2 + act3
PV =~ pv1 + pv2 + pv3
PV ~ EDS + ACT + EDS:ACT
"""


def test_lms_takes_the_answers_of_a_small_model_and_says_so() -> None:
    study = Study.open(
        "example", model=SMALL, schema="b2b_service", treat_as="ordered", interactions="EDS:ACT", method="lms"
    )
    section = study.latent_moderation()
    assert any("constructs behind the answers" in s for s in section.sentences)
    assert study.latent_result.header.missing == "fiml"
    assert len(study.latent_result.estimates().query("op == '|'")["lhs"].unique()) == 9


def test_other_methods_refuse_ordered_items_with_the_remedy() -> None:
    study = Study.open("example", model=SMALL, treat_as="ordered", interactions="EDS:ACT", method="qml")
    with pytest.raises(SpecError, match="lms"):
        study.latent_moderation()
    whole = Study.open(
        "example", model="b2b_service_core", treat_as="ordered", interactions="EDS:ACT", method="lms"
    )
    with pytest.raises(SpecError, match="5 at most"):
        whole.latent_moderation()
