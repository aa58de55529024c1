"""Stage one of Muthén (1984): each variable by itself, given the covariates if there are any.

An ordered item has thresholds τ of a standard normal latent response, and probit slopes on the covariates; a
continuous variable has a mean, slopes and a residual variance (divisor n). Each margin carries the
scores of its rows and what its estimates owe to each row, from which the asymptotic covariance follows.
With sampling weights w every sum over rows is weighted (pseudo maximum likelihood; Skinner, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

LEAST = 1e-120
"""A probability is not taken to be less than this where its logarithm or reciprocal is needed."""


@dataclass(frozen=True, slots=True)
class Margin:
    """One variable in one group of n rows, with c covariates.

    ordered or not; codes (n,) categories from 0 and −1 where missing (zeros for a continuous variable); tau
    (k,) thresholds, or the negative mean; slopes (c,); variance, 1 for an ordered item; level (n,) x'β, or
    (y − ŷ)/σ for a continuous variable; seen (n,). influence (n, m) is what each row moves the estimates
    (thresholds or −mean, slopes, variance), summing to zero over the rows. covariates (n, c), or None; weight
    (n,), zero where the answer is missing.
    """

    ordered: bool
    codes: IntArray
    tau: Array
    slopes: Array
    variance: float
    level: Array
    seen: NDArray[np.bool_]
    influence: Array
    weight: Array
    covariates: Array | None = None

    @property
    def n_categories(self) -> int:
        return len(self.tau) + 1 if self.ordered else 1


def phi(x: Array) -> Array:
    """Standard normal density."""
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi))


def edges(tau: Array) -> Array:
    """Thresholds with −∞ before and ∞ after them."""
    return np.concatenate([[-np.inf], tau, [np.inf]])


def ordered_margin(
    codes: IntArray, n_categories: int, x: Array | None, weight: Array | None = None
) -> Margin:
    """Thresholds (and probit slopes on x (n, c), rows complete) of an item; every category has answers."""
    seen = codes >= 0
    w = weights_of(seen, weight)
    counts = np.bincount(codes[seen], weights=w[seen], minlength=n_categories)
    tau = ndtri(np.cumsum(counts)[:-1] / counts.sum())
    if x is not None and x.shape[1]:
        return _probit(codes, seen, tau, x, w)
    table = threshold_scores(tau[None])[0]
    bread = (table[:-1].T * counts) @ table[:-1]
    influence = (table @ np.linalg.inv(bread))[codes] * w[:, None]
    return Margin(True, codes, tau, np.zeros(0), 1.0, np.zeros(len(codes)), seen, influence, w)


def weights_of(seen: NDArray[np.bool_], weight: Array | None) -> Array:
    """Weights (n,) of the rows that answered, zero for the others."""
    return np.asarray(seen.astype(np.float64) if weight is None else np.where(seen, weight, 0.0))


def threshold_scores(tau: Array) -> Array:
    """∂ log P(category) / ∂ thresholds (…, K + 1, K − 1) for tau (…, K − 1); the last row, for missing
    answers, is zero."""
    k = np.arange(tau.shape[-1])
    ends = [np.full((*tau.shape[:-1], 1), end) for end in (-np.inf, np.inf)]
    upper = phi(tau)
    chance = np.diff(ndtr(np.concatenate([ends[0], tau, ends[1]], axis=-1)), axis=-1)
    table = np.zeros((*tau.shape[:-1], tau.shape[-1] + 2, tau.shape[-1]))
    table[..., k, k] = upper / chance[..., :-1]
    table[..., k + 1, k] = -upper / chance[..., 1:]
    return table


def _probit(codes: IntArray, seen: NDArray[np.bool_], tau: Array, x: Array, weight: Array) -> Margin:
    """Ordered probit regression by Fisher scoring on the covariates centered."""
    total = weight.sum()
    center = weight @ x / total
    scale = np.sqrt(weight @ (x - center) ** 2 / total)
    z = (x - center) / scale
    k, c = len(tau), x.shape[1]
    params = np.concatenate([tau, np.zeros(c)])
    value = -np.inf
    step = np.zeros(k + c)
    for _ in range(100):
        found, scores = _probit_scores(codes, seen, params[:k], params[k:], z, weight)
        for _ in range(30):
            if found >= value - 1e-10 * (1.0 + abs(value)):
                break
            step *= 0.5
            params = params - step
            found, scores = _probit_scores(codes, seen, params[:k], params[k:], z, weight)
        value = found
        gradient = weight @ scores
        step = np.linalg.solve(_probit_information(seen, params[:k], params[k:], z, weight), gradient)
        if float(gradient @ step) < 1e-20 * len(codes):
            break
        params = params + step
    slopes = params[k:] / scale
    tau = params[:k] + slopes @ center
    _, scores = _probit_scores(codes, seen, tau, slopes, x, weight)
    weighted = scores * weight[:, None]
    influence = weighted @ np.linalg.inv(scores.T @ weighted)
    return Margin(True, codes, tau, slopes, 1.0, x @ slopes, seen, influence, weight, x)


def limits(codes: IntArray, tau: Array, level: Array) -> tuple[Array, Array]:
    """Lower and upper limit of each row's latent residual; ±∞ at the ends."""
    bounds = edges(tau)
    return bounds[codes] - level, bounds[codes + 1] - level


