"""One sample both ways: standardized loadings and correlation with their errors, and the test of fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.ordered_study.design import MODEL, Cell, draw

METHODS = ("WLSMV", "MLR")
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Found:
    """Standardized loadings and their errors by item, the factors' correlation and its error, and the p value
    of the scaled test. proper says whether the solution is admissible; why, the error where there is none."""

    cell: str
    number: int
    method: str
    converged: bool
    proper: bool
    loadings: list[float]
    loading_errors: list[float]
    correlation: float
    correlation_error: float
    p_value: float
    why: str = ""


def judge(cell: Cell, number: int, seed: int, methods: tuple[str, ...] = METHODS) -> list[Found]:
    """Sample `number` of a cell, as ordered and as continuous."""
    import warnings

    import sem_models as sm

    data = draw(cell, number, seed)
    ways: dict[str, dict[str, Any]] = {
        "WLSMV": {"ordered": True, "estimator": "WLSMV"},
        "MLR": {"estimator": "MLR"},
    }
    out = []
    for method in methods:
        try:
            with warnings.catch_warnings():
                # two-category items as continuous are what is studied here; improper ends are counted
                warnings.simplefilter("ignore", UserWarning)
                fit = sm.fit(MODEL, data, model_type="cfa", std_lv=True, **ways[method])
        except sm.SEMError as problem:
            first = str(problem).splitlines()[0]
            out.append(Found(cell.name, number, method, False, False, [], [], NAN, NAN, NAN, first))
            continue
        table = fit.standardized()
        loading = table[table["op"] == "=~"]
        between = table[(table["op"] == "~~") & (table["lhs"] == "A") & (table["rhs"] == "B")].iloc[0]
        out.append(
            Found(
                cell.name, number, method, bool(fit.status.converged), bool(fit.status.admissible),
                [round(float(v), 8) for v in loading["est_std"]],
                [round(float(v), 8) for v in loading["se"]],
                float(between["est_std"]), float(between["se"]), float(fit.measures()["pvalue_scaled"]),
            )
        )  # fmt: skip
    return out
