"""What findings need to know of the survey: the limits of each item's scale, process or outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sem_models.errors import DataError

Element = Literal["process", "outcome"]


def columns_of(schema: Any) -> dict[str, Any]:
    """Columns by name of a Survey, a Schema, or a schema's name; empty for None."""
    if schema is None:
        return {}
    if isinstance(schema, str):
        from data_schemas import Schema

        schema = Schema.load(schema)
    fields = getattr(getattr(schema, "schema", schema), "fields", None)
    if fields is None:
        raise DataError(f"schema= takes a Survey, a Schema or its name, not {type(schema).__name__}.")
    return {column.name: column for column in fields}


def ranges_of(
    items: Sequence[str], schema: Any,
    scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Lowest and highest possible answer by item. DataError naming every item without them."""
    columns = columns_of(schema)
    found: dict[str, tuple[float, float]] = {}
    for item in items:
        if isinstance(scale, Mapping):
            if item in scale:
                found[item] = (float(scale[item][0]), float(scale[item][1]))
        elif scale is not None:
            found[item] = (float(scale[0]), float(scale[1]))
        if item not in found and item in columns:
            limits = columns[item].constraints
            if limits.minimum is not None and limits.maximum is not None:
                found[item] = (float(limits.minimum), float(limits.maximum))
    lacking = [i for i in items if i not in found]
    if lacking:
        raise DataError(
            f"The scale of {', '.join(lacking)} is not known. Give scale=(1, 7), or schema= with limits."
        )
    wrong = [i for i, (low, high) in found.items() if not low < high]
    if wrong:
        raise DataError(
            f"The scale of {', '.join(wrong)} has no range: its lowest answer is not below its highest."
        )
    return found


def elements_of(
    items: Sequence[str], schema: Any, elements: Mapping[str, Element] | None
) -> dict[str, Element]:
    """Process or outcome by item, where it is known."""
    columns = columns_of(schema)
    found: dict[str, Element] = {i: columns[i].element for i in items if i in columns and columns[i].element}
    for item, kind in (elements or {}).items():
        if kind not in ("process", "outcome"):
            raise DataError(f"elements= of '{item}' is '{kind}'; it is 'process' or 'outcome'.")
        if item in items:
            found[item] = kind
    return found
