"""`.charts` of a local structural equation model: parameters over the moderator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sem_models.charts import text
from sem_models.charts.curves import covers_constant, curve, curve_title, parameter_words
from sem_models.moderation.probing.support import density

if TYPE_CHECKING:
    import pandas as pd
    from altair.typing import ChartType

    from sem_models.moderation.local.result import LocalModeration, Metric

FLAT = 0.05
"""p below which a permutation test says that a parameter varies."""


@dataclass(frozen=True, eq=False)
class LocalCharts:
    """Charts of parameters along the moderator; names are titles by variable, unit the moderator's."""

    of: LocalModeration

    def curve(
        self, parameter: str, *, metric: Metric = "raw", level: float = 0.95,
        names: Mapping[str, str] | None = None, unit: str = "", title: str | None = None,
        subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """One parameter along the moderator with both bands, its pooled value dashed, customers beneath."""
        of = self.of
        frame = self._frame(parameter, metric, level)
        row = of.position(parameter)
        key = of.solution.table.rows[row] if row < len(of.solution.table.rows) else None
        words = parameter_words(key.lhs, key.op, key.rhs, names) if key is not None else parameter
        by = (names or {}).get(of.moderator, of.moderator)
        bars = density(of.support)
        heading = self.title(parameter, metric=metric, level=level, names=names, unit=unit)
        pooled = of._pooled(metric)[row]
        return curve(
            frame, words=f"the {words}", moderator=f"{by} ({unit})" if unit else by,
            density=(bars.edges, bars.counts), constant=float(pooled), level=level, points=True,
            unit="standardized" if metric == "std_all" else "", title=title or heading,
            subtitle=self._header(subtitle),
        )  # fmt: skip

    def title(
        self, parameter: str, *, metric: Metric = "raw", level: float = 0.95,
        names: Mapping[str, str] | None = None, unit: str = "",
    ) -> str:  # fmt: skip
        """The finding in words and numbers: by the permutation test, else by the simultaneous band."""
        of = self.of
        frame = self._frame(parameter, metric, level)
        row = of.position(parameter)
        key = of.solution.table.rows[row] if row < len(of.solution.table.rows) else None
        words = parameter_words(key.lhs, key.op, key.rhs, names) if key is not None else parameter
        varies, evidence = self.verdict(parameter, metric=metric, level=level)
        by = (names or {}).get(of.moderator, of.moderator)
        return curve_title(
            frame.dropna(subset=["est"]), f"the {words}", by, varies=varies, evidence=evidence, unit=unit
        )

    def verdict(self, parameter: str, *, metric: Metric = "raw", level: float = 0.95) -> tuple[bool, str]:
        """Whether the parameter is shown to vary, and by what."""
        of = self.of
        if of.permuted is not None:
            tests = of.constancy(metric=metric)
            place = (
                list(of.moving).index(of.position(parameter)) if of.position(parameter) in of.moving else None
            )
            if place is not None:
                p = float(tests["pvalue"].iloc[place])
                return p < FLAT, f"permutation {text.pvalue(p)}"
        flat = covers_constant(self._frame(parameter, metric, level).dropna(subset=["est"]))
        held = "holds a constant" if flat else "holds no constant"
        return not flat, f"its {level:.0%} band at all values {held}"

    def _frame(self, parameter: str, metric: Metric, level: float) -> pd.DataFrame:
        found = self.of.curve(parameter, metric=metric, level=level)
        found = found.rename(columns={self.of.moderator: "x"})
        return found.assign(flagged=~found["admissible"].to_numpy(dtype=bool))

    def _header(self, given: str | None) -> str:
        if given is not None:
            return given
        of = self.of
        errors = f"{of.bootstrap.n} bootstrap draws" if of.bootstrap is not None else "sandwich errors"
        lines = [f"{of.header.line()} · {len(of.grid)} focal points, {errors}"]
        if not of.solution.admissible.all():
            lines.append("Hollow points: local fits that are not admissible.")
        return "\n".join(lines)
