"""A fit beside semopy's on the same parameters, with what semopy has no sound counterpart for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.estimation.bounds import held_by
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.semopy_engine import (
    SemopyFit,
    fit_semopy,
    limits,
    newton_decrement,
    quiet,
    translate,
)
from sem_models.estimation.starts import starting_values
from sem_models.inference.solved import STATIONARY, Solved
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from sem_models.inference.result import Fit

COLUMNS = (
    "what", "lhs", "op", "rhs", "label", "est", "est_semopy", "est_gap", "se", "se_semopy", "se_gap",
    "unit", "note",
)  # fmt: skip
NUMBERS = tuple(name for name in COLUMNS if name.startswith(("est", "se")))

NEVER = (
    ("log-likelihood, AIC, BIC", "semopy puts the value of its discrepancy where the log-likelihood belongs"),
    ("GFI, AGFI", "semopy reports the NFI under the name of the GFI and derives the AGFI from it"),
    ("RMSEA", "semopy divides by N − 1 where lavaan and this package divide by N"),
    (
        "CFI, TLI",
        "they follow from χ² and a baseline model that semopy fits at a loose tolerance",
    ),
    ("SRMR, scaled and robust indices", "semopy has none"),
    ("defined parameters, effects", "semopy has no delta method"),
)
"""What is not compared in any fit: name, and why. Measured on semopy 2.3.11."""


SANDWICHES = ("robust.huber.white", "robust.sem")
"""The same sandwich around the observed and around the expected information, on complete data."""


def cross_check(fit: Fit) -> pd.DataFrame:
    """One row a free parameter, then χ² and its degrees of freedom, then what cannot be compared.

    Columns: what ("parameter", "test", "no counterpart"), lhs, op, rhs, label, est, est_semopy, se,
    se_semopy, the gaps est_gap and se_gap (semopy's minus ours) in the unit named in `unit`, and note.
    Standard errors are semopy's own by the fit's information (expected, observed, or the sandwich). Where
    semopy computes a fit wrongly only the last kind of row is left. The result holds no rows of the data.
    """
    solved = fit.solved
    reasons = list(limits(solved.table, solved.sample, solved.options))
    held = held_by(solved.table, solved.options.bounds, solved.sample.cov)
    if held:
        reasons.append(f"semopy cannot hold the constraint '{held.texts[0]}' as stated")
    rows: list[dict[str, Any]] = []
    notes = [("this fit", reason) for reason in reasons]
    if not reasons:
        begin = starting_values(solved.table, solved.ram, solved.sample.cov, solved.sample.mean)
        translation = translate(solved.table, solved.ram, begin, raw=solved.sample.rows is not None)
        found = fit_semopy(translation, solved.sample)
        trouble = _trouble(solved, found)
        rows += [*_parameters(solved, found), *_tests(solved, found)]
        notes += [*trouble, *_limits_of_this_fit(solved)]
    rows += [
        {"what": "no counterpart", "lhs": name, "note": f"{reason}."} for name, reason in [*notes, *NEVER]
    ]
    blank = dict.fromkeys(COLUMNS, "") | dict.fromkeys(NUMBERS, np.nan)
    return pd.DataFrame([blank | row for row in rows]).astype(dict.fromkeys(NUMBERS, np.float64))


def _parameters(solved: Solved, found: SemopyFit) -> Iterator[dict[str, Any]]:
    free = found.params @ solved.ram.reduction.T + solved.ram.offset
    errors = solved.ram.reduction @ _errors(solved, found)
    ours = np.sqrt(np.diagonal(solved.covariance.free))
    for x, number in enumerate(solved.ram.row_of_free):
        row = solved.table.rows[number]
        value, error = float(solved.point.free[x]), float(ours[x])
        yield {
            "what": "parameter", "lhs": row.lhs, "op": row.op, "rhs": row.rhs, "label": row.label,
            "est": value, "est_semopy": free[x], "est_gap": (free[x] - value) / error,
            "se": error, "se_semopy": errors[x], "se_gap": (errors[x] - error) / error,
            "unit": "standard errors",
        }  # fmt: skip


def _errors(solved: Solved, found: SemopyFit) -> Array:
    """semopy's standard errors (k,) for the information this fit uses; NaN where it cannot compute them."""
    options = solved.options
    blank = np.full(len(found.params), np.nan)
    robust = options.se in SANDWICHES
    if options.se not in ("standard", *SANDWICHES) or (robust and solved.sample.rows is None):
        return blank
    with quiet():
        from semopy.stats import calc_se

        try:
            errors = calc_se(found.model, information=options.information, robust=robust)
        except np.linalg.LinAlgError:
            return blank
    return np.asarray(errors, dtype=np.float64)[list(found.order)]


def _tests(solved: Solved, found: SemopyFit) -> Iterator[dict[str, Any]]:
    with quiet():
        from semopy.stats import calc_chi2, calc_dof

        statistic, df = float(calc_chi2(found.model)[0]), float(calc_dof(found.model))
    ours = solved.chi_square.statistic
    yield {
        "what": "test", "lhs": "chisq", "est": ours, "est_semopy": statistic,
        "est_gap": (statistic - ours) / max(abs(ours), 1.0), "unit": "relative",
    }  # fmt: skip
    if not len(solved.ram.exogenous):
        yield {
            "what": "test", "lhs": "df", "est": solved.df, "est_semopy": df, "est_gap": df - solved.df,
            "unit": "absolute",
        }  # fmt: skip


def _trouble(solved: Solved, found: SemopyFit) -> Iterator[tuple[str, str]]:
    """What is wrong with semopy's own solution, judged by our derivatives."""
    objective = NormalTheory(solved.ram, solved.sample.patterns, solved.sample.mean)
    point = objective.at(found.params)
    if point is None:
        yield (
            "semopy's optimum",
            "semopy's estimates imply no positive definite covariance matrix",
        )
        return
    decrement = newton_decrement(objective, point, objective.gradient(point))
    distance = float(np.sqrt(decrement * solved.sample.n_used))
    if distance >= STATIONARY:
        claim = "calls a success" if found.success else "ended with"
        yield (
            "semopy's optimum",
            (
                f"the optimum is about {distance:.2g} standard errors away from what semopy {claim}; "
                "items with very different variances do this"
            ),
        )
    lower = float(solved.point.value - point.value) * 2.0 * solved.sample.n_used
    if lower > 1e-4:
        yield (
            "this fit's optimum",
            f"semopy reaches a χ² lower by {lower:.3g}: look at this fit's status",
        )


def _limits_of_this_fit(solved: Solved) -> Iterator[tuple[str, str]]:
    if len(solved.ram.exogenous):
        yield "df, p-value", "semopy counts the moments of observed covariates among those to be explained"
    if solved.options.robust:
        yield (
            "scaled χ²",
            "semopy has neither a Yuan–Bentler nor a Satorra–Bentler test; the plain χ² is compared",
        )
    if solved.options.se == "none":
        yield "standard errors", "this fit was asked for none"
    elif solved.options.se not in ("standard", *SANDWICHES):
        yield "standard errors", f"semopy has none of the kind '{solved.options.se}'"
    elif solved.options.se in SANDWICHES and solved.sample.rows is None:
        yield "standard errors", "the sandwich needs the raw data"
