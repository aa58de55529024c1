"""The section on a continuous moderator, on the simulated example."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sem_models.errors import DataError, SpecError
from sem_models.reports import Study
from sem_models.reports.findings.continuous_moderation import covariate_text, moderator_values, path_label
from sem_models.reports.section import Section


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.open("example", model="b2b_service_core")


@pytest.fixture(scope="module")
def section(study: Study) -> Section:
    return study.continuous_moderation(moderator="ACT", draws=20)


def test_what_is_said_is_what_was_estimated(section: Section) -> None:
    words = " ".join(section.sentences).replace("\N{NO-BREAK SPACE}", " ")
    assert "customers have no value of relationship activity and are left out" in words
    assert "The slope of perceived value on employee-delivered service" in words
    assert "permutation p = " in words
    line = next(t for t in section.tables if t.name == "follows").frame
    change = line[line["lhs"] == "b_PV_EDS"].iloc[0]
    assert f"it changes by {change['est']:.3f}" in words
    assert "other 6 paths" in words
    assert section.title == (
        "Does the slope of perceived value on employee-delivered service depend on relationship activity?"
    )


def test_tables_and_charts(section: Section, tmp_path: Path) -> None:
    assert [t.name for t in section.tables] == ["paths_along", "curve", "follows", "all_parameters"]
    assert list(section.charts) == ["local_curve", "line"]
    files = section.save(tmp_path)
    assert {f.suffix for f in files} == {".csv", ".html", ".svg", ".png"}
    curve = pd.read_csv(tmp_path / "tables" / "continuous_moderation_curve.csv")
    assert (curve["n_effective"] >= 5).all()
    assert "Effective customers" in section.html()


def test_a_score_is_the_mean_of_the_answers(study: Study) -> None:
    frame, column, left_out = moderator_values(study, "ACT")
    items = study.frame[["act1", "act2", "act3"]]
    enough = items.notna().sum(axis=1) >= 2
    assert left_out == int((~enough).sum())
    assert frame[column].equals(items.mean(axis=1)[enough].rename(column))
    same, name, none = moderator_values(study, "tenure_years")
    assert (name, none, len(same)) == ("tenure_years", 0, len(study.frame))


def test_the_line_is_written_into_the_model(study: Study) -> None:
    text = covariate_text(study, path_label(study, "PV", "EDS"), "PV", "EDS", "tenure_years")
    assert "b_PV_EDS :~ tenure_years" in text
    assert text.count("b_PV_EDS*EDS") == 1
    assert "PV ~ 0*1 + mean_PV*1" in text


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"moderator": "tenure_yers"}, DataError, "Did you mean 'tenure_years'"),
        ({"moderator": "active"}, DataError, "holds text"),
        ({"moderator": "EDS"}, SpecError, "is a construct of the model"),
        ({"moderator": "ACT", "outcome": "OPS"}, SpecError, "no path OPS ~ EDS"),
        ({"moderator": "ACT", "draws": "many"}, SpecError, "must be numbers"),
        ({"moderator": "ACT", "draws": 3}, SpecError, "bootstrap=3"),
    ],
)
def test_refused(study: Study, given: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        study.continuous_moderation(**given)  # type: ignore[arg-type]
