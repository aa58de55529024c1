"""Kernel weights of the customers around focal points of a continuous moderator.

Hildebrandt, A., Wilhelm, O., & Robitzsch, A. (2009). Complementary and competing factor analytic approaches
for the investigation of measurement invariance. Review of Psychology, 16, 87–102; Hildebrandt, A., Lüdtke,
O., Robitzsch, A., Sommer, C., & Wilhelm, O. (2016). Exploring factor model parameters across continuous
variables with local structural equation models. Multivariate Behavioral Research, 51, 257–278.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array

Kernel = Literal["gaussian", "epanechnikov", "uniform"]
KERNELS: tuple[str, ...] = ("gaussian", "epanechnikov", "uniform")

MOST = 500
"""Focal points beyond which a grid is a slip."""


@dataclass(frozen=True, slots=True)
class Window:
    """Focal points and how customers weigh there.

    grid (f,) in the moderator's units, increasing; bandwidth in the same units; kernel by name; moderator
    (n,) the customers' values; base (n,) their sampling weights, or 1.
    """

    grid: Array
    bandwidth: float
    kernel: Kernel
    moderator: Array
    base: Array

    def weights(self, moderator: Array | None = None) -> Array:
        """Kernel times sampling weight at each focal point, (f, n); the kernel is 1 at its focal point."""
        at = self.moderator if moderator is None else moderator
        return kernel_weights(at, self.grid, self.bandwidth, self.kernel) * self.base

    def density(self) -> Array:
        """Shares (f,) that the focal points stand for: the moderator's density there times the spacing."""
        height = kernel_weights(self.moderator, self.grid, self.bandwidth, "gaussian") @ self.base
        if len(self.grid) == 1:
            return np.ones(1)
        share = height * np.gradient(self.grid)
        return np.asarray(share / share.sum())


def kernel_weights(moderator: Array, grid: Array, bandwidth: float, kernel: str) -> Array:
    """K((m − m₀) / bandwidth) of n customers at f focal points, (f, n), with K(0) = 1."""
    z = (moderator[None, :] - grid[:, None]) / bandwidth
    if kernel == "gaussian":
        return np.asarray(np.exp(-0.5 * z * z))
    inside = np.abs(z) <= 1.0
    return np.where(inside, 1.0 - z * z, 0.0) if kernel == "epanechnikov" else inside.astype(float)


def effective_sizes(weights: Array) -> tuple[Array, Array]:
    """Effective numbers of customers at each focal point, both (f,).

    The sum of the weights, which counts a customer at the focal point as one (Hildebrandt et al., 2016), and
    (Σ w)² / Σ w² (Kish, 1965), which is what the sampling error of a weighted mean goes by.
    """
    total = weights.sum(axis=-1)
    squares = (weights * weights).sum(axis=-1)
    return total, np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)


def bandwidth_of(moderator: Array, base: Array, h: float, given: float | None) -> float:
    """h · SD · N^(−1/5), SD with the sampling weights and divisor N; or the bandwidth as given."""
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < np.inf:
            raise SpecError(f"bandwidth={given!r} must be a number above 0, in the moderator's units.")
        return float(given)
    if isinstance(h, bool) or not isinstance(h, int | float) or not 0 < h < np.inf:
        raise SpecError(f"h={h!r} must be a number above 0: 1.1 follows the data closely, 2 is smoother.")
    mean = np.average(moderator, weights=base)
    sd = float(np.sqrt(np.average((moderator - mean) ** 2, weights=base)))
    return float(h * sd * len(moderator) ** -0.2)


def focal_points(
    moderator: Array, grid: int | Sequence[float], span: tuple[float, float], name: str
) -> Array:
    """The focal points (f,): `grid` many evenly between the quantiles `span`, or those given.

    SpecError for what is no grid, DataError for points where there are no customers.
    """
    if isinstance(grid, int) and not isinstance(grid, bool):
        if not 1 <= grid <= MOST:
            raise SpecError(f"grid={grid} must be 1 to {MOST} focal points, or a list of values of '{name}'.")
        low, high = np.quantile(moderator, _span(span))
        if not high > low and grid > 1:
            raise DataError(
                f"The quantiles {span[0]:g} and {span[1]:g} of '{name}' are the same value ({low:g}). Give "
                "grid= as a list of values, or a wider grid_range=."
            )
        return np.linspace(low, high, grid)
    points = _values(grid, name)
    low, high = float(moderator.min()), float(moderator.max())
    outside = points[(points < low) | (points > high)]
    if len(outside):
        shown = ", ".join(f"{v:g}" for v in outside[:3]) + (", …" if len(outside) > 3 else "")
        raise DataError(
            f"grid=: {len(outside)} of {len(points)} focal points ({shown}) lie outside the observed "
            f"'{name}', {low:g} to {high:g}. Keep to values that customers have."
        )
    return np.unique(points)


def check_kernel(kernel: str) -> None:
    """SpecError for an unknown kernel."""
    if kernel not in KERNELS:
        raise SpecError(f"kernel='{kernel}' is unknown. {did_you_mean(str(kernel), KERNELS, noun='kernels')}")


def _span(span: Any) -> tuple[float, float]:
    try:
        low, high = (float(v) for v in span)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not 0 <= low < high <= 1:
        raise SpecError(f"grid_range={span!r} must be two quantiles, as (0.05, 0.95).")
    return low, high


def _values(grid: Any, name: str) -> Array:
    try:
        points = np.asarray(list(grid), dtype=np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    if not 0 < len(points) <= MOST or not np.isfinite(points).all():
        raise SpecError(f"grid={grid!r} must be a number of focal points, or a list of values of '{name}'.")
    return points
