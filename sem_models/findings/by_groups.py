"""Which column of groups a part of a claim compares, where a specification names several."""

from __future__ import annotations

from sem_models.model.parts import ClaimPart, Group, group_suffix


def group_column(part: ClaimPart, groups: tuple[Group, ...]) -> str:
    """The column of groups whose values end the part's labels; "" where none does."""
    if not part.expression:
        return ""
    endings = {name.rpartition(".")[2] for name in part.parsed.names if "." in name}
    for group in groups:
        if endings and endings <= {group_suffix(v) for v in group.values}:
            return group.column
    return ""
