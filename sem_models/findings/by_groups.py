"""Claims that compare groups of several columns: each is judged on the groups its labels name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.model.parts import Claim, ClaimPart, Group, group_suffix

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec


def parts_by_groups(spec: str | ModelSpec, data: Any, **options: Any) -> pd.DataFrame:
    """The parts of a specification's claims with their verdicts (`sm.scorecard`), group by group column.

    A specification may name several columns of groups (kind of customer, stage, place). A part whose labels
    end in values of one of them is judged on a comparison by that column, all others on the specification
    as it is. Columns as `sm.scorecard`'s table, and `groups`, the column ("" for none); in the order of the
    specification, without summary rows.
    """
    from sem_models.findings.scorecard import scorecard
    from sem_models.model.spec import load

    spec = load(spec)
    found = []
    for column in dict.fromkeys(g.column for g in spec.groups):
        group = next(g for g in spec.groups if g.column == column)
        kept = _claims(
            spec, [p for c in spec.claims for p in c.parts if group_column(p, spec.groups) == column]
        )
        if kept:
            only = spec.model_copy(update={"groups": (group,), "claims": kept})
            found.append(scorecard(only, data, **options).table().assign(groups=column))
    rest = _claims(spec, [p for c in spec.claims for p in c.parts if not group_column(p, spec.groups)])
    if rest:
        found.append(
            scorecard(spec.model_copy(update={"claims": rest}), data, **options).table().assign(groups="")
        )
    table = pd.concat(found, ignore_index=True)
    order = {(c.id, p.part): i for i, (c, p) in enumerate((c, p) for c in spec.claims for p in c.parts)}
    table = table[table["part"] != ""]
    place = [order[(c, p)] for c, p in zip(table["claim"], table["part"], strict=True)]
    return table.assign(_place=place).sort_values("_place").drop(columns="_place").reset_index(drop=True)


def _claims(spec: ModelSpec, parts: list[ClaimPart]) -> tuple[Claim, ...]:
    """The claims that have any of these parts, with these alone."""
    kept = [(c, tuple(p for p in c.parts if any(p is q for q in parts))) for c in spec.claims]
    return tuple(c.model_copy(update={"parts": own}) for c, own in kept if own)


def group_column(part: ClaimPart, groups: tuple[Group, ...]) -> str:
    """The column of groups whose values end the part's labels; "" where none does."""
    if not part.expression:
        return ""
    endings = {name.rpartition(".")[2] for name in part.parsed.names if "." in name}
    for group in groups:
        if endings and endings <= {group_suffix(v) for v in group.values}:
            return group.column
    return ""
