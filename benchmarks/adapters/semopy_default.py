"""semopy as it comes: SLSQP at its default tolerance (1e-6)."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from benchmarks.cases import Case
from benchmarks.scoring import Key, Run
from sem_models.estimation.semopy_engine import quiet


def run(case: Case, fits: int) -> Run:
    """Model, fit, standard errors and χ², each by semopy itself."""
    return run_at(case, fits, solver={})


def run_at(case: Case, fits: int, *, solver: Mapping[str, Any]) -> Run:
    """The same at other options of the solver."""
    if case.missing == "fiml":
        return Run((), {}, "its FIML objective is wrong, so there is nothing to time")
    if case.ordered:
        return Run((), {}, "it has no estimator for ordered items")
    import semopy

    robust = {"information": "observed", "robust": True} if case.estimator == "MLR" else {}
    seconds = []
    with quiet():
        for _ in range(fits):
            begin = perf_counter()
            model = semopy.Model(case.model)
            model.fit(case.data, options=dict(solver))
            semopy.stats.calc_se(model, **robust)
            semopy.stats.calc_chi2(model)
            seconds.append(perf_counter() - begin)
        table = model.inspect(information=None)
    return Run(tuple(seconds), _estimates(table, model), "no scaled test" if robust else "")


def _estimates(table: Any, model: Any) -> dict[Key, float]:
    """Estimates under our names: semopy lists a loading as the item's regression on the construct."""
    out: dict[Key, float] = {}
    for lhs, op, rhs, value in table[["lval", "op", "rval", "Estimate"]].itertuples(index=False, name=None):
        loading = op == "~" and rhs in model.vars["latent"] and lhs in model.vars["indicator"]
        out[(rhs, "=~", lhs) if loading else (lhs, op, rhs)] = float(value)
    return out
