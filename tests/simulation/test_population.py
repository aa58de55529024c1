"""Populations are checked before anything is drawn; every breach is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sem_models.errors import DataError, SpecError
from sem_models.simulation.population import Population, load_population
from sem_models.simulation.structure import structure


def test_shipped_population_is_labelled_as_simulated(b2b: Population) -> None:
    assert b2b.n == 387
    assert b2b.labels == ("active", "inactive")
    assert "imulated" in b2b.title
    assert [claim.id for claim in b2b.claims] == [f"C{i}" for i in range(1, 14)]


def test_all_breaches_are_named_at_once(small: dict[str, Any]) -> None:
    small["groups"] = {"a": 0.6, "b": 0.5}
    small["records"]["calls"]["level"] = {"a": 1.0, "z": 0.5}
    small["missing"] = [{"columns": ["x1"], "log_odds": -2, "on": {"cals": 0.1}}]
    with pytest.raises(SpecError) as error:
        Population.from_dict(small, where="small.yaml")
    text = str(error.value)
    assert "small.yaml" in text
    assert "sum to 1" in text
    assert "records.calls: values for ['a', 'z']" in text
    assert "Did you mean 'calls'" in text


def test_misspelt_key_is_refused(small: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="sead: Extra inputs"):
        Population.from_dict({**small, "sead": 3})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Y ~~ 1*Y", "", "no value for Y~~Y"),
        ("0.8*x2", "x2", "no value for X=~x2"),
        ("Y ~~ 1*Y", "Y ~~ -1*Y", r"in group a are no covariance matrix"),
        ("X:calls", "X:cals", r"'cals' is not a latent or a record[\s\S]*\^[\s\S]*Did you mean 'calls'"),
        ("X:calls", "x1:calls", "'x1' is not a latent or a record"),
        ("c(0.3, 0)*X:calls", "X:calls", "'X:calls' needs one value"),
        ("X ~~ 2*X", "X ~~ 2*X\nX ~ 0.1*Y", "circular: "),
        ("X ~~ 2*X", "X ~~ 2*X\na == 1", "no constraints"),
    ],
)
def test_model_text_must_say_everything(small: dict[str, Any], old: str, new: str, message: str) -> None:
    small["model"] = small["model"].replace(old, new, 1)
    with pytest.raises(SpecError, match=message):
        structure(Population.from_dict(small))


def test_record_may_not_depend_on_what_it_changes(small: dict[str, Any]) -> None:
    small["records"]["calls"]["on"] = {"Y": 0.2}
    with pytest.raises(SpecError, match="circular: "):
        structure(Population.from_dict(small))


def test_causes_come_before_effects(small: dict[str, Any]) -> None:
    assert structure(Population.from_dict(small)).order == ("X", "calls", "Y")


def test_files_that_are_no_population(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="b2b_service"):
        load_population("b2b_servce")
    with pytest.raises(SpecError, match="There is no population file"):
        load_population(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: [", encoding="utf-8")
    with pytest.raises(SpecError, match=r"bad.yaml, line \d+: not valid YAML"):
        load_population(bad)
    bad.write_text("- 1", encoding="utf-8")
    with pytest.raises(SpecError, match="mapping of keys, not list"):
        load_population(bad)