def interval(lower: Array, upper: Array) -> Array:
    """Φ(upper) − Φ(lower), from the tail that keeps its digits."""
    flip = lower > 0
    return np.asarray(np.where(flip, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower)))


def _probit_scores(
    codes: IntArray, seen: NDArray[np.bool_], tau: Array, slopes: Array, x: Array, weight: Array
) -> tuple[float, Array]:
    """Weighted log-likelihood and each row's scores (n, k + c); zero rows where the answer is missing."""
    if (np.diff(tau) <= 0).any():
        return -np.inf, np.zeros((len(codes), len(tau) + len(slopes)))
    lower, upper = limits(np.where(seen, codes, 0), tau, x @ slopes)
    chance = np.maximum(interval(lower, upper), LEAST)
    high, low = phi(upper) / chance, phi(lower) / chance
    scores = np.zeros((len(codes), len(tau) + len(slopes)))
    rows = np.arange(len(codes))
    has_upper, has_lower = seen & (codes < len(tau)), seen & (codes > 0)
    scores[rows[has_upper], codes[has_upper]] = high[has_upper]
    scores[rows[has_lower], codes[has_lower] - 1] -= low[has_lower]
    scores[:, len(tau) :] = -x * np.where(seen, high - low, 0.0)[:, None]
    return float(weight[seen] @ np.log(chance[seen])), scores


def _probit_information(seen: NDArray[np.bool_], tau: Array, slopes: Array, x: Array, weight: Array) -> Array:
    """Expected information (k + c, k + c) of an ordered probit regression."""
    k = len(tau)
    level = (x @ slopes)[seen]
    bounds = edges(tau)[None, :] - level[:, None]
    chance = np.maximum(interval(bounds[:, :-1], bounds[:, 1:]), LEAST)
    dense = phi(bounds)
    slope = np.zeros((len(level), k + 1, k + x.shape[1]))
    j = np.arange(k)
    slope[:, j, j] = dense[:, 1:-1]
    slope[:, j + 1, j] = -dense[:, 1:-1]
    slope[:, :, k:] = -np.diff(dense, axis=1)[:, :, None] * x[seen][:, None, :]
    return np.asarray(np.einsum("ncq,nc,ncr->qr", slope, weight[seen, None] / chance, slope, optimize=True))


def continuous_margin(values: Array, x: Array | None, weight: Array | None = None) -> Margin:
    """Mean, slopes and residual variance (divisor n); NaN marks a missing answer."""
    seen = ~np.isnan(values)
    w = weights_of(seen, weight)
    design = np.ones((len(values), 1)) if x is None else np.column_stack([np.ones(len(values)), x])
    y = np.where(seen, values, 0.0)
    root = np.sqrt(w[seen])
    coefficients: Array = np.asarray(
        np.linalg.lstsq(design[seen] * root[:, None], y[seen] * root, rcond=None)[0], dtype=np.float64
    )
    residual = np.where(seen, y - design @ coefficients, 0.0)
    variance = float(w @ residual**2) / float(w.sum())
    scores = np.column_stack(
        [
            design * (residual / variance)[:, None],
            np.where(seen, residual**2 / variance - 1.0, 0.0) / (2.0 * variance),
        ]
    )
    weighted = scores * w[:, None]
    influence = weighted @ np.linalg.inv(scores.T @ weighted)
    influence[:, 0] *= -1.0
    codes = np.where(seen, 0, -1).astype(np.intp)
    return Margin(
        False, codes, -coefficients[:1], coefficients[1:], variance, residual / np.sqrt(variance), seen,
        influence, w, x,
    )  # fmt: skip
