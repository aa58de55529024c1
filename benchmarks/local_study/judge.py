"""One sample by every method: whether bands hold the true curve, and the tests' p values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.local_study.design import FOLLOWING, MODEL, Cell, draw, slope

METHODS = ("lsem 1.1", "lsem 1.1 bootstrap", "lsem 2", "lsem 2 bootstrap", "mnlfa")
POINTS = 9
DRAWS = 200
PERMUTATIONS = 99


@dataclass(frozen=True, slots=True)
class Found:
    """One method on one sample; NaN where it does not apply or did not converge.

    pointwise is the share of focal points whose interval holds the truth, simultaneous whether the band
    holds it at all of them; bias the mean of estimate − truth over them; p the test that the slope is
    constant, p_all that every parameter is; failed the share of local fits (or refits) without a solution.
    """

    cell: str
    number: int
    method: str
    pointwise: float
    simultaneous: float
    bias: float
    p: float
    p_all: float
    failed: float


def judge(cell: Cell, number: int, seed: int, methods: tuple[str, ...] = METHODS) -> list[Found]:
    """All methods on sample `number` of a cell."""
    import sem_models as sm

    data = draw(cell, number, seed)
    grid = np.quantile(data["m"], np.linspace(0.05, 0.95, POINTS))
    out: list[Found] = []
    for method in methods:
        blank = Found(cell.name, number, method, *[float("nan")] * 5, 1.0)
        try:
            out.append(
                _mnlfa(cell, number, data, grid)
                if method == "mnlfa"
                else _lsem(cell, number, data, grid, method)
            )
        except sm.SEMError:
            out.append(blank)
    return out


def _lsem(cell: Cell, number: int, data: pd.DataFrame, grid: np.ndarray, method: str) -> Found:
    import sem_models as sm

    h, resampled = float(method.split()[1]), method.endswith("bootstrap")
    found = sm.moderate(
        MODEL, data, method="lsem", moderator="m", grid=list(grid), h=h, seed=number, progress=False,
        bootstrap=DRAWS if resampled else 0, permutations=0 if resampled else PERMUTATIONS,
    )  # fmt: skip
    p = p_all = float("nan")
    if not resampled:
        tests = found.constancy()
        p = float(tests.loc[tests["label"] == "b", "pvalue"].iloc[0])
        p_all = float(tests["pvalue"].iloc[-1])
    drawn = found.bootstrap if resampled else found.permuted
    assert drawn is not None
    failed = float(drawn.failed.sum() / (drawn.n * POINTS)) + float((~found.solution.converged).mean())
    return Found(cell.name, number, method, *_held(cell, found.curve("b"), grid), p, p_all, failed)


def _mnlfa(cell: Cell, number: int, data: pd.DataFrame, grid: np.ndarray) -> Found:
    import sem_models as sm

    found = sm.moderate(FOLLOWING, data, method="mnlfa")
    p = float(found.tests("b")["pvalue"].iloc[0])
    failed = 0.0 if found.status.converged else 1.0
    return Found(
        cell.name, number, "mnlfa", *_held(cell, found.curve("b", values=grid), grid), p, float("nan"), failed
    )


def _held(cell: Cell, curve: pd.DataFrame, grid: np.ndarray) -> tuple[float, float, float]:
    truth = slope(cell.shape, grid)
    low, high = curve["ci_lower"].to_numpy(), curve["ci_upper"].to_numpy()
    wide_low, wide_high = curve["band_lower"].to_numpy(), curve["band_upper"].to_numpy()
    inside = (low <= truth) & (truth <= high)
    at_once = bool(((wide_low <= truth) & (truth <= wide_high)).all())
    return float(inside.mean()), float(at_once), float((curve["est"].to_numpy() - truth).mean())
