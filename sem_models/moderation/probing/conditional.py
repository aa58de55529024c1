"""`ConditionalEffects`: a predictor's effect at values of its moderators, with gradient and covariance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.moderation.probing.critical import Distribution, check, inference
from sem_models.moderation.probing.polynomial import Polynomial, polynomial
from sem_models.moderation.probing.positions import Position, positions
from sem_models.moderation.probing.terms import EffectTerms

Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalEffects:
    """The effect of `predictor` on `outcome` in one group as a function of `moderators`.

    held are the values of every other variable of the equation; level and distribution hold for all tables.
    """

    terms: EffectTerms
    outcome: str
    predictor: str
    moderators: tuple[str, ...]
    group: int
    held: Mapping[str, float]
    level: float = 0.95
    distribution: Distribution = "normal"

    @cached_property
    def equation(self) -> Polynomial:
        """The outcome's equation."""
        return polynomial(self.terms, self.outcome, self.group)

    @property
    def label(self) -> str:
        """The group's label; empty without groups."""
        return self.terms.groups[self.group]

    def __repr__(self) -> str:
        by = f" by {', '.join(self.moderators)}" if self.moderators else ""
        group = f", group {self.label}" if self.label else ""
        return f"<ConditionalEffects of {self.predictor} on {self.outcome}{by}{group}>"

    # ------------------------------------------------------------------ numbers

    def weights(self, values: Values) -> Array:
        """Weights (m, rows) of the effect on the rows of the table; values by moderator, (m,) or a number."""
        return self.equation.slope(self.predictor, self._filled(values))

    def effect(self, values: Values) -> Array:
        """The effect at m values of the moderators, (m,)."""
        return np.asarray(self.weights(values) @ self.terms.value)

    def gradient(self, values: Values) -> Array:
        """Derivatives of the effect by the free rows, (m, q)."""
        return np.asarray(self.weights(values) @ self.terms.jacobian)

    def covariance(self, values: Values) -> Array:
        """Covariance (m, m) of the effects at m values."""
        slopes = self.gradient(values)
        return np.asarray(slopes @ self.terms.covariance @ slopes.T)

    def prediction_weights(self, values: Values, *, centered: bool = False) -> Array:
        """Weights (m, rows) of the expected outcome; values may also name the predictor and covariates.

        centered takes the mean off a product whose latent variable is a deviation from it (double mean
        centering), so that the outcome's level is right; else the estimated equation is taken as it stands,
        as semTools and modsem do.
        """
        return self.equation.prediction(self._filled(values, predicting=True), centered=centered)

    # ------------------------------------------------------------------ tables

    def at(self, values: Values) -> pd.DataFrame:
        """The effect at values of the moderators: one row each, with errors and interval.

        Columns: one for each moderator, est, se, z (or t), pvalue, ci_lower, ci_upper, extrapolated.
        """
        filled = self._filled(values)
        weights = self.equation.slope(self.predictor, filled)
        where = {name: np.broadcast_to(filled[name], (len(weights),)) for name in self.moderators}
        return pd.DataFrame({**where, **self.columns(weights), "extrapolated": self.beyond(where)})

    def simple_slopes(self, values: Any = None, percentiles: Any = None) -> pd.DataFrame:
        """The effect and the outcome's intercept at chosen values of the moderators, all combinations.

        Columns outcome, predictor, group (where there are several), moderator, value, position (with _2, …
        for further moderators), est, se, z or t, pvalue, ci_lower, ci_upper, intercept, intercept_se (the
        expected outcome where the predictor is 0), extrapolated.
        """
        names, grid, words = self._grid(values, percentiles)
        weights = self.weights(grid)
        at_zero = np.broadcast_to(self.prediction_weights({**grid, self.predictor: 0.0}), weights.shape)
        frame = pd.DataFrame({**names, **self.columns(weights)})
        frame["intercept"] = at_zero @ self.terms.value
        frame["intercept_se"] = self.terms.errors_of(at_zero)
        frame["extrapolated"] = self.beyond(grid)
        return self._keyed(frame, grid, words)

    def margins(self, x: Any = None, values: Any = None, percentiles: Any = None) -> pd.DataFrame:
        """The expected outcome at values of predictor and moderators, the other predictors held.

        x: values of the predictor, "sd" or "percentiles". Columns as `simple_slopes`, with x and its
        x_position instead of the intercept; est is the expected outcome in the outcome's own metric.
        """
        names, grid, words = self._grid(values, percentiles)
        at = positions(self.terms.support_of(self.predictor), x)
        if self.predictor in grid:
            raise SpecError(
                f"'{self.predictor}' moderates itself here: its expected outcome is a curve. Use lines()."
            )
        repeated = {k: np.repeat(v, len(at)) for k, v in grid.items()}
        n = len(next(iter(repeated.values()))) // len(at)
        repeated[self.predictor] = np.tile([v for v, _ in at], n)
        weights = self.prediction_weights(repeated)
        frame = pd.DataFrame({**names, **self.columns(weights)})
        frame["extrapolated"] = self.beyond(repeated)
        keyed = self._keyed(frame, {k: v for k, v in repeated.items() if k != self.predictor},
                            {k: [w for w in v for _ in at] for k, v in words.items()})  # fmt: skip
        place = keyed.columns.get_loc("predictor")
        assert isinstance(place, int)
        keyed.insert(place + 1, "x", repeated[self.predictor])
        keyed.insert(place + 2, "x_position", [w for _ in range(n) for _, w in at])
        return keyed

    def lines(
        self, values: Any = None, percentiles: Any = None, *, n: int = 41, spread: float = 2.0
    ) -> pd.DataFrame:
        """Expected outcome along the predictor, one line for each combination of moderator values.

        x covers the observed predictor within `spread` standard deviations of its mean. Outcome and predictor
        are in the metric of their marker items where they are latent (item intercept plus latent value).
        Columns as `margins`, without tests.
        """
        others = tuple(m for m in self.moderators if m != self.predictor)
        flat = replace(self, moderators=others)
        names, grid, words = flat._grid(values, percentiles)
        cells = len(next(iter(grid.values()))) if grid else 1
        x = self.axis(self.predictor, n=n, spread=spread)
        repeated = {k: np.repeat(v, n) for k, v in grid.items()}
        repeated[self.predictor] = np.tile(x, cells)
        weights = self.prediction_weights(repeated, centered=True)
        shift = self.origin(self.outcome)
        if shift is not None:
            weights[:, shift] += 1.0
        at_x = self.origin(self.predictor)
        frame = pd.DataFrame({**names, **self.columns(weights)}).drop(columns=["pvalue"])
        frame["extrapolated"] = self.beyond(repeated)
        keyed = flat._keyed(frame, {k: repeated[k] for k in others},
                            {k: [w for w in v for _ in range(n)] for k, v in words.items()})  # fmt: skip
        keyed["x"] = repeated[self.predictor] + (self.terms.value[at_x] if at_x is not None else 0.0)
        return keyed

    def axis(self, name: str, *, n: int, spread: float = 2.0) -> Array:
        """n values over a variable's observed range, within `spread` standard deviations of its mean."""
        support = self.terms.support_of(name)
        mean, sd = support.moments()
        low, high = support.limits(self._of_group)
        low, high = max(low, mean - spread * sd), min(high, mean + spread * sd)
        if not high > low:
            low, high = mean - spread * sd, mean + spread * sd
        return np.linspace(low, high, n)

    def origin(self, name: str) -> int | None:
        """Row of the intercept of a latent variable's marker, which places it in scale points.

        None without a marker, and where that is ordered: its response has no points.
        """
        rows, ordered = self.terms.table.rows, self.terms.table.options.categories
        mine = [(i, r) for i, r in enumerate(rows) if r.block == self.group + 1]
        marker = next((r.rhs for _, r in mine if r.op == "=~" and r.lhs == name and r.fixed == 1.0), None)
        if marker in ordered:
            return None
        return next((i for i, r in mine if r.key == (marker, "~1", "")), None)

    def contrast(
        self, first: Any, second: Any, *, of: str = "effect", reference: ConditionalEffects | None = None
    ) -> pd.Series:
        """The difference second − first between two points, with its interval.

        A point is a number (one moderator) or a mapping of moderators to values; of="prediction" contrasts
        the expected outcome, and points may then name the predictor and covariates too. reference: the same
        effect in the group that `first` is in, by default this one.
        """
        if of not in ("effect", "prediction"):
            raise SpecError(f"of='{of}' is unknown: 'effect' or 'prediction'.")
        sides = [(reference or self, first), (self, second)]
        points = [side._point(p) for side, p in sides]
        weights = [
            side.weights(p) if of == "effect" else side.prediction_weights(p)
            for (side, _), p in zip(sides, points, strict=True)
        ]
        row = {k: v[0] for k, v in self.columns(weights[1] - weights[0]).items()}
        beyond = [
            bool(side.beyond({k: np.atleast_1d(v) for k, v in p.items()}).any())
            for (side, _), p in zip(sides, points, strict=True)
        ]
        words = [
            ", ".join(
                [*([side.label] if reference is not None else []), *(f"{k} = {v:g}" for k, v in p.items())]
            )
            for (side, _), p in zip(sides, points, strict=True)
        ]
        return pd.Series(
            {"outcome": self.outcome, "predictor": self.predictor, "of": of, "first": words[0],
             "second": words[1], **row, "extrapolated": any(beyond)}
        )  # fmt: skip

    # ------------------------------------------------------------------ parts

    def columns(self, weights: Array) -> dict[str, Array]:
        """Estimate, error, test and interval of sums Σ w β."""
        est, se = np.asarray(weights @ self.terms.value), self.terms.errors_of(weights)
        return inference(est, se, self.level, self.distribution, self.terms.df)

    def beyond(self, values: Mapping[str, Array]) -> NDArray[np.bool_]:
        """True where any of the values lies outside its variable's observed range."""
        where = np.atleast_1d(np.zeros((), dtype=bool))
        for name, value in values.items():
            where = where | self.terms.support_of(name).beyond(np.atleast_1d(value), self._of_group)
        return where

    @property
    def _of_group(self) -> int | None:
        return self.group if len(self.terms.groups) > 1 else None

    def _filled(self, values: Values, *, predicting: bool = False) -> dict[str, Array]:
        """Values of every variable of the equation. SpecError for names that are not in it."""
        known = self.equation.variables if predicting else self.moderators
        for name in values:
            if name not in known:
                noun = "predictors" if predicting else "moderators"
                raise SpecError(
                    f"'{name}' is not among the {noun} of {self.outcome}. "
                    f"{did_you_mean(name, known, noun=noun)}"
                )
        sizes = {np.size(v) for v in values.values()} - {1}
        if len(sizes) > 1:
            raise SpecError("The values of the moderators must be as many for each of them.")
        return {**{k: np.asarray(v) for k, v in self.held.items()},
                **{k: np.asarray(v, dtype=np.float64) for k, v in values.items()}}  # fmt: skip

    def _point(self, point: Any) -> dict[str, float]:
        if isinstance(point, Mapping):
            return {str(k): float(v) for k, v in point.items()}
        if len(self.moderators) != 1:
            raise SpecError(
                "There are several moderators: give each point as a mapping, as "
                f"{{{', '.join(f'{m!r}: 0.0' for m in self.moderators)}}}."
            )
        return {self.moderators[0]: float(point)}

    def _grid(
        self, values: Any, percentiles: Any
    ) -> tuple[dict[str, Any], dict[str, Array], dict[str, list[str]]]:
        """Constant columns, all combinations of the moderators' values, and their names."""
        chosen = [self._positions(name, values, percentiles) for name in self.moderators]
        cells = list(product(*chosen))
        grid = {m: np.array([cell[i][0] for cell in cells]) for i, m in enumerate(self.moderators)}
        words = {m: [cell[i][1] for cell in cells] for i, m in enumerate(self.moderators)}
        names: dict[str, Any] = {"outcome": self.outcome, "predictor": self.predictor}
        if len(self.terms.groups) > 1:
            names["group"] = self.label
        return names, grid, words

    def _positions(self, name: str, values: Any, percentiles: Iterable[float] | None) -> tuple[Position, ...]:
        if isinstance(values, Mapping):
            for key in values:
                if key not in self.moderators:
                    raise SpecError(
                        f"values=: '{key}' is not a moderator of {self.predictor}. "
                        f"{did_you_mean(str(key), self.moderators, noun='moderators')}"
                    )
            values = values.get(name)
        return positions(self.terms.support_of(name), values, percentiles)

    def _keyed(
        self, frame: pd.DataFrame, grid: Mapping[str, Array], words: Mapping[str, list[str]]
    ) -> pd.DataFrame:
        """The frame with columns moderator, value, position after the names."""
        place = frame.columns.get_loc("est")
        assert isinstance(place, int)
        for i, name in enumerate(self.moderators):
            suffix = "" if i == 0 else f"_{i + 1}"
            frame.insert(place + 3 * i, f"moderator{suffix}", name)
            frame.insert(place + 3 * i + 1, f"value{suffix}", grid[name])
            frame.insert(place + 3 * i + 2, f"position{suffix}", words[name])
        return frame


