"""`sm.probe`: conditional effects, their tables and charts, from any estimated model with products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.moderation.probing.conditional import ConditionalEffects, conditional_effects
from sem_models.moderation.probing.critical import Distribution
from sem_models.moderation.probing.indirect import ConditionalIndirect, Interval, conditional_indirect
from sem_models.moderation.probing.neyman import JohnsonNeyman, johnson_neyman
from sem_models.moderation.probing.polynomial import polynomial
from sem_models.moderation.probing.shares import effect_shares
from sem_models.moderation.probing.sizes import sizes
from sem_models.moderation.probing.surface import Surface, surface
from sem_models.moderation.probing.terms import EffectTerms

if TYPE_CHECKING:
    from sem_models.charts.moderation import ModerationCharts
    from sem_models.inference.result import Fit

Names = str | Sequence[str] | None


class Probing(ABC):
    """What every moderation result offers on top of its `terms`. outcome, predictor and moderator default to
    the model's interaction where it has one; several are named. Intervals are at `level`; distribution
    "normal" or "t" (N − parameters degrees of freedom).
    """

    @property
    @abstractmethod
    def terms(self) -> EffectTerms:
        """The estimated equations, as probing takes them."""

    def conditional_effects(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Names = None, *,
        group: str | None = None, at: Mapping[str, float] | None = None, level: float = 0.95,
        distribution: Distribution = "normal",
    ) -> ConditionalEffects:  # fmt: skip
        """The effect of predictor on outcome as a function of its moderators, in one group.

        at: values of the variables that are held; their means by default.
        """
        chosen = one_moderation(self.terms, outcome, predictor, moderator)
        return conditional_effects(
            self.terms, chosen[0], chosen[1], chosen[2], group=self._group(group), at=at, level=level,
            distribution=distribution,
        )  # fmt: skip

    def simple_slopes(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Names = None, *,
        values: Any = None, percentiles: Any = None, group: str | None = None,
        at: Mapping[str, float] | None = None, level: float = 0.95, distribution: Distribution = "normal",
    ) -> pd.DataFrame:  # fmt: skip
        """Effects at chosen values of the moderator: of every interaction of the model unless one is named.

        values: numbers, "sd" (mean and one standard deviation to each side, the default) or "percentiles"
        (16, 50, 84); a mapping gives each moderator its own. Columns outcome, predictor, [group], moderator,
        value, position, est, se, z, pvalue, ci_lower, ci_upper, intercept, intercept_se, extrapolated.
        """
        chosen = moderations(self.terms, outcome, predictor, moderator)
        groups = range(len(self.terms.groups)) if group is None else [self._group(group)]
        frames = [
            conditional_effects(
                self.terms, *names, group=g, at=at, level=level, distribution=distribution
            ).simple_slopes(values, percentiles)
            for names in chosen
            for g in groups
        ]
        return pd.concat(frames, ignore_index=True)

    def margins(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Names = None, *,
        x: Any = None, values: Any = None, percentiles: Any = None, group: str | None = None,
        at: Mapping[str, float] | None = None, level: float = 0.95, distribution: Distribution = "normal",
    ) -> pd.DataFrame:  # fmt: skip
        """The expected outcome at values x of the predictor and values of the moderator, with its errors."""
        effects = self.conditional_effects(
            outcome, predictor, moderator, group=group, at=at, level=level, distribution=distribution
        )
        return effects.margins(x, values, percentiles)

    def johnson_neyman(
        self, outcome: str | None = None, predictor: str | None = None, moderator: str | None = None, *,
        simultaneous: bool = False, group: str | None = None, at: Mapping[str, float] | None = None,
        level: float = 0.95, distribution: Distribution = "t",
    ) -> JohnsonNeyman:  # fmt: skip
        """Where along the moderator the effect differs from zero: `.points`, `.table()`, `.band()`.

        simultaneous=True takes the Working–Hotelling band, which holds at all values of it at once.
        """
        effects = self.conditional_effects(
            outcome, predictor, moderator, group=group, at=at, level=level, distribution=distribution
        )
        return johnson_neyman(effects, moderator, simultaneous=simultaneous)

    def surface(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Names = None, *,
        x: str | None = None, y: str | None = None, n: int = 41, simultaneous: bool = False,
        group: str | None = None, at: Mapping[str, float] | None = None, level: float = 0.95,
        distribution: Distribution = "normal",
    ) -> Surface:  # fmt: skip
        """The effect over two moderators; with one, the expected outcome over predictor and moderator.

        `.table()`, `.contour()` (where the effect is zero) and, of an effect, `.shares()` of customers.
        """
        effects = self.conditional_effects(
            outcome, predictor, moderator, group=group, at=at, level=level, distribution=distribution
        )
        return surface(effects, x, y, n=n, simultaneous=simultaneous)

    def conditional_indirect(
        self, outcome: str, predictor: str, moderator: str | None = None, *, through: Names = None,
        values: Any = None, percentiles: Any = None, group: str | None = None,
        at: Mapping[str, float] | None = None, interval: Interval = "delta", draws: int = 20_000,
        seed: int | None = None, level: float = 0.95,
    ) -> ConditionalIndirect:  # fmt: skip
        """Indirect effects at values of the moderator, `.index()` of moderated mediation, `.contrast()`.

        through: the mediators a path must pass; interval "delta" or "montecarlo" (percentiles of `draws`).
        """
        return conditional_indirect(
            self.terms, outcome, predictor, moderator, through=through, values=values,
            percentiles=percentiles, group=self._group(group), at=dict(at or {}), interval=interval,
            draws=draws, seed=seed, level=level,
        )  # fmt: skip

    def contrast(
        self, first: Any, second: Any, outcome: str | None = None, predictor: str | None = None,
        moderator: Names = None, *, of: str = "effect", group: str | None = None,
        at: Mapping[str, float] | None = None, level: float = 0.95, distribution: Distribution = "normal",
    ) -> pd.Series:  # fmt: skip
        """Second minus first: the effect at two values of the moderator, or of="prediction" the outcome.

        A point is a number, a mapping of moderators to values, or the label of a group, which a mapping may
        name as "group": contrast({"group": "inactive", "ACT": 0}, {"group": "active", "ACT": 0}).
        """
        labels, points = zip(*(_apart(p, self.terms.groups) for p in (first, second)), strict=True)
        there, here = (
            self.conditional_effects(
                outcome, predictor, moderator, group=label or group, at=at, level=level,
                distribution=distribution,
            )
            for label in labels
        )  # fmt: skip
        return here.contrast(*points, of=of, reference=there if any(labels) else None)

    def shares(
        self, outcome: str | None = None, predictor: str | None = None, moderator: Names = None, *,
        group: str | None = None, at: Mapping[str, float] | None = None, level: float = 0.95,
        draws: int = 4000, seed: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """The share of customers at whose moderators the effect is negative, and positive, with intervals."""
        effects = self.conditional_effects(outcome, predictor, moderator, group=group, at=at, level=level)
        return effect_shares(effects, draws=draws, seed=seed)

    def sizes(self, *, level: float = 0.95, distribution: Distribution = "normal") -> pd.DataFrame:
        """Each interaction's size: coefficient, std_all (true product variance), ΔR² and f²."""
        if not self.terms.products:
            raise SpecError(NO_PRODUCT)
        return sizes(self.terms, level=level, distribution=distribution)

    @property
    def charts(self) -> ModerationCharts:
        """Charts of simple slopes, Johnson–Neyman regions, surfaces and conditional indirect effects."""
        from sem_models.charts.moderation import ModerationCharts

        return ModerationCharts(self)

    def _group(self, label: str | None) -> int:
        groups = self.terms.groups
        if label is None:
            if len(groups) > 1:
                raise SpecError(f"Name group=: the model has the groups {', '.join(groups)}.")
            return 0
        if groups == ("",):
            raise SpecError(f"group='{label}': the model has no groups.")
        if str(label) not in groups:
            raise SpecError(
                f"group='{label}' is not a group. {did_you_mean(str(label), groups, noun='groups')}"
            )
        return groups.index(str(label))


