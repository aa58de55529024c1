"""The report's section on one moderation under every method."""

from __future__ import annotations

import pytest

import sem_models as sm
from sem_models import reports
from sem_models.moderation.multiverse import followed, run


@pytest.fixture(scope="module")
def study() -> reports.Study:
    return reports.Study.open("example", model="b2b_service_core")


def test_a_construct_is_a_latent_moderator(study: reports.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SIDE_BY_SIDE", {"dblcent": (), "rapi": (), "mnlfa": ("h",)})
    found = study.multiverse(moderator="ACT")
    table = found.tables[0].frame.set_index("method")
    assert table.loc["dblcent", "term"] == "PV ~ EDS:ACT"
    assert "Left out" in table.loc["mnlfa", "reason"]
    assert "relationship activity on perceived value: 2 methods" in found.sentences[0]
    assert list(found.charts) == ["multiverse"]
    alone = sm.moderate(
        study.spec.syntax(interactions=("EDS:ACT",)), study.frame, method="dblcent", **study.options
    )
    row = alone.standardized().query("op == '~' and rhs == 'EDS:ACT'").iloc[0]
    assert table.loc["dblcent", "std_estimate"] == pytest.approx(row["est_std"])


def test_a_column_is_an_observed_one(study: reports.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SIDE_BY_SIDE", {"dblcent": (), "rapi": (), "lsem": ("h",)})
    monkeypatch.setattr(followed, "DRAWS", 20)
    found = study.multiverse(moderator="tenure_years")
    table = found.tables[0].frame.set_index("method")
    assert set(table["term"].iloc[:3]) == {"PV ~ EDS:tenure_years"}
    assert bool(table.loc["lsem", "usable"])
    assert found.title == "Does it depend on the method whether tenure moderates?"


def test_a_path_that_is_not_there(study: reports.Study) -> None:
    with pytest.raises(sm.SpecError, match="no path PV ~ BI"):
        study.multiverse(moderator="tenure_years", predictor="BI")
