"""Values to JSON and arrays, and back. Only the listed classes are ever made, so that reading runs no code.

Numbers, text, lists and mappings stand as they are; anything else is an object with one key that starts
with `$`: `$tuple`, `$set`, `$map` (pairs), `$float` (not finite), `$array` (its number), `$index` (row
labels), `$enum` (class, name), `$new` (class, fields, number) and `$ref` (the number of an object that stands
elsewhere).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from importlib import import_module
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pandas as pd

MODULES = (
    "sem_models.model.source",
    "sem_models.model.expressions",
    "sem_models.model.ast",
    "sem_models.model.variables",
    "sem_models.model.table",
    "sem_models.model.ordinal",
    "sem_models.model.ram",
    "sem_models.observed.patterns",
    "sem_models.observed.rows",
    "sem_models.observed.sample",
    "sem_models.observed.ordinal_moments",
    "sem_models.observed.withheld",
    "sem_models.estimation.kernels",
    "sem_models.estimation.objective",
    "sem_models.estimation.least_squares",
    "sem_models.estimation.ordinal_least_squares",
    "sem_models.estimation.pairwise_likelihood",
    "sem_models.observed.pair_tables",
    "sem_models.estimation.marginal_likelihood",
    "sem_models.observed.answer_patterns",
    "sem_models.estimation.optimizer",
    "sem_models.estimation.data_options",
    "sem_models.estimation.information",
    "sem_models.estimation.options",
    "sem_models.estimation.trail",
    "sem_models.inference.covariance",
    "sem_models.inference.resampled",
    "sem_models.inference.test_statistics",
    "sem_models.inference.fit_measures",
)
"""Modules whose data classes and enums a file may hold."""

_NOT_FINITE = {"nan": nan, "inf": inf, "-inf": -inf}


class Unreadable(Exception):
    """The text is not what this codec writes."""


@dataclass(slots=True)
class Encoder:
    """Turns values into JSON-ready ones and collects their arrays."""

    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    array_names: dict[int, str] = field(default_factory=dict)
    objects: dict[int, int] = field(default_factory=dict)
    alive: list[Any] = field(default_factory=list)

    def encode(self, value: Any) -> Any:
        """JSON-ready copy; TypeError for a class that is not listed."""
        if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
            return value
        if isinstance(value, np.generic):
            return self.encode(np.asarray(value))
        if isinstance(value, float):
            return value if isfinite(value) else {"$float": str(value)}
        if isinstance(value, np.ndarray):
            return {"$array": self._array(value)}
        if isinstance(value, pd.Index):
            return {"$index": [self.encode(v) for v in _labels(value)], "name": _label(value.name)}
        if isinstance(value, Enum):
            return {"$enum": [_class_name(type(value)), value.name]}
        if isinstance(value, list):
            return [self.encode(v) for v in value]
        if isinstance(value, tuple):
            return {"$tuple": [self.encode(v) for v in value]}
        if isinstance(value, frozenset | set):
            return {"$set": [self.encode(v) for v in sorted(value)]}
        if isinstance(value, dict):
            if all(isinstance(k, str) and not k.startswith("$") for k in value):
                return {k: self.encode(v) for k, v in value.items()}
            return {"$map": [[self.encode(k), self.encode(v)] for k, v in value.items()]}
        if is_dataclass(value) and not isinstance(value, type):
            return self._object(value)
        raise TypeError(f"a value of type {type(value).__name__} has no place in a saved fit")

    def _array(self, value: np.ndarray) -> str:
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype} has no place in a saved fit")
        if id(value) not in self.array_names:
            self.alive.append(value)  # an id is only unique while its object lives
            self.array_names[id(value)] = name = f"a{len(self.arrays)}"
            self.arrays[name] = value
        return self.array_names[id(value)]

    def _object(self, value: Any) -> Any:
        if id(value) in self.objects:
            return {"$ref": self.objects[id(value)]}
        name = _class_name(type(value))
        content = {f.name: self.encode(getattr(value, f.name)) for f in fields(value) if f.init}
        self.alive.append(value)
        self.objects[id(value)] = number = len(self.objects) + 1
        return {"$new": name, "fields": content, "number": number}


def _labels(index: pd.Index) -> list[Any]:
    """Row labels as numbers, text, or tuples of them; other kinds (dates) as text."""
    return [
        tuple(_label(part) for part in label) if isinstance(label, tuple) else _label(label)
        for label in index.tolist()
    ]


def _label(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _class_name(cls: type) -> str:
    if cls.__module__ not in MODULES:
        raise TypeError(f"{cls.__name__} has no place in a saved fit")
    return f"{cls.__module__}:{cls.__qualname__}"


@dataclass(slots=True)
class Decoder:
    """Turns what `Encoder` wrote back into values."""

    arrays: dict[str, np.ndarray]
    made: dict[int, Any] = field(default_factory=dict)

    def decode(self, value: Any) -> Any:
        """The value; raises Unreadable for anything `Encoder` does not write."""
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        kind = next((k for k in value if k.startswith("$")), None)
        if kind is None:
            return {k: self.decode(v) for k, v in value.items()}
        inner = value[kind]
        if kind == "$tuple":
            return tuple(self.decode(v) for v in inner)
        if kind == "$set":
            return frozenset(self.decode(v) for v in inner)
        if kind == "$map":
            return {self.decode(k): self.decode(v) for k, v in inner}
        if kind == "$float":
            return _NOT_FINITE[inner]
        if kind == "$array":
            return self.arrays[inner]
        if kind == "$index":
            labels = [self.decode(v) for v in inner]
            if labels and isinstance(labels[0], tuple):
                return pd.MultiIndex.from_tuples(labels)
            return pd.Index(labels, name=value["name"])
        if kind == "$enum":
            return _class(inner[0], Enum)[inner[1]]
        if kind == "$ref":
            return self.made[inner]
        if kind == "$new":
            cls = _class(inner, None)
            found = cls(**{k: self.decode(v) for k, v in value["fields"].items()})
            self.made[value["number"]] = found
            return found
        raise Unreadable(f"'{kind}' is unknown")


def _class(name: str, base: type | None) -> Any:
    module, _, qualname = name.partition(":")
    if module not in MODULES:
        raise Unreadable(f"'{name}' is not a class that a saved fit may hold")
    found = getattr(import_module(module), qualname, None)
    fitting = isinstance(found, type) and found.__module__ == module
    fitting = fitting and (issubclass(found, base) if base else is_dataclass(found))  # type: ignore[arg-type]
    if not fitting:
        raise Unreadable(f"'{name}' is not a class that a saved fit may hold")
    return found
