"""The likelihood ratio test of a model against the saturated one, plain and Yuan–Bentler scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from sem_models.model.ram import Array, IntArray
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import discrepancy
from sem_models.observed.rows import Rows, pieces
from sem_models.observed.sample import Sample
from sem_models.observed.saturated_scores import saturated_meat


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A χ² statistic with its degrees of freedom, and its scaled version where there is one.

    Scaled: statistic / scaling + shift on scaled_df degrees of freedom. `expected` is the expected value of
    the unscaled statistic under the model, tr(UΓ). `tested` is False for a discrepancy whose unscaled
    minimum has no χ² distribution.
    """

    statistic: float
    df: int
    scaling: float | None = None
    shift: float = 0.0
    scaled_df: float | None = None
    expected: float | None = None
    tested: bool = True

    @property
    def scaled(self) -> float:
        if self.scaling is None:
            return float("nan")
        return self.statistic / self.scaling + self.shift if self.df else 0.0

    @property
    def df_scaled(self) -> float:
        return float(self.df) if self.scaled_df is None else self.scaled_df

    @property
    def pvalue(self) -> float:
        return upper_tail(self.statistic, self.df) if self.tested else float("nan")

    @property
    def pvalue_scaled(self) -> float:
        return upper_tail(self.scaled, self.df_scaled)


def upper_tail(statistic: float, df: float) -> float:
    """P(χ²_df > statistic); NaN without degrees of freedom."""
    return float(chdtrc(df, max(statistic, 0.0))) if df > 0 and np.isfinite(statistic) else float("nan")


def saturated_value(sample: Sample) -> float:
    """½ Σ_t share_t value_t at the saturated moments, which leave a complete pattern log|S| + p."""
    if sample.complete:
        chol = np.linalg.cholesky(sample.cov)
        log_det = 2.0 * np.log(np.diagonal(chol, axis1=-2, axis2=-1)).sum(axis=-1)
        return 0.5 * float(sample.patterns.share @ (log_det + len(sample.variables)))
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    return float(0.5 * (sample.patterns.share * parts.value).sum())


def n_moments(sample: Sample, exogenous: IntArray, *, has_means: bool) -> int:
    """Sample moments that the model explains: those of fixed covariates do not count; of ordered items the
    thresholds and correlations."""
    if sample.ordinal is not None:
        return sample.ordinal.statistics.size
    p, x = len(sample.variables), len(exogenous)
    by_group = p * (p + 1) // 2 - x * (x + 1) // 2 + (p - x if has_means else 0)
    return by_group * len(sample.groups)


def saturated_trace(
    sample: Sample, exogenous: IntArray, *, has_means: bool, meat: Array | None = None, observed: bool = True
) -> float:
    """tr(A⁻¹ B) of the saturated model at its own estimates: information A, scores' cross-product B.

    Yuan & Bentler (2000), Sociological Methodology 30; in the Mplus variant both are unstructured. `meat`
    (g, r, r) is B where it is at hand.
    """
    assert sample.rows is not None
    if sample.complete and not sample.clustered:
        return sum(
            _complete_trace(rows, cov, mean, exogenous, has_means=has_means)
            for rows, cov, mean in zip(sample.rows, sample.cov, sample.mean, strict=True)
        )
    keep = moments_explained(len(sample.variables), exogenous, has_means=has_means)
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    information = moment_likelihood.curvature(parts, sample.patterns, len(sample.groups), observed=observed)
    meat = saturated_meat(sample) if meat is None else meat
    chosen = np.ix_(keep, keep)
    return sum(
        float(np.trace(np.linalg.solve(of_group[chosen], b[chosen])))
        for of_group, b in zip(information, meat, strict=True)
    )


def _complete_trace(rows: Rows, cov: Array, mean: Array, exogenous: IntArray, *, has_means: bool) -> float:
    """The trace for one group without missing values, in closed form.

    With d² the squared Mahalanobis distance of the outcomes given the covariates x, and h² = xᵀ S⁻¹ x of the
    centered covariates: the variances give the mean of (d⁴ − 2 d² + p)/2, the regressions that of d² h², the
    intercepts that of d². The trace does not depend on how the saturated model is parameterized. A sampling
    weight enters B squared and the information once.
    """
    fixed = np.isin(np.arange(len(mean)), exogenous)
    outside = int(fixed.sum())
    order = np.concatenate([np.flatnonzero(fixed), np.flatnonzero(~fixed)])
    # the Cholesky factor with covariates first standardizes them, and then the outcomes given them
    half = np.linalg.inv(np.linalg.cholesky(cov[np.ix_(order, order)]))
    total = weights = 0.0
    for piece in pieces(len(rows.values)):
        squares = ((rows.values[piece][:, order] - mean[order]) @ half.T) ** 2
        leverage = squares[:, :outside].sum(axis=1) + (1.0 if has_means else 0.0)
        distance = squares[:, outside:].sum(axis=1)
        by_row = 0.5 * (distance**2 - 2.0 * distance + len(order) - outside) + distance * leverage
        if rows.weight is None:
            total += float(by_row.sum())
            weights += len(by_row)
        else:
            total += float(rows.weight[piece] ** 2 @ by_row)
            weights += float(rows.weight[piece].sum())
    return total / weights
