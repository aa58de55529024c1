"""`.charts` of parameters that follow covariates: their curves, and for paths the charts of probing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sem_models.charts import text
from sem_models.charts.curves import curve, curve_title, parameter_words
from sem_models.charts.moderation import ModerationCharts
from sem_models.moderation.probing.support import density

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.moderation.covariates.result import CovariateModeration

CLEAR = 0.05
"""p of the likelihood-ratio test below which a parameter is said to follow a covariate."""


@dataclass(frozen=True, eq=False)
class CovariateCharts(ModerationCharts):
    """Charts of parameters along covariates; names are titles by variable, unit the covariate's."""

    of: CovariateModeration

    def curve(
        self, parameter: str, covariate: str | None = None, *, at: Mapping[str, float] | None = None,
        level: float = 0.95, names: Mapping[str, str] | None = None, unit: str = "", title: str | None = None,
        subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """One parameter along one covariate with both bands; its constant value dashed, customers beneath."""
        of = self.of
        name = of.covariate_of(parameter, covariate)
        frame = of.curve(parameter, name, at=at, level=level).rename(columns={name: "x"})
        row = of.position(parameter)
        key = of.problem.table.rows[row]
        words = f"the {parameter_words(key.lhs, key.op, key.rhs, names)}"
        by = (names or {}).get(name, name)
        bars = density(of.support_of(name))
        p = self.pvalue(parameter, name)
        heading = curve_title(
            frame, words, by, varies=p < CLEAR, evidence=f"likelihood ratio {text.pvalue(p)}", unit=unit
        )
        return curve(
            frame, words=words, moderator=f"{by} ({unit})" if unit else by,
            density=(bars.edges, bars.counts), constant=float(of.problem.constant.rows.value[row]),
            level=level, title=title or heading, subtitle=of.header.line() if subtitle is None else subtitle,
        )  # fmt: skip

    def pvalue(self, parameter: str, covariate: str) -> float:
        """p of the test that the parameter does not follow the covariate (of all of them where it
        is the one)."""
        mine = self.of.tests(parameter)
        own = mine[mine["covariate"] == covariate]
        return float((own if len(own) else mine)["pvalue"].iloc[0])
