"""`sm.moderate`: one statement of a moderation, one result, whatever the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.header import Header
from sem_models.inference.result import Fit
from sem_models.moderation.groups import Invariance, invariance
from sem_models.moderation.path_tests import path_differences, path_tests, reference
from sem_models.moderation.slopes import slope_lines

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

METHODS = ("groups",)
LATER = ("dblcent", "uca", "rca", "ca", "lms", "qml", "lsem")


@dataclass(frozen=True)
class GroupModeration:
    """Paths compared between observed groups, on top of a ladder of invariance.

    The paths are those of the metric level (equal loadings), where unstandardized paths are comparable.
    """

    invariance: Invariance
    reference_group: str

    @property
    def fit(self) -> Fit:
        """The fit whose paths are compared."""
        fits = self.invariance.fits
        return fits.get("metric", list(fits.values())[-1])

    @property
    def header(self) -> Header:
        return self.fit.header

    def estimates(self) -> pd.DataFrame:
        """Parameters of the compared fit, as `Fit.estimates()`."""
        return self.fit.estimates()

    @cached_property
    def _differences(self) -> pd.DataFrame:
        return path_differences(self.fit, reference_group=self.reference_group)

    @cached_property
    def _tests(self) -> pd.DataFrame:
        return path_tests(self.fit)

    def differences(self) -> pd.DataFrame:
        """Each path, group minus reference group, unstandardized, with its 95 % interval."""
        return self._differences.copy()

    def tests(self) -> pd.DataFrame:
        """Equality of each path over the groups: Wald and likelihood-ratio tests."""
        return self._tests.copy()

    def paths(self) -> pd.DataFrame:
        """Structural paths by group: unstandardized and standardized, each with its interval.

        A standardized path is in the group's own standard deviations.
        """
        raw = self.fit.estimates()
        scaled = self.fit.standardized()
        keep = (raw["op"] == "~").to_numpy()
        out = raw.loc[
            keep, ["lhs", "op", "rhs", "group", "est", "se", "pvalue", "ci_lower", "ci_upper"]
        ].copy()
        out["est_std"] = scaled.loc[keep, "est_std"].to_numpy()
        out["ci_lower_std"] = scaled.loc[keep, "ci_lower"].to_numpy()
        out["ci_upper_std"] = scaled.loc[keep, "ci_upper"].to_numpy()
        return out.reset_index(drop=True)

    def slope_lines(self, outcome: str, predictors: Sequence[str]) -> pd.DataFrame:
        """Simple-slope lines by group from the scalar level if it was fitted, else from the compared fit."""
        return slope_lines(self.invariance.fits.get("scalar", self.fit), outcome, predictors)


def moderate(
    model: str | ModelSpec,
    data: Any = None,
    *,
    method: str = "dblcent",
    moderator: str | None = None,
    reference_group: str | None = None,
    levels: Sequence[str | Mapping[str, Any]] = ("configural", "metric", "scalar"),
    **options: Any,
) -> GroupModeration:
    """Moderation of the structural paths.

    method "groups" compares the groups of the observed column `moderator`; the product-indicator, LMS, QML
    and local methods are refused by name until they are built.
    """
    if method in LATER:
        raise SpecError(
            f"method='{method}' is not built yet. Use method='groups' with moderator= a column of groups."
        )
    if method not in METHODS:
        raise SpecError(
            f"method='{method}' is unknown. {did_you_mean(method, (*METHODS, *LATER), noun='methods')}"
        )
    if moderator is None:
        raise SpecError("method='groups' needs moderator= the column that tells the groups apart.")
    ladder = invariance(model, data, group=moderator, levels=levels, **options)
    first = next(iter(ladder.fits.values()))
    return GroupModeration(ladder, reference(first, reference_group))
