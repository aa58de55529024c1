"""The JSON schema of `fit.to_json()`."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def fit_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) that every `fit.to_json()` satisfies."""
    source = resources.files("sem_models.storage").joinpath("fit.schema.json")
    return dict(json.loads(source.read_text(encoding="utf-8")))
