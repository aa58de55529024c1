"""`python -m benchmarks.claims --samples 500 --log FILE --page docs/claims-calibration.md`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.log import keep, stored

BLOCK = 100
"""Samples of every case before the next ones of any: an interrupted run has about as many of each."""


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, judge the claims, and print the table."""
    from tqdm import tqdm

    from benchmarks.claims.cases import cases
    from benchmarks.claims.judge import Found, judge_sample
    from benchmarks.claims.notes import NOTES
    from benchmarks.claims.page import calibration_table, page, part_table

    names = [case.name for case in cases()]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=main.__doc__)
    parser.add_argument("--samples", type=int, default=20, help="samples of each population (20)")
    parser.add_argument("--n", type=int, default=387, help="customers in a sample (387)")
    parser.add_argument("--seed", type=int, default=2003)
    parser.add_argument("--cases", nargs="*", default=names, choices=names, metavar="CASE")
    parser.add_argument("--log", type=Path, default=None, help="keep results there, and go on from them")
    parser.add_argument("--page", type=Path, default=None, help="write the table there as Markdown")
    parser.add_argument("--no-draws", action="store_true", help="the page from the log alone")
    given = parser.parse_args(arguments)
    chosen = [case for case in cases() if case.name in given.cases]
    found = stored(given.log, Found)
    done = {(f.case, f.number) for f in found}
    left = [
        (case, number)
        for first in range(0, given.samples, BLOCK)
        for case in chosen
        for number in range(first, min(first + BLOCK, given.samples))
        if not given.no_draws and (case.name, number) not in done
    ]
    for case, number in tqdm(left, desc="claims", unit="sample", delay=2):
        results = judge_sample(case, number, n=given.n, seed=given.seed)
        found += results
        keep(given.log, results)
    kept = [f for f in found if f.number < given.samples and f.case in given.cases]
    table, parts = calibration_table(kept, chosen), part_table(kept, chosen)
    text = page(table, parts, chosen, n=given.n, seed=given.seed, notes=NOTES)
    print(text)
    if given.page is not None:
        given.page.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
