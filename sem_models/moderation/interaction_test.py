"""Do the products matter? Likelihood-ratio and Wald tests of their paths, by refits of a fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sem_models.errors import SEMError
from sem_models.estimation.fit import solve
from sem_models.inference.compare import wald_of
from sem_models.inference.nested import difference_test
from sem_models.inference.solved import Solved

ALL = "all products"
COLUMNS = ["term", "df", "chisq_diff", "pvalue", "wald", "wald_pvalue", "converged"]


def interaction_tests(solved: Solved, products: Sequence[str]) -> pd.DataFrame:
    """One row for each path of a product, over all groups, and one for all together where there are several.

    Likelihood ratio against the model with these paths at 0 (Satorra–Bentler 2001 where the test is
    scaled; NaN where that model has no solution), and the Wald test. Columns as `COLUMNS`.
    """
    rows = solved.table.rows
    paths: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row.op == "~" and row.rhs in products and row.free:
            paths.setdefault(f"{row.lhs} ~ {row.rhs}", []).append(i)
    terms = dict(paths)
    if len(paths) > 1:
        terms[ALL] = [i for index in paths.values() for i in index]
    from tqdm import tqdm

    waiting = tqdm(terms.items(), desc="without", unit="product", delay=2, leave=False)
    out = [(term, *_tests(solved, index)) for term, index in waiting]
    return pd.DataFrame(out, columns=COLUMNS)


def _tests(solved: Solved, index: list[int]) -> tuple[float, float, float, float, float, bool]:
    slopes = solved.rows.jacobian[index]
    wald = wald_of(solved.rows.value[index], slopes @ solved.covariance.free @ slopes.T)
    labels = {solved.table.rows[i].label for i in index} - {""}
    held = tuple(
        replace(row, fixed=0.0) if i in index or row.label in labels else row
        for i, row in enumerate(solved.table.rows)
    )
    try:
        without = solve(
            replace(solved.table, rows=held),
            solved.sample,
            replace(solved.options, check_identification=False),
        )
        converged = without.status.converged
        lrt = difference_test(without, solved) if converged else None
    except (SEMError, np.linalg.LinAlgError):
        converged, lrt = False, None
    chisq, pvalue = (np.nan, np.nan) if lrt is None else (lrt.chisq_diff, lrt.pvalue)
    return wald.df, chisq, pvalue, wald.statistic, wald.pvalue, converged
