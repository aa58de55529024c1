"""Ceiling lines of necessary condition analysis: the border above which no customer lies.

A condition X is necessary for an outcome Y where high Y never goes with low X: the upper left corner of the
plot is empty. The ceiling is the highest Y seen up to each X (CE-FDH, a step function that jumps at its
peers) or the least-squares line through those peers (CR-FDH). Dul (2016), Organizational Research Methods,
19, 10–52.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.model.ram import Array, IntArray

CeilingKind = Literal["ce_fdh", "cr_fdh"]
KINDS: tuple[CeilingKind, ...] = ("ce_fdh", "cr_fdh")
ROUNDING = 1e-9
"""Share of the scope's height or width below which a distance is rounding: on the line is not above it."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The box in which observations are possible: of the data (empirical) or of the scale (theoretical)."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    @classmethod
    def of(cls, x: Array, y: Array) -> Scope:
        """The smallest and largest values of x (n,) and y (n,)."""
        return cls(float(x.min()), float(x.max()), float(y.min()), float(y.max()))

    @property
    def width(self) -> float:
        return self.x_high - self.x_low

    @property
    def height(self) -> float:
        return self.y_high - self.y_low

    @property
    def area(self) -> float:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One ceiling over one scope.

    corners (k, 2) are the peers' distinct places, from left to right; slope and intercept are NaN for a step
    function. x_at_top is where the ceiling reaches the scope's top (beyond it X is no longer necessary) and
    y_at_left its height at the scope's left edge (below it X is not necessary), both within the scope.
    """

    kind: CeilingKind
    scope: Scope
    corners: Array
    slope: float
    intercept: float
    zone: float
    x_at_top: float
    y_at_left: float

    @property
    def effect_size(self) -> float:
        """d, the ceiling zone as a share of the scope. Dul (2016), p. 31."""
        return self.zone / self.scope.area

    @property
    def condition_inefficiency(self) -> float:
        """Share of X's range (in %) in which more X is not necessary for any Y."""
        return 100.0 * (self.scope.x_high - self.x_at_top) / self.scope.width

    @property
    def outcome_inefficiency(self) -> float:
        """Share of Y's range (in %) for which X is not necessary."""
        return 100.0 * (self.y_at_left - self.scope.y_low) / self.scope.height

    @property
    def relative_inefficiency(self) -> float:
        """Share of the scope (in %) in which X does not constrain Y: 1 − (1 − i_x)(1 − i_y)."""
        kept = (1 - self.condition_inefficiency / 100) * (1 - self.outcome_inefficiency / 100)
        return 100.0 * (1.0 - kept)

    @property
    def absolute_inefficiency(self) -> float:
        """The same in units of the scope's area."""
        return self.relative_inefficiency / 100.0 * self.scope.area

    def height(self, x: Array) -> Array:
        """The ceiling at x (…,); unbounded by the scope for a line, the scope's bottom left of all peers."""
        if self.kind == "cr_fdh":
            return np.asarray(self.intercept + self.slope * x)
        place = np.searchsorted(self.corners[:, 0], x + ROUNDING * self.scope.width, side="right") - 1
        return np.where(place >= 0, self.corners[np.maximum(place, 0), 1], self.scope.y_low)

    def above(self, x: Array, y: Array) -> int:
        """How many points lie above the ceiling."""
        if np.isnan(self.slope) and self.kind == "cr_fdh":
            return 0
        return int((y - self.height(x) > ROUNDING * self.scope.height).sum())

    def required(self, y: Array) -> Array:
        """The least X with which each Y (…,) is possible: NaN: none is needed; inf: none is enough."""
        y = np.asarray(y, dtype=np.float64)
        slack = ROUNDING * self.scope.height
        if self.kind == "ce_fdh":
            place = np.searchsorted(self.corners[:, 1], y - slack, side="left")
            x = np.append(self.corners[:, 0], np.inf)[place]
        elif np.isnan(self.slope):
            x = np.full(y.shape, -np.inf)
        else:
            x = (y - self.intercept) / self.slope
        edge = ROUNDING * self.scope.width
        needless = (x <= self.scope.x_low + edge) | (y <= self.scope.y_low + slack * (self.kind == "ce_fdh"))
        return np.where(needless & (x < np.inf), np.nan, np.where(x > self.scope.x_high + edge, np.inf, x))