@dataclass(frozen=True, eq=False)
class Probe(Probing):
    """A fitted model that is probed; see `sm.probe`."""

    _terms: EffectTerms

    @property
    def terms(self) -> EffectTerms:
        return self._terms

    def __repr__(self) -> str:
        return f"{self.terms.header_line}\n\n{self.simple_slopes().to_string(index=False)}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.terms.header_line)}</p>{self.simple_slopes().to_html(index=False)}"


def probe(fit: Fit, *, products: Mapping[str, Sequence[str]] | None = None) -> Probe:
    """Probe the interactions of an `sm.fit` result: simple slopes, Johnson–Neyman regions, surfaces and more.

    Predictors written "x:z" need nothing; `products` names columns or latent variables that are products made
    by hand, with their factors: sm.probe(fit, products={"EDSxACT": ("EDS", "ACT")}).
    """
    from sem_models.inference.result import Fit

    if not isinstance(fit, Fit):
        raise SpecError(
            f"probe() takes a result of sm.fit, not {type(fit).__name__}. A result of sm.moderate "
            "has the same methods itself."
        )
    if not fit.status.converged:
        from sem_models.errors import ConvergenceError

        raise ConvergenceError(
            f"The fit did not converge, so it cannot be probed. {' '.join(fit.status.reasons)}"
        )
    return Probe(EffectTerms.from_fit(fit, products))


