"""Curves of parameters over focal points: bands, what a curve amounts to, and tests that it is flat.

f focal points, r rows (parameters), b draws, u independent units (customers or clusters).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from sem_models.model.ram import Array
from sem_models.observed.patterns import BoolArray

BAND_DRAWS = 20_000
"""Normal draws behind the critical value of a simultaneous band without a bootstrap."""

TAILS = (0.025, 0.975)

BAND_SEED = 20160
"""Their seed: the band of a fit is always the same."""

ROUND = 1e-10
"""Share of the largest error of a row below which an error is zero: the parameter is fixed."""


@dataclass(frozen=True)
class Curves:
    """Values (f, r) of r rows at f focal points with what their errors come from.

    influence (u, f, r) are the changes with each unit; draws (b, f, r) a bootstrap, or None; share (f,) what
    part of the customers each focal point stands for, and grid (f,) where it is.
    """

    value: Array
    influence: Array
    draws: Array | None
    share: Array
    grid: Array

    @cached_property
    def error(self) -> Array:
        """Standard errors (f, r): of the bootstrap where there is one, else of the sandwich; 0
        where fixed."""
        if self.draws is not None:
            with np.errstate(all="ignore"):
                out = _spread(self.draws)
        else:
            out = np.sqrt((self.influence**2).sum(axis=0))
        return np.where(out < ROUND * (1.0 + np.abs(self.value)), 0.0, out)

    @cached_property
    def _there(self) -> BoolArray:
        """The focal points that have a solution, (f,)."""
        return np.asarray(np.isfinite(self.value).all(axis=1), dtype=bool)

    @cached_property
    def _weights(self) -> Array:
        """Shares of the focal points that have a solution, which add up to 1; 0 for the others."""
        kept = np.where(self._there, self.share, 0.0)
        return kept / max(float(kept.sum()), 1e-300)

    def _error_of(self, weights: Array) -> Array:
        """Errors (r,) of sums Σ w value over the focal points."""
        if self.draws is not None:
            at = np.flatnonzero(self._there)
            return _spread(np.einsum("f,bfr->br", weights[at], self.draws[:, at]))
        moves = np.einsum("f,ufr->ur", weights, np.nan_to_num(self.influence))
        return np.asarray(np.sqrt((moves**2).sum(axis=0)))

    def pointwise(self, level: float) -> float:
        """The critical value of each interval by itself."""
        return float(ndtri((1.0 + level) / 2.0))

    def simultaneous(self, row: int, level: float) -> float:
        """The critical value at which a row's band holds at all focal points at once.

        The quantile of the largest deviation in standard errors: of the bootstrap's draws from the estimate,
        or of a normal process with the sandwich's correlations (Montiel Olea & Plagborg-Møller, 2019,
        Journal of Applied Econometrics, 34, 1–17, section 2). NaN for a fixed row.
        """
        error = self.error[:, row]
        there = np.flatnonzero(np.isfinite(error) & (error > 0))
        if not len(there):
            return float("nan")
        if self.draws is not None:
            away = np.abs(self.draws[:, there, row] - self.value[there, row]) / error[there]
            away = away[np.isfinite(away).all(axis=1)]
            largest = away.max(axis=1)
        else:
            moves = self.influence[:, there, row]
            cov = moves.T @ moves
            cor = cov / np.outer(error[there], error[there])
            values, vectors = np.linalg.eigh(cor)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            rng = np.random.default_rng(BAND_SEED)
            largest = np.abs(rng.standard_normal((BAND_DRAWS, len(cor))) @ root.T).max(axis=1)
        if len(largest) == 0:
            return float("nan")
        return max(float(np.quantile(largest, level)), self.pointwise(level))

    def indices(self) -> dict[str, Array]:
        """What each curve amounts to over the customers, (r,) each.

        mean and sd over the focal points by `share`; sd_corrected without what sampling error adds to the
        variance (the SD of a flat curve is not 0 in a sample; Robitzsch, 2023, Journal of Intelligence, 11,
        175), slope of the weighted regression on the moderator, their errors, least and largest value.
        """
        w, x = self.share, self.grid
        value = self.value
        there = self._there
        w = self._weights
        value = np.where(there[:, None], value, 0.0)
        mean = w @ value
        center = w @ x
        spread = float(w @ (x - center) ** 2)
        line = w * (x - center) / spread if spread > 0 else np.zeros_like(w)
        sd = np.sqrt(np.maximum(w @ (value - mean) ** 2, 0.0))
        mean_error = self._error_of(w)
        noise = w @ np.nan_to_num(self.error) ** 2 - mean_error**2
        shown = np.where(there[:, None], self.value, np.nan)
        return {
            "mean": mean, "mean_se": mean_error, "sd": sd,
            "sd_corrected": np.sqrt(np.maximum(sd**2 - noise, 0.0)),
            "slope": line @ value, "slope_se": self._error_of(line),
            "lowest": np.nanmin(shown, axis=0), "highest": np.nanmax(shown, axis=0),
        }  # fmt: skip

    def variation(self, draws: Array | None = None) -> Array:
        """SD of the curves over the customers, (r,) or of draws (b, r), NaN where a refit failed.

        Over the focal points that have a solution.
        """
        at = np.flatnonzero(self._there)
        w = self._weights[at]
        value = self.value[at] if draws is None else draws[:, at]
        mean = np.einsum("f,...fr->...r", w, value)
        away = value - mean[..., None, :]
        return np.asarray(np.sqrt(np.maximum(np.einsum("f,...fr->...r", w, away**2), 0.0)))


def _spread(draws: Array) -> Array:
    """Standard errors of draws (b, ...): their central 95 % over twice 1.96, which a stray refit does not
    move.

    NaN where fewer than two draws are there.
    """
    if np.isfinite(draws).all():
        low, high = np.quantile(draws, TAILS, axis=0)
    else:
        with warnings.catch_warnings():  # rows without any draw are NaN and need no warning
            warnings.simplefilter("ignore", RuntimeWarning)
            low, high = np.nanquantile(draws, TAILS, axis=0)
    return np.asarray((high - low) / (2.0 * ndtri(TAILS[1])))


def permutation_pvalues(observed: Array, permuted: Array) -> tuple[Array, Array, float]:
    """p of each row (r,), adjusted for looking at all of them, and of all together.

    observed (r,) and permuted (b, r) are the curves' SDs. p = (1 + #{permuted ≥ observed}) / (1 + b)
    (Phipson & Smyth, 2010). Each SD is put in standard deviations above its mean, the data's own counted
    among the permutations', so that all are treated alike; the adjusted p is the share of permutations whose
    largest one reaches a row's (Westfall & Young, 1993, single step), and the smallest of these is the test
    of all. Permutations in which a refit failed are left out of a row's count. NaN for rows that cannot vary.
    """
    kept = np.isfinite(permuted)
    n = kept.sum(axis=0)
    largest_sd = np.where(kept, permuted, 0.0).max(axis=0, initial=0.0)
    moving = np.asarray((n > 0) & np.isfinite(observed) & (largest_sd > ROUND), dtype=bool)
    above = (kept & (np.where(kept, permuted, -np.inf) >= observed - 1e-12)).sum(axis=0)
    single = np.where(moving, (1.0 + above) / (1.0 + n), np.nan)
    adjusted = np.full(len(observed), np.nan)
    whole = kept[:, moving].all(axis=1)
    if not moving.any() or not whole.any():
        return single, adjusted, float("nan")
    base = permuted[np.ix_(whole, moving)]
    every = np.concatenate([base, observed[None, moving]])  # the data are one of the permutations
    mean, sd = every.mean(axis=0), every.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    largest = ((base - mean) / sd).max(axis=1)
    reached = (observed[moving] - mean) / sd
    count = (largest[:, None] >= reached - 1e-12).sum(axis=0)
    adjusted[moving] = (1.0 + count) / (1.0 + len(largest))
    return single, adjusted, float(np.nanmin(adjusted))


def two_sided(ratio: Array) -> Array:
    """Two-sided normal p."""
    return np.asarray(2.0 * ndtr(-np.abs(ratio)))