def conditional_effects(
    terms: EffectTerms,
    outcome: str,
    predictor: str,
    moderators: tuple[str, ...] | None = None,
    *,
    group: int = 0,
    at: Mapping[str, float] | None = None,
    level: float = 0.95,
    distribution: Distribution = "normal",
) -> ConditionalEffects:
    """The effect of `predictor` on `outcome` in one group.

    moderators: those that vary, all of its moderators by default; the others are held at their means, or at
    the values in `at`. SpecError for names that are not in the equation.
    """
    check(level, distribution, terms.df)
    equation = polynomial(terms, outcome, group)
    if predictor not in equation.variables:
        raise SpecError(
            f"'{predictor}' does not predict '{outcome}'. "
            f"{did_you_mean(predictor, equation.variables, noun='predictors')}"
        )
    possible = equation.moderators_of(predictor)
    chosen = possible if moderators is None else moderators
    for name in chosen:
        if name not in possible:
            raise SpecError(
                f"'{name}' does not moderate the effect of {predictor} on {outcome}: no product "
                f"of the two predicts {outcome}. "
                f"{did_you_mean(name, possible, noun='moderators') if possible else 'It has no moderator.'}"
            )
    held = {}
    for name in equation.variables:
        if name not in terms.names:
            raise SpecError(
                f"'{name}' is a factor of a product but no variable of the model by itself. Add it as a "
                f"predictor of {outcome}, so that the product is an interaction."
            )
        held[name] = terms.support_of(name).moments()[0]
    for name, value in (at or {}).items():
        if name not in held:
            raise SpecError(
                f"at=: '{name}' does not predict '{outcome}'. {did_you_mean(name, held, noun='predictors')}"
            )
        held[name] = float(value)
    return ConditionalEffects(terms, outcome, predictor, chosen, group, held, level, distribution)
