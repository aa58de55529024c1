"""Specification files: reading YAML, `extends`, and the catalogue that ships with the package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.parts import default_label

IDENTITY = {
    "sources": "id",
    "constructs": "id",
    "paths": "label",
    "controls": "label",
    "moderations": "label",
    "groups": "column",
    "claims": "id",
}
"""Sections whose entries are merged by this key when a specification extends another."""
_ROLES = {"exogenous": 0, "mediator": 1, "outcome": 2, "moderator": 3}
SUFFIXES = (".yaml", ".yml")


def catalogue_names() -> tuple[str, ...]:
    """Names of the specifications that ship with the package."""
    folder = resources.files("sem_models.catalogue")
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def read_catalogue(name: str) -> dict[str, Any]:
    """Content of a shipped specification, `extends` resolved."""
    return _resolve(_catalogue_content(name), f"catalogue/{name}.yaml", None, (name,))


def read_yaml(path: Path) -> dict[str, Any]:
    """Content of a specification file, `extends` resolved (a catalogue name or a file beside it)."""
    return _resolve(_file_content(path), path.name, path.parent, (str(path.resolve()),))


def read_mapping(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Content given as a mapping, `extends` resolved (files relative to the working directory)."""
    return _resolve(dict(content), where, Path(), (where,))


def _catalogue_content(name: str) -> dict[str, Any]:
    source = resources.files("sem_models.catalogue").joinpath(f"{name}.yaml")
    return _parse_yaml(source.read_text(encoding="utf-8"), f"catalogue/{name}.yaml")


def _file_content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        near = did_you_mean(path.name, sorted(p.name for p in beside if p.suffix in SUFFIXES), noun="files")
        raise SpecError(f"There is no specification file '{path}'.\n  {near or 'Check the folder.'}")
    return _parse_yaml(path.read_text(encoding="utf-8"), path.name)


def _parse_yaml(text: str, where: str) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Refuses a key that stands twice, which YAML would silently overwrite."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise SpecError(
                    f"{where}, line {line}: the key '{key.value}' stands twice, "
                    f"first in line {seen[key.value]}.\n"
                    "  Keep one of them."
                )
            seen[key.value] = line
        return dict(loader.construct_pairs(node, deep=True))

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        content = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, col {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "the text cannot be read"
        raise SpecError(
            f"{where}{place}: not valid YAML: {problem}.\n  Check indentation and colons."
        ) from error
    if not isinstance(content, dict):
        raise SpecError(f"{where}: a specification is a mapping of keys, not {type(content).__name__}.")
    return content


def _resolve(
    content: dict[str, Any], where: str, folder: Path | None, chain: tuple[str, ...]
) -> dict[str, Any]:
    parent_name = content.get("extends")
    if parent_name is None:
        if "remove" in content:
            raise SpecError(
                f"{where}: remove: only makes sense beside extends:.\n  Delete the entries themselves."
            )
        return _with_labels(content)
    if not isinstance(parent_name, str):
        raise SpecError(f"{where}: extends: takes the name of one specification or file.")
    parent, parent_where, parent_folder, key = _parent(parent_name, where, folder)
    if key in chain:
        links = " → ".join(Path(link).stem for link in (*chain, key))
        raise SpecError(f"{where}: extends: goes round in a circle ({links}).\n  Remove one of the links.")
    base = _resolve(parent, parent_where, parent_folder, (*chain, key))
    return _in_order(_merge(base, _with_labels(content), where))


def _parent(name: str, where: str, folder: Path | None) -> tuple[dict[str, Any], str, Path | None, str]:
    if name.endswith(SUFFIXES):
        path = (folder or Path()) / name
        return _file_content(path), path.name, path.parent, str(path.resolve())
    names = catalogue_names()
    if name not in names:
        near = did_you_mean(name, names, noun="catalogue")
        raise SpecError(f"{where}: extends: '{name}' is not in the catalogue.\n  {near}")
    return _catalogue_content(name), f"catalogue/{name}.yaml", None, name


def _with_labels(content: dict[str, Any]) -> dict[str, Any]:
    filled = dict(content)
    for section in ("paths", "controls", "moderations"):
        entries = content.get(section)
        if isinstance(entries, list):
            filled[section] = [
                {**entry, "label": entry.get("label") or default_label(section, entry)}
                if isinstance(entry, dict)
                else entry
                for entry in entries
            ]
    return filled


def _merge(base: dict[str, Any], child: dict[str, Any], where: str) -> dict[str, Any]:
    merged = _without({k: v for k, v in base.items() if k != "remove"}, child.get("remove", []), where)
    for key, value in child.items():
        if key == "remove":
            continue
        inherited = merged.get(key)
        if key in IDENTITY and isinstance(inherited, list) and isinstance(value, list):
            merged[key] = _merge_entries(inherited, value, IDENTITY[key])
        elif key in ("covariances", "text") and isinstance(inherited, list) and isinstance(value, list):
            merged[key] = [*inherited, *(entry for entry in value if entry not in inherited)]
        else:
            merged[key] = value
    return merged


def _in_order(content: dict[str, Any]) -> dict[str, Any]:
    """Constructs of a merged specification from causes to outcomes, paths in the order of their outcomes."""
    constructs = content.get("constructs")
    if not isinstance(constructs, list) or not all(isinstance(c, dict) for c in constructs):
        return content
    ranked = sorted(constructs, key=lambda c: _ROLES.get(c.get("role", ""), 0))
    position = {c.get("id"): i for i, c in enumerate(ranked)}
    paths = content.get("paths", [])
    if isinstance(paths, list) and all(isinstance(p, dict) for p in paths):
        paths = sorted(paths, key=lambda p: position.get(p.get("outcome"), len(position)))
    return {**content, "constructs": ranked, "paths": paths}


def _merge_entries(inherited: list[Any], own: list[Any], key: str) -> list[Any]:
    """Entries of the child replace keys of the parent's entry of the same id; new ones follow."""
    entries = {entry[key]: entry for entry in inherited}
    loose: list[Any] = []
    fresh: set[Any] = set()
    for entry in own:
        name = entry.get(key) if isinstance(entry, dict) else None
        if name is None or name in fresh:
            loose.append(entry)  # the checks name what is missing or twice
        else:
            entries[name] = {**entries.get(name, {}), **entry}
            fresh.add(name)
    return [*entries.values(), *loose]


def _without(base: dict[str, Any], remove: Any, where: str) -> dict[str, Any]:
    if not isinstance(remove, list):
        raise SpecError(f"{where}: remove: takes a list of ids and labels.")
    kept = dict(base)
    known = [entry[key] for section, key in IDENTITY.items() for entry in base.get(section, [])]
    for name in remove:
        if name not in known:
            near = did_you_mean(str(name), known, noun="inherited")
            raise SpecError(f"{where}: remove: '{name}' is not inherited.\n  {near}")
        for section, key in IDENTITY.items():
            if section in kept:
                kept[section] = [entry for entry in kept[section] if entry[key] != name]
    return kept
