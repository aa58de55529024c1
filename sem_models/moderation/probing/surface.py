"""Surfaces: an effect over two moderators, or the outcome over predictor and moderator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import chdtri, ndtri

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.moderation.probing import critical
from sem_models.moderation.probing.conditional import ConditionalEffects
from sem_models.moderation.probing.support import SMALLEST

BoolArray = NDArray[np.bool_]
What = Literal["effect", "prediction"]
DRAWN = 200
"""Points a side of the equal-probability grid that shares of customers are taken on."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Values over x (a variable by name) and y on a grid of n by n; what says of which quantity.

    The zero contour is where the predictor's effect is zero, on either kind of surface.
    """

    effects: ConditionalEffects
    x: str
    y: str
    what: What
    n: int
    simultaneous: bool = False

    @cached_property
    def axes(self) -> tuple[Array, Array]:
        """The grid's values of x and of y, over their observed ranges."""
        return self.effects.axis(self.x, n=self.n, spread=3.0), self.effects.axis(
            self.y, n=self.n, spread=3.0
        )

    @cached_property
    def _cells(self) -> dict[str, Array]:
        across, up = np.meshgrid(*self.axes)
        return {self.x: across.ravel(), self.y: up.ravel()}

    def _weights(self, cells: dict[str, Array]) -> Array:
        if self.what == "prediction":
            return self.effects.prediction_weights(cells)
        return self.effects.weights(cells)

    def critical(self) -> float:
        """Errors to each side of the band."""
        e = self.effects
        if not self.simultaneous:
            return critical.pointwise(e.level, e.distribution, e.terms.df)
        k = int(np.linalg.matrix_rank(self._weights(self._cells) @ e.terms.jacobian))
        return critical.simultaneous(e.level, e.distribution, e.terms.df, max(k, 1))

    def table(self) -> pd.DataFrame:
        """One row a point: x, y, est, se, ci_lower, ci_upper, significant, extrapolated."""
        e, weights = self.effects, self._weights(self._cells)
        est, se = weights @ e.terms.value, e.terms.errors_of(weights)
        lower, upper = est - self.critical() * se, est + self.critical() * se
        return pd.DataFrame(
            {"x": self._cells[self.x], "y": self._cells[self.y], "est": est, "se": se, "ci_lower": lower,
             "ci_upper": upper, "significant": (lower > 0) | (upper < 0),
             "extrapolated": e.beyond(self._cells) | self._rare()}
        )  # fmt: skip

    def _rare(self) -> BoolArray:
        """True for pairs of values farther out than all but 5 of the n customers are expected to be.

        By the model's joint normal distribution in this group: the two may each be common, yet not together.
        """
        terms, g = self.effects.terms, self.effects.group
        at = [terms.place(self.x), terms.place(self.y)]
        cov = terms.cov[g][np.ix_(at, at)]
        away = np.array([self._cells[self.x], self._cells[self.y]]) - terms.mean[g, at][:, None]
        distance = (away * np.linalg.solve(cov, away)).sum(axis=0)
        return np.asarray(distance > chdtri(2, min(SMALLEST / (terms.n * terms.share[g]), 1.0)))

    def contour(self) -> pd.DataFrame:
        """Where the predictor's effect is zero: pieces with columns x, y, x_end, y_end; none without a zero.

        The ends lie on the grid's lines, where an effect with two moderators is linear, so they are exact.
        """
        e = self.effects
        slopes = e.equation.slope(
            e.predictor, {**{k: np.asarray(v) for k, v in e.held.items()}, **self._cells}
        )
        height = (slopes @ e.terms.value).reshape(self.n, self.n)
        return pd.DataFrame(zero_pieces(*self.axes, height), columns=["x", "y", "x_end", "y_end"])

    def shares(self) -> dict[str, float]:
        """Shares of customers where the effect is negative, not significant and positive.

        By the model's joint normal distribution of both moderators in this group; only for an effect.
        """
        if self.what != "effect":
            raise SpecError("Shares are those of an effect: ask for the surface of an effect.")
        e = self.effects
        i, j = e.terms.place(self.x), e.terms.place(self.y)
        cov = e.terms.cov[e.group][np.ix_([i, j], [i, j])]
        z = ndtri((np.arange(DRAWN) + 0.5) / DRAWN)
        first, second = (a.ravel() for a in np.meshgrid(z, z))
        root = np.linalg.cholesky(cov)
        points = e.terms.mean[e.group, [i, j]][:, None] + root @ np.array([first, second])
        weights = e.weights({self.x: points[0], self.y: points[1]})
        est, se = weights @ e.terms.value, e.terms.errors_of(weights)
        c = self.critical()
        positive, negative = float((est > c * se).mean()), float((est < -c * se).mean())
        return {"negative": negative, "not significant": 1.0 - negative - positive, "positive": positive}


def surface(
    effects: ConditionalEffects, x: str | None = None, y: str | None = None, *, n: int = 41,
    simultaneous: bool = False,
) -> Surface:  # fmt: skip
    """The effect over two moderators; with one moderator the outcome over predictor (x) and moderator (y)."""
    if n < 3:
        raise SpecError(f"n={n} points a side draw no surface. Ask for 3 or more.")
    m = effects.moderators
    if len(m) >= 2 and x != effects.predictor and y != effects.predictor:
        names = [v for v in (x, y) if v is not None]
        rest = [v for v in m if v not in names]
        names = [*names, *rest][:2] if x is not None or y is None else [rest[0], y]
        for name in names:
            effects._filled({name: 0.0})
        return Surface(effects, names[0], names[1], "effect", n, simultaneous)
    if not m:
        raise SpecError(
            f"The effect of {effects.predictor} on {effects.outcome} has no moderator: no surface."
        )
    if m == (effects.predictor,):
        raise SpecError(f"'{effects.predictor}' moderates itself: draw its curve with simple_slopes instead.")
    first = x or effects.predictor
    second = y or next(v for v in m if v != first)
    effects._filled({first: 0.0, second: 0.0}, predicting=True)
    return Surface(effects, first, second, "prediction", n, simultaneous)


def zero_pieces(x: Array, y: Array, height: Array) -> list[tuple[float, float, float, float]]:
    """Pieces of the zero contour of height (len(y), len(x)), one or two in each cell of the grid."""
    pieces = []
    sign = height > 0
    mixed = (sign[:-1, :-1] != sign[:-1, 1:]) | (sign[:-1, :-1] != sign[1:, :-1]) | (
        sign[:-1, :-1] != sign[1:, 1:]
    )  # fmt: skip
    for r, c in zip(*np.nonzero(mixed), strict=True):
        corners = [(c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1)]
        crossed = []
        for (c1, r1), (c2, r2) in zip(corners, corners[1:] + corners[:1], strict=True):
            a, b = height[r1, c1], height[r2, c2]
            if (a > 0) != (b > 0):
                t = a / (a - b)
                crossed.append((float(x[c1] + t * (x[c2] - x[c1])), float(y[r1] + t * (y[r2] - y[r1]))))
        pieces += [(*crossed[k], *crossed[k + 1]) for k in range(0, len(crossed) - 1, 2)]
    return pieces
