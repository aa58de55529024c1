"""What a notebook lets its user set: its `parameters` cell read as typed declarations, and values checked."""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sem_models.errors import DataError, SpecError, did_you_mean

TAG = "parameters"
_NOUNS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}
_NONE = ("none", "null")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of the parameters cell; `type` is "" where anything goes, `help` the comment at its end."""

    name: str
    type: str
    optional: bool
    default: Any
    help: str = ""

    @property
    def noun(self) -> str:
        """What a value must be, in words."""
        text = _NOUNS.get(self.type, "any value")
        return f"{text} or None" if self.optional and self.type else text


def read_parameters(notebook: str | Path) -> tuple[Parameter, ...]:
    """Parameters of a notebook file, in order; none if no cell is tagged `parameters`.

    Raises DataError when the file is absent or no notebook.
    """
    path = Path(notebook)
    if not path.is_file():
        folder = path.parent
        known = sorted(p.name for p in folder.glob("*.ipynb")) if folder.is_dir() else []
        near = did_you_mean(path.name, known, noun="notebooks there")
        raise DataError(f"There is no notebook '{path}'.\n  {near or 'Check the folder.'}")
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except PermissionError:
        raise DataError(f"The notebook '{path}' cannot be opened.\n  Ask for read access to it.") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"'{path.name}' is not a Jupyter notebook.\n  Name a file that ends in .ipynb."
        ) from None
    for cell in cells:
        if TAG in cell.get("metadata", {}).get("tags", ()):
            source = cell["source"]
            return declared(source if isinstance(source, str) else "".join(source))
    return ()


def declared(source: str) -> tuple[Parameter, ...]:
    """Parameters that the source of a parameters cell declares: each `name: type = value`."""
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise SpecError(
            f"The parameters cell is not valid Python, line {error.lineno}: {error.msg}."
        ) from None
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in body:
        name, annotation, value = _assignment(node)
        if name and value is not None:
            found[name] = _parameter(name, annotation, value, comments.get(node.end_lineno or 0, ""))
    return tuple(found.values())


def assigned(source: str) -> dict[str, ast.expr]:
    """Names given a value at the top level of a cell, and the expressions; empty if it is not Python."""
    try:
        triples = [_assignment(node) for node in ast.parse(source).body]
    except SyntaxError:
        return {}
    return {name: value for name, _, value in triples if name and value is not None}


def check(
    parameters: Sequence[Parameter], given: Mapping[str, Any], *, where: str = "The notebook"
) -> dict[str, Any]:
    """The given values in the types their parameters declare; texts are read as the command line gives them.

    Raises SpecError: undeclared parameters (with the near match) and values of a wrong type, all at once.
    """
    by_name = {p.name: p for p in parameters}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, raw in given.items():
        parameter = by_name.get(name)
        if parameter is None:
            known = did_you_mean(name, list(by_name), noun="parameters", shown=20)
            problems.append(f"{where} has no parameter '{name}'.\n  {known or 'It declares none.'}")
            continue
        try:
            values[name] = _convert(parameter, raw)
        except ValueError:
            shown = f"{raw!r}" if len(f"{raw!r}") <= 60 else f"{repr(raw)[:57]}…"
            problems.append(
                f"{where}: parameter '{name}' must be {parameter.noun}, not {shown}.\n"
                f"  Its default is {parameter.default!r}."
            )
    if problems:
        raise SpecError("\n".join(problems))
    return values


def _assignment(node: ast.stmt) -> tuple[str, ast.expr | None, ast.expr | None]:
    """Name, annotation and value of `name: annotation = value`; an empty name for anything else."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.annotation, node.value
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, None, node.value
    return "", None, None


def _parameter(name: str, annotation: ast.expr | None, value: ast.expr, comment: str) -> Parameter:
    try:
        default = ast.literal_eval(value)
        kind = "" if default is None else type(default).__name__
    except ValueError:
        default, kind = ast.unparse(value), ""
    optional = default is None
    if annotation is not None:
        quoted = annotation.value if isinstance(annotation, ast.Constant) else None
        text = (quoted if isinstance(quoted, str) else ast.unparse(annotation)).replace(" ", "")
        optional = optional or "Optional[" in text or "None" in text.split("|")
        bare = text.removeprefix("typing.").removeprefix("Optional[").split("|")[0].split("[")[0].rstrip("]")
        kind = bare.lower() if bare.lower() in _NOUNS else ""
    return Parameter(name, kind if kind in _NOUNS else "", optional, default, comment)


def _comments(source: str) -> dict[int, str]:
    """The comment at the end of each line that has one, by 1-based line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _convert(parameter: Parameter, raw: Any) -> Any:
    """The value in the parameter's type; ValueError if it has none there."""
    kind = parameter.type
    if raw is None or (isinstance(raw, str) and raw.strip().lower() in _NONE):
        if kind and not parameter.optional:
            raise ValueError
        return None
    if isinstance(raw, Path):
        raw = str(raw)
    if isinstance(raw, str):
        return _from_text(kind, raw)
    if kind == "float" and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind == "list" and isinstance(raw, tuple):
        return list(raw)
    if kind and type(raw).__name__ != kind:
        raise ValueError
    return raw


def _from_text(kind: str, text: str) -> Any:
    if kind == "str":
        return text
    if kind == "bool":
        if text.strip().lower() not in _TRUTH:
            raise ValueError
        return _TRUTH[text.strip().lower()]
    if kind in ("int", "float"):
        return int(text) if kind == "int" else float(text)
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError from None
    if kind and type(value).__name__ != kind:
        raise ValueError
    return value
