"""Johnson–Neyman regions: where along its moderator an effect differs from zero.

Johnson, P. O., & Neyman, J. (1936). Statistical Research Memoirs, 1, 57–93; Bauer, D. J., & Curran, P. J.
(2005). Multivariate Behavioral Research, 40, 373–400. The limits solve slope(w)² = c² Var slope(w), a
polynomial in w: of second degree for one product, of degree 2d where the slope is curved of degree d, so
that any number of regions is found exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.moderation.probing import critical
from sem_models.moderation.probing.conditional import ConditionalEffects
from sem_models.moderation.probing.support import Support

STATES = {-1: "negative", 0: "not significant", 1: "positive"}


@dataclass(frozen=True, slots=True)
class Region:
    """Values of the moderator between two limits (±inf where open); sign −1, 0 (not significant) or 1.

    share of the customers inside, rounded to five where one region holds fewer; observed is False where the
    region lies wholly beyond the observed range.
    """

    lower: float
    upper: float
    sign: int
    share: float
    observed: bool


@dataclass(frozen=True, eq=False)
class JohnsonNeyman:
    """Where the effect is significant, pointwise or simultaneously over all values of the moderator.

    critical is the number of errors to each side; a simultaneous band is Working and Hotelling's.
    """

    effects: ConditionalEffects
    moderator: str
    simultaneous: bool
    critical: float
    points: tuple[float, ...]

    @property
    def level(self) -> float:
        return self.effects.level

    @property
    def support(self) -> Support:
        """Where the customers lie on the moderator."""
        return self.effects.terms.support_of(self.moderator)

    @property
    def observed_range(self) -> tuple[float, float]:
        """The moderator's observed range: at least 5 customers lie at or beyond each end."""
        return self.support.limits(self.effects._of_group)

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The regions from the lowest to the highest values; neighbors of one sign are one region."""
        limits = [-inf, *self.points, inf]
        low, high = self.observed_range
        found: list[tuple[float, float, int]] = []
        for a, b in pairwise(limits):
            sign = self._sign(_inside(a, b))
            if found and found[-1][2] == sign:
                a = found.pop()[0]
            found.append((a, b, sign))
        group = self.effects._of_group
        inside = np.array([self.support.share(a, b, group) for a, b, _ in found])
        shares = self.support.released(inside, group)
        return tuple(
            Region(a, b, sign, float(share), b >= low and a <= high)
            for (a, b, sign), share in zip(found, shares, strict=True)
        )

    @property
    def significant_share(self) -> float:
        """Share of the customers at whose value of the moderator the effect is significant."""
        return sum(r.share for r in self.regions if r.sign)

    def table(self) -> pd.DataFrame:
        """One row a region.

        Columns outcome, predictor, moderator, lower, upper (infinite where open), effect ("negative", "not
        significant", "positive"), share (of the customers), basis (of the share), level, band, extrapolated
        (the region lies wholly beyond the observed moderator).
        """
        e = self.effects
        return pd.DataFrame(
            [
                {"outcome": e.outcome, "predictor": e.predictor,
                 **({"group": e.label} if len(e.terms.groups) > 1 else {}),
                 "moderator": self.moderator, "lower": r.lower, "upper": r.upper, "effect": STATES[r.sign],
                 "share": r.share, "basis": self.support.words, "level": self.level, "band": self.band_name,
                 "extrapolated": not r.observed}
                for r in self.regions
            ]
        )  # fmt: skip

    def band(self, values: Array | None = None, *, n: int = 101) -> pd.DataFrame:
        """The effect along the moderator with its band.

        values: by default n over the observed range. Columns value, est, se, ci_lower, ci_upper,
        significant, extrapolated.
        """
        if values is None:
            low, high = self.observed_range
            if not high > low:
                mean, sd = self.support.moments()
                low, high = mean - 2 * sd, mean + 2 * sd
            values = np.linspace(low, high, n)
        at = np.asarray(values, dtype=np.float64)
        weights = self.effects.weights({self.moderator: at})
        est, se = weights @ self.effects.terms.value, self.effects.terms.errors_of(weights)
        lower, upper = est - self.critical * se, est + self.critical * se
        return pd.DataFrame(
            {"value": at, "est": est, "se": se, "ci_lower": lower, "ci_upper": upper,
             "significant": (lower > 0) | (upper < 0),
             "extrapolated": self.effects.beyond({self.moderator: at})}
        )  # fmt: skip

    @property
    def band_name(self) -> str:
        return "simultaneous (Working–Hotelling)" if self.simultaneous else "pointwise"

    def sentence(self, names: dict[str, str] | None = None) -> str:
        """What the regions say, with the share of customers and its basis."""
        from sem_models.charts.johnson_neyman import johnson_neyman_title

        return johnson_neyman_title(self.table(), self.observed_range, names=names)

    def __repr__(self) -> str:
        return f"{self.sentence()}\n\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.sentence())}</p>{self.table().to_html(index=False)}"

    def _sign(self, at: float) -> int:
        weights = self.effects.weights({self.moderator: np.array([at])})
        est, se = (
            float((weights @ self.effects.terms.value)[0]),
            float(self.effects.terms.errors_of(weights)[0]),
        )
        return int(np.sign(est)) if abs(est) > self.critical * se else 0


def johnson_neyman(
    effects: ConditionalEffects, moderator: str | None = None, *, simultaneous: bool = False
) -> JohnsonNeyman:
    """The regions along one moderator, the others held.

    SpecError where the effect has several moderators and none is named, or none at all.
    """
    if moderator is None:
        if not effects.moderators and len(effects.terms.groups) > 1:
            raise SpecError(
                f"The effect of {effects.predictor} on {effects.outcome} depends on the group alone, and "
                "groups have no values in between. Use simple_slopes() and contrast()."
            )
        if len(effects.moderators) != 1:
            raise SpecError(
                f"Name moderator=: the effect of {effects.predictor} on {effects.outcome} depends on "
                f"{', '.join(effects.moderators) or 'no other variable'}."
            )
        moderator = effects.moderators[0]
    terms = effects.terms
    mean, sd = terms.support_of(moderator).moments()
    sd = sd if sd > 0 else 1.0
    held = {k: float(v) for k, v in effects.held.items()}
    raw = effects.equation.slope_in(effects.predictor, moderator, held)
    weights = _shifted(raw, mean, sd)
    slopes = weights @ terms.jacobian
    covariance = slopes @ terms.covariance @ slopes.T
    k = int(np.linalg.matrix_rank(slopes)) if np.any(slopes) else 1
    if simultaneous:
        c = critical.simultaneous(effects.level, effects.distribution, terms.df, k)
    else:
        c = critical.pointwise(effects.level, effects.distribution, terms.df)
    roots = crossings(np.asarray(weights @ terms.value), covariance, c)
    return JohnsonNeyman(effects, moderator, simultaneous, c, tuple(float(mean + sd * r) for r in roots))


def crossings(coefficients: Array, covariance: Array, c: float) -> Array:
    """Real roots of (Σ a_d w^d)² − c² Σ V_de w^(d+e), where the band's limit crosses zero, sorted.

    coefficients (d,) and covariance (d, d), lowest power first. A quadratic is solved in closed form without
    cancellation; where the band touches zero without crossing it there is no root.
    """
    d = len(coefficients)
    squared = np.convolve(coefficients, coefficients)
    spread = np.zeros(2 * d - 1)
    for i in range(d):
        spread[i : i + d] += covariance[i]
    poly = squared - c**2 * spread
    scale = np.abs(squared) + c**2 * np.abs(spread)
    poly = np.where(np.abs(poly) <= 1e-14 * scale, 0.0, poly)
    poly = np.trim_zeros(poly, "b")
    if len(poly) < 2:
        return np.empty(0)
    if len(poly) == 3:
        a0, a1, a2 = poly
        inner = a1**2 - 4 * a0 * a2
        if inner <= 0:
            return np.empty(0)
        q = -0.5 * (a1 + (np.sqrt(inner) if a1 >= 0 else -np.sqrt(inner)))
        return np.sort(np.array([q / a2, a0 / q])) if q != 0 else np.array([])
    found = np.roots(poly[::-1])
    real = np.sort(found[np.abs(found.imag) <= 1e-7 * np.maximum(np.abs(found), 1.0)].real)
    slope = np.polynomial.polynomial.polyder(poly)
    for _ in range(3):
        step = np.polynomial.polynomial.polyval(real, slope)
        value = np.polynomial.polynomial.polyval(real, poly)
        real = real - np.divide(value, step, out=np.zeros_like(real), where=step != 0)
    return _that_cross(np.sort(real), poly)


def _that_cross(roots: Array, poly: Array) -> Array:
    """Roots at which the polynomial changes its sign."""
    if not len(roots):
        return roots
    between = np.concatenate([[roots[0] - 1.0], (roots[1:] + roots[:-1]) / 2, [roots[-1] + 1.0]])
    sign = np.sign(np.polynomial.polynomial.polyval(between, poly))
    return roots[sign[1:] != sign[:-1]]


def _shifted(weights: Array, mean: float, sd: float) -> Array:
    """Coefficients (d, rows) of a polynomial in w as those in u, w = mean + sd u."""
    out = np.zeros_like(weights)
    power = np.ones(1)
    for row in weights:
        out[: len(power)] += power[:, None] * row
        power = np.convolve(power, [mean, sd])
    return out


def _inside(a: float, b: float) -> float:
    """A value between two limits."""
    if np.isinf(a) and np.isinf(b):
        return 0.0
    if np.isinf(a):
        return b - 1.0 - abs(b)
    return a + 1.0 + abs(a) if np.isinf(b) else (a + b) / 2
