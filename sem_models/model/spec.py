"""Model specifications: `load` a shipped one, a YAML file or a model text, and read it as lavaan syntax.

pydantic and YAML are imported here, so import this module only where a specification is needed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sem_models.errors import SpecError, did_you_mean
from sem_models.model import speccheck, specfile, specview
from sem_models.model.parts import (
    Claim,
    ClaimPart,
    Construct,
    Control,
    Covariance,
    Effect,
    Group,
    Ident,
    Item,
    Line,
    Moderation,
    Path,
    Rules,
    Source,
    group_suffix,
    path_label,
)
from sem_models.model.specfile import catalogue_names
from sem_models.model.syntax import parse

__all__ = [
    "Claim",
    "ClaimPart",
    "Construct",
    "Control",
    "Covariance",
    "Group",
    "Item",
    "ModelSpec",
    "Moderation",
    "Path",
    "Source",
    "catalogue_names",
    "load",
]
_OPERATOR = re.compile(r"[~<>=|\n]")


NEEDS = {"same_service": "groups", "conditional": "interactions", "share_of_customers": "interactions"}
"""What a fit must hold for the kinds of a claim's part that are no expression."""


class ModelSpec(BaseModel):
    """A reusable model: what is measured by what, what predicts what, and which claims follow.

    Make one with `load`, `from_yaml`, `from_dict` or `from_syntax`; they list every problem in a SpecError.
    `extends` only records the parent: what it gave is already merged. `verbatim` is the model text of a
    specification made by `from_syntax`, whose constructs and paths were read off that text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Ident
    title: Line
    version: Line = "1"
    description: str = ""
    extends: str | None = None
    sources: tuple[Source, ...] = ()
    constructs: tuple[Construct, ...] = ()
    paths: tuple[Path, ...] = ()
    covariances: tuple[Covariance, ...] = ()
    moderations: tuple[Moderation, ...] = ()
    controls: tuple[Control, ...] = ()
    groups: tuple[Group, ...] = ()
    claims: tuple[Claim, ...] = ()
    rules: Rules = Rules()
    text: tuple[Line, ...] = ()
    verbatim: str = ""

    @classmethod
    def from_yaml(cls, path: str | FilePath) -> ModelSpec:
        """Read a specification file."""
        path = FilePath(path)
        return cls._build(specfile.read_yaml(path), path.name)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, where: str = "specification") -> ModelSpec:
        """Make a specification of what a YAML file would hold; `where` names it in errors."""
        return cls._build(specfile.read_mapping(content, where), where)

    @classmethod
    def from_syntax(cls, text: str, id: str = "custom") -> ModelSpec:
        """Wrap a model text; `syntax()` gives it back unchanged."""
        syntax = parse(text)
        items: dict[str, dict[str, None]] = {}
        paths: dict[str, dict[str, str]] = {}
        for row in syntax.formulas:
            if row.op == "=~" and row.rhs != row.lhs:
                items.setdefault(row.lhs, {})[row.rhs] = None
            elif row.op == "~" and ":" not in row.rhs:
                label = next(
                    (m.values[0] for m in row.modifiers if m.kind == "label" and len(m.values) == 1), None
                )
                entry = {"outcome": row.lhs, "predictor": row.rhs, "label": str(label or "")}
                paths.setdefault(f"{row.lhs}~{row.rhs}", entry)
        content = {
            "id": id,
            "title": "Custom model",
            "constructs": [{"id": f, "items": [{"id": x} for x in xs]} for f, xs in items.items()],
            "paths": list(paths.values()),
            "verbatim": text,
        }
        return cls._build(content, id)

    @classmethod
    def _build(cls, content: dict[str, Any], where: str) -> ModelSpec:
        try:
            spec = cls.model_validate(content)
        except ValidationError as error:
            raise speccheck.refuse(speccheck.field_problems(error, cls, content), where) from None
        problems = [] if spec.verbatim else speccheck.cross_problems(spec)
        if problems:
            raise speccheck.refuse(problems, where)
        return spec

    def syntax(
        self,
        *,
        interactions: bool | Collection[str] = False,
        controls: bool | Collection[str] = False,
        groups: Sequence[object] = (),
        labels: bool = True,
    ) -> str:
        """The model in lavaan's language; it pastes into R unchanged.

        Parameters
        ----------
        interactions : bool or collection of str
            Adds the moderations (True: all; else by label or product, "EDS:ACT"), their moderators'
            measurement and main effects.
        controls : bool or collection of str
            Adds the controls (True: all; else by label or column).
        groups : sequence
            Group values in the order of the groups. Each path then has one label a group
            (`c(b_PV_EDS.active, b_PV_EDS.inactive)*EDS`); a single label would hold it equal across them.
        labels : bool
            False leaves the labels out. Needed where `group_equal` holds paths equal: as in lavaan, labels
            written in the text win over it.
        """
        if self.verbatim:
            return self.verbatim
        chosen = _chosen(self.moderations, interactions, "moderations", "product")
        extra = _chosen(self.controls, controls, "controls", "predictor")
        suffixes = tuple(group_suffix(str(g)) for g in groups)
        if len(set(suffixes)) < len(suffixes):
            raise SpecError("Two group values give the same label ending.\n  Rename one of them in the data.")
        return specview.syntax_text(self, chosen, extra, suffixes if labels else None)

    @property
    def items(self) -> tuple[str, ...]:
        """Item columns that `syntax()` uses."""
        latent = {c.id for c in self.constructs}
        used = self.constructs if self.verbatim else specview.measured(self, ())
        return tuple(dict.fromkeys(i for c in used for i in c.ordered_items if i not in latent))

    @property
    def rated_items(self) -> tuple[str, ...]:
        """Those of `items` that are answered in ordered categories, as `sm.fit(ordered=…)` takes them."""
        measured = {i.id for c in self.constructs for i in c.items if i.scale == "continuous"}
        return tuple(item for item in self.items if item not in measured)

    @property
    def all_items(self) -> tuple[str, ...]:
        """Item columns of every construct, moderators included."""
        latent = {c.id for c in self.constructs}
        return tuple(dict.fromkeys(i for c in self.constructs for i in c.ordered_items if i not in latent))

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels an expression may use: of paths, moderations, controls, main effects and covariances."""
        effects: tuple[Effect, ...] = (*self.paths, *self.moderations, *self.controls)
        own = [effect.label for effect in effects if effect.label]
        main = [path_label(m.outcome, end) for m in self.moderations for end in m.ends]
        named = [c.label for c in self.covariances if c.label]
        return (*own, *dict.fromkeys(label for label in main if label not in own), *named)

    def get_construct(self, id: str) -> Construct:
        """The construct of this id."""
        for construct in self.constructs:
            if construct.id == id:
                return construct
        near = did_you_mean(id, [c.id for c in self.constructs], noun="constructs")
        raise SpecError(f"'{id}' is not a construct of {self.id}.\n  {near}")

    def get_path(self, label: str) -> Path:
        """The path of this label."""
        for path in self.paths:
            if path.label == label:
                return path
        near = did_you_mean(label, [p.label for p in self.paths], noun="paths")
        raise SpecError(f"'{label}' is not a path of {self.id}.\n  {near}")

    def needs(self, part: ClaimPart) -> frozenset[str]:
        """What a fit must hold for this part: of "groups", "interactions", "controls", "capped" counts."""
        if not part.expression:
            return frozenset({NEEDS.get(part.effect, "")} - {""})
        names = set(part.parsed.names)
        suffixes = {f".{group_suffix(v)}" for g in self.groups for v in g.values}
        grouped = {n for n in names if n not in self.labels and any(n.endswith(s) for s in suffixes)}
        plain = names - grouped
        paths = {p.label for p in self.paths} | {c.label for c in self.covariances}
        interactions = {m.label for m in self.moderations}
        controls = {c.label for c in self.controls}
        main = plain - paths - interactions - controls
        found: dict[str, object] = {
            "groups": grouped,
            "interactions": plain & interactions | main,
            "controls": plain & controls,
            "capped": part.counts == "capped",
        }
        return frozenset(kind for kind, used in found.items() if used)

    @property
    def hash(self) -> str:
        """sha256 of the content (not of its writing, nor of which file it extends)."""
        content = self.model_dump(mode="json", exclude={"extends"})
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def diff(self, other: ModelSpec) -> str:
        """What differs from `other`, one line each (`-` only here, `+` only there); empty if nothing does."""
        return specview.diff_text(self, other)

    def __str__(self) -> str:
        return specview.plain_text(self)

    def __repr__(self) -> str:
        return f"ModelSpec({self.id!r}, version={self.version!r}, hash={self.hash[:12]!r})"

    def _repr_html_(self) -> str:
        return specview.html_text(self)


