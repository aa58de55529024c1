"""Fit measures as pure functions of numbers.

χ² statistics use N (not N − 1); g is the number of groups. Sources: Bentler (1990), Psychological Bulletin
107; Steiger (1998), Structural Equation Modeling 5 (groups in RMSEA); Brosseau-Liard, Savalei & Li (2012,
2014) for the robust versions; Zhang & Savalei (2023) with incomplete data; Maydeu-Olivares, Ximénez &
Revuelta (2024) for the unbiased GFI.
"""

from __future__ import annotations

from math import exp, isnan, log, nan, sqrt

from scipy.special import chdtri, chndtr, chndtrinc

NAN = nan


def cfi(chisq: float, df: float, baseline: float, baseline_df: float) -> float:
    """Comparative fit index; `df` stands for the expected value of χ² under the model."""
    above = max(chisq - df, 0.0)
    worst = max(chisq - df, baseline - baseline_df, 0.0)
    return 1.0 if above == 0.0 else 1.0 - above / worst


def rni(chisq: float, df: float, baseline: float, baseline_df: float) -> float:
    """Relative noncentrality index: CFI without its bounds."""
    return _ratio((baseline - baseline_df) - (chisq - df), baseline - baseline_df)


def tli(
    chisq: float,
    df: float,
    baseline: float,
    baseline_df: float,
    *,
    expected: tuple[float, float] | None = None,
) -> float:
    """Tucker–Lewis (non-normed) index; `expected` replaces (df, baseline_df) as expected values of χ²."""
    mean, baseline_mean = expected or (df, baseline_df)
    if df == 0:
        return 1.0
    return 1.0 - _ratio((chisq - mean) * baseline_df, (baseline - baseline_mean) * df)


def nfi(chisq: float, baseline: float) -> float:
    """Normed fit index."""
    return _ratio(baseline - chisq, baseline)


def rfi(chisq: float, df: float, baseline: float, baseline_df: float) -> float:
    """Relative fit index; 1 when the fit per degree of freedom is worse than the baseline's, as in lavaan."""
    if df == 0:
        return 1.0
    if baseline_df == 0:
        return nan
    if baseline / baseline_df < chisq / df:
        return 1.0
    return _ratio(baseline / baseline_df - chisq / df, baseline / baseline_df)


def ifi(chisq: float, df: float, baseline: float) -> float:
    """Incremental fit index."""
    return _ratio(baseline - chisq, baseline - df)


def rmsea(chisq: float, df: float, n: float, g: int, *, scaling: float = 1.0) -> float:
    """Root mean square error of approximation, √(g (χ² − c df) / (N df))."""
    return sqrt(max((chisq / n - scaling * df / n) * g / df, 0.0)) if df else 0.0


def noncentral_cdf(statistic: float, df: float, noncentrality: float) -> float:
    """P(χ²_df(λ) ≤ statistic)."""
    return float(chndtr(statistic, df, noncentrality))


def noncentrality_bound(statistic: float, df: float, tail: float) -> float:
    """λ ≥ 0 at which P(χ²_df(λ) ≤ statistic) = `tail`; 0 where even λ = 0 lies below it.

    NaN without degrees of freedom (an unidentified model that was let through) or statistic.
    """
    if not (df > 0 and statistic == statistic):
        return NAN
    if noncentral_cdf(statistic, df, 0.0) < tail:
        return 0.0
    return float(chndtrinc(statistic, df, tail))


def rmsea_interval(
    chisq: float, df: float, n: float, g: int, *, scaling: float = 1.0, level: float = 0.90
) -> tuple[float, float]:
    """Interval of RMSEA from the noncentral χ² (Browne & Cudeck, 1993); `chisq` is divided by `scaling`."""
    if not df:
        return 0.0, 0.0
    tail = (1 - level) / 2
    low, high = (noncentrality_bound(chisq, df, t) for t in (1 - tail, tail))
    return sqrt(scaling * low * g / (n * df)), sqrt(scaling * high * g / (n * df))


def rmsea_close(chisq: float, df: float, n: float, g: int, *, against: float, scaling: float = 1.0) -> float:
    """P of a χ² at least this large if RMSEA were `against` (close fit)."""
    if not df:
        return NAN
    return 1.0 - noncentral_cdf(chisq, df, n * df * against**2 / g / scaling)


def rmsea_notclose(
    chisq: float, df: float, n: float, g: int, *, against: float, scaling: float = 1.0
) -> float:
    """P of a χ² at most this large if RMSEA were `against` (not-close fit)."""
    if not df:
        return NAN
    return noncentral_cdf(chisq, df, n * df * against**2 / g / scaling)


def aic(logl: float, npar: int) -> float:
    return -2.0 * logl + 2.0 * npar


def bic(logl: float, npar: int, n: float) -> float:
    return -2.0 * logl + npar * log(n)


def bic_adjusted(logl: float, npar: int, n: float) -> float:
    """Sample-size adjusted BIC (Sclove, 1987)."""
    return -2.0 * logl + npar * log((n + 2.0) / 24.0)


def mfi(chisq: float, df: float, n: float) -> float:
    """McDonald's fit index."""
    return exp(-0.5 * (chisq - df) / n)


def ecvi(chisq: float, npar: int, n: float) -> float:
    """Expected cross-validation index (Browne & Cudeck, 1993)."""
    return chisq / n + 2.0 * npar / n


def critical_n(chisq: float, df: float, n: float, alpha: float) -> float:
    """Hoelter's critical N."""
    if not df or chisq <= 0:
        return NAN
    return float(chdtri(df, alpha)) / (chisq / n) + 1.0


def gfi(misfit: float, p: float, bias: float) -> float:
    """Unbiased GFI p / (p + misfit − bias), misfit = tr[(Σ⁻¹(S − Σ))²] (+ twice the means' part)."""
    return p / (p + max(misfit - bias, 0.0))


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator and not isnan(denominator) else NAN
