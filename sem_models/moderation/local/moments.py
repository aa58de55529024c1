"""Local moments: weighted means and covariances at focal points, with or without a local line taken out.

With residualize, each item's mean may run along a line in the moderator within the kernel (local linear
regression; Fan, J., & Gijbels, I., 1996, Local Polynomial Modelling and Its Applications, section 3.1): the
mean is the line's height at the focal point and the covariances are those about the line. Both follow from
the weighted joint moments of items y and moderator m, S_yy − s_ym s_my / s_mm and ȳ − s_ym / s_mm (m̄ − m₀),
so that no residual has to be formed for each resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.batches import Batch, IncompleteBatch, incomplete_rows, saturated
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.local.kernel import kernel_weights

SMOOTH_AT = 201
"""Values of the moderator at which the smooth means are computed; between them they are interpolated."""

STEEP = 1e-6
"""Share of its largest value that the spread of the moderator under the kernel needs for a line."""

TOLERANCE = 1e-10
"""Change of the log-likelihood per row at which an expectation–maximization search counts as done."""


@dataclass(frozen=True)
class CompleteRows:
    """Complete rows (n, p) as local moments see them; line tells whether a local line is taken out."""

    values: Array
    line: bool

    @cached_property
    def center(self) -> Array:
        return np.asarray(self.values.mean(axis=0))

    @cached_property
    def _away(self) -> Array:
        return self.values - self.center

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray]:
        i, j = np.tril_indices(self.values.shape[1])
        return i, j

    @cached_property
    def _products(self) -> Array:
        i, j = self._pairs
        return self._away[:, i] * self._away[:, j]

    def moments(self, weights: Array, distance: Array) -> tuple[Array, Array]:
        """Covariances (b, p, p) and means (b, p) under weights (b, n); distance (n,) or (b, n) is m − m₀."""
        b, p = len(weights), self.values.shape[1]
        share = weights / weights.sum(axis=1, keepdims=True)
        i, j = self._pairs
        first = share @ self._away
        flat = share @ self._products - first[:, i] * first[:, j]
        mean = first + self.center
        if self.line:
            moved = share * distance
            center = moved.sum(axis=1)
            spread = (moved * distance).sum(axis=1) - center**2
            with_m = moved @ self._away - first * center[:, None]
            slope = with_m / spread[:, None]
            flat -= slope[:, i] * with_m[:, j]
            mean = mean - slope * center[:, None]
        cov = np.empty((b, p, p))
        cov[:, i, j] = cov[:, j, i] = flat
        return cov, mean

    def batch(self, weights: Array, distance: Array) -> Batch:
        """The same as a batch of replicates of one group."""
        cov, mean = self.moments(weights, distance)
        return Batch(cov[:, None], mean[:, None], np.ones((len(weights), 1)))


def slopes_at(values: Array, moderator: Array, weights: Array) -> Array:
    """Slopes (f, p) of the items on the moderator at each focal point, weights (f, n).

    Of incomplete rows by the weighted normal likelihood of items and moderator together. DataError where that
    has no maximum.
    """
    share = weights / weights.sum(axis=1, keepdims=True)
    if np.isfinite(values).all():
        center = share @ moderator
        mean = share @ values
        away = moderator[None, :] - center[:, None]
        with_m = (share * away) @ values - (share * away).sum(axis=1)[:, None] * mean
        return np.asarray(with_m / (share * away**2).sum(axis=1)[:, None])
    joint = np.column_stack([values, moderator])
    f, p = len(weights), values.shape[1]
    rows = incomplete_rows(joint)
    blank = np.zeros((f, 1, p + 1, p + 1))
    batch = IncompleteBatch((rows,), (share,), np.ones((f, 1)), blank, blank[..., 0])
    start_cov = np.diag(np.nanvar(joint, axis=0))[None]
    start_mean = np.nanmean(joint, axis=0)[None]
    found, value = saturated(batch, start_cov, start_mean, tolerance=TOLERANCE)
    if not np.isfinite(value).all():
        raise DataError(
            "The items' local regressions on the moderator do not exist for these incomplete answers. Use a "
            "larger h=, residualize=False, or missing='listwise'."
        )
    cov = found.cov[:, 0]
    return np.asarray(cov[:, :p, p] / cov[:, p, p, None])


def smooth_means(values: Array, moderator: Array, base: Array, bandwidth: float) -> Array:
    """The items' means (n, p) at each customer's moderator, by local lines with a Gaussian kernel.

    Each item from the customers who answered it. Computed on a fine grid and interpolated.
    """
    at = np.linspace(moderator.min(), moderator.max(), SMOOTH_AT)
    weights = kernel_weights(moderator, at, bandwidth, "gaussian") * base
    distance = moderator[None, :] - at[:, None]
    out = np.empty(values.shape)
    for k in range(values.shape[1]):
        seen = np.isfinite(values[:, k])
        w, d, y = weights[:, seen], distance[:, seen], values[seen, k]
        s0, s1, s2 = w.sum(axis=1), (w * d).sum(axis=1), (w * d * d).sum(axis=1)
        t0, t1 = w @ y, (w * d) @ y
        spread = s2 * s0 - s1 * s1
        sloped = spread > STEEP * s2 * s0  # else one customer alone is near, and no line can be told
        flat = np.divide(t0, s0, out=np.full_like(t0, y.mean()), where=s0 > 0)
        level = np.divide(s2 * t0 - s1 * t1, spread, out=flat, where=sloped)
        out[:, k] = np.interp(moderator, at, level)
    return out
