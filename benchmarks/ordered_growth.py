"""`python -m benchmarks.ordered_growth`: what WLSMV costs as items and categories grow (simulated data)."""

from __future__ import annotations

import argparse
from itertools import product
from time import perf_counter

from sem_models.threads import one_thread

one_thread()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.special import ndtri  # noqa: E402

import sem_models as sm  # noqa: E402

ITEMS = (10, 20, 40, 80)
CATEGORIES = (2, 3, 5, 7, 11, 15)
ROWS = 1000
PER_FACTOR = 5


def population(items: int, categories: int, rows: int = ROWS, seed: int = 1) -> tuple[str, pd.DataFrame]:
    """Correlated factors of five items each, and answers (rows, items) in equally frequent categories."""
    rng = np.random.default_rng(seed)
    factors = items // PER_FACTOR
    scores = np.sqrt(0.6) * rng.normal(size=(rows, factors)) + np.sqrt(0.4) * rng.normal(size=(rows, 1))
    cuts = ndtri(np.arange(1, categories) / categories)
    columns = {
        f"x{f}_{i}": np.digitize(0.75 * scores[:, f] + 0.66 * rng.normal(size=rows), cuts) + 1
        for f, i in product(range(factors), range(PER_FACTOR))
    }
    model = "\n".join(
        f"F{f} =~ " + " + ".join(f"x{f}_{i}" for i in range(PER_FACTOR)) for f in range(factors)
    )
    return model, pd.DataFrame(columns)


def milliseconds(items: int, categories: int, fits: int) -> float:
    """The fastest of some fits with standard errors, test, fit measures and tables."""
    model, data = population(items, categories)
    took = []
    for _ in range(fits):
        start = perf_counter()
        fit = sm.fit(model, data, ordered=True, estimator="WLSMV")
        fit.estimates(), fit.measures(), fit.standardized()
        took.append(perf_counter() - start)
    return 1000 * min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=3, help="fits of each size; the fastest counts (3)")
    fits = parser.parse_args().fits
    print(f"WLSMV, {ROWS} rows, one thread, ms of one fit with all tables; simulated data\n")
    print("| items | five categories |\n|---|---|")
    for items in ITEMS:
        print(f"| {items} | {milliseconds(items, 5, fits):.0f} |")
    print("\n| categories | 20 items |\n|---|---|")
    for categories in CATEGORIES:
        print(f"| {categories} | {milliseconds(20, categories, fits):.0f} |")


if __name__ == "__main__":
    main()
