"""Comparisons of nested models and hypotheses about one model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.definitions import evaluate, label_values
from sem_models.inference.measures import aic, bic, rmsea
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import ChiSquare, upper_tail
from sem_models.model.syntax import parse

Method = Literal["default", "standard", "satorra.bentler.2001"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A χ² difference test."""

    chisq_diff: float
    df_diff: int
    pvalue: float


def chi_square_difference(
    restricted: ChiSquare, general: ChiSquare, method: Method = "default"
) -> Difference:
    """Likelihood-ratio test, scaled after Satorra & Bentler (2001, Psychometrika 66, eq. 6) when both are.

    A non-positive scaling of the difference leaves the scaled statistic undefined (NaN).
    """
    df = restricted.df - general.df
    difference = restricted.statistic - general.statistic
    robust = restricted.scaling is not None or general.scaling is not None
    if method == "satorra.bentler.2001" or (method == "default" and robust):
        if df <= 0:
            return Difference(float("nan"), df, float("nan"))
        scaling = (restricted.df * (restricted.scaling or 1.0) - general.df * (general.scaling or 1.0)) / df
        difference = difference / scaling if scaling > 0 else float("nan")
    return Difference(difference, df, upper_tail(difference, df))


def compare_fits(names: Sequence[str], fits: Sequence[Solved], method: Method = "default") -> pd.DataFrame:
    """One row a model, least restricted first, each tested against the row above.

    Raises SpecError where the models are not about the same data.
    """
    first = fits[0]
    for name, other in zip(names, fits, strict=True):
        if other.sample.n_used != first.sample.n_used or set(other.sample.variables) != set(
            first.sample.variables
        ):
            raise SpecError(
                f"Model '{name}' was fitted to other variables or rows than '{names[0]}'; a "
                "likelihood-ratio test needs "
                "the same data under both models."
            )
        if other.options.scaled_test != first.options.scaled_test:
            raise SpecError(
                f"Model '{name}' has another test statistic than '{names[0]}'. Fit both with the same "
                "estimator."
            )
    order = sorted(range(len(fits)), key=lambda i: fits[i].chi_square.df)
    rows = []
    for position, i in enumerate(order):
        fit, test = fits[i], fits[i].chi_square
        k = fit.ram.n_params
        row: dict[str, object] = {
            "model": names[i], "df": test.df, "aic": aic(fit.logl, k),
            "bic": bic(fit.logl, k, fit.sample.n_total), "chisq": test.statistic, "chisq_diff": np.nan,
            "rmsea": np.nan, "df_diff": np.nan, "pvalue": np.nan,
        }  # fmt: skip
        if position:
            general = fits[order[position - 1]]
            out = chi_square_difference(test, general.chi_square, method)
            n, g = float(fit.sample.n), len(fit.sample.groups)
            of_difference = (
                rmsea(out.chisq_diff, out.df_diff, n, g)
                if out.df_diff > 0 and out.chisq_diff == out.chisq_diff
                else np.nan
            )
            row.update(chisq_diff=out.chisq_diff, df_diff=out.df_diff, pvalue=out.pvalue, rmsea=of_difference)
        rows.append(row)
    return pd.DataFrame(rows).set_index("model")


@dataclass(frozen=True, slots=True)
class Wald:
    """A Wald test of r restrictions."""

    statistic: float
    df: int
    pvalue: float


def wald_test(solved: Solved, hypothesis: str) -> Wald:
    """Test `a == b` (several separated by `;` or lines), written in the model language over labels.

    χ² = hᵀ (H V Hᵀ)⁻¹ h with h the differences and H their derivatives. Raises SpecError for text without
    `==` and for restrictions that repeat one another.
    """
    if "==" not in hypothesis:
        raise SpecError("A hypothesis needs at least one '==', for example \"a == b\".")
    constraints = [c for c in parse(hypothesis).constraints if c.op == "=="]
    known = label_values(solved.table, solved.rows)
    for name, expression in solved.table.definitions:
        known[name] = evaluate(expression, known)
    values, slopes = [], []
    for constraint in constraints:
        left, right = evaluate(constraint.lhs, known), evaluate(constraint.rhs, known)
        values.append(left[0] - right[0])
        slopes.append(left[1] - right[1])
    return wald_of(np.array(values), np.array(slopes) @ solved.covariance.free @ np.array(slopes).T)


def wald_of(values: np.ndarray, covariance: np.ndarray) -> Wald:
    """hᵀ V⁻¹ h for values h (r,) with covariance (r, r)."""
    scale = np.sqrt(np.diagonal(covariance))
    if not np.isfinite(covariance).all() or (scale <= 0).any():
        return Wald(float("nan"), len(values), float("nan"))
    scaled = covariance / np.outer(scale, scale)
    if np.linalg.cond(scaled) > 1e12:
        raise SpecError(
            "The restrictions of the hypothesis repeat one another. Leave out the ones that follow "
            "from the rest."
        )
    statistic = float(values / scale @ np.linalg.solve(scaled, values / scale))
    return Wald(statistic, len(values), upper_tail(statistic, len(values)))
