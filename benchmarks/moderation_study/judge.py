"""One sample under every method: the interaction's estimate, errors and tests."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.moderation_study.design import LOADINGS, MODEL, Cell, draw

METHODS = ("dblcent", "uca", "rca", "ca", "lms", "qml")
UNITS = {"rapi": (sum(LOADINGS) / len(LOADINGS)) ** 2}
"""What brings X:Z to the units of the markers, for methods with composites in place of X and Z."""


@dataclass(frozen=True, slots=True)
class Found:
    """X:Z under one method: NaN where the search did not converge.

    se by maximum likelihood, robust_se by the sandwich; lr_p the p value of the likelihood-ratio test against
    the model without the interaction. proper says whether all variances are admissible.
    """

    cell: str
    number: int
    method: str
    converged: bool
    proper: bool
    estimate: float
    se: float
    robust_se: float
    lr_p: float


def judge(cell: Cell, number: int, seed: int, methods: tuple[str, ...] = METHODS) -> list[Found]:
    """All methods on sample `number` of a cell."""
    import sem_models as sm
    from sem_models.moderation.result import Moderation

    data = draw(cell, number, seed)
    out = []
    for method in methods:
        try:
            plain = sm.moderate(MODEL, data, method=method)
            robust = sm.moderate(MODEL, data, method=method, estimator="MLR")
        except sm.SEMError:
            out.append(Found(cell.name, number, method, False, False, *[float("nan")] * 4))
            continue
        assert isinstance(plain, Moderation)
        assert isinstance(robust, Moderation)
        rows = [_interaction(result.estimates()) for result in (plain, robust)]
        converged = plain.status.converged and robust.status.converged
        test = plain.interaction_test().iloc[0]
        lr_p = float(test["pvalue"]) if test["converged"] else float("nan")
        proper = bool(plain.status.admissible)
        (estimate, se), (_, robust_se) = rows
        unit = UNITS.get(method, 1.0)
        figures = (unit * estimate, unit * se, unit * robust_se, lr_p)
        out.append(Found(cell.name, number, method, bool(converged), proper, *figures))
    return out


def _interaction(estimates: object) -> tuple[float, float]:
    import pandas as pd

    assert isinstance(estimates, pd.DataFrame)
    row = estimates[(estimates["op"] == "~") & (estimates["rhs"] == "X:Z")].iloc[0]
    return float(row["est"]), float(row["se"])
