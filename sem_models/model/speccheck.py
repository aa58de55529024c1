"""What can be wrong with a specification beyond its YAML: one text that lists all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.expressions import is_name
from sem_models.model.parts import Claim, ClaimPart, group_suffix
from sem_models.model.syntax import parse

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

_SHOWN = 8


def refuse(problems: Sequence[str], where: str) -> SpecError:
    """One error for all problems of a specification, the first few in full."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    rows = [f"{where}: {count}.", *(f"  {problem}" for problem in problems[:_SHOWN])]
    if len(problems) > _SHOWN:
        rows.append(f"  … and {len(problems) - _SHOWN} more.")
    return SpecError("\n".join(rows))


def field_problems(error: ValidationError, model: type[BaseModel], content: Any) -> list[str]:
    """pydantic's findings by key path (entries by their id), each with a remedy."""
    return [_field_problem(finding, model, content) for finding in error.errors()]


def _field_problem(finding: Any, model: type[BaseModel], content: Any) -> str:
    loc: tuple[Any, ...] = finding["loc"]
    path, kind = _key_path(loc, content), finding["type"]
    if kind == "extra_forbidden":
        known = _fields_at(model, loc[:-1])
        return f"{path}: unknown key. {did_you_mean(str(loc[-1]), known, noun='keys', shown=14)}"
    if kind == "missing":
        return f"{path}: missing. Add '{loc[-1]}: …'."
    if kind == "literal_error":
        return f"{path}: {finding['input']!r} is not allowed. Use {finding['ctx']['expected']}."
    if kind == "string_type":
        return f"{path}: {finding['input']!r} is not a text. Put it in quotes."
    if kind in ("tuple_type", "model_type"):
        wanted = "a list, each entry after a '-'" if kind == "tuple_type" else "a mapping of keys"
        return f"{path}: this must be {wanted}."
    if kind == "too_short":
        return f"{path}: too few entries; at least {finding['ctx']['min_length']}."
    if kind == "string_pattern_mismatch":
        return f"{path}: {finding['input']!r} does not fit. Claims are C1, C2, … or V1, V2, …."
    return f"{path}: {finding['msg'].removeprefix('Value error, ')}."


def _key_path(loc: tuple[Any, ...], content: Any) -> str:
    path = ""
    for step in loc:
        if isinstance(step, int):
            entry = content[step] if isinstance(content, list | tuple) and step < len(content) else None
            name = (
                next((entry[k] for k in ("id", "label", "column", "part") if entry.get(k)), None)
                if isinstance(entry, dict)
                else None
            )
            path += f"[{name or step + 1}]"
            content = entry
        else:
            path += f".{step}" if path else str(step)
            content = content.get(step) if isinstance(content, dict) else None
    return path or "the file"


def _fields_at(model: type[BaseModel], loc: Iterable[Any]) -> tuple[str, ...]:
    for step in loc:
        if isinstance(step, int):
            continue
        annotation = model.model_fields[step].annotation
        inner = next((a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)), None)
        if inner is None or not issubclass(inner, BaseModel):
            break
        model = inner
    return tuple(model.model_fields)


def cross_problems(spec: ModelSpec) -> list[str]:
    """References between the parts of a specification that lead nowhere, and ids used twice."""
    return [
        *_twice(spec),
        *_references(spec),
        *_sources(spec),
        *_claims(spec),
        *_extra_text(spec),
    ]


def _twice(spec: ModelSpec) -> Iterator[str]:
    sections: dict[str, list[str]] = {
        "sources": [s.id for s in spec.sources],
        "constructs": [c.id for c in spec.constructs],
        "claims": [c.id for c in spec.claims],
        "groups": [g.column for g in spec.groups],
        "labels": list(spec.labels),
        "items": [item.id for c in spec.constructs for item in c.items],
    }
    for section, ids in sections.items():
        for name, count in Counter(ids).items():
            if count > 1:
                owners = [c.id for c in spec.constructs if any(i.id == name for i in c.items)]
                of = f" (of {', '.join(owners)})" if section == "items" else ""
                yield f"{section}: '{name}' stands {count} times{of}. Keep one, or rename the other."
    taken = {c.id for c in spec.constructs} & {i.id for c in spec.constructs for i in c.items}
    for name in sorted(taken):
        yield f"constructs: '{name}' is both a construct and an item. Rename one of them."
    for claim in spec.claims:
        for name, count in Counter(part.part for part in claim.parts).items():
            if count > 1:
                yield f"claims[{claim.id}].parts: '{name}' stands {count} times. Rename the others."


