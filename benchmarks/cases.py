"""What is fitted: the five-construct service model on 387 simulated customers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

MODEL = """
EDS =~ eds1 + eds2 + eds3 + eds4
OPS =~ ops1 + ops2 + ops3 + ops4
PV =~ pv1 + pv2 + pv3
SAT =~ sat1 + sat2 + sat3
BI =~ bi1 + bi2 + bi3
PV ~ EDS + OPS
SAT ~ EDS + OPS + PV
BI ~ PV + SAT
"""
CONSTRUCTS = {"eds": 4, "ops": 4, "pv": 3, "sat": 3, "bi": 3}
CASES = ("ml", "mlr", "fiml")
N_CUSTOMERS = 387
REFERENCE_DATA = Path(__file__).resolve().parents[2] / "shared" / "golden" / "data"
"""Simulated data of the reference cases; where they are absent, the same design is simulated here."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model, data and estimator that every rival fits; `fits` is how often lavaan repeats it in one run."""

    name: str
    title: str
    estimator: str
    missing: str
    data: pd.DataFrame
    source: str
    fits: int

    @property
    def model(self) -> str:
        return MODEL


def load_cases(names: tuple[str, ...], folder: Path = REFERENCE_DATA) -> list[Case]:
    """The named cases of "ml", "mlr" and "fiml", on the reference cases' data where they are at hand."""
    complete, holes, source = _data(folder)
    known = {
        "ml": Case("ml", "ML, complete answers", "ML", "listwise", complete, source, 20),
        "mlr": Case("mlr", "MLR, complete answers", "MLR", "listwise", complete, source, 15),
        "fiml": Case("fiml", "ML, 14 % of the answers missing (FIML)", "ML", "fiml", holes, source, 1),
    }
    return [known[name] for name in names]


def _data(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    items = [f"{stem}{i + 1}" for stem, count in CONSTRUCTS.items() for i in range(count)]
    complete, holes = folder / "b2b_n387.csv", folder / "b2b_n387_mar.csv"
    if complete.is_file() and holes.is_file():
        return (
            pd.read_csv(complete)[items],
            pd.read_csv(holes)[items],
            "simulated data of the reference cases",
        )
    frame = simulate(np.random.default_rng(387))
    missing = np.random.default_rng(14).random(frame.shape) < 0.14
    return frame, frame.mask(missing), "data simulated here, seed 387"


def simulate(rng: np.random.Generator, n: int = N_CUSTOMERS) -> pd.DataFrame:
    """Normal answers from a written-down population: standardized loadings about .8, paths .2 to .5."""
    eds = rng.normal(size=n)
    ops = 0.5 * eds + np.sqrt(0.75) * rng.normal(size=n)
    pv = 0.4 * eds + 0.3 * ops + 0.7 * rng.normal(size=n)
    sat = 0.2 * eds + 0.25 * ops + 0.4 * pv + 0.55 * rng.normal(size=n)
    bi = 0.3 * pv + 0.5 * sat + 0.6 * rng.normal(size=n)
    columns = {
        f"{stem}{i + 1}": 4.5 + (1.0, 0.9, 1.1, 0.8)[i] * latent + 0.7 * rng.normal(size=n)
        for (stem, count), latent in zip(CONSTRUCTS.items(), (eds, ops, pv, sat, bi), strict=True)
        for i in range(count)
    }
    return pd.DataFrame(columns)
