"""Univariate moments and multivariate normality: Mardia's measures, and Henze–Zirkler by pingouin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

HZ_ROWS = 5000  # pingouin's test builds n × n matrices


@dataclass(frozen=True, slots=True)
class Mardia:
    """Multivariate skewness and kurtosis with their asymptotic tests.

    skewness b₁ₚ, chisq = n b₁ₚ/6 on p(p+1)(p+2)/6 degrees of freedom; kurtosis b₂ₚ, z of b₂ₚ − p(p+2).
    """

    skewness: float
    chisq: float
    df: int
    pvalue_skewness: float
    kurtosis: float
    z: float
    pvalue_kurtosis: float


def mardia(data: np.ndarray) -> Mardia:
    """Mardia (1970), Biometrika 57, eqs. 2.23, 2.26, 3.12: data (n, p), complete; covariance with divisor n.

    b₁ₚ = n⁻² ΣᵢΣⱼ (zᵢᵀzⱼ)³ is summed as the squared third moments of the whitened data, which needs no
    n × n matrix. Raises LinAlgError where the covariance is singular.
    """
    n, p = data.shape
    centered = data - data.mean(axis=0)
    root = np.linalg.cholesky(centered.T @ centered / n)
    white = np.linalg.solve(root, centered.T).T
    third = np.zeros((p, p * p))
    for rows in np.array_split(white, max(1, n // 2000)):
        third += rows.T @ (rows[:, :, None] * rows[:, None, :]).reshape(len(rows), p * p)
    skewness = float(((third / n) ** 2).sum())
    kurtosis = float(((white**2).sum(axis=1) ** 2).mean())
    chisq, df = n * skewness / 6, p * (p + 1) * (p + 2) // 6
    z = (kurtosis - p * (p + 2)) / math.sqrt(8 * p * (p + 2) / n)
    return Mardia(
        skewness=skewness,
        chisq=chisq,
        df=df,
        pvalue_skewness=float(chdtrc(df, chisq)),
        kurtosis=kurtosis,
        z=z,
        pvalue_kurtosis=float(2 * ndtr(-abs(z))),
    )


def normality_table(data: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Tests of multivariate normality from complete float64 rows.

    Columns: test, statistic, df, pvalue, n, note. Above 5,000 rows Henze–Zirkler takes a random 5,000.
    """
    values = data.to_numpy(np.float64)
    n = len(values)
    names = ("Mardia skewness", "Mardia kurtosis", "Henze-Zirkler")
    reason = _why_not(values)
    if reason:
        return _frame([{"test": t, "n": n, "note": reason} for t in names])
    import pingouin

    m = mardia(values)
    sample = values
    if n > HZ_ROWS:
        sample = values[np.sort(np.random.default_rng(seed).choice(n, HZ_ROWS, replace=False))]
    # float64 in: pingouin casts the inverse covariance to the type of the data.
    hz = pingouin.multivariate_normality(sample)
    note = f"on {HZ_ROWS} rows drawn at random" if n > HZ_ROWS else ""
    return _frame(
        [
            {"test": names[0], "statistic": m.chisq, "df": m.df, "pvalue": m.pvalue_skewness, "n": n},
            {"test": names[1], "statistic": m.z, "pvalue": m.pvalue_kurtosis, "n": n},
            {
                "test": names[2],
                "statistic": float(hz.hz),
                "pvalue": float(hz.pval),
                "n": len(sample),
                "note": note,
            },
        ]
    )


def skewness(values: np.ndarray) -> float:
    """Sample skewness G₁, adjusted for bias (as SPSS and SAS); NaN below 3 values or without variance."""
    n = len(values)
    deviation = values - values.mean() if n else values
    spread = float((deviation**2).mean()) if n else 0.0
    if n < 3 or spread <= 0:
        return math.nan
    return float(math.sqrt(n * (n - 1)) / (n - 2) * (deviation**3).mean() / spread**1.5)


def kurtosis(values: np.ndarray) -> float:
    """Sample excess kurtosis G₂, adjusted for bias; NaN below 4 values or without variance."""
    n = len(values)
    deviation = values - values.mean() if n else values
    spread = float((deviation**2).mean()) if n else 0.0
    if n < 4 or spread <= 0:
        return math.nan
    excess = float((deviation**4).mean()) / spread**2 - 3
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)


def _why_not(values: np.ndarray) -> str:
    n, p = values.shape
    if p < 2:
        return "fewer than two items"
    if n <= p + 1:
        return f"only {n} complete rows for {p} items"
    scale = values.std(axis=0)
    if (scale == 0).any() or np.linalg.matrix_rank((values - values.mean(axis=0)) / scale) < p:
        return "items are constant or collinear"
    return ""


def _frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    blank = {"statistic": math.nan, "df": math.nan, "pvalue": math.nan, "note": ""}
    columns = ["test", "statistic", "df", "pvalue", "n", "note"]
    return pd.DataFrame([{**blank, **r} for r in rows], columns=columns)
