"""What a study is opened with: read off the call and checked before anything long starts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.observed.sample import group_labels

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.model.spec import ModelSpec


def categories_of(spec: ModelSpec, frame: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """Rated items with their numbers of categories; SpecError where there is none."""
    from sem_models.findings.treatment import rated

    found = tuple((name, int(frame[name].nunique())) for name in rated(spec, frame))
    if not found:
        raise SpecError(
            "treat_as='ordered' needs items of 2 to 15 answer categories, and the model has none in these "
            "data. Leave it at 'continuous'."
        )
    return found


def interactions_of(spec: ModelSpec, given: str | Sequence[str], method: str) -> tuple[str, ...]:
    """Products by name; of a model text those it holds. SpecError for unknown ones and unknown methods."""
    from sem_models.moderation.moderate import LATENT, PRODUCTS, TWO_STAGE
    from sem_models.moderation.statement import read_statement

    names = [g.strip() for g in given.split(",")] if isinstance(given, str) else [str(g) for g in given]
    wanted = tuple(name.replace(" ", "") for name in names if name)
    if not wanted:
        return ()
    known = [*PRODUCTS, *LATENT, *TWO_STAGE]
    if method not in known:
        raise SpecError(f"method='{method}' is unknown. {did_you_mean(method, known, noun='methods')}")
    stated = [p.name for p in read_statement(spec.syntax(interactions=wanted)).products]
    return tuple(stated) if spec.verbatim else wanted


def items_of(spec: ModelSpec, interactions: tuple[str, ...]) -> tuple[str, ...]:
    """Items of the model, and of the factors of its interactions."""
    factors = {factor for product in interactions for factor in product.split(":")}
    more = (i for c in spec.constructs if c.id in factors for i in c.ordered_items)
    return tuple(dict.fromkeys((*spec.items, *more)))


def reference_of(
    frame: pd.DataFrame, spec: ModelSpec, moderator: str | None, reference_group: str | None
) -> str | None:
    """The group to compare with: as named, else the specification's, else the first in the data."""
    if moderator is None:
        if reference_group is not None:
            raise SpecError("reference_group= needs moderator= the column that holds the groups.")
        return None
    if moderator not in frame.columns:
        near = did_you_mean(moderator, frame.columns, noun="columns")
        raise DataError(f"moderator='{moderator}' is not a column of the data. {near}")
    labels = group_labels(frame, moderator)
    if reference_group is not None:
        if str(reference_group) not in labels:
            near = did_you_mean(str(reference_group), labels, noun="groups")
            raise SpecError(f"reference_group='{reference_group}' is not a group of '{moderator}'. {near}")
        return str(reference_group)
    named = [g.reference for g in spec.groups if g.column == moderator and g.reference in labels]
    return named[0] if named else labels[0]


def check_sizes(frame: pd.DataFrame, spec: ModelSpec, moderator: str, missing: str) -> None:
    """Refuse groups that no model can be fitted to, before anything is computed."""
    answered = frame[list(spec.items)].notna()
    usable = answered.any(axis=1) if missing in ("fiml", "pairwise") else answered.all(axis=1)
    sizes = frame.loc[usable, moderator].value_counts()
    small = sizes[sizes <= len(spec.items)]
    if len(small):
        least = "fewer than 5" if small.min() < 5 else small.min()
        raise DataError(
            f"{len(small)} of the {len(sizes)} groups of moderator='{moderator}' have no more usable rows "
            f"than the model has items ({len(spec.items)}); the smallest has {least}. Merge groups, use a "
            "smaller model, or choose another moderator."
        )


def data_path(data: str | Path) -> Path:
    """The file, or that of a bundled example."""
    from sem_models.runs.data import example_path

    bundled = example_path(data)
    if bundled is not None:
        return bundled
    return Path(data)


def amounts_of(text: str | None, option: str) -> dict[str, float] | None:
    """Amounts by construct from "EDS=2, OPS=1"."""
    if text is None:
        return None
    out = {}
    for part in text.split(","):
        name, mark, value = part.partition("=")
        try:
            out[name.strip()] = float(value)
        except ValueError:
            mark = ""
        if not mark:
            raise SpecError(f"{option}='{text}': write an amount for each, as in 'EDS=2, OPS=1'.")
    return out


def target_of(given: str | float | None) -> float | None:
    """A number of points; SpecError for what is none."""
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        raise SpecError(f"target='{given}' must be a number of points, such as 0.5.") from None


def schema_for(spec: ModelSpec) -> str | None:
    """The shipped schema of the model or of the one it extends."""
    import data_schemas as ds

    known = ds.names()
    candidates = [spec.id, spec.extends or "", spec.id.removesuffix("_core")]
    return next((c for c in candidates if c in known), None)


def is_bundled(path: Path) -> bool:
    """Whether the file is one of the simulated examples, whatever it is called now."""
    from sem_models import examples

    digest = hashlib.sha256(path.read_bytes()).digest()
    return any(p.is_file() and hashlib.sha256(p.read_bytes()).digest() == digest for p in examples.files())
