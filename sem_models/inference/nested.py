"""Difference tests of nested models whose plain difference is not χ²: the scalings and when each applies.

In what follows model 1 is the more general, model 0 the restricted one; m is the difference in df.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from scipy.linalg import null_space

from sem_models.errors import SpecError
from sem_models.estimation.estimators import YUAN_BENTLER
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.scores import score_meat
from sem_models.inference.ordinal_nested import same_statistics
from sem_models.inference.scaled_tests import empirical_gamma, projection, score_meat_of
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.ram import Array, IntArray

Method = Literal["default", "standard", "satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000"]
METHODS = ("default", "standard", "satorra.bentler.2001", "satorra.bentler.2010", "satorra.2000")
RestrictionKind = Literal["delta", "exact"]
MEAN_SCALED = ("satorra.bentler", *YUAN_BENTLER)
OTHER_WAY = "Use method='satorra.2000'."
NEGATIVE = "The scaling of the difference is not positive, so there is no statistic."
UNSCALED = "A model has no scaling: its estimates have no covariance matrix. See fit.status."
SAME_DF = "The models have the same degrees of freedom, so there is nothing to test."


@dataclass(frozen=True, slots=True)
class Difference:
    """A χ² difference test: raw is the plain difference, and raw / scaling + shift the statistic."""

    chisq_diff: float
    df_diff: float
    pvalue: float
    method: str = "standard"
    raw: float = float("nan")
    scaling: float = 1.0
    note: str = ""
    """Why there is no statistic."""


def chosen_method(method: str, test: str) -> str:
    """The method that `method` means for fits with the scaled test `test` ("" when none).

    The default is Satorra & Bentler (2001) for mean-scaled tests and Satorra (2000) for those adjusted for
    mean and variance, whose statistics no difference of scalings can serve. Fits without a scaled test have a
    plain difference whatever is asked. Raises SpecError for a combination without meaning.
    """
    if not test:
        return "standard"
    if method == "default":
        return "satorra.bentler.2001" if test in MEAN_SCALED else "satorra.2000"
    if method in ("satorra.bentler.2001", "satorra.bentler.2010") and test not in MEAN_SCALED:
        raise SpecError(f"method='{method}' needs fits with a mean-scaled test, not '{test}'. {OTHER_WAY}")
    return method


def difference_test(
    restricted: Solved,
    general: Solved,
    method: str = "default",
    *,
    a_method: RestrictionKind = "delta",
    scaled_shifted: bool = True,
) -> Difference:
    """Test of the restricted model against the general one by one of the methods of `METHODS`."""
    df = restricted.df - general.df
    saturated = general.sample.saturated
    raw = restricted.chi_square.statistic - general.chi_square.statistic
    if not saturated:  # each χ² is undefined for want of a maximum that their difference does without
        raw = 2.0 * general.sample.n * float(restricted.point.value - general.point.value)
    chosen = chosen_method(method, restricted.options.scaled_test)
    if chosen == "standard":
        return Difference(raw, df, upper_tail(raw, df), chosen, raw)
    if df <= 0:
        return Difference(float("nan"), df, float("nan"), chosen, raw, note=SAME_DF)
    if chosen == "satorra.2000":
        return _satorra_2000(restricted, general, raw, df, a_method, scaled_shifted)
    if saturated:
        first = general.chi_square.scaling or 1.0
        if chosen == "satorra.bentler.2010":
            first = scaling_at_restricted(restricted, general)
        scaling = (restricted.df * (restricted.chi_square.scaling or 1.0) - general.df * first) / df
    else:
        scaling = _scaling_of_likelihoods(restricted, general, chosen) / df
    if not scaling > 0:
        note = f"{NEGATIVE} {OTHER_WAY}" if scaling <= 0 else UNSCALED
        return Difference(float("nan"), df, float("nan"), chosen, raw, note=note)
    statistic = raw / scaling
    return Difference(statistic, df, upper_tail(statistic, df), chosen, raw, scaling)


def _scaling_of_likelihoods(restricted: Solved, general: Solved, chosen: str) -> float:
    """Degrees of freedom times the scaling of two log-likelihoods: tr(A₁⁻¹B₁) − tr(A₀⁻¹B₀).

    What Satorra and Bentler's (2001) difference of scalings comes to, since the saturated model's trace is in
    both; NaN where a model has none.
    """
    traces = general.own_trace, restricted.own_trace
    if chosen != "satorra.bentler.2001":
        raise SpecError(
            f"method='{chosen}' compares with the saturated model, which has no maximum for these incomplete "
            "data. Use method='satorra.bentler.2001'."
        )
    return float("nan") if traces[0] is None or traces[1] is None else traces[0] - traces[1]


def scaling_at_restricted(restricted: Solved, general: Solved) -> float:
    """c₁₀: the general model's scaling at the restricted estimates.

    Satorra & Bentler (2010), Psychometrika, 75, 243–248. Parameters go by name, as in lavaan; what the
    restricted model does not have is zero. 1 for a saturated model.
    """
    _need_rows(general, "satorra.bentler.2010")
    if not general.df:
        return 1.0
    params = parameters_of(restricted, general)
    objective = general.objective_for(general.ram)
    point = objective.at(params)
    if point is None:
        raise SpecError(
            "method='satorra.bentler.2010' evaluates the general model at the restricted model's estimates, "
            f"where it implies no valid covariance matrix. {OTHER_WAY}"
        )
    return general.test_of(objective, point, general.df).scaling or 1.0


def parameters_of(restricted: Solved, general: Solved) -> Array:
    """The general model's parameters (k,) nearest to the restricted model's estimates, row by row."""
    known: dict[tuple[str, str, str, int], float] = {}
    for row, value in zip(restricted.table.rows, restricted.rows.value, strict=True):
        known[(row.lhs, row.op, row.rhs, row.block)] = float(value)
        if row.op == "~~":
            known[(row.rhs, row.op, row.lhs, row.block)] = float(value)
    rows = [general.table.rows[number] for number in general.ram.row_of_free]
    free = np.array([known.get((r.lhs, r.op, r.rhs, r.block), 0.0) for r in rows])
    ram = general.ram
    return np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])


def _satorra_2000(
    restricted: Solved, general: Solved, raw: float, df: int, a_method: RestrictionKind, scaled_shifted: bool
) -> Difference:
    """Satorra (2000), with the scaled and shifted statistic of Asparouhov & Muthén (2010).

    With P the inverse information of model 1, M the covariance of its score and A (m, k) the restrictions,
    the difference is a sum of χ²₁ weighted by the eigenvalues of A P M P Aᵀ (A P Aᵀ)⁻¹.
    """
    _need_rows(general, "satorra.2000")
    restrictions = _exact(restricted, general) if a_method == "exact" else _delta(restricted, general)
    if len(restrictions) != df:
        raise SpecError(
            f"The models differ by {df} degrees of freedom but by {len(restrictions)} restrictions of what "
            "they imply: they are not nested, or not identified."
        )
    inverse = np.linalg.pinv(general.covariance.information, hermitian=True)
    along = restrictions @ inverse
    product = along @ _meat(general) @ along.T @ np.linalg.inv(along @ restrictions.T)
    first, second = float(np.trace(product)), float((product * product.T).sum())
    if scaled_shifted:
        scaling = sqrt(second / df)
        statistic = raw / scaling + df - sqrt(df * first**2 / second)
        return Difference(statistic, df, upper_tail(statistic, df), "satorra.2000", raw)
    mean_scaled = general.options.scaled_test in MEAN_SCALED
    degrees = float(df) if mean_scaled else first**2 / second
    scaling = first / degrees
    statistic = raw / scaling
    return Difference(statistic, degrees, upper_tail(statistic, degrees), "satorra.2000", raw, scaling)


def _meat(general: Solved) -> Array:
    """Covariance of the score per row: Jᵀ V Γ V J, or casewise with missing answers, (k, k)."""
    objective: Any = general.objective
    point: Any = general.point
    if isinstance(objective, NormalTheory) and not general.sample.complete:
        return score_meat(objective, point, general.sample.rows or ())
    at = projection(objective, point, general.sample)
    gamma = empirical_gamma(general.sample, general.ram.exogenous, at.keep)
    return score_meat_of(at, gamma)


def _delta(restricted: Solved, general: Solved) -> Array:
    """Restrictions A (m, k): what J₀ leaves of the span of J₁, slopes of the moments at own estimates."""
    slopes = [projection(s.objective, s.point, s.sample).slopes for s in (restricted, general)]
    order = _same_moments(restricted, general)
    group = [restricted.sample.groups.index(label) for label in general.sample.groups]
    j_0 = np.vstack([slopes[0][g][order] for g in group])
    j_1 = np.vstack(slopes[1])
    return np.asarray(null_space(np.linalg.lstsq(j_1, j_0, rcond=None)[0].T).T)


def _same_moments(restricted: Solved, general: Solved) -> IntArray:
    """Positions of the general model's moments among the restricted one's, whose variables may be in another
    order."""
    if general.sample.ordinal is not None:
        order = same_statistics(restricted, general)
        if order is None:
            raise SpecError("The models are not of the same statistics: items or covariates differ.")
        return np.asarray(order)
    keep = projection(general.objective, general.point, general.sample).keep
    p = len(general.sample.variables)
    place = [restricted.sample.variables.index(name) for name in general.sample.variables]
    number = np.zeros((p, p), dtype=np.intp)
    i, j = np.tril_indices(p)
    number[i, j] = number[j, i] = np.arange(len(i))
    whole = np.append(number[np.ix_(place, place)][i, j], len(i) + np.array(place))
    kept_0 = projection(restricted.objective, restricted.point, restricted.sample).keep
    position = np.cumsum(kept_0) - 1
    if not (kept_0[whole] == keep).all():
        raise SpecError("The models do not explain the same moments: means or fixed covariates differ.")
    return np.asarray(position[whole][keep])


def _exact(restricted: Solved, general: Solved) -> Array:
    """Restrictions A (m, k) on the parameters themselves; both models must have the same ones free."""
    jacobian = restricted.rows.jacobian
    known = {(r.lhs, r.op, r.rhs, r.block): jacobian[n] for n, r in enumerate(restricted.table.rows)}
    rows = [general.table.rows[number] for number in general.ram.row_of_free]
    missing = [r.name for r in rows if (r.lhs, r.op, r.rhs, r.block) not in known]
    if missing:
        raise SpecError(
            f"a_method='exact' needs the same parameters in both models; '{missing[0]}' is in one only. "
            "Use a_method='delta'."
        )
    slopes = np.array([known[(r.lhs, r.op, r.rhs, r.block)] for r in rows]) @ restricted.ram.reduction
    return np.asarray(null_space(np.linalg.lstsq(general.ram.reduction, slopes, rcond=None)[0].T).T)


def _need_rows(solved: Solved, method: str) -> None:
    if solved.sample.rows is None:
        raise SpecError(
            f"method='{method}' needs the raw data, not moments only. Fit the models to data and compare "
            "those."
        )
