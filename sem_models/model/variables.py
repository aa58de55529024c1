"""The variables of a model, sorted by the part they play."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sem_models.model.syntax import Syntax


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of a model by the part they play, each in order of appearance."""

    latent: tuple[str, ...]
    indicators: tuple[str, ...]
    outcomes: tuple[str, ...]
    exogenous: tuple[str, ...]
    others: tuple[str, ...]
    predictors: frozenset[str]
    regressed: frozenset[str]
    measured: frozenset[str]
    products: tuple[str, ...] = ()
    """Products that stand as latent variables without items, last in `latent`."""
    composites: tuple[str, ...] = ()
    """Weighted sums of observed variables that only predict, among `latent`."""
    emergent: tuple[str, ...] = ()
    """Weighted sums that carry all covariances of their parts with other variables, among `latent`."""
    parts: frozenset[str] = frozenset()
    """The parts of the emergent ones, among `outcomes`."""

    @property
    def observed(self) -> tuple[str, ...]:
        """Indicators, outcomes and the rest, then exogenous covariates: the order of Σ's rows."""
        return self.indicators + self.outcomes + self.others + self.exogenous

    @property
    def terminal(self) -> tuple[str, ...]:
        """Endogenous variables that predict and measure nothing: their residuals correlate by default."""
        return tuple(
            name
            for name in self.latent + self.outcomes
            if name in self.regressed and name not in self.predictors and name not in self.measured
        )

    @property
    def latent_exogenous(self) -> tuple[str, ...]:
        return tuple(
            n
            for n in self.latent
            if n not in (*self.products, *self.composites)
            and n not in self.regressed
            and n not in self.measured
        )


def emergent_composites(syntax: Syntax) -> tuple[str, ...]:
    """All composites of a model in which one is explained, or covaries with something; else none."""
    names = _unique(f.lhs for f in syntax.formulas if f.op == "<~")
    own = set(names)
    for f in syntax.formulas:
        if (f.op == "~" and f.lhs in own) or (f.op == "~~" and f.lhs != f.rhs and {f.lhs, f.rhs} & own):
            return names
    return ()


def classify(syntax: Syntax, products: tuple[str, ...] = ()) -> Variables:
    """Sort the names of a model into latent, indicator, outcome, exogenous and other variables.

    `products` are predictors such as "X:Z" that are to be latent variables without items. A covariate
    whose variance, covariance or intercept the model itself mentions is not exogenous, nor is a product with
    an endogenous component: both have free parameters of their own.
    """
    rows = syntax.formulas
    latent = _unique([*(f.lhs for f in rows if f.op in ("=~", "<~")), *products])
    lv = set(latent)
    measured = {f.rhs for f in rows if f.op == "=~"}
    indicators = _unique(f.rhs for f in rows if f.op == "=~" and f.rhs not in lv)
    regressed = {f.lhs for f in rows if f.op == "~"}
    predictors = {f.rhs for f in rows if f.op == "~"}
    outcomes = _unique(f.lhs for f in rows if f.op == "~" and f.lhs not in lv and f.lhs not in measured)
    own = {n for f in rows if f.op in ("~~", "~1") for n in (f.lhs, f.rhs) if n}
    emergent = emergent_composites(syntax)
    parts = _unique(f.rhs for f in rows if f.op == "<~" and emergent)
    outcomes += tuple(part for part in parts if part not in (*indicators, *outcomes))
    candidates = _unique(
        f.rhs
        for f in rows
        if f.op in ("~", "<~") and f.rhs not in lv | measured | set(parts) and f.rhs not in regressed
    )
    exogenous = tuple(n for n in candidates if n not in own and not regressed.intersection(n.split(":")))
    mentioned = _unique(n for f in rows if f.op in ("~", "~~", "~1") for n in (f.lhs, f.rhs) if n)
    placed = lv | set(indicators) | set(outcomes) | set(exogenous)
    others = tuple(n for n in mentioned if n not in placed)
    return Variables(
        latent, indicators, outcomes, exogenous, others,
        frozenset(predictors), frozenset(regressed), frozenset(measured), products,
        () if emergent else _unique(f.lhs for f in rows if f.op == "<~"),
        emergent, frozenset(parts),
    )  # fmt: skip


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
