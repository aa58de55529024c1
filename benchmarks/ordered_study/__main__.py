"""`python -m benchmarks.ordered_study --samples 500 --log LOG --page docs/ordered-simulation.md`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.ordered_study.judge import Found

BLOCK = 5
"""Samples of every cell that are handed out together, so that a run that is stopped has all cells alike."""


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, analyze them as ordered and as continuous, and print the tables."""
    from tqdm import tqdm

    from benchmarks.ordered_study.design import cells
    from benchmarks.ordered_study.judge import METHODS, judge
    from benchmarks.ordered_study.page import page, study_table

    parser = argparse.ArgumentParser(prog="python -m benchmarks.ordered_study", description=main.__doc__)
    parser.add_argument("--samples", type=int, default=5, help="samples of each population and size (5)")
    parser.add_argument("--seed", type=int, default=2004)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--log", type=Path, default=None, help="keep results there, and go on from them")
    parser.add_argument("--page", type=Path, default=None, help="write the tables there as Markdown")
    given = parser.parse_args(arguments)
    done = {(f.cell, f.number, f.method): f for f in stored(given.log)} if given.log else {}
    every = cells()
    left = []
    for number in range(given.samples):
        for cell in every:
            methods = tuple(m for m in given.methods if (cell.name, number, m) not in done)
            if methods:
                left.append((cell, number, methods))
    with ProcessPoolExecutor(given.jobs) as pool:
        bar = tqdm(total=len(left), unit="sample", delay=2)
        for begin in range(0, len(left), BLOCK * len(every)):
            block = left[begin : begin + BLOCK * len(every)]
            waiting = [
                pool.submit(judge, cell, number, given.seed, methods) for cell, number, methods in block
            ]
            for ended in as_completed(waiting):
                results = ended.result()
                done |= {(f.cell, f.number, f.method): f for f in results}
                if given.log:
                    with given.log.open("a", encoding="utf-8") as stream:
                        stream.writelines(json.dumps(asdict(f)) + "\n" for f in results)
                bar.update()
        bar.close()
    kept = [f for f in done.values() if f.number < given.samples and f.method in given.methods]
    text = page(study_table(kept, every), given.seed)
    print(text)
    if given.page is not None:
        given.page.write_text(text, encoding="utf-8", newline="\n")
    return 0


def stored(log: Path) -> list[Found]:
    """Results of an earlier run that was interrupted."""
    from benchmarks.ordered_study.judge import Found

    if not log.exists():
        return []
    return [Found(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
