"""What a survey file should hold: a Frictionless Table Schema with the roles a structural model needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from sem_models.errors import DataError, did_you_mean

SHIPPED = Path(__file__).parent
SUFFIXES = (".yaml", ".yml")


# A misspelt key is an error, not ignored. Dataclasses, as a pydantic model reserves the name `construct`.
_STRICT = ConfigDict(extra="forbid")


def _as_text(value: object) -> object:
    """YAML reads an unquoted -99 as a number; codes are compared as text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Code:
    """A code of the file and what it stands for: a category, or a reason for a missing answer."""

    value: Annotated[str, BeforeValidator(_as_text)]
    label: str = ""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, raw: object) -> object:
        """Frictionless allows a bare value in place of {value, label}."""
        return raw if isinstance(raw, dict | Code) else {"value": raw}

    @property
    def text(self) -> str:
        """The label, or the value where there is none."""
        return self.label or self.value


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Constraints:
    """What a cell may hold; `required` is Frictionless's: no empty cell (an absent column is `optional`)."""

    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()
    required: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Column:
    """One column of the survey file: a Frictionless field and its part in the model."""

    name: str = Field(min_length=1)
    type: Literal["integer", "number", "string", "date"] = "number"
    title: str = ""
    description: str = ""
    constraints: Constraints = Constraints()
    categories: tuple[Code, ...] = ()
    missing_values: tuple[Code, ...] = Field(default=(), alias="missingValues")
    construct: str | None = None
    reversed: bool = False
    wave: int | None = None
    source: Literal["survey", "record"] = "survey"
    element: Literal["process", "outcome"] | None = None
    role: Literal["id", "cluster", "group", "item", "measure"] = "item"
    optional: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        low, high = self.constraints.minimum, self.constraints.maximum
        if self.reversed and (low is None or high is None):
            raise ValueError(f"{self.name} is reversed, which needs constraints minimum and maximum")
        if self.role in ("item", "measure") and self.type not in ("integer", "number"):
            raise ValueError(f"{self.name} has role {self.role}, which needs type integer or number")
        return self

    @property
    def numeric(self) -> bool:
        """Whether the column enters numeric work; ids, clusters and groups do not, whatever their type."""
        return self.role in ("item", "measure")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The labels a categorical column may hold; empty when anything goes."""
        return self.constraints.enum or tuple(code.text for code in self.categories)

    @property
    def scale(self) -> str:
        """The range or the categories in words, for the codebook."""
        low, high = self.constraints.minimum, self.constraints.maximum
        if not self.numeric:
            return " | ".join(self.allowed)
        if low is None and high is None:
            return ""
        if high is None:
            return f"from {low:g}"
        return f"{low:g}–{high:g}" if low is not None else f"up to {high:g}"


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Schema:
    """A survey's columns, in order, with the codes that stand for missing answers in every column."""

    name: str
    title: str = ""
    description: str = ""
    version: str = "1"
    fields: tuple[Column, ...]
    missing_values: tuple[Code, ...] = Field(default=(), alias="missingValues")
    inferred: bool = False

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        twice = [name for name, n in Counter(self.names).items() if n > 1]
        if twice:
            raise ValueError(f"fields named twice: {', '.join(twice)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in order."""
        return tuple(column.name for column in self.fields)

    @property
    def constructs(self) -> dict[str, tuple[str, ...]]:
        """The columns of each construct, in order of first appearance."""
        found: dict[str, list[str]] = {}
        for column in self.fields:
            if column.construct:
                found.setdefault(column.construct, []).append(column.name)
        return {construct: tuple(names) for construct, names in found.items()}

    def column(self, name: str) -> Column:
        """The column of this name; DataError with near matches when there is none."""
        for column in self.fields:
            if column.name == name:
                return column
        hint = did_you_mean(name, self.names, noun="columns")
        raise DataError(f"'{name}' is not a column of schema '{self.name}'. {hint}")

    def with_role(self, role: str) -> tuple[Column, ...]:
        """The columns that have this role."""
        return tuple(column for column in self.fields if column.role == role)

    def __repr__(self) -> str:
        constructs = ", ".join(self.constructs) or "none"
        return f"Schema('{self.name}': {len(self.fields)} columns, constructs {constructs})"

    @classmethod
    def load(cls, source: str | Path | Schema) -> Schema:
        """The shipped schema of this name, or the one in this YAML file.

        Raises DataError: no such schema or file, not YAML, or fields that break the format (all named).
        """
        if isinstance(source, Schema):
            return source
        path = Path(source)
        if path.suffix.lower() not in SUFFIXES:
            if str(source) not in names():
                raise DataError(
                    f"there is no schema '{source}'. {did_you_mean(str(source), names(), noun='schemas')}\n"
                    "  Your own schema: pass the path of its .yaml file."
                )
            path = SHIPPED / f"{source}.yaml"
        return cls.from_mapping(_read_yaml(path), where=path.name)

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], *, where: str = "schema") -> Schema:
        """Check a schema given as a mapping (what the YAML holds); DataError names every breach."""
        try:
            return TypeAdapter(cls).validate_python(dict(raw))
        except ValidationError as error:
            breaches = [_breach(raw, e["loc"], e["msg"]) for e in error.errors(include_input=False)]
        shown = "\n  ".join(breaches[:8])
        rest = f"\n  … and {len(breaches) - 8} more" if len(breaches) > 8 else ""
        raise DataError(f"{where} is not a valid survey schema:\n  {shown}{rest}")


def names() -> tuple[str, ...]:
    """The shipped schemas."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def _read_yaml(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise DataError(f"there is no schema file {path}.")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise DataError(f"{path.name} is not readable as YAML{line}.") from None
    if not isinstance(raw, dict):
        raise DataError(f"{path.name} holds no schema: expected the keys name and fields.")
    return raw


def _breach(raw: Mapping[str, Any], where: tuple[int | str, ...], message: str) -> str:
    """One breach with the column's name in place of its position."""
    words = [str(part) for part in where]
    if len(where) > 1 and where[0] == "fields" and isinstance(where[1], int):
        column, place = raw["fields"][where[1]], f"field {where[1] + 1}"
        words[:2] = [str(column.get("name", place)) if isinstance(column, dict) else place]
    message = message.removeprefix("Value error, ").replace("Unexpected keyword argument", "no such key")
    return f"{'.'.join(words)}: {message}" if words else message
