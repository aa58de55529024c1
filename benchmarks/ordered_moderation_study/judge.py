"""One sample by every method: the standardized interaction, its error and its test."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time
from typing import Any

from benchmarks.ordered_moderation_study.design import MODEL, Cell, draw

WAYS: dict[str, dict[str, Any]] = {
    "LMS of the answers": {"method": "lms", "ordered": True},
    "LMS of the numbers": {"method": "lms", "estimator": "MLR"},
    "dblcent of the numbers": {"method": "dblcent", "estimator": "MLR"},
    "uca of parcels": {"method": "uca", "estimator": "MLR", "parcels": 2},
}
METHODS = tuple(WAYS)
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Found:
    """Standardized interaction, its error, the Wald test's p value and the likelihood ratio's (NaN for
    products), and CPU seconds. proper says whether the solution is admissible; why, the error where there is
    none."""

    cell: str
    number: int
    method: str
    converged: bool
    proper: bool
    estimate: float
    error: float
    p_wald: float
    p_ratio: float
    seconds: float
    why: str = ""


def judge(cell: Cell, number: int, seed: int, methods: tuple[str, ...] = METHODS) -> list[Found]:
    """Sample `number` of a cell by every method."""
    import warnings

    import sem_models as sm

    data, out = draw(cell, number, seed), []
    for method in methods:
        began = process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # improper ends are counted
                result = sm.moderate(MODEL, data, **WAYS[method])
        except sm.SEMError as problem:
            why = str(problem).splitlines()[0]
            out.append(Found(cell.name, number, method, False, False, NAN, NAN, NAN, NAN, NAN, why))
            continue
        table = result.standardized(errors="delta")
        row = table[(table["op"] == "~") & (table["rhs"] == "X:Z")].iloc[0]
        raw = result.estimates()
        wald = float(raw.loc[(raw["op"] == "~") & (raw["rhs"] == "X:Z"), "pvalue"].iloc[0])
        ratio = float(result.interaction_test()["pvalue"].iloc[0]) if "LMS" in method else NAN
        status = result.status
        out.append(
            Found(
                cell.name, number, method, bool(status.converged), bool(status.admissible),
                round(float(row["est_std"]), 8), round(float(row["se"]), 8), wald, ratio,
                round(process_time() - began, 3),
            )
        )  # fmt: skip
    return out
