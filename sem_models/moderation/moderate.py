"""`sm.moderate`: one statement of a moderation, one result, whatever the method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sem_models.errors import SpecError, did_you_mean
from sem_models.moderation.group_comparison import GroupModeration, compare_groups

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

METHODS = ("groups",)
LATER = ("dblcent", "uca", "rca", "ca", "lms", "qml", "lsem")


def moderate(
    model: str | ModelSpec, data: Any = None, *, method: str = "dblcent", **options: Any
) -> GroupModeration:
    """Moderation of the structural paths.

    method "groups" compares the groups of the observed column `moderator=` (see `compare_groups`); the
    product-indicator, LMS, QML and local methods are refused by name until they are built.
    """
    if method in LATER:
        raise SpecError(
            f"method='{method}' is not built yet. Use method='groups' with moderator= a column of groups."
        )
    if method not in METHODS:
        raise SpecError(
            f"method='{method}' is unknown. {did_you_mean(method, (*METHODS, *LATER), noun='methods')}"
        )
    return compare_groups(model, data, **options)
