"""A written-down population: a model text with every value given, groups, records and missing answers.

The linear part (measurement, paths, covariances, intercepts) is an ordinary model text. Regressions on
products (`PV ~ .2*EDS:ACT`) and on service records (`PV ~ -.1*onsite_visits`) may stand in the same text;
they are added to the linear part when customers are drawn. In such terms, and where records depend on
latents, a latent stands for its deviation from its mean in the customer's group, a record for its deviation
from its written `center`. A product of jointly normal deviations is uncorrelated with its components, so
the linear paths stay the average slopes in each group.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sem_models.errors import SpecError, did_you_mean

PerGroup = float | dict[str, float]
Kind = Literal["normal", "lognormal", "poisson", "negative_binomial", "choice", "serial", "cluster"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scale(_Part):
    """Answers are the continuous item rounded to the nearest point and clipped to the ends (equal widths)."""

    minimum: int = 1
    maximum: int = 7

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum} is not below maximum {self.maximum}")
        return self


class Record(_Part):
    """A column of the service records.

    level is the mean on the link's scale (log for lognormal, poisson and negative_binomial), one value or one
    per group; `on` gives slopes on latents and earlier records, as deviations; sd is that of the normal
    disturbance; size the negative binomial's dispersion (variance μ + μ²/size); choice draws from `values`;
    serial numbers the rows (`prefix` + 0001), cluster spreads them over `clusters` labels.
    """

    kind: Kind
    level: PerGroup = 0.0
    on: dict[str, float] = Field(default_factory=dict)
    sd: float = Field(default=1.0, gt=0)
    size: float | None = Field(default=None, gt=0)
    values: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    prefix: str = ""
    clusters: int = 0
    center: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    decimals: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "negative_binomial" and self.size is None:
            raise ValueError("negative_binomial needs size")
        if self.kind == "choice" and (not self.values or len(self.weights) not in (0, len(self.values))):
            raise ValueError("choice needs values, and as many weights or none")
        if self.kind == "cluster" and self.clusters < 2:
            raise ValueError("cluster needs clusters, at least 2")
        return self


class Missingness(_Part):
    """Answers go missing with logit P = log_odds + Σ on × (record − center).

    Without `on` and with one `log_odds` that is completely at random; with them it is at random given the
    group and the records. `together` takes all columns of a customer or none (a wave not answered).
    """

    columns: tuple[str, ...]
    log_odds: PerGroup
    on: dict[str, float] = Field(default_factory=dict)
    together: bool = False


class Statement(_Part):
    """A claim that holds in the population, in words, with the quantities that make it hold."""

    id: str
    holds: str
    quantities: dict[str, float] = Field(default_factory=dict)


class Population(_Part):
    """A population that samples are drawn from; make one with `load_population` or `Population.from_dict`.

    `groups` gives the shares by label in the order of `c()` in the model text (empty: one group), and
    `group_column` their column.
    """

    name: str
    title: str
    description: str = ""
    n: int = Field(gt=0)
    seed: int
    group_column: str = ""
    groups: dict[str, float] = Field(default_factory=dict)
    scale: Scale = Scale()
    model: str
    records: dict[str, Record] = Field(default_factory=dict)
    missing: tuple[Missingness, ...] = ()
    claims: tuple[Statement, ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, where: str = "population") -> Population:
        """Check a population given as a mapping (what the YAML holds). Raises SpecError with every breach."""
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            breaches = [
                f"{'.'.join(map(str, e['loc'])) or 'population'}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors(include_url=False)
            ]
        raise SpecError(f"{where} is not a valid population:\n  " + "\n  ".join(breaches))

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        problems = []
        if bool(self.groups) != bool(self.group_column):
            problems.append("groups and group_column belong together")
        if self.groups and (abs(sum(self.groups.values()) - 1) > 1e-9 or min(self.groups.values()) <= 0):
            problems.append("the shares of the groups must be positive and sum to 1")
        levels = {f"records.{name}": record.level for name, record in self.records.items()}
        levels |= {f"missing {i + 1}": rule.log_odds for i, rule in enumerate(self.missing)}
        for where, level in levels.items():
            if isinstance(level, dict) and set(level) != set(self.groups):
                problems.append(
                    f"{where}: values for {sorted(level)}, but the groups are {list(self.groups)}"
                )
        for i, rule in enumerate(self.missing):
            for name in (n for n in rule.on if n not in self.records):
                near = did_you_mean(name, self.records, noun="records")
                problems.append(f"missing {i + 1}: '{name}' is not a record. {near}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The groups' labels; ("",) without groups."""
        return tuple(self.groups) or ("",)

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(self.groups.values()) or (1.0,)

    def by_group(self, value: PerGroup) -> tuple[float, ...]:
        """A value written once or per group as one value a group."""
        if isinstance(value, dict):
            return tuple(value[g] for g in self.groups)
        return (value,) * len(self.labels)


def load_population(source: str | Path) -> Population:
    """A population from its YAML file, or a shipped one by name ("b2b_service").

    Raises SpecError: no such file, not YAML, or breaches of the format (all named).
    """
    import yaml

    from sem_models import examples

    path = Path(source)
    if path.suffix not in (".yaml", ".yml"):
        path = examples.path(str(source), "population")
    if not path.is_file():
        raise SpecError(f"There is no population file '{path}'.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise SpecError(f"{path.name}{place}: not valid YAML. Check indentation and colons.") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path.name}: a population is a mapping of keys, not {type(content).__name__}.")
    return Population.from_dict(content, where=path.name)
