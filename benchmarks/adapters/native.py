"""This package's own engine."""

from __future__ import annotations

from time import perf_counter

import sem_models as sm
from benchmarks.cases import Case
from benchmarks.scoring import Run


def run(case: Case, fits: int) -> Run:
    """A fit with standard errors and test statistic, from the model's text and the data frame."""
    return _run(case, fits, tables=False)


def run_with_tables(case: Case, fits: int) -> Run:
    """The same with the tables of estimates (standardized too) and of fit measures."""
    return _run(case, fits, tables=True)


def _run(case: Case, fits: int, *, tables: bool) -> Run:
    seconds = []
    for _ in range(fits):
        begin = perf_counter()
        fit = sm.fit(
            case.model, case.data, estimator=case.estimator, missing=case.missing, ordered=case.ordered
        )
        errors, test = fit.solved.covariance, fit.solved.chi_square
        if tables:
            fit.estimates()
            fit.measures()
        seconds.append(perf_counter() - begin)
    assert not errors.singular
    assert test.df > 0
    table = fit.estimates()
    keys = table[["lhs", "op", "rhs"]].itertuples(index=False, name=None)
    return Run(tuple(seconds), dict(zip(keys, table["est"].astype(float), strict=True)))
