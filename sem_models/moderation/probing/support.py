"""Where customers lie on a variable: shares, percentiles, and a range that gives no single answer away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from sem_models.model.ram import Array

SMALLEST = 5
"""Customers at or beyond each end of a range, and in each bar of a histogram."""

BARS = 24


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges: edges (k + 1,), counts (k,), none of them below 5; counts sum to n."""

    edges: Array
    counts: Array


@dataclass(frozen=True)
class Support:
    """The distribution of one variable, by group and over all.

    basis "observed": the customers' own values, `values` by group and sorted; "normal": the model's normal
    distribution with mean (g,), sd (g,) and n (g,) customers, of a latent variable or (latent False) of a
    column whose values are not at hand.
    Nothing that is shown comes from fewer than 5 customers.
    """

    basis: Literal["observed", "normal"]
    mean: Array
    sd: Array
    n: Array
    values: tuple[Array, ...] = field(default=(), repr=False)
    latent: bool = True

    @classmethod
    def observed(cls, values: list[Array]) -> Support:
        """From the values of each group; missing ones (NaN) are left out."""
        kept = tuple(np.sort(v[np.isfinite(v)]) for v in values)
        return cls(
            "observed",
            np.array([v.mean() if len(v) else np.nan for v in kept]),
            np.array([v.std() if len(v) else np.nan for v in kept]),
            np.array([float(len(v)) for v in kept]),
            kept,
        )

    @property
    def words(self) -> str:
        """The basis of a share, for a sentence."""
        if self.basis == "observed":
            return "observed values"
        return "normal distribution of the latent variable" if self.latent else "normal distribution"

    def _pooled(self, group: int | None) -> Array:
        return np.sort(np.concatenate(self.values)) if group is None else self.values[group]

    def moments(self, group: int | None = None) -> tuple[float, float]:
        """Mean and standard deviation (divisor n), over all groups or in one."""
        if group is not None:
            return float(self.mean[group]), float(self.sd[group])
        weight = self.n / self.n.sum()
        mean = float(weight @ self.mean)
        return mean, float(np.sqrt(weight @ (self.sd**2 + (self.mean - mean) ** 2)))

    def below(self, at: Array, group: int | None = None) -> Array:
        """Share of the customers at or below each value (…,)."""
        at = np.asarray(at, dtype=np.float64)
        if self.basis == "observed":
            values = self._pooled(group)
            return np.asarray(np.searchsorted(values, at, side="right") / max(len(values), 1))
        if group is not None:
            return np.asarray(ndtr((at - self.mean[group]) / self.sd[group]))
        weight = self.n / self.n.sum()
        return np.asarray(sum(w * self.below(at, g) for g, w in enumerate(weight)))

    def share(self, low: float, high: float, group: int | None = None) -> float:
        """Share of the customers between two values, both included."""
        if self.basis == "observed":
            values = self._pooled(group)
            inside = np.searchsorted(values, high, side="right") - np.searchsorted(values, low, side="left")
            return float(inside / max(len(values), 1))
        return float(self.below(np.array(high), group) - self.below(np.array(low), group))

    def released(self, shares: Array, group: int | None = None) -> Array:
        """Shares as they may be shown: where one stands for 1 to 4 known customers, all are rounded to fives.

        Rounding them all keeps the small one from being found as what the others leave; the largest takes up
        what the rounding left over.
        """
        shares = np.asarray(shares, dtype=np.float64)
        if self.basis != "observed":
            return shares
        n = float(self.n.sum() if group is None else self.n[group])
        counts = shares * n
        if not ((counts > 0.5) & (counts < SMALLEST - 0.5)).any():
            return shares
        out = SMALLEST * np.round(counts / SMALLEST)
        largest = int(np.argmax(counts))
        out[largest] += counts.sum() - out.sum()
        return np.asarray(out / n)

    def quantile(self, p: Array, group: int | None = None) -> Array:
        """Values below which the shares p (k,) of the customers lie."""
        p = np.asarray(p, dtype=np.float64)
        if self.basis == "observed":
            return np.asarray(np.quantile(self._pooled(group), p))
        if group is not None or len(self.n) == 1:
            g = group or 0
            return np.asarray(self.mean[g] + self.sd[g] * ndtri(p))
        mean, sd = self.moments()
        low, high = np.full(p.shape, mean - 12 * sd), np.full(p.shape, mean + 12 * sd)
        for _ in range(80):  # the mixture's distribution function has no closed inverse
            middle = (low + high) / 2
            under = self.below(middle) < p
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray((low + high) / 2)

    def limits(self, group: int | None = None) -> tuple[float, float]:
        """The range that counts as observed: at least 5 customers lie at or beyond each end.

        Of a normal distribution the points beyond which 5 of the n customers are expected.
        """
        if self.basis == "observed":
            values = self._pooled(group)
            if len(values) < 2 * SMALLEST:
                middle = float(np.median(values)) if len(values) else float("nan")
                return middle, middle
            return float(values[SMALLEST - 1]), float(values[-SMALLEST])
        n = float(self.n.sum() if group is None else self.n[group])
        low, high = self.quantile(np.array([min(SMALLEST / n, 0.5), max(1 - SMALLEST / n, 0.5)]), group)
        return float(low), float(high)

    def beyond(self, at: Array, group: int | None = None) -> Array:
        """True where a value lies outside the observed range, (…,)."""
        low, high = self.limits(group)
        slack = 1e-9 * max(high - low, 1e-300)
        return np.asarray((at < low - slack) | (at > high + slack))

    def histogram(self, group: int | None = None, bars: int = BARS) -> Histogram | None:
        """Bars over the observed range; neighbors are joined until each holds 5 customers.

        None for a normal distribution and where fewer than 5 customers are known.
        """
        if self.basis != "observed":
            return None
        values = self._pooled(group)
        if len(values) < SMALLEST:
            return None
        low, high = self.limits(group)
        inside = np.clip(values, low, high)
        distinct = np.unique(inside)
        if len(distinct) <= bars:
            gap = np.min(np.diff(distinct)) if len(distinct) > 1 else 1.0
            middles = (distinct[1:] + distinct[:-1]) / 2
            edges = np.concatenate([[distinct[0] - gap / 2], middles, [distinct[-1] + gap / 2]])
        else:
            edges = np.linspace(low, high, bars + 1)
        counts = np.histogram(inside, edges)[0].astype(np.float64)
        return _joined(edges, counts)


def density(support: Support, group: int | None = None) -> Histogram:
    """Shares of the customers per unit: bars of the observed values, or a fine normal curve over ±3.2 SD."""
    bars = support.histogram(group)
    if bars is not None:
        return Histogram(bars.edges, bars.counts / bars.counts.sum() / np.diff(bars.edges))
    mean, sd = support.moments(group)
    edges = np.linspace(mean - 3.2 * sd, mean + 3.2 * sd, 161)
    return Histogram(edges, np.diff(support.below(edges, group)) / np.diff(edges))


def _joined(edges: Array, counts: Array) -> Histogram:
    """Empty bars stay; one with 1 to 4 customers is joined with its smaller neighbor."""
    edge, count = list(edges), list(counts)
    while len(count) > 1:
        small = [i for i, c in enumerate(count) if 0 < c < SMALLEST]
        if not small:
            break
        i = small[0]
        j = i - 1 if i == len(count) - 1 or (i > 0 and count[i - 1] <= count[i + 1]) else i
        count[j : j + 2] = [count[j] + count[j + 1]]
        del edge[j + 1]
    return Histogram(np.array(edge), np.array(count))
