"""All tests of one model side by side."""

from __future__ import annotations

from typing import Any

from sem_models.estimation.estimators import BOLLEN_STINE, RESIDUAL_TESTS
from sem_models.inference.bootstrap import bootstrap
from sem_models.inference.residual_tests import residual_test
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import ChiSquare, upper_tail


def all_tests(solved: Solved) -> list[dict[str, Any]]:
    """One row for each name in `options.test`, in that order; the standard test first."""
    nan = float("nan")
    rows = []
    df = solved.df
    for name in solved.options.test:
        row: dict[str, Any] = {"test": name, "stat": nan, "df": float(df), "pvalue": nan}
        row.update(scaling_factor=nan, shift_parameter=nan)
        if name == "standard" and solved.options.discrepancy == "MML":
            pass  # there is no saturated model to test against
        elif name == "standard":
            row["stat"] = solved.minimum
            row["pvalue"] = upper_tail(solved.minimum, df) if solved.chi_square.tested else nan
        elif name == BOLLEN_STINE:
            drawn = bootstrap(solved, solved.options.bootstrap, "bollen.stine", solved.options.seed)
            row.update(stat=solved.minimum, pvalue=float(drawn.test["pvalue"]))
        elif name in RESIDUAL_TESTS:
            row["stat"] = residual_test(name, solved.objective, solved.point, solved.sample)
            row["pvalue"] = upper_tail(row["stat"], df)
        elif df and solved.sample.rows is not None:
            test = solved.chi_square
            if name != solved.options.scaled_test:
                test = solved.scaled_by(name, ChiSquare(solved.minimum, df), solved.objective, solved.point)
            row.update(
                stat=test.scaled, df=test.df_scaled, pvalue=test.pvalue_scaled, scaling_factor=test.scaling
            )
            row["shift_parameter"] = test.shift if name == "scaled.shifted" else nan
        rows.append(row)
    return rows
