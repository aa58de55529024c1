"""`.charts` of a comparison of groups: paths and their differences, slope lines, the ladder of invariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from sem_models.charts.moderation import ModerationCharts

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.moderation.group_comparison import GroupModeration

UNIT = "unstandardized coefficient (metric of the marker items)"


@dataclass(frozen=True, eq=False)
class GroupCharts(ModerationCharts):
    """Charts of paths compared between groups; names are titles by variable."""

    of: GroupModeration

    def paths(
        self, *, names: Mapping[str, str] | None = None, title: str | None = None, subtitle: str | None = None
    ) -> ChartType:
        """Each path by group with its interval, and the differences from the reference group beside it."""
        from sem_models.charts.paths import paths

        return paths(
            self.of.paths().drop(columns="est_std"), differences=self.of.differences(), names=names,
            unit=UNIT, title=title, subtitle=self._header(subtitle),
        )  # fmt: skip

    def slopes(
        self, outcome: str, predictors: Sequence[str], *, names: Mapping[str, str] | None = None,
        title: str | None = None, subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """The outcome along each predictor, one line a group; the title tells which slopes differ."""
        from sem_models.charts.slopes import slopes

        def mine(frame: pd.DataFrame) -> pd.DataFrame:
            keep = (frame["lhs"] == outcome) & frame["rhs"].isin(predictors)
            return frame[keep].rename(columns={"rhs": "predictor"})

        return slopes(
            self.of.slope_lines(outcome, predictors), outcome=outcome, slopes=mine(self.of.paths()),
            differences=mine(self.of.differences()), names=names, title=title,
            subtitle=self._header(subtitle),
        )  # fmt: skip

    def invariance(self, *, title: str | None = None, subtitle: str | None = None) -> ChartType:
        """Fit of each level, and the change from the one before."""
        from sem_models.charts.invariance import invariance

        ladder = self.of.invariance
        return invariance(ladder.table(), ladder.comparisons(), title=title, subtitle=self._header(subtitle))

    def _header(self, given: str | None) -> str:
        return self.of.header.line() if given is None else given
