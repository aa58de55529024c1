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
CASES = ("ml", "mlr", "fiml", "wlsmv", "wlsmv40")
N_CUSTOMERS = 387
REFERENCE_DATA = Path(__file__).resolve().parents[2] / "shared" / "golden" / "data"
"""Simulated data of the reference cases; where they are absent, the same design is simulated here."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model, data and estimator that every rival fits; `fits` is how often lavaan repeats it in one run,
    `ordered` whether all items are ordered."""

    name: str
    title: str
    estimator: str
    missing: str
    data: pd.DataFrame
    source: str
    fits: int
    ordered: bool = False
    model: str = MODEL


def load_cases(names: tuple[str, ...], folder: Path = REFERENCE_DATA) -> list[Case]:
    """The named cases, on the reference cases' data where they are at hand."""
    complete, holes, source = _data(folder)
    known = {
        "ml": Case("ml", "ML, complete answers", "ML", "listwise", complete, source, 20),
        "mlr": Case("mlr", "MLR, complete answers", "MLR", "listwise", complete, source, 15),
        "fiml": Case("fiml", "ML, 14 % of the answers missing (FIML)", "ML", "fiml", holes, source, 1),
    }
    of_items = {"wlsmv": _five_points, "wlsmv40": _forty_items}
    return [of_items[name](folder) if name in of_items else known[name] for name in names]


def _five_points(folder: Path) -> Case:
    """The same model on answers of five categories."""
    items = [f"{stem}{i + 1}" for stem, count in CONSTRUCTS.items() for i in range(count)]
    path = folder / "b2b_n387_l5.csv"
    if path.is_file():
        data, source = pd.read_csv(path)[items], "simulated data of the reference cases"
    else:
        data, source = five_categories(simulate(np.random.default_rng(387))), "data simulated here, seed 387"
    return Case("wlsmv", "WLSMV, five ordered categories", "WLSMV", "listwise", data, source, 5, True)


def _forty_items(_: Path) -> Case:
    """Eight factors of five items each, 2,000 rows."""
    rng = np.random.default_rng(40)
    factors = rng.normal(size=(2000, 8)) * np.sqrt(0.6) + rng.normal(size=(2000, 1)) * np.sqrt(0.4)
    columns = {
        f"x{f}_{i}": 0.75 * factors[:, f] + 0.66 * rng.normal(size=2000) for f in range(8) for i in range(5)
    }
    data = five_categories(pd.DataFrame(columns))
    model = "\n".join(f"F{f} =~ " + " + ".join(f"x{f}_{i}" for i in range(5)) for f in range(8))
    return Case(
        "wlsmv40", "WLSMV, 40 items of five categories", "WLSMV", "listwise", data,
        "data simulated here, seed 40", 1, True, model,
    )  # fmt: skip


def five_categories(data: pd.DataFrame) -> pd.DataFrame:
    """Every column cut at fixed quantiles of the normal distribution, in its own units."""
    cuts = [-1.2, -0.4, 0.5, 1.3]
    standard = (data - data.mean()) / data.std()
    return standard.apply(lambda column: pd.Series(np.digitize(column, cuts) + 1, index=data.index))


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