def _references(spec: ModelSpec) -> Iterator[str]:
    ids = [c.id for c in spec.constructs]
    columns = {c.predictor for c in spec.controls}
    for construct in spec.constructs:
        if construct.reference is None:
            continue
        where = f"constructs[{construct.id}].reference"
        items = [item.id for item in construct.items]
        if construct.reference not in items:
            near = did_you_mean(construct.reference, items, noun="items")
            yield f"{where}: '{construct.reference}' is not an item of it. {near}"
        elif next(i for i in construct.items if i.id == construct.reference).sign < 0:
            yield (
                f"{where}: '{construct.reference}' is expected to load negatively. "
                "Choose an item with sign 1."
            )
    ends = [("paths", p.label, {"outcome": p.outcome, "predictor": p.predictor}) for p in spec.paths]
    ends += [("controls", c.label, {"outcome": c.outcome}) for c in spec.controls]
    ends += [
        ("covariances", f"{c.first}~~{c.second}", {"first": c.first, "second": c.second})
        for c in spec.covariances
    ]
    observed = {item.id for c in spec.constructs for item in c.items}
    for section, name, keys in ends:
        for key, value in keys.items():
            if value in ids or (section == "covariances" and value in observed):
                continue
            near = did_you_mean(value, ids, noun="constructs")
            yield f"{section}[{name}].{key}: '{value}' is not a construct. {near}"
    for moderation in spec.moderations:
        for key in ("outcome", "predictor", "moderator", "second"):
            value = getattr(moderation, key)
            if value is None:
                continue
            if value not in ids and (key == "outcome" or value not in columns):
                near = did_you_mean(value, [*ids, *columns], noun="constructs and controls")
                where = f"moderations[{moderation.label}].{key}"
                yield f"{where}: '{value}' is not a construct or control. {near}"
    for path in spec.paths:
        if path.outcome == path.predictor:
            yield f"paths[{path.label}]: '{path.outcome}' cannot predict itself. Change one end."
    for label in spec.labels:
        if not is_name(label):
            yield f"labels: '{label}' is not a name. Use letters, digits, '.' and '_'."


def _sources(spec: ModelSpec) -> Iterator[str]:
    known = [s.id for s in spec.sources]
    cited: list[tuple[str, str]] = [
        *((f"constructs[{c.id}]", c.source) for c in spec.constructs),
        *((f"constructs[{c.id}].items[{i.id}]", i.source) for c in spec.constructs for i in c.items),
        *((f"paths[{p.label}]", p.source) for p in spec.paths),
        *((f"controls[{p.label}]", p.source) for p in spec.controls),
        *((f"moderations[{p.label}]", p.source) for p in spec.moderations),
        *((f"groups[{g.column}]", g.source) for g in spec.groups),
        *((f"claims[{c.id}]", c.source) for c in spec.claims),
    ]
    for where, source in cited:
        if source and source not in known:
            near = did_you_mean(source, known, noun="sources") or "Add it under sources:."
            yield f"{where}.source: '{source}' is not among the sources. {near}"


def _claims(spec: ModelSpec) -> Iterator[str]:
    suffixes = [f".{group_suffix(v)}" for g in spec.groups for v in g.values]
    known = [*spec.labels, *(label + s for label in spec.labels for s in suffixes)]
    constructs = [c.id for c in spec.constructs]
    columns = {c.predictor for c in spec.controls}
    parts = [f"{claim.id}.{part.part}" for claim in spec.claims for part in claim.parts]
    for claim in spec.claims:
        yield from _contradictions(claim)
        for part in claim.parts:
            for name in part.of:
                # a claim that another specification removed takes its parts along
                if name not in parts and name.partition(".")[0] in {c.id for c in spec.claims}:
                    near = did_you_mean(name, parts, noun="parts of claims")
                    yield f"claims[{claim.id}].parts[{part.part}].of: '{name}' is no part of a claim. {near}"
            where = f"claims[{claim.id}].parts[{part.part}]"
            for key in ("outcome", "predictor", "moderator", "second"):
                value = getattr(part, key)
                if value and value not in constructs and (part.effect == "necessity" or value not in columns):
                    near = did_you_mean(value, constructs, noun="constructs")
                    yield f"{where}.{key}: '{value}' is not a construct. {near}"
            for name in part.labels:
                if name not in known:
                    near = did_you_mean(name, known, noun="labels", shown=len(spec.labels))
                    yield f"{where}.expression: '{name}' is not a label. {near}"


def _contradictions(claim: Claim) -> Iterator[str]:
    """Parts that count for a verdict and claim opposite signs of one quantity: none could be supported."""
    claimed: dict[str, ClaimPart] = {}
    for part in claim.parts:
        if not part.primary or part.sign == 0:
            continue
        what = part.model_dump_json(exclude={"part", "title", "sign", "hypothesis"})
        other = claimed.setdefault(what, part)
        if other.sign != part.sign:
            yield (
                f"claims[{claim.id}].parts: '{other.part}' and '{part.part}' claim opposite signs of the "
                "same quantity, so that the claim cannot be supported. Keep one of them."
            )


def _extra_text(spec: ModelSpec) -> Iterator[str]:
    if not spec.text:
        return
    try:
        parse("\n".join(spec.text))
    except SpecError as error:
        yield "text: " + str(error).replace("\n", "\n    ")
