"""Published estimates and their errors from YAML: what a replication is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.special import ndtri

from sem_models.errors import SpecError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Estimate(_Part):
    """One published figure: its error, or its interval (then se is half its width over z).

    expression (over labels of the replication's model) says what is the same quantity there.
    """

    claim: str = Field(min_length=1)
    expression: str = Field(min_length=1)
    estimate: float
    se: float | None = Field(default=None, gt=0)
    ci: tuple[float, float] | None = None
    level: float = Field(default=0.95, gt=0, lt=1)
    scale: Literal["raw", "std_all", "std_lv", "std_nox"] = "std_all"
    effect: Literal["direct", "total"] = "direct"
    group: str = ""
    n: int | None = Field(default=None, gt=0)
    title: str = ""
    page: str = ""

    @model_validator(mode="after")
    def _has_an_error(self) -> Self:
        if (self.se is None) == (self.ci is None):
            raise ValueError(f"{self.claim}: give se or ci, one of them")
        if self.ci is not None and not self.ci[0] < self.ci[1]:
            raise ValueError(f"{self.claim}: the lower limit of ci is not below the upper")
        return self

    @property
    def error(self) -> float:
        """The standard error."""
        if self.se is not None:
            return self.se
        assert self.ci is not None
        return (self.ci[1] - self.ci[0]) / (2 * float(ndtri((1 + self.level) / 2)))


class Published(_Part):
    """A study's figures with their source."""

    study: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    estimates: tuple[Estimate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [e.claim for e in self.estimates]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"claims named twice: {', '.join(twice)}")
        return self


def read_published(source: str | Path | Mapping[str, Any]) -> Published:
    """From a YAML file or a mapping. Raises SpecError with every breach of the format."""
    import yaml

    where = "published estimates"
    content: Any = source
    if not isinstance(source, Mapping):
        path = Path(source)
        where = path.name
        if not path.is_file():
            raise SpecError(f"There is no file '{path.name}' of published estimates at that place.")
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f", line {mark.line + 1}" if mark else ""
            raise SpecError(f"{where}{place}: not valid YAML. Check indentation and colons.") from None
    if not isinstance(content, Mapping):
        raise SpecError(f"{where}: a mapping with study, citation and estimates is expected.")
    try:
        return Published.model_validate(dict(content))
    except ValidationError as error:
        breaches = [
            f"{'.'.join(map(str, e['loc'])) or where}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_url=False)
        ]
    raise SpecError(f"{where} is not valid:\n  " + "\n  ".join(breaches))