def peers(x: Array, y: Array) -> IntArray:
    """Rows (k,) on the corners of the free disposal hull: higher Y than anyone with less X, or as much.

    Rows at the same corner are all peers, so that the regression through them counts each.
    """
    order = np.lexsort((-y, x))
    x_sorted, y_sorted = x[order], y[order]
    first = np.flatnonzero(np.append(True, np.diff(x_sorted) > 0))
    top = y_sorted[first]
    before = np.append(-np.inf, np.maximum.accumulate(top)[:-1])
    level = np.repeat(np.where(top > before, top, np.inf), np.diff(np.append(first, len(x))))
    return order[y_sorted == level]


def ceiling(x: Array, y: Array, kind: CeilingKind, scope: Scope | None = None) -> Ceiling:
    """The ceiling of points x, y (n,) in the upper left corner; complete values, at least two of each."""
    box = scope if scope is not None else Scope.of(x, y)
    top = peers(x, y)
    corners = np.unique(np.column_stack([x[top], y[top]]), axis=0)
    if kind == "ce_fdh":
        edges = np.append(corners[:, 0], box.x_high)
        zone = float((np.diff(edges) * (box.y_high - corners[:, 1])).sum())
        zone += (corners[0, 0] - box.x_low) * box.height
        reached = corners[:, 1] >= box.y_high - ROUNDING * box.height
        x_at_top = float(corners[reached, 0][0]) if reached.any() else box.x_high
        starts = corners[0, 0] <= box.x_low + ROUNDING * box.width
        y_at_left = float(corners[0, 1]) if starts else box.y_low
        return Ceiling(kind, box, corners, np.nan, np.nan, zone, x_at_top, y_at_left)
    slope, intercept = (float(v[0]) for v in line_through(*moments_of(x[top], y[top])))
    if np.isnan(slope):  # one corner: the scope's own in empirical data, and nothing is constrained
        return Ceiling(kind, box, corners, slope, intercept, 0.0, box.x_low, box.y_high)
    zone = float(area_above(np.array([slope]), np.array([intercept]), box)[0])
    x_at_top = float(np.clip((box.y_high - intercept) / slope, box.x_low, box.x_high))
    y_at_left = float(np.clip(intercept + slope * box.x_low, box.y_low, box.y_high))
    return Ceiling(kind, box, corners, slope, intercept, zone, x_at_top, y_at_left)


def moments_of(x: Array, y: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Number, mean of x, mean of y, and centered sums of squares and products, each (1,)."""
    dx, dy = x - x.mean(), y - y.mean()
    values = (float(len(x)), float(x.mean()), float(y.mean()), float(dx @ dx), float(dx @ dy))
    n, mean_x, mean_y, squares, products = (np.array([v]) for v in values)
    return n, mean_x, mean_y, squares, products


def line_through(
    n: Array, mean_x: Array, mean_y: Array, squares: Array, products: Array
) -> tuple[Array, Array]:
    """Least-squares slope and intercept (b,); NaN where all x are one."""
    spread = squares > ROUNDING * np.maximum(1.0, mean_x**2)
    slope = np.divide(products, squares, out=np.full(len(n), np.nan), where=spread)
    return slope, mean_y - slope * mean_x


def area_above(slope: Array, intercept: Array, scope: Scope) -> Array:
    """Area (b,) of the scope above rising lines; zero where there is no line."""
    line = ~np.isnan(slope)
    b, a = np.where(line, slope, 1.0), np.where(line, intercept, 0.0)
    enters = np.clip((scope.y_low - a) / b, scope.x_low, scope.x_high)
    leaves = np.clip((scope.y_high - a) / b, scope.x_low, scope.x_high)
    below = (enters - scope.x_low) * scope.height
    under = (leaves - enters) * (scope.y_high - a - b * (enters + leaves) / 2)
    return np.where(line, below + under, 0.0)
