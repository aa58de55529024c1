"""Does a structural path differ between groups? Wald and likelihood-ratio tests, path by path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.fit import solve
from sem_models.inference.compare import wald_of
from sem_models.inference.contrasts import Adjust, adjust_pvalues
from sem_models.inference.nested import difference_test
from sem_models.inference.result import Fit
from sem_models.model.table import ParameterTable
from sem_models.moderation.pooled import pooled_variances
from sem_models.threads import single_threaded

LEVEL = 0.95


def reference(fit: Fit, group: str | None) -> str:
    """The reference group by label; the first to appear in the data unless named."""
    if len(fit.groups) < 2:
        raise SpecError("Path differences need a fit with two or more groups: fit with group=.")
    if group is None:
        return fit.groups[0]
    if str(group) not in fit.groups:
        raise SpecError(
            f"reference_group='{group}' is not a group. {did_you_mean(str(group), fit.groups, noun='groups')}"
        )
    return str(group)


@single_threaded
def path_differences(
    fit: Fit, *, reference_group: str | None = None, adjust: Adjust = "holm"
) -> pd.DataFrame:
    """Each structural path in each other group minus the reference group, with its interval.

    Columns lhs, op, rhs, group, reference_group, est_group, est_reference, est, se, z, pvalue,
    pvalue_adjusted (for the number of differences), ci_lower, ci_upper; est is group minus reference,
    unstandardized, at 95 % confidence. The size of the difference: est_std, ci_lower_std, ci_upper_std in
    pooled within-group standard deviations of outcome and predictor, the same in all groups.
    """
    base = reference(fit, reference_group)
    solved, table = fit.solved, fit.solved.table
    spread = pooled_variances(solved)
    place = {name: i for i, name in enumerate(solved.ram.variables)}
    rows = []
    for lhs, rhs in _paths(table):
        index = _rows_of(table, lhs, rhs)
        at = index[fit.groups.index(base)]
        for g, label in enumerate(fit.groups):
            if label == base:
                continue
            value = solved.rows.value[index[g]] - solved.rows.value[at]
            slope = solved.rows.jacobian[index[g]] - solved.rows.jacobian[at]
            se = float(solved.errors_of(slope[None])[0])
            half = float(ndtri((1 + LEVEL) / 2)) * se
            test = wald_of(np.array([value]), np.array([[se**2]]))
            x, y = place[rhs], place[lhs]
            unit = np.sqrt(spread.value[x] / spread.value[y])
            relative = spread.jacobian[x] / spread.value[x] - spread.jacobian[y] / spread.value[y]
            size = unit * value
            size_half = float(ndtri((1 + LEVEL) / 2)) * float(
                solved.errors_of((unit * slope + 0.5 * size * relative)[None])[0]
            )
            rows.append(
                (lhs, "~", rhs, label, base, solved.rows.value[index[g]], solved.rows.value[at], value, se,
                 value / se if se > 0 else np.nan, test.pvalue, np.nan, value - half, value + half,
                 size, size - size_half, size + size_half)
            )  # fmt: skip
    columns = ["lhs", "op", "rhs", "group", "reference_group", "est_group", "est_reference", "est", "se", "z",
               "pvalue", "pvalue_adjusted", "ci_lower", "ci_upper", "est_std", "ci_lower_std",
               "ci_upper_std"]  # fmt: skip
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(pvalue_adjusted=adjust_pvalues(frame["pvalue"].to_numpy(np.float64), adjust))


@single_threaded
def path_tests(fit: Fit, *, adjust: Adjust = "holm") -> pd.DataFrame:
    """Equality of each structural path over all groups.

    Columns lhs, op, rhs, df, wald, wald_pvalue, wald_pvalue_adjusted, lrt, lrt_pvalue, lrt_pvalue_adjusted
    (for the number of paths) and lrt_converged. The likelihood-ratio test refits with that one path equal
    (Satorra–Bentler 2001 when the estimator is robust).
    """
    reference(fit, None)
    solved, table = fit.solved, fit.solved.table
    rows = []
    for lhs, rhs in _paths(table):
        index = _rows_of(table, lhs, rhs)
        contrast = np.zeros((len(index) - 1, len(table.rows)))
        contrast[:, index[0]] = -1.0
        contrast[np.arange(len(index) - 1), index[1:]] = 1.0
        slopes = contrast @ solved.rows.jacobian
        wald = wald_of(contrast @ solved.rows.value, slopes @ solved.covariance.free @ slopes.T)
        equal = solve(
            _held_equal(table, index), solved.sample, replace(solved.options, check_identification=False)
        )
        lrt = difference_test(equal, solved)
        converged = equal.status.converged
        rows.append(
            (lhs, "~", rhs, wald.df, wald.statistic, wald.pvalue, lrt.chisq_diff if converged else np.nan,
             lrt.pvalue if converged else np.nan, converged)
        )  # fmt: skip
    columns = ["lhs", "op", "rhs", "df", "wald", "wald_pvalue", "lrt", "lrt_pvalue", "lrt_converged"]
    frame = pd.DataFrame(rows, columns=columns)
    for test in ("wald", "lrt"):
        pvalues = frame[f"{test}_pvalue"].to_numpy(np.float64)
        after = list(frame.columns).index(f"{test}_pvalue") + 1
        frame.insert(after, f"{test}_pvalue_adjusted", adjust_pvalues(pvalues, adjust))
    return frame


def _paths(table: ParameterTable) -> list[tuple[str, str]]:
    """Structural paths that are free, and not already equal, in every group."""
    found = []
    for row in table.rows:
        if row.op == "~" and row.block == 1:
            index = _rows_of(table, row.lhs, row.rhs)
            entries = [table.rows[i] for i in index]
            labels = [e.label for e in entries]
            shared = bool(labels[0]) and len(set(labels)) == 1
            if len(index) == len(table.groups) and all(e.free for e in entries) and not shared:
                found.append((row.lhs, row.rhs))
    return found


def path_rows(table: ParameterTable) -> dict[tuple[str, str], list[int]]:
    """Structural paths that can differ between groups, with their rows by group."""
    return {path: _rows_of(table, *path) for path in _paths(table)}


def _rows_of(table: ParameterTable, lhs: str, rhs: str) -> list[int]:
    return [i for i, row in enumerate(table.rows) if row.key == (lhs, "~", rhs)]


def _held_equal(table: ParameterTable, index: list[int]) -> ParameterTable:
    label = f".equal.{index[0]}."
    rows = tuple(replace(row, label=label) if i in index else row for i, row in enumerate(table.rows))
    return replace(table, rows=rows)
