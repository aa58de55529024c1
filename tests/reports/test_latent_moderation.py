"""The section on latent interactions, on the simulated example."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sem_models.errors import DataError, SpecError
from sem_models.reports import Study
from sem_models.reports.section import Section


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.open("example", model="b2b_service_core", interactions="EDS:ACT")


@pytest.fixture(scope="module")
def section(study: Study) -> Section:
    return study.latent_moderation()


def test_what_is_said_is_what_was_estimated(study: Study, section: Section) -> None:
    words = " ".join(section.sentences).replace("\N{NO-BREAK SPACE}", " ")
    # 0.66 against 0.38 in the groups that the example was drawn from, which differ in activity
    assert "slope of perceived value on employee-delivered service rises with relationship activity" in words
    regions = study.latent_result.johnson_neyman().table()
    positive = regions[regions["effect"] == "positive"].iloc[0]
    assert f"({positive['share'] * 100:.0f} % of customers)" in words
    assert "index of moderated mediation" in words
    assert "95%" not in words
    assert section.key[0] == section.sentences[0]


def test_tables_and_charts(section: Section, tmp_path: Path) -> None:
    assert [t.name for t in section.tables] == [
        "interactions", "simple_slopes", "johnson_neyman", "conditional_indirect", "moderated_mediation",
        "estimates",
    ]  # fmt: skip
    assert list(section.charts) == ["simple_slopes", "johnson_neyman", "indirect"]
    html = section.html()
    assert "open" in html
    assert "n/a" not in html
    files = section.save(tmp_path)
    slopes = pd.read_csv(next(f for f in files if f.name.endswith("simple_slopes.csv")))
    assert slopes["position"].tolist() == ["-1 SD", "mean", "+1 SD"]
    assert not slopes["extrapolated"].any()


@pytest.mark.parametrize(("method", "test"), [("sam", "Wald test of"), ("rapi", "Likelihood-ratio test of")])
def test_methods_for_small_samples_serve_as_well(method: str, test: str) -> None:
    study = Study.open("example", model="b2b_service_core", interactions="EDS:ACT", method=method)
    found = study.latent_moderation()
    assert "rises with relationship activity" in found.sentences[0]
    assert any(sentence.startswith(test) for sentence in found.sentences)
    assert list(found.charts) == ["simple_slopes", "johnson_neyman", "indirect"]


def test_it_is_a_section_only_where_asked_for(study: Study) -> None:
    assert "latent_moderation" in study._sections()
    without = Study.open("example", model="b2b_service_core")
    assert "latent_moderation" not in without._sections()
    with pytest.raises(SpecError, match="No interaction was named"):
        without.latent_moderation()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"interactions": "EDS:ACTT"}, "ACT"),
        ({"interactions": "EDS:ACT", "method": "dblcnt"}, "Did you mean 'dblcent'"),
    ],
)
def test_wrong_names_are_refused_before_anything_runs(options: dict[str, str], words: str) -> None:
    with pytest.raises((SpecError, DataError), match=words):
        Study.open("example", model="b2b_service_core", **options)
