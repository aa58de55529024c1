"""The schema format: what is accepted, and that every breach is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

import data_schemas as ds
from sem_models.errors import DataError


def test_bare_codes_are_frictionless_codes() -> None:
    schema = ds.Schema.from_mapping(
        {
            "name": "x",
            "missingValues": [-99, {"value": "-98", "label": "not applicable"}],
            "fields": [{"name": "a", "type": "integer", "categories": ["1", {"value": 2, "label": "two"}]}],
        }
    )
    assert [(c.value, c.label) for c in schema.missing_values] == [("-99", ""), ("-98", "not applicable")]
    assert schema.column("a").allowed == ("1", "two")


def test_every_breach_is_named_by_column() -> None:
    fields = [
        {"name": "a", "tpe": "number"},
        {"name": "b", "reversed": True},
        {"name": "c", "constraints": {"minimum": 7, "maximum": 1}},
        {"name": "d", "type": "string", "role": "item"},
        {"type": "number"},
    ]
    with pytest.raises(DataError) as caught:
        ds.Schema.from_mapping({"name": "x", "fields": fields}, where="mine.yaml")
    text = str(caught.value)
    assert text.startswith("mine.yaml is not a valid survey schema")
    assert "a.tpe: no such key" in text
    assert "b is reversed, which needs constraints minimum and maximum" in text
    assert "minimum 7 is not below maximum 1" in text
    assert "d has role item, which needs type integer or number" in text
    assert "field 5.name" in text


def test_fields_named_twice_are_refused() -> None:
    with pytest.raises(DataError, match="fields named twice: a"):
        ds.Schema.from_mapping({"name": "x", "fields": [{"name": "a"}, {"name": "b"}, {"name": "a"}]})


def test_unknown_schema_offers_the_near_one() -> None:
    with pytest.raises(DataError, match=r"no schema 'b2b_servce'.*Did you mean 'b2b_service'"):
        ds.Schema.load("b2b_servce")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"bad\.yaml is not readable as YAML \(line"),
        ("- a\n", "holds no schema"),
        ("", "holds no schema"),
    ],
)
def test_unreadable_schema_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        ds.Schema.load(path)


def test_absent_schema_file() -> None:
    with pytest.raises(DataError, match=r"there is no schema file nowhere\.yaml"):
        ds.Schema.load("nowhere.yaml")


def test_column_lookup_names_near_matches() -> None:
    with pytest.raises(DataError, match="'eds' is not a column of schema 'b2b_service'"):
        ds.Schema.load("b2b_service").column("eds")


def test_scale_in_words() -> None:
    column = ds.Schema.load("b2b_service").column
    assert column("eds1").scale == "1–7"
    assert column("onsite_visits").scale == "from 0"
    assert column("active").scale == "active | inactive"
    assert column("customer_id").scale == ""
