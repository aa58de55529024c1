"""Write the bundled, simulated example again: `python -m sem_models.simulation.example [folder]`.

The files come out byte for byte as they are in the package.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from sem_models import examples
from sem_models.simulation.draw import simulate
from sem_models.simulation.mentions import write_mentions
from sem_models.simulation.population import Population, load_population

TITLE = "Simulated example, no real customers"
REASONS: dict[float, str] = {-97: "not asked", -98: "not applicable", -99: "refused"}
"""Codes of the b2b_service schema, which the .sav declares as user-missing."""
REFUSED, NOT_APPLICABLE = 0.15, 0.10
"""Shares of the single missing answers that carry a reason; the others are blank."""
LEADING = ("customer_id", "account_manager", "active")
_DATE_AT, _DATE = 92, b"01 Jan 2600:00:00"
"""Where a .sav header holds the time of writing, and what stands there instead."""


def example_data(population: Population) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The example's customers, and for each item cell the code of its reason (0: answered or blank)."""
    rng = np.random.default_rng(population.seed)
    drawn = simulate(population, population.n, rng=rng)
    data = drawn[[*LEADING, *(c for c in drawn.columns if c not in LEADING)]]
    items = [c for c in data.columns if c not in population.records and c != population.group_column]
    gone = data[items].isna().to_numpy()
    chance = rng.random(gone.shape)
    codes = np.where(chance < REFUSED, -99, np.where(chance < REFUSED + NOT_APPLICABLE, -98, 0)) * gone
    wave_1 = np.array([c.startswith(("pvp", "satp")) for c in items])
    codes[np.ix_(gone[:, wave_1].all(axis=1), wave_1)] = -97
    return data, pd.DataFrame(codes, index=data.index, columns=items)


def write_csv(data: pd.DataFrame, path: Path) -> None:
    """Answers as whole numbers, a missing one as an empty cell; UTF-8, line feeds."""
    whole = [c for c in data.columns if data[c].dtype == np.float64 and (data[c].dropna() % 1 == 0).all()]
    tidy = data.astype(dict.fromkeys(whole, "Int64"))
    tidy.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def write_sav(data: pd.DataFrame, codes: pd.DataFrame, path: Path) -> None:
    """The same with variable and value labels, and the reasons for missing answers as user-missing codes."""
    import pyreadstat

    from data_schemas import Schema

    schema = Schema.load("b2b_service")
    coded = data.copy()
    for name in codes.columns:
        coded[name] = coded[name].mask(codes[name] != 0, codes[name].astype(np.float64))
    ends: dict[float, str] = {1: "strongly disagree", 7: "strongly agree"}
    satisfaction: dict[float, str] = {1: "not at all", 7: "fully"}
    pyreadstat.write_sav(
        coded, str(path), file_label=TITLE,
        column_labels={name: schema.column(name).title for name in data.columns},
        variable_value_labels={
            name: (satisfaction if name.startswith("sat") else ends) | REASONS for name in codes.columns
        },
        missing_ranges={name: list(REASONS) for name in codes.columns},
        variable_measure=dict.fromkeys(codes.columns, "ordinal"),
        variable_format=dict.fromkeys(codes.columns, "F3.0"),
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    content[_DATE_AT : _DATE_AT + len(_DATE)] = _DATE
    path.write_bytes(content)


def write_example(folder: Path, name: str = "b2b_service") -> tuple[Path, Path]:
    """Write the example's .csv and .sav into a folder; returns their paths."""
    data, codes = example_data(load_population(name))
    csv, sav = folder / f"{name}.csv", folder / f"{name}.sav"
    write_csv(data, csv)
    write_sav(data, codes, sav)
    return csv, sav


def write_servuction(folder: Path) -> Path:
    """Write the servuction example's .csv, drawn from its population, into a folder; returns its path."""
    population = load_population("servuction")
    drawn = simulate(population, population.n, rng=np.random.default_rng(population.seed))
    leading = ["customer_id", population.group_column, "stage", "place", "contract_years"]
    path = folder / "servuction.csv"
    write_csv(drawn[[*leading, *(c for c in drawn.columns if c not in leading)]], path)
    return path


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else examples.path().parent
    write_example(place)
    write_servuction(place)
    write_mentions(place)