def _apart(point: Any, groups: tuple[str, ...]) -> tuple[str | None, Any]:
    """A point's group and the rest of it."""
    if isinstance(point, str):
        if point not in groups:
            raise SpecError(f"'{point}' is not a group. {did_you_mean(point, groups, noun='groups')}")
        return point, {}
    if isinstance(point, Mapping) and "group" in point:
        return str(point["group"]), {k: v for k, v in point.items() if k != "group"}
    return None, point


NO_PRODUCT = (
    "The model has no product of two variables, so no effect depends on another variable. Write one into it, "
    "as in PV ~ EDS + ACT + EDS:ACT, or name your own product columns with products=."
)

Moderation = tuple[str, str, tuple[str, ...]]


def moderations(
    terms: EffectTerms, outcome: str | None = None, predictor: str | None = None, moderator: Names = None
) -> list[Moderation]:
    """(outcome, predictor, moderators) of the model's interactions that fit what is named.

    Unnamed, a product's first factor is the predictor and the others its moderators.
    """
    wanted = (moderator,) if isinstance(moderator, str) else None if moderator is None else tuple(moderator)
    if outcome is not None and predictor is not None and wanted is not None:
        return [(outcome, predictor, wanted)]
    for name in (outcome, predictor, *(wanted or ())):
        if name is not None:
            terms.place(name)
    found: list[Moderation] = []
    rows = [r for r in terms.table.rows if r.op == "~" and r.block == 1 and r.rhs in terms.products]
    for row in rows:
        if outcome not in (None, row.lhs):
            continue
        factors = list(terms.products[row.rhs])
        first = predictor or next((f for f in factors if f not in (wanted or ())), factors[0])
        if first not in factors:
            continue
        factors.remove(first)
        others = wanted or tuple(dict.fromkeys(factors))
        possible = polynomial(terms, row.lhs, 0).moderators_of(first)
        entry = (row.lhs, first, others)
        if set(others) <= set(possible) and entry not in found:
            found.append(entry)
    # a product of three is not probed again by its parts
    found = [e for e in found if not any(e[:2] == o[:2] and set(e[2]) < set(o[2]) for o in found)]
    if found:
        return found
    named = outcome is not None and predictor is not None
    if len(terms.groups) > 1 and wanted is None and (named or not terms.products):
        return _paths(terms, outcome, predictor)
    if not terms.products:
        raise SpecError(NO_PRODUCT)
    said = [f"{k}='{v}'" for k, v in (("outcome", outcome), ("predictor", predictor)) if v is not None]
    said += [f"moderator={wanted}"] if wanted else []
    raise SpecError(
        f"No interaction of the model has {', '.join(said)}. It has: {_listed(moderations(terms))}."
    )


def _paths(terms: EffectTerms, outcome: str | None, predictor: str | None) -> list[Moderation]:
    """The paths of a model of several groups, whose slopes depend on the group alone."""
    rows = [r for r in terms.table.rows if r.op == "~" and r.block == 1]
    found: list[Moderation] = [
        (r.lhs, r.rhs, ()) for r in rows if outcome in (None, r.lhs) and predictor in (None, r.rhs)
    ]
    if not found:
        raise SpecError(
            f"The model has no path {outcome or '…'} ~ {predictor or '…'}. It has: "
            f"{', '.join(f'{r.lhs} ~ {r.rhs}' for r in rows)}."
        )
    return found


def one_moderation(
    terms: EffectTerms, outcome: str | None, predictor: str | None, moderator: Names
) -> Moderation:
    """The one moderation that fits what is named; of a named effect all its moderators.

    SpecError where several fit.
    """
    if outcome is not None and predictor is not None and moderator is None:
        possible = polynomial(terms, outcome, 0).moderators_of(predictor)
        if possible:
            return outcome, predictor, possible
    found = moderations(terms, outcome, predictor, moderator)
    if len(found) > 1:
        raise SpecError(
            f"Several interactions fit: {_listed(found)}. Name outcome=, predictor= and moderator=."
        )
    return found[0]


def _listed(found: list[Moderation]) -> str:
    return ", ".join(f"{' × '.join((p, *m))} → {o}" for o, p, m in found)
