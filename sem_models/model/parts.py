"""What a specification is made of: constructs, items, paths, moderations, groups and claims.

Labels are part of the interface and never change for a given pair of ids:
`b_<outcome>_<predictor>` for a path or control, `b_<outcome>_<predictor>_x_<moderator>` for an interaction;
in a model of several groups `.<group value>` is appended (`b_PV_EDS.active`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from sem_models.errors import SpecError
from sem_models.model.expressions import Expression, is_name
from sem_models.model.modifiers import RESERVED
from sem_models.model.syntax import parse_expression


def _checked_name(text: str) -> str:
    if not is_name(text) or text in RESERVED:
        raise ValueError(f"'{text}' is not a name: start with a letter, then letters, digits, '.' or '_'")
    return text


def _checked_expression(text: str) -> str:
    try:
        parse_expression(text)
    except SpecError as error:
        raise ValueError(str(error)) from error
    return text


Ident = Annotated[str, AfterValidator(_checked_name)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Sign = Literal[-1, 0, 1]
Role = Literal["exogenous", "mediator", "outcome", "moderator"]


def group_suffix(value: str) -> str:
    """`value` of a grouping column as it ends a label: what cannot stand in a name becomes `_`."""
    return re.sub(r"[^\w.]", "_", str(value))


def path_label(outcome: str, predictor: str) -> str:
    """The label of a path."""
    return f"b_{outcome}_{predictor}"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Source(_Part):
    """A publication or other origin, cited by its id."""

    id: Ident
    citation: Line


class Item(_Part):
    """An observed indicator; `sign` is the expected sign of its loading after reversing."""

    id: Ident
    title: str = ""
    source: str = ""
    sign: Literal[-1, 1] = 1


class Construct(_Part):
    """A latent variable; `reference` is the item whose loading is fixed at 1 (default: the first)."""

    id: Ident
    title: str = ""
    role: Role = "exogenous"
    definition: str = ""
    source: str = ""
    items: tuple[Item, ...] = Field(min_length=1)
    reference: Ident | None = None

    @property
    def marker(self) -> str:
        return self.reference or self.items[0].id

    @property
    def ordered_items(self) -> tuple[str, ...]:
        """Item ids, the reference item first, as the model text lists them."""
        return (self.marker, *(item.id for item in self.items if item.id != self.marker))


class Effect(_Part):
    """What a directed effect states, whichever kind it is."""

    outcome: Ident
    predictor: Ident
    label: str = ""
    hypothesis: str = ""
    sign: Sign = 0
    title: str = ""
    source: str = ""


class Path(Effect):
    """A directed effect between two constructs with its expected sign (0: none stated)."""


class Control(Effect):
    """An effect of an observed column on a construct; only in the model when asked for."""


class Moderation(Effect):
    """The effect of `predictor:moderator` on `outcome`; only in the model when asked for."""

    moderator: Ident

    @property
    def product(self) -> str:
        return f"{self.predictor}:{self.moderator}"


class Covariance(_Part):
    """A covariance that lavaan's defaults would not add, or a label for one."""

    first: Ident
    second: Ident
    label: str = ""
    title: str = ""
    source: str = ""


class Group(_Part):
    """A column that splits the sample; contrasts go by value, against `reference`."""

    column: Ident
    title: str = ""
    values: tuple[Line, ...] = Field(min_length=2)
    reference: Line
    source: str = ""

    @model_validator(mode="after")
    def _reference_is_a_value(self) -> Group:
        if self.reference not in self.values:
            raise ValueError(f"reference '{self.reference}' is not among the values {', '.join(self.values)}")
        return self


class ClaimPart(_Part):
    """One contrast of a claim: an expression over labels and the sign it is expected to have (0: judged
    as the claim's note says)."""

    part: Ident
    title: str = ""
    expression: Annotated[str, AfterValidator(_checked_expression)]
    scale: Literal["raw", "standardized"] = "standardized"
    effect: Literal["direct", "indirect", "total", "share", "ratio", "interaction", "difference"] = "direct"
    sign: Sign = 1
    hypothesis: str = ""

    @property
    def parsed(self) -> Expression:
        return parse_expression(self.expression)


class Claim(_Part):
    """A claim of the literature as contrasts that a fit can compute."""

    id: Annotated[str, StringConstraints(pattern=r"^[CV][1-9]\d*$")]
    title: Line
    source: str = ""
    parts: tuple[ClaimPart, ...] = Field(min_length=1)
    note: str = ""


def default_label(section: str, entry: dict[str, Any]) -> str:
    """The label of a path, control or moderation that states none."""
    label = path_label(str(entry.get("outcome", "")), str(entry.get("predictor", "")))
    return f"{label}_x_{entry.get('moderator', '')}" if section == "moderations" else label
