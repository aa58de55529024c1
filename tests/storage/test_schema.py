"""`fit.to_json()` satisfies the schema that ships, and the schema is strict enough to notice changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.storage.schema import fit_schema

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ b*EDS\ntwice := 2*b"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "fit-json.md"


@pytest.mark.parametrize(
    "options",
    [
        {}, {"estimator": "MLR", "missing": "fiml"}, {"group": "active", "estimator": "MLM"},
        {"estimator": "ULS"}, {"max_iterations": 1}, {"se": "none"},
    ],
)  # fmt: skip
def test_every_kind_of_fit(clients: pd.DataFrame, options: dict[str, Any]) -> None:
    content = json.loads(sm.fit(MODEL, clients, **options).to_json())
    jsonschema.Draft202012Validator.check_schema(fit_schema())
    jsonschema.validate(content, fit_schema(), cls=jsonschema.Draft202012Validator)


def test_a_singular_fit(clients: pd.DataFrame) -> None:
    fit = sm.fit("EDS =~ NA*e1 + e2 + e3", clients, check_identification=False)
    content = json.loads(fit.to_json())
    jsonschema.validate(content, fit_schema(), cls=jsonschema.Draft202012Validator)
    assert content["vcov"]["rows"][0][0] is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "sem_models.fit/2"),
        (("estimates", 0, "est"), "1.0"),
        (("estimates", 0, "more"), 1),
        (("status", "converged"), 1),
        (("n", "groups", ""), 4),
        (("measures", "cfi"), "good"),
        (("provenance", "data_hash"), "x"),
        (("attempts", 0, "chosen"), None),
    ],
)
def test_changes_are_noticed(clients: pd.DataFrame, path: tuple[Any, ...], value: Any) -> None:
    content = sm.fit(MODEL, clients).to_dict()
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, fit_schema(), cls=jsonschema.Draft202012Validator)


def test_no_cell_below_five() -> None:
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 5.0, *np.arange(8.0)], "g": list("aaaabbbbbbbb")})
    assert sm.fit("y ~ 1", data, group="g").to_dict()["n"]["groups"] == {"a": None, "b": 8}


def test_the_page_names_every_key() -> None:
    named = set(re.findall(r"^\| `(\w+)`", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE))
    schema = fit_schema()
    assert named >= set(schema["properties"])
    for part in ("row", "effect"):
        assert named >= set(schema["$defs"][part]["properties"])
