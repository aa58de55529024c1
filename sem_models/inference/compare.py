"""Comparisons of nested models and hypotheses about one model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.comparable import check_comparable, check_nested
from sem_models.inference.definitions import evaluate, label_values
from sem_models.inference.measures import aic, bic, rmsea
from sem_models.inference.nested import METHODS, Method, RestrictionKind, difference_test
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.syntax import parse


def compare_fits(
    names: Sequence[str],
    fits: Sequence[Solved],
    method: Method = "default",
    *,
    a_method: RestrictionKind = "delta",
    scaled_shifted: bool = True,
) -> pd.DataFrame:
    """One row a model, least restricted first, each tested against the row above.

    Raises SpecError for an unknown method and where the models are not about the same data, not by the same
    estimator, or not nested.
    """
    if method not in METHODS:
        raise SpecError(
            f"method='{method}' is not available. {did_you_mean(method, METHODS, noun='methods')}"
        )
    if a_method not in ("delta", "exact"):
        raise SpecError(f"a_method='{a_method}' is not available. Use 'delta' or 'exact'.")
    for name, other in zip(names[1:], fits[1:], strict=True):
        check_comparable(names[0], fits[0], name, other)
    order = sorted(range(len(fits)), key=lambda i: fits[i].chi_square.df)
    rows = []
    for position, i in enumerate(order):
        fit, test = fits[i], fits[i].chi_square
        k, likelihood = fit.ram.n_counted, fit.sample.ordinal is None
        row: dict[str, object] = {
            "model": names[i], "df": test.df, "aic": aic(fit.logl, k) if likelihood else np.nan,
            "bic": bic(fit.logl, k, fit.sample.n_total) if likelihood else np.nan, "chisq": test.statistic,
            "chisq_diff": np.nan,
            "rmsea": np.nan, "df_diff": np.nan, "pvalue": np.nan, "method": "",
            "note": "",
        }  # fmt: skip
        if position:
            general = fits[order[position - 1]]
            check_nested(names[i], fit, names[order[position - 1]], general)
            out = difference_test(fit, general, method, a_method=a_method, scaled_shifted=scaled_shifted)
            n, g = (
                float(fit.sample.n if fit.sample.ordinal is None else fit.sample.n_total),
                len(fit.sample.groups),
            )
            defined = out.df_diff > 0 and out.chisq_diff == out.chisq_diff
            row.update(
                chisq_diff=out.chisq_diff, df_diff=out.df_diff, pvalue=out.pvalue, method=out.method,
                note=out.note,
                rmsea=rmsea(out.raw, fit.df - general.df, n, g, scaling=out.scaling) if defined else np.nan,
            )  # fmt: skip
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

    χ² = hᵀ (H V Hᵀ)⁻¹ h with h the differences and H their derivatives. Raises SpecError for text
    without `==` or with anything else, and for restrictions that repeat one another or are of fixed values.
    """
    if "==" not in hypothesis:
        raise SpecError("A hypothesis needs at least one '==', for example \"a == b\".")
    parsed = parse(hypothesis)
    constraints = parsed.constraints
    if parsed.formulas or any(c.op != "==" for c in constraints):
        raise SpecError("A hypothesis is made of '==' alone, as \"a == b\". Leave out the other lines.")
    known = label_values(solved.table, solved.rows)
    for name, expression in solved.table.definitions:
        known[name] = evaluate(expression, known)
    values, slopes = [], []
    for constraint in constraints:
        left, right = evaluate(constraint.lhs, known), evaluate(constraint.rhs, known)
        values.append(left[0] - right[0])
        slopes.append(left[1] - right[1])
    covariance = np.array(slopes) @ solved.covariance.free @ np.array(slopes).T
    for constraint, variance in zip(constraints, np.diagonal(covariance), strict=True):
        if variance <= 0:
            raise SpecError(
                f"'{constraint.lhs} == {constraint.rhs}' does not depend on free estimates: there is nothing "
                "to test. Leave it out."
            )
    return wald_of(np.array(values), covariance)


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
