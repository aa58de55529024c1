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
    if not text:
        return text
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
    """An observed indicator; `sign` is the expected sign of its loading after reversing.

    `scale` says whether it is answered in ordered categories, as rating items are, or measured.
    """

    id: Ident
    title: str = ""
    source: str = ""
    sign: Literal[-1, 1] = 1
    scale: Literal["ordered", "continuous"] = "ordered"


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
    """An effect of an observed column on a construct; only in the model when asked for.

    Controls of one `family` are estimated together wherever one of them is in question.
    """

    family: str = "records"


class Moderation(Effect):
    """The effect of `predictor:moderator` on `outcome`; only in the model when asked for.

    With `second` it is three-way; the products of two of the three are moderations of their own.
    """

    moderator: Ident
    second: Ident | None = None

    @property
    def ends(self) -> tuple[str, ...]:
        """The variables whose product it is."""
        return (self.predictor, self.moderator, *((self.second,) if self.second else ()))

    @property
    def product(self) -> str:
        return ":".join(self.ends)


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


Kind = Literal[
    "direct", "indirect", "total", "share", "ratio", "interaction", "difference",
    "same_service", "conditional", "share_of_customers", "necessity", "items", "any",
]  # fmt: skip
"""What a part of a claim computes. The first seven are expressions over labels; "same_service" is the gap of
an outcome between groups who get the same service, "conditional" an effect at a quantile of its moderator,
"share_of_customers" how many lie where that effect has the claimed sign, "necessity" the effect size of a
necessary condition, "items" whether the survey asks for constructs, "any" whether one of others holds."""

UNEXPRESSED = {
    "same_service": ("outcome",),
    "conditional": ("outcome", "predictor", "moderator", "quantile"),
    "share_of_customers": ("outcome", "predictor", "moderator"),
    "necessity": ("outcome", "predictor"),
    "items": ("constructs",),
    "any": ("of",),
}
"""Kinds that are no expression, and the keys that say what they compute."""


class ClaimPart(_Part):
    """One contrast of a claim: what is computed and the sign it is expected to have (0: that there is an
    effect). A part that is not primary stands beside the others and does not count in the claim's verdict.
    With counts "capped" it is computed once more with the counts of the records capped (`Rules.cap`)."""

    part: Ident
    title: str = ""
    expression: Annotated[str, AfterValidator(_checked_expression)] = ""
    scale: Literal["raw", "standardized"] = "standardized"
    effect: Kind = "direct"
    sign: Sign = 1
    hypothesis: str = ""
    outcome: str = ""
    predictor: str = ""
    moderator: str = ""
    quantile: float | None = Field(default=None, gt=0.0, lt=1.0)
    second: str = ""
    second_quantile: float | None = Field(default=None, gt=0.0, lt=1.0)
    constructs: tuple[Ident, ...] = ()
    of: tuple[str, ...] = ()
    counts: Literal["raw", "capped"] = "raw"
    primary: bool = True

    @model_validator(mode="after")
    def _says_what_it_computes(self) -> ClaimPart:
        keys = UNEXPRESSED.get(self.effect, ("expression",))
        lacking = [key for key in keys if not getattr(self, key)]
        if bool(self.second) != (self.second_quantile is not None) and self.effect == "conditional":
            lacking.append("second with second_quantile")
        needless = bool(self.expression) and "expression" not in keys
        if needless or lacking:
            what = "takes no expression" if needless else f"needs {', '.join(lacking)}"
            raise ValueError(f"a part of kind '{self.effect}' {what}")
        return self

    @property
    def parsed(self) -> Expression:
        """The expression; SpecError for a kind that has none."""
        return parse_expression(self.expression)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels its expression reads."""
        return self.parsed.names if self.expression else ()


class Claim(_Part):
    """A claim of the literature as contrasts that a fit can compute."""

    id: Annotated[str, StringConstraints(pattern=r"^[CV][1-9]\d*$")]
    title: Line
    source: str = ""
    parts: tuple[ClaimPart, ...] = Field(min_length=1)
    note: str = ""


class Rules(_Part):
    """How claims are judged. confidence of the intervals; adjust of the p values for their number;
    equivalence: standardized effects below it are of no relevant size; distinct and htmt: constructs
    correlated above, or with a ratio at or above, are too close to be compared; many: the share of customers
    that counts as many; necessary: the effect size d from which an empty corner counts (Dul, 2016); cap: the
    quantile at which counts are capped for parts that are to be robust to their skew."""

    version: Line = "3"
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    adjust: Literal["none", "holm", "bonferroni", "bh"] = "holm"
    equivalence: float = Field(default=0.10, gt=0.0)
    distinct: float = Field(default=0.85, gt=0.0, le=1.0)
    htmt: float = Field(default=0.90, gt=0.0, le=1.0)
    many: float = Field(default=0.25, gt=0.0, lt=1.0)
    necessary: float = Field(default=0.10, gt=0.0, lt=1.0)
    cap: float = Field(default=0.95, gt=0.5, lt=1.0)


def default_label(section: str, entry: dict[str, Any]) -> str:
    """The label of a path, control or moderation that states none."""
    label = path_label(str(entry.get("outcome", "")), str(entry.get("predictor", "")))
    if section != "moderations":
        return label
    second = f"_x_{entry['second']}" if entry.get("second") else ""
    return f"{label}_x_{entry.get('moderator', '')}{second}"
