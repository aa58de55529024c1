"""Opening a study: everything that does not fit is refused before anything is computed, with the remedy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples
from sem_models.errors import DataError, SEMError, SpecError
from sem_models.reports import Section, Study
from sem_models.reports import sentences as say
from sem_models.reports.findings import moderation as moderation_findings

HEYWOOD = "f =~ x1 + x2 + x3\ny ~ f"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"data": "nowhere.csv"}, DataError, "there is no file nowhere.csv"),
        ({"model": "b2b_servise"}, SpecError, "no specification 'b2b_servise'.*Did you mean 'b2b_service'"),
        ({"model": "EDS =~ eds1 + eds2 + edz3"}, DataError,
         "lack 1 of the 3 items of model 'custom': 'edz3'. Did you mean 'eds3'"),
        ({"schema": "b2b_servise"}, DataError, "no schema 'b2b_servise'. Did you mean 'b2b_service'"),
        ({"schema": "telecom_reputation"}, DataError,
         "not a 'telecom_reputation' survey.*pass schema='b2b_service'"),
        ({"moderator": "activ"}, DataError, "moderator='activ' is not a column.*Did you mean 'active'"),
        ({"moderator": "tenure_years"}, DataError, "looks like a measurement, not groups"),
        ({"moderator": "account_manager"}, DataError,
         "groups of moderator='account_manager' have no more usable rows than the model has items"),
        ({"moderator": "active", "reference_group": "inactiv"}, SpecError,
         "'inactiv' is not a group of 'active'. Did you mean 'inactive'"),
        ({"reference_group": "inactive"}, SpecError, "reference_group= needs moderator="),
        ({"estimator": "MRL"}, SpecError, "estimator='MRL' is unknown. Did you mean .*'MLR'"),
        ({"missing": "fimml"}, SpecError, "missing='fimml' is not available. Did you mean 'fiml'"),
    ],
)  # fmt: skip
def test_open_refuses_by_name(options: dict[str, Any], kind: type[SEMError], message: str) -> None:
    chosen: dict[str, Any] = {"data": "example", "model": "b2b_service_core", **options}
    with pytest.raises(kind, match=f"(?s){message}") as raised:
        Study.open(chosen.pop("data"), **chosen)
    assert not re.search(r"\bC\d{4}\b", str(raised.value))


def test_many_missing_items_are_counted_and_some_are_named(tmp_path: Path) -> None:
    frame = pd.read_csv(examples.path()).drop(columns=[f"eds{i}" for i in range(1, 5)])
    frame = frame.drop(columns=["ops1", "ops2", "ops3", "ops4"])
    frame.to_csv(tmp_path / "few.csv", index=False)
    text = " + ".join([*(f"eds{i}" for i in range(1, 5)), *(f"ops{i}" for i in range(1, 5))])
    with pytest.raises(DataError, match=r"lack 8 of the 8 items .*'eds1', 'eds2', .*'ops2' …"):
        Study.open(tmp_path / "few.csv", model=f"Q =~ {text}")


def test_a_group_of_few_rows_is_refused_without_its_number(tmp_path: Path) -> None:
    frame = pd.read_csv(examples.path())
    frame["region"] = np.where(np.arange(len(frame)) < 3, "north", "south")
    frame.to_csv(tmp_path / "regions.csv", index=False)
    with pytest.raises(DataError, match=r"1 of the 2 groups .* the smallest has fewer than 5"):
        Study.open(tmp_path / "regions.csv", model="Q =~ eds1 + eds2 + eds3 + eds4", moderator="region")


def test_the_reference_is_named_or_the_specifications_or_the_first(study: Study) -> None:
    assert study.reference_group == "inactive"
    named = Study.open("example", model="b2b_service_core", moderator="active", reference_group="active")
    assert named.reference_group == "active"
    text = Study.open("example", model="Q =~ eds1 + eds2 + eds3 + eds4", moderator="active")
    assert text.reference_group == str(text.frame["active"].iloc[0])


def test_the_bundled_example_is_called_simulated_under_any_name(tmp_path: Path) -> None:
    copy = tmp_path / "ours.csv"
    copy.write_bytes(examples.path().read_bytes())
    opened = Study.open(copy, model="b2b_service_core")
    assert opened.simulated
    assert opened.title.endswith("(simulated example data)")
    copy.write_bytes(examples.path().read_bytes().replace(b"\n", b"\r\n", 1))
    assert not Study.open(copy, model="b2b_service_core").simulated


def test_printing_a_study_shows_no_row(study: Study) -> None:
    for shown in (repr(study), study._repr_html_()):
        assert "387 customers" in shown
        assert not any(str(c) in shown for c in study.survey.data["customer_id"])


def test_moderation_needs_a_moderator() -> None:
    opened = Study.open("example", model="b2b_service_core")
    with pytest.raises(SpecError, match="There is no moderator to compare groups by"):
        opened.moderation()
    assert "moderation" not in opened._repr_html_()


def test_sections_are_headed_by_the_data_they_rest_on(study: Study) -> None:
    assert "N = 387 of 387, 0 dropped" in study.screening().header
    for section in (study.measurement(), study.structure(), study.moderation()):
        assert section.header.startswith("MLR, FIML for missing answers · N = 387 of 387")
        assert all(section.header in table.html(section.header) for table in section.tables)
    assert "active 226, inactive 161" in study.moderation().header


def test_rows_that_listwise_deletion_drops_are_counted() -> None:
    opened = Study.open("example", model="SAT =~ sato1 + sato2 + sato3", missing="listwise")
    used = int(opened.frame[["sato1", "sato2", "sato3"]].notna().all(axis=1).sum())
    header = opened.measurement().header
    assert f"complete rows only · N = {used} of 387, {387 - used} dropped" in header


def test_a_section_is_computed_once(study: Study) -> None:
    assert study.structure() is study.structure()


def test_moderation_is_titled_by_the_group_of_the_specification(study: Study) -> None:
    assert study.moderation().title == "Does it depend on observed relationship activity?"


def test_differences_are_group_minus_reference(study: Study) -> None:
    gaps = study.group_moderation.differences()
    assert set(gaps["group"]) == {"active"}
    assert set(gaps["reference_group"]) == {"inactive"}
    np.testing.assert_allclose(gaps["est"], gaps["est_group"] - gaps["est_reference"], atol=1e-12)


def test_claims_are_contrasts_of_the_fit(study: Study) -> None:
    table = next(t for t in study.structure().tables if t.name == "contrasts").frame
    row = table[(table["claim"] == "C1") & (table["part"] == "PV")].iloc[0]
    scaled = study.fit.standardized().set_index(["lhs", "op", "rhs"])["est_std"]
    assert row["est"] == pytest.approx(scaled["PV", "~", "EDS"] - scaled["PV", "~", "OPS"], abs=1e-12)
    assert row["contrast"] == "(EDS→PV) − (OPS→PV)"
    assert any("(employee-delivered service → perceived value) − (oper" in s for s in study.structure().key)


def test_total_effects_add_up_on_the_page(study: Study) -> None:
    effects = next(t for t in study.structure().tables if t.name == "effects")
    assert effects.view is not None
    parts = effects.view[["direct", "indirect"]].fillna(0).sum(axis=1)
    np.testing.assert_allclose(parts, effects.view["total"], atol=1e-10)


def test_near_duplicates_are_found_in_the_whole_survey(tmp_path: Path) -> None:
    frame = pd.read_csv(examples.path())
    frame["eds2"] = frame["eds1"]
    frame["act3"] = frame["bi3"]
    frame.to_csv(tmp_path / "twice.csv", index=False)
    section = Study.open(tmp_path / "twice.csv", model="b2b_service_core").screening()
    assert section.key[0].startswith(
        "Near-duplicate items (correlations of .95 or more): eds1 and eds2 (1.00)."
    )
    assert "The model uses both of each pair: leave one out" in section.key[0]
    assert "bi3 and act3 (1.00)" in section.key[1] or "act3 and bi3 (1.00)" in section.key[1]
    assert "the model uses one of each pair" in section.key[1]


def test_an_inadmissible_solution_is_said_first(heywood_file: Path) -> None:
    section = Study.open(heywood_file, model=HEYWOOD).structure()
    assert section.cautions == say.status_sentences(
        sm.fit(HEYWOOD, pd.read_csv(heywood_file), estimator="MLR", missing="fiml").status,
        "the model on all customers",
    )
    assert "NOT ADMISSIBLE" in section.cautions[0]
    assert "INADMISSIBLE SOLUTION" in section.header
    html = section.html()
    assert html.index('class="caution"') < html.index('class="say"')


def test_without_convergence_nothing_is_stated(heywood_file: Path) -> None:
    opened = Study.open(heywood_file, model=HEYWOOD)
    opened.__dict__["fit"] = sm.fit(HEYWOOD, opened.frame, estimator="MLR", missing="fiml", max_iterations=1)
    for section in (opened.measurement(), opened.structure()):
        assert section.sentences == (say.NOTHING,)
        assert section.key == ()
        assert "DID NOT CONVERGE" in section.cautions[0]
        assert "DID NOT CONVERGE" in section.header


def test_loadings_that_differ_are_warned_of() -> None:
    row = {"level": "metric", "delta_cfi": -0.02, "delta_rmsea": 0.0}
    (warning,) = moderation_findings._measured_alike(pd.DataFrame([row]))
    assert "differences of paths may come from the measurement" in warning
    assert moderation_findings._measured_alike(pd.DataFrame([row | {"delta_cfi": 0.0}])) == ()


def test_a_section_prints_as_text_and_shows_as_html(study: Study) -> None:
    section = study.screening()
    assert str(section).startswith("Can the answers carry the analysis?\n  Answers as collected")
    assert "Tables and charts: items, normality" in repr(section)
    assert section._repr_html_().startswith("<style>")


def test_show_displays_text_charts_and_tables(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython.display

    shown: list[Any] = []
    monkeypatch.setattr(IPython.display, "display", lambda value, **_: shown.append(value))
    section = study.measurement()
    section.show()
    assert len(shown) == 1 + len(section.charts) + len(section.tables)
    assert section.title in shown[0].data
    assert "image/svg+xml" in shown[1]
    assert "<table" in shown[-1].data


def test_save_writes_tables_in_full_and_says_where_it_cannot(study: Study, tmp_path: Path) -> None:
    section = Section("s", "Title", "N = 1", (), tables=study.structure().tables)
    files = section.save(tmp_path)
    assert [f.name for f in files] == [f"s_{t.name}.csv" for t in section.tables]
    back = pd.read_csv(tmp_path / "tables" / "s_effects.csv")
    np.testing.assert_allclose(back["est_std"], section.tables[1].frame["est_std"], rtol=1e-12)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match=r"Tables cannot be written to .*Choose another folder"):
        section.save(blocked)


def test_an_unwritable_folder_is_found_out_before_anything_is_computed(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    opened = Study.open("example", model="b2b_service_core")
    with pytest.raises(DataError, match=r"cannot be written: .*Choose another output folder"):
        opened.write(blocked)
    assert opened._done == {}
    assert "fit" not in opened.__dict__


def test_an_unknown_section_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'structur' is no section of the report. Did you mean 'structure'"):
        study.write(tmp_path, sections=["structur"])
    assert list(tmp_path.iterdir()) == []


def test_sections_finished_before_an_error_stay_on_disk(tmp_path: Path) -> None:
    model = "Q =~ eds1 + eds2\nQ ~~ 0*Q"
    opened = Study.open("example", model=model)
    opened.screening()
    told: list[str] = []
    with pytest.raises(SEMError):
        opened.write(tmp_path, progress=told.append)
    assert told == ["screening", "measurement"]
    assert (tmp_path / "tables" / "screening_items.csv").is_file()
    assert json.loads((tmp_path / "provenance.json").read_text())["data_hash"] == opened.survey.hash
    assert not (tmp_path / "report.html").exists()


def test_mentions_of_the_example_are_its_own_and_called_simulated(tmp_path: Path) -> None:
    study = Study.open("example:servuction", model="servuction")
    section = study.mentions()
    assert section.header.startswith("Simulated: ")
    assert {t.name for t in section.tables} == {"kinds", "elements", "unseen"}
    said = " ".join(section.sentences)
    assert "of the process, more than the .40" in said
    assert "“one person stays responsible”" in said
    coded = tmp_path / "coded.csv"
    coded.write_bytes(examples.path("servuction", "mentions").read_bytes())
    other = Study.open("example", model="b2b_service_core")
    assert "no table of mentions" in " ".join(other.mentions().sentences)
    assert not other.mentions(coded).header.startswith("Simulated")
    with pytest.raises(DataError, match=r"'lost.csv' cannot be read"):
        other.mentions(tmp_path / "lost.csv")


def test_investment_stands_beside_importance() -> None:
    study = Study.open("example", model="b2b_service_core", missing="listwise")
    section = study.priorities("BI", "EDS=30, OPS=60, PV=10")
    assert "investment" in section.charts
    assert "Operational service gets more than it weighs" in " ".join(section.sentences)
    with pytest.raises(SpecError, match="investment='EDS': write an amount for each"):
        study.priorities("BI", "EDS")
