"""`python -m benchmarks`: time every rival on the same data in the same run, one thread each."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cases import Case
    from benchmarks.scoring import Run


def main(arguments: list[str] | None = None) -> int:
    """Print one table per case. Rivals take turns, so that a busy machine slows all of them alike."""
    import pandas as pd

    from benchmarks.adapters import ADAPTERS, REFERENCE
    from benchmarks.cases import CASES, load_cases
    from benchmarks.scoring import Score, result_table

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument(
        "cases", nargs="*", default=CASES, metavar="case", help="ml, mlr, fiml, wlsmv, wlsmv40 (all)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of every rival (3)")
    parser.add_argument("--fits", type=int, default=None, help="fits of a rival in one turn (by case)")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown case {unknown[0]}; there are " + ", ".join(CASES))
    for case in load_cases(tuple(given.cases)):
        fits = given.fits or case.fits
        runs: dict[str, list[Run]] = {name: [] for name in ADAPTERS}
        ADAPTERS[REFERENCE](case, 1)  # imports are not timed
        for _ in range(given.rounds):
            for name, adapter in ADAPTERS.items():
                runs[name].append(_without_collector(adapter, case, fits))
        table = result_table(runs, Score(case), REFERENCE)
        size = f"{len(case.data)} customers, {case.data.shape[1]} items"
        print(f"\n{case.title}: {size}, {case.source}; one thread, {given.rounds} rounds of {fits}")
        formats = dict.fromkeys(("ms", "ms_best", "times_ours"), "{:.1f}".format)
        formats["objective_gap"] = "{:.1e}".format
        with pd.option_context("display.width", 140, "display.max_colwidth", 60):
            print(table.to_string(formatters=formats, na_rep="–"))
    print(
        "\nms: median (ms_best: fastest) of one fit with standard errors and test statistic, without imports."
    )
    print("objective_gap: discrepancy above the best rival's, by this package's kernels.")
    return 0


def _without_collector(adapter: Callable[[Case, int], Run], case: Case, fits: int) -> Run:
    """One turn of a rival with the garbage collector at rest, as timeit does; it walks all objects."""
    gc.collect()
    gc.disable()
    try:
        return adapter(case, fits)
    finally:
        gc.enable()


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
