"""Freezing specification, rules and options before the data are seen, and whether a run kept to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sem_models.errors import DataError, SpecError
from sem_models.findings.scorecard import Scorecard, with_defaults
from sem_models.model.parts import Rules
from sem_models.model.spec import ModelSpec, load

KEYS = ("specification", "rules", "options", "interactions", "engine")


@dataclass(frozen=True)
class Preregistration:
    """What was frozen, when, and its hash over everything but the time."""

    content: Mapping[str, Any]
    created: str
    hash: str

    @property
    def spec(self) -> ModelSpec:
        """The frozen specification."""
        return ModelSpec.from_dict(self.content["specification"], where="preregistration")

    @property
    def rules(self) -> Rules:
        return Rules(**self.content["rules"])

    def deviations(self, card: Scorecard) -> list[str]:
        """What a scorecard did otherwise, a line each; empty where it kept to all of it."""
        out = []
        if card.spec.hash != self.spec.hash:
            lines = self.spec.diff(card.spec).splitlines()
            out += [f"specification {line}" for line in lines] or ["specification differs"]
        done: dict[str, Mapping[str, Any]] = {
            "rules": card.rules.model_dump(mode="json"),
            "options": card.options,
            "interactions": card.interactions,
            "engine": {"version": card.provenance["version"]},
        }
        for section, now in done.items():
            then = self.content[section]
            for key in sorted({*then, *now}):
                if then.get(key) != now.get(key):
                    out.append(
                        f"{section} {key}: {then.get(key)!r} was registered, {now.get(key)!r} was used"
                    )
        return out


def preregister(
    spec: str | ModelSpec,
    path: str | Path,
    *,
    rules: Rules | Mapping[str, Any] | None = None,
    interactions: Mapping[str, Any] | None = None,
    **options: Any,
) -> Preregistration:
    """Write specification, rules and options to a YAML file with their hash.

    Raises SpecError for a specification without claims, and DataError where the file is there already.
    """
    import yaml

    from sem_models import __version__
    from sem_models.findings.scorecard import rules_of

    path = Path(path)
    if path.exists():
        raise DataError(
            f"'{path.name}' is there already. A preregistration is not overwritten; name another file."
        )
    spec = load(spec)
    if not spec.claims:
        raise SpecError(f"The specification '{spec.id}' states no claims, so there is nothing to register.")
    content = {
        "specification": json.loads(spec.model_dump_json(exclude={"extends"}, exclude_defaults=True)),
        "rules": rules_of(spec, rules).model_dump(mode="json"),
        "options": with_defaults(options),
        "interactions": dict(interactions or {}),
        "engine": {"version": __version__},
    }
    made = Preregistration(content, datetime.now(UTC).isoformat(timespec="seconds"), digest(content))
    text = yaml.safe_dump(
        {"created": made.created, "sha256": made.hash, **content},
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    path.write_text(text, encoding="utf-8", newline="\n")
    return made


def read_preregistration(path: str | Path) -> Preregistration:
    """Read a preregistration. DataError where it is no such file, or was changed after it was written."""
    import yaml

    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no preregistration '{path}'. Make one with sem-models preregister.")
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        read = None
    if not isinstance(read, dict) or not {"created", "sha256", *KEYS} <= set(read):
        raise DataError(f"'{path.name}' is no preregistration: it lacks {', '.join(('sha256', *KEYS))}.")
    content = {key: read[key] for key in KEYS}
    if digest(content) != read["sha256"]:
        raise DataError(
            f"'{path.name}' was changed after it was written: its content does not have the hash it names "
            f"({str(read['sha256'])[:12]}…). Take the file as it was registered."
        )
    return Preregistration(content, str(read["created"]), str(read["sha256"]))


def digest(content: Mapping[str, Any]) -> str:
    """sha256 of the content as canonical JSON."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
