"""The one objective by which every rival's estimates are judged, and the table of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.cases import Case
from sem_models.estimation.fit import fit

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of single fits and a rival's estimates by (lhs, op, rhs); `note` says what is lacking."""

    seconds: tuple[float, ...]
    estimates: Mapping[Key, float]
    note: str = ""


class Score:
    """The discrepancy F = 2(f − f_saturated) of estimates, by this package's kernels on the case's data."""

    def __init__(self, case: Case) -> None:
        self.solved = fit(
            case.model, case.data, estimator=case.estimator, missing=case.missing, ordered=case.ordered
        ).solved

    def __call__(self, estimates: Mapping[Key, float]) -> float:
        """F at the estimates; NaN where one is missing or Σ is not positive definite."""
        table, ram = self.solved.table, self.solved.ram
        free = np.array([_lookup(estimates, table.rows[n].key) for n in ram.row_of_free])
        if np.isnan(free).any():
            return float("nan")
        params = np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0]
        point = self.solved.objective.at(params)
        return float("nan") if point is None else 2.0 * float(point.value - self.solved.saturated_value)


def _lookup(estimates: Mapping[Key, float], key: Key) -> float:
    lhs, op, rhs = key
    mirrored = (rhs, op, lhs) if op == "~~" else key
    return estimates.get(key, estimates.get(mirrored, float("nan")))


def result_table(runs: Mapping[str, list[Run]], score: Score, reference: str) -> pd.DataFrame:
    """One row a rival: fits timed, median and fastest ms, times ours, objective gap to the best, note."""
    rows = []
    for rival, found in runs.items():
        seconds = [s for run in found for s in run.seconds]
        value = score(found[-1].estimates) if found and found[-1].estimates else float("nan")
        median = float(np.median(seconds)) * 1e3 if seconds else float("nan")
        fastest = min(seconds) * 1e3 if seconds else float("nan")
        rows.append((rival, len(seconds), median, fastest, value, found[-1].note if found else ""))
    frame = pd.DataFrame(rows, columns=["rival", "fits", "ms", "ms_best", "objective", "note"]).set_index(
        "rival"
    )
    frame.insert(3, "times_ours", frame["ms"] / frame.loc[reference, "ms"])
    frame.insert(4, "objective_gap", frame["objective"] - frame["objective"].min())
    return frame.drop(columns="objective")
