"""`.charts` of a moderation result: each method makes the tables it needs and draws them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import SpecError
from sem_models.moderation.probing.support import density

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.moderation.probing.conditional import ConditionalEffects
    from sem_models.moderation.probing.probe import Probing
    from sem_models.moderation.probing.terms import EffectTerms

NOT_CONVERGED = "DID NOT CONVERGE"
LATENT, CENTERED = "latent scale", "latent scale, mean 0"


@dataclass(frozen=True, eq=False)
class ModerationCharts:
    """Charts of a result that can be probed. names are titles by variable; title and subtitle replace ours.

    The other arguments are those of the result's own methods of the same names.
    """

    of: Probing

    def simple_slopes(
        self, outcome: str | None = None, predictor: str | None = None, moderator: str | None = None, *,
        values: Any = None, percentiles: Any = None, group: str | None = None,
        at: Mapping[str, float] | None = None, level: float = 0.95, names: Mapping[str, str] | None = None,
        title: str | None = None, subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """The outcome along the predictor at values of the moderator, the moderator's density beneath."""
        from sem_models.charts.simple_slopes import simple_slopes

        effects = self.of.conditional_effects(outcome, predictor, moderator, group=group, at=at, level=level)
        others = [m for m in effects.moderators if m != effects.predictor]
        if len(others) > 1:
            raise SpecError(
                f"Lines can follow one moderator at a time. Name moderator=, one of {', '.join(others)}; the "
                "others are held at their means, or where at= puts them."
            )
        if others and len(effects.moderators) > 1:  # of a curve the slope where the predictor is held
            effects = replace(effects, moderators=tuple(others))
        slopes = effects.simple_slopes(values, percentiles)
        lines = effects.lines(values, percentiles)
        by = others[0] if others else ""
        difference = None
        if by and len(slopes) > 1:
            ends = slopes["value"].iloc[[0, -1]]
            difference = effects.contrast({by: ends.iloc[0]}, {by: ends.iloc[1]})
        return simple_slopes(
            lines, slopes, difference=difference,
            density=self._density(effects, by) if by else None, names=names,
            x_unit=_points(effects, effects.predictor), y_unit=_points(effects, effects.outcome),
            moderator_unit=_unit(effects.terms, by) if by else "", confidence=level, title=self._title(title),
            subtitle=self._subtitle(effects, subtitle),
        )  # fmt: skip

    def johnson_neyman(
        self, outcome: str | None = None, predictor: str | None = None, moderator: str | None = None, *,
        simultaneous: bool = False, group: str | None = None, at: Mapping[str, float] | None = None,
        level: float = 0.95, distribution: Any = "t", names: Mapping[str, str] | None = None,
        title: str | None = None, subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """The slope along the moderator, significant regions shaded, their share of customers stated."""
        from sem_models.charts.johnson_neyman import johnson_neyman

        found = self.of.johnson_neyman(
            outcome, predictor, moderator, simultaneous=simultaneous, group=group, at=at, level=level,
            distribution=distribution,
        )  # fmt: skip
        even = found.band()["value"].to_numpy()
        inside = [p for p in found.points if even[0] < p < even[-1]]
        return johnson_neyman(
            found.band(np.sort(np.append(even, inside))), found.table(),
            density=self._density(found.effects, found.moderator), observed=found.observed_range, names=names,
            unit=_unit(self.of.terms, found.moderator), title=self._title(title),
            subtitle=self._subtitle(found.effects, subtitle),
        )  # fmt: skip

    def surface(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Any = None, *,
        x: str | None = None, y: str | None = None, n: int = 41, group: str | None = None,
        at: Mapping[str, float] | None = None, level: float = 0.95, names: Mapping[str, str] | None = None,
        title: str | None = None, subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """The slope over two moderators (or the outcome over predictor and moderator), with its zero line."""
        from sem_models.charts.surface import surface

        found = self.of.surface(outcome, predictor, moderator, x=x, y=y, n=n, group=group, at=at, level=level)
        effects, terms = found.effects, self.of.terms
        of_effect = found.what == "effect"
        title = self._title(title)
        if title is None and not of_effect and effects.moderators == (found.y,):
            title = self.of.johnson_neyman(
                effects.outcome, effects.predictor, found.y, group=group, at=at, level=level
            ).sentence(dict(names or {}))
        return surface(
            found.table(), found.contour(), outcome=effects.outcome, predictor=effects.predictor, x=found.x,
            y=found.y, of_effect=of_effect, shares=found.shares() if of_effect else None, names=names,
            units=(_unit(terms, found.x), _unit(terms, found.y)), confidence=level, title=title,
            subtitle=self._subtitle(effects, subtitle),
        )  # fmt: skip

    def conditional_indirect(
        self, outcome: str, predictor: str, moderator: str | None = None, *, through: Any = None,
        path: str | None = None, group: str | None = None, at: Mapping[str, float] | None = None,
        interval: Any = "delta", draws: int = 20_000, seed: int | None = None, level: float = 0.95,
        names: Mapping[str, str] | None = None, title: str | None = None, subtitle: str | None = None,
    ) -> ChartType:  # fmt: skip
        """The indirect effect along the moderator; the title says whether it changes."""
        from sem_models.charts.conditional_indirect import conditional_indirect

        found = self.of.conditional_indirect(
            outcome, predictor, moderator, through=through, group=group, at=at, interval=interval,
            draws=draws, seed=seed, level=level,
        )  # fmt: skip
        effects = found.paths[0].steps[0]
        ends = (found.points[0][0], found.points[-1][0])
        return conditional_indirect(
            found.curve(), found.index(), path=path, difference=found.contrast(*ends),
            density=self._density(effects, found.moderator), names=names,
            unit=_unit(self.of.terms, found.moderator), confidence=level, kind=interval,
            title=self._title(title), subtitle=self._subtitle(effects, subtitle),
        )  # fmt: skip

    def _density(self, effects: ConditionalEffects, name: str) -> tuple[np.ndarray, np.ndarray]:
        group = effects.group if len(effects.terms.groups) > 1 else None
        found = density(effects.terms.support_of(name), group)
        return found.edges, found.counts

    def _title(self, given: str | None) -> str | None:
        """A title that claims nothing where the estimation did not converge; else ours is made."""
        if given is None and NOT_CONVERGED in self.of.terms.header_line:
            return "No finding is stated here, because the estimation did not converge"
        return given

    def _subtitle(self, effects: ConditionalEffects, given: str | None) -> str:
        """The fit's header; in several groups with the group drawn."""
        if given is not None:
            return given
        label = f"{effects.label} · " if effects.label else ""
        return f"{label}{effects.terms.header_line}"


def _unit(terms: EffectTerms, name: str) -> str:
    """The scale of a latent variable's own values; nothing for an observed one."""
    if name not in terms.table.variables.latent:
        return ""
    mean, sd = terms.support_of(name).moments()
    return CENTERED if abs(mean) < 1e-9 * max(sd, 1.0) else LATENT


def _points(effects: ConditionalEffects, name: str) -> str:
    """The scale of a line: that of the marker item where a latent variable has one."""
    if name not in effects.terms.table.variables.latent:
        return ""
    row = effects.origin(name)
    if row is None:
        return LATENT
    return f"scale points of {effects.terms.table.rows[row].lhs}"