def _chosen(parts: Sequence[Any], wanted: bool | Collection[str], noun: str, alias: str) -> tuple[Any, ...]:
    if isinstance(wanted, bool):
        return tuple(parts) if wanted else ()
    wanted = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    known = {name: p for p in parts for name in (p.label, getattr(p, alias))}
    for name in wanted:
        if name not in known:
            shown = [getattr(p, alias) for p in parts]
            raise SpecError(f"'{name}' is not among the {noun}.\n  {did_you_mean(name, shown, noun=noun)}")
    return tuple(p for p in parts if p.label in wanted or getattr(p, alias) in wanted)


def load(model: str | FilePath | ModelSpec) -> ModelSpec:
    """A specification by catalogue name, by file (`.yaml`), or from a model text.

    Raises SpecError, with the near matches for a name that is not in the catalogue.
    """
    if isinstance(model, ModelSpec):
        return model
    if isinstance(model, FilePath):
        return ModelSpec.from_yaml(model)
    if not isinstance(model, str):
        raise SpecError(f"A model is a catalogue name, a file or a model text, not {type(model).__name__}.")
    name = model.strip()
    if name in catalogue_names():
        return ModelSpec._build(specfile.read_catalogue(name), f"catalogue/{name}.yaml")
    if _OPERATOR.search(name):
        return ModelSpec.from_syntax(model)
    if name.endswith(specfile.SUFFIXES):
        return ModelSpec.from_yaml(name)
    near = did_you_mean(name, catalogue_names(), noun="catalogue")
    hint = "A file ends in .yaml; a model text has an operator such as =~ or ~."
    raise SpecError(f"There is no specification '{name}' in the catalogue.\n  {near}\n  {hint}")
