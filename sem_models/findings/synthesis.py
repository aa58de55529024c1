"""Fixed- and random-effects synthesis of one quantity across studies, from estimates and errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri
from scipy.stats import chi2
from scipy.stats import t as student

from sem_models.errors import ConvergenceError, DataError, SpecError, did_you_mean
from sem_models.inference.columns import checked_level
from sem_models.model.ram import Array

Method = Literal["REML", "DL", "fixed"]
Test = Literal["hksj", "z"]
ITERATIONS, CLOSE = 500, 1e-12


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A pooled estimate. Q tests homogeneity; tau2 is the variance between studies with its Q-profile limits;
    i2 its share (%) of the total; pi_lower and pi_upper predict the true value in a new study."""

    method: Method
    test: str
    k: int
    estimate: float
    se: float
    statistic: float
    pvalue: float
    ci_lower: float
    ci_upper: float
    tau2: float
    tau2_lower: float
    tau2_upper: float
    i2: float
    q: float
    q_df: int
    q_pvalue: float
    pi_lower: float
    pi_upper: float
    weights: Array


def synthesis(
    estimate: Array, se: Array, *, method: Method = "REML", test: Test = "hksj", level: float = 0.95
) -> Synthesis:
    """Pool k estimates (k,) with errors (k,).

    method "fixed" (inverse variances), "DL" (DerSimonian & Laird, 1986) or "REML"; test "z", or "hksj": the
    variance Σw(y − μ)²/((k − 1)Σw) with t of k − 1 degrees of freedom (Hartung & Knapp, 2001; Sidik &
    Jonkman, 2002), which holds its level with few studies of similar size. The prediction interval has t of
    k − 2 degrees of freedom (Higgins, Thompson & Spiegelhalter, 2009, eq. 12); NaN under 3 studies.
    """
    y, v = _checked(estimate, se)
    for name, value, known in (("method", method, ("REML", "DL", "fixed")), ("test", test, ("hksj", "z"))):
        if value not in known:
            raise SpecError(f"{name}='{value}' is unknown. {did_you_mean(value, known, noun='choices')}")
    checked_level(level)
    k, nan = len(y), float("nan")
    w = 1 / v
    common = float(w @ y / w.sum())
    q = float(w @ (y - common) ** 2)
    tau2 = 0.0 if method == "fixed" else dersimonian_laird(y, v) if method == "DL" else reml(y, v)
    weight = 1 / (v + tau2)
    mu = float(weight @ y / weight.sum())
    plain = float(1 / weight.sum())
    by_t = test == "hksj" and method != "fixed" and k > 1
    variance = float(weight @ (y - mu) ** 2 / (k - 1) / weight.sum()) if by_t else plain
    error = float(np.sqrt(variance))
    statistic = mu / error if error > 0 else nan
    half = float(student.ppf((1 + level) / 2, k - 1) if by_t else ndtri((1 + level) / 2))
    p = 2 * float(student.sf(abs(statistic), k - 1) if by_t else ndtr(-abs(statistic)))
    low, high = q_profile(y, v, level) if method != "fixed" else (nan, nan)
    typical = (k - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()) if k > 1 else nan
    reach = nan
    if method != "fixed" and k > 2:
        reach = float(student.ppf((1 + level) / 2, k - 2)) * float(np.sqrt(tau2 + variance))
    if method == "fixed":
        i2 = max(0.0, 100 * (1 - (k - 1) / q)) if q else 0.0
    else:
        i2 = 100 * tau2 / (tau2 + typical) if k > 1 else nan
    return Synthesis(
        method, "t, Hartung–Knapp–Sidik–Jonkman" if by_t else "normal", k, mu, error, statistic, p,
        mu - half * error, mu + half * error, tau2 if method != "fixed" else nan, low, high, float(i2), q,
        k - 1, float(chi2.sf(q, k - 1)) if k > 1 else nan, mu - reach, mu + reach, weight / weight.sum(),
    )  # fmt: skip


def dersimonian_laird(y: Array, v: Array) -> float:
    """The moment estimate of τ², at least 0. DerSimonian & Laird (1986), eq. 8."""
    w = 1 / v
    q = w @ (y - w @ y / w.sum()) ** 2
    return float(max(0.0, (q - (len(y) - 1)) / (w.sum() - (w**2).sum() / w.sum()))) if len(y) > 1 else 0.0


def reml(y: Array, v: Array) -> float:
    """Restricted maximum likelihood of τ² by Fisher scoring, at least 0. Raises ConvergenceError.

    With P = W − W11'W/Σw the score is (y'PPy − tr P)/2 and its information tr(PP)/2 (Harville, 1977).
    """
    if len(y) < 2:
        return 0.0
    tau2 = dersimonian_laird(y, v)
    for _ in range(ITERATIONS):
        w = 1 / (v + tau2)
        total = w.sum()
        residual = w * (y - w @ y / total)
        trace = total - (w**2).sum() / total
        squares = (w**2).sum() - 2 * (w**3).sum() / total + ((w**2).sum() / total) ** 2
        moved = max(0.0, tau2 + float((residual @ residual - trace) / squares))
        if abs(moved - tau2) <= CLOSE * max(float(v.mean()), tau2):
            return moved
        tau2 = moved
    raise ConvergenceError("The variance between studies did not converge. Take method='DL'.")


def q_profile(y: Array, v: Array, level: float) -> tuple[float, float]:
    """Limits of τ² at which Q(τ²) equals the quantiles of χ²(k − 1). Viechtbauer (2007)."""
    k = len(y)
    if k < 2:
        return float("nan"), float("nan")

    def gap(tau2: float, target: float) -> float:
        w = 1 / (v + tau2)
        return float(w @ (y - w @ y / w.sum()) ** 2) - target

    limits = []
    for tail in ((1 + level) / 2, (1 - level) / 2):
        target = float(chi2.ppf(tail, k - 1))
        if gap(0.0, target) <= 0:
            limits.append(0.0)
            continue
        high = float(y.var() + v.max())
        while gap(high, target) > 0:
            high *= 4
        limits.append(float(brentq(gap, 0.0, high, args=(target,), xtol=1e-14)))
    return limits[0], limits[1]


def _checked(estimate: Array, se: Array) -> tuple[Array, Array]:
    y, s = np.asarray(estimate, dtype=np.float64), np.asarray(se, dtype=np.float64)
    if y.ndim != 1 or y.shape != s.shape or not len(y):
        raise DataError("Give as many standard errors as estimates, at least one of each.")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        raise DataError("Every study needs a finite estimate and a standard error above 0.")
    return y, s**2
