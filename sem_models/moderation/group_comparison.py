"""`method="groups"`: paths and latent means compared between observed groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.header import Header
from sem_models.inference.result import Fit
from sem_models.moderation.groups import USUAL, Invariance, invariance
from sem_models.moderation.latent_means import latent_means
from sem_models.moderation.path_tests import LEVEL, path_differences, path_tests, reference
from sem_models.moderation.probing.probe import Probing
from sem_models.moderation.probing.terms import EffectTerms
from sem_models.moderation.same_service import same_service
from sem_models.moderation.slopes import slope_lines
from sem_models.observed.frame import frame_of

if TYPE_CHECKING:
    from sem_models.charts.groups import GroupCharts
    from sem_models.model.spec import ModelSpec


MANY = 50
"""Distinct values beyond which a column is no grouping; the engine says so."""


@dataclass(frozen=True)
class GroupModeration(Probing):
    """Paths and latent means compared between observed groups, on top of a ladder of invariance.

    The paths are those of the metric level (equal loadings; of ordered items thresholds too), where
    unstandardized paths are comparable, the means those of the scalar level (equal intercepts too); of the
    partial levels where the full ones failed.
    """

    invariance: Invariance
    reference_group: str

    @property
    def fit(self) -> Fit:
        """The fit whose paths are compared."""
        return self.invariance.holding("metric") or list(self.invariance.fits.values())[-1]

    @property
    def header(self) -> Header:
        return self.fit.header

    @cached_property
    def terms(self) -> EffectTerms:
        """The compared fit as probing takes it; its slopes depend on the group."""
        return EffectTerms.from_fit(self.fit)

    @property
    def charts(self) -> GroupCharts:
        """Charts of the paths by group, of slope lines and of the ladder of invariance."""
        from sem_models.charts.groups import GroupCharts

        return GroupCharts(self)

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
        """Each path, group minus reference group, with its 95 % interval, size and adjusted p value."""
        return self._differences.copy()

    @cached_property
    def _means(self) -> pd.DataFrame:
        level = self.invariance.holding("scalar")
        if level is None:
            raise SpecError("Latent means need the scalar level: levels=('configural', 'metric', 'scalar').")
        return latent_means(level, reference_group=self.reference_group)

    def latent_means(self) -> pd.DataFrame:
        """Each latent mean, group minus reference group, raw and in pooled standard deviations (d).

        From the scalar level (partial where the full one failed); SpecError where it was not fitted.
        """
        return self._means.copy()

    def same_service(
        self, outcomes: Sequence[str] | None = None, *, at: Mapping[str, float] | None = None,
        level: float = LEVEL,
    ) -> pd.DataFrame:  # fmt: skip
        """The gap of each outcome between customers who get the same service (see `same_service`)."""
        scalar = self.invariance.holding("scalar")
        if scalar is None:
            raise SpecError("The gap at the same service needs the scalar level among levels=.")
        return same_service(scalar, outcomes, reference_group=self.reference_group, at=at, level=level)

    def tests(self) -> pd.DataFrame:
        """Equality of each path over the groups: Wald and likelihood-ratio tests."""
        return self._tests.copy()

    def permutation_differences(
        self, n: int = 999, *, seed: int | None = None, progress: bool = True
    ) -> pd.DataFrame:
        """Each path's difference from the reference group, tested by dealing the group labels out anew.

        For small groups. Rows are centered in their groups, the model is refitted under each labeling, and
        the differences are compared in standard errors, so that groups may differ otherwise (Chung & Romano,
        2013). Columns lhs, op, rhs, group, reference_group, est, z, pvalue, accuracy (half-width of its 95 %
        Monte Carlo interval), pvalue_family (by the largest |z| of all differences), permutations.
        """
        from sem_models.moderation.path_tests import path_rows
        from sem_models.moderation.permutation import path_permutations

        table, labels = self.fit.solved.table, self.fit.groups
        base = labels.index(self.reference_group)
        pairs = {
            (lhs, rhs, label, self.reference_group): (index[g], index[base])
            for (lhs, rhs), index in path_rows(table).items()
            for g, label in enumerate(labels)
            if g != base
        }
        if not pairs:
            raise SpecError("No path is free in every group, so there is no difference to be tested.")
        return path_permutations(self.fit.solved, pairs, n, seed, progress=progress)

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
        return slope_lines(self.invariance.holding("scalar") or self.fit, outcome, predictors)


def compare_groups(
    model: str | ModelSpec,
    data: Any = None,
    *,
    moderator: str | None = None,
    reference_group: str | None = None,
    levels: Sequence[str | Mapping[str, Any]] = USUAL,
    partial: bool = True,
    **options: Any,
) -> GroupModeration:
    """The ladder of invariance over the groups of the column `moderator`, and what is compared on top of it.

    `levels` and `partial` as in `invariance`, options as in `sm.fit`; `reference_group` by label, the first
    to appear in the data unless named.
    """
    if moderator is None and not isinstance(options.get("sample_cov"), Mapping):
        raise SpecError("method='groups' needs moderator= the column that tells the groups apart.")
    data = frame_of(data)
    if reference_group is not None and moderator is not None and moderator in getattr(data, "columns", ()):
        labels = [str(label) for label in data[moderator].dropna().unique()]
        if str(reference_group) not in labels and len(labels) <= MANY:
            raise SpecError(
                f"reference_group='{reference_group}' is not a group of '{moderator}'. "
                f"{did_you_mean(str(reference_group), labels, noun='groups')}"
            )
    ladder = invariance(model, data, group=moderator, levels=levels, partial=partial, **options)
    first = next(iter(ladder.fits.values()))
    return GroupModeration(ladder, reference(first, reference_group))
