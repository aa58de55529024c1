"""A simulation study from the command line: populations by methods, kept in a log, one page of tables.

A study is a package with `design.cells()`, `judge.judge(cell, number, seed, methods)` and its `METHODS` and
`Found`, and `page.study_table(found, cells)` and `page.page(table, seed)`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.log import keep, stored

BLOCK = 5
"""Samples of every cell that are handed out together, so that a run that is stopped has all cells alike."""


def run(package: str, description: str | None, *, samples: int, seed: int, arguments: Any = None) -> int:
    """Draw samples of every population, analyze them by every method, and print the page.

    samples and seed are defaults; a run with the same log goes on where one was stopped.
    """
    design, judging, paging = (import_module(f"{package}.{name}") for name in ("design", "judge", "page"))
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    parser.add_argument(
        "--samples", type=int, default=samples, help=f"samples of each population and size ({samples})"
    )
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--methods", nargs="*", default=judging.METHODS, choices=judging.METHODS)
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--log", type=Path, default=None, help="keep results there, and go on from them")
    parser.add_argument("--page", type=Path, default=None, help="write the tables there as Markdown")
    given = parser.parse_args(arguments)
    cells = design.cells()
    done = {_key(f): f for f in stored(given.log, judging.Found)}
    left = [
        (cell, number, methods)
        for number in range(given.samples)
        for cell in cells
        if (methods := tuple(m for m in given.methods if (cell.name, number, m) not in done))
    ]
    for results in _drawn(judging.judge, left, given.seed, jobs=given.jobs, block=BLOCK * len(cells)):
        done |= {_key(f): f for f in results}
        keep(given.log, results)
    kept = [f for f in done.values() if f.number < given.samples and f.method in given.methods]
    text = paging.page(paging.study_table(kept, cells), given.seed)
    print(text)
    if given.page is not None:
        given.page.write_text(text, encoding="utf-8", newline="\n")
    return 0


def _key(found: Any) -> tuple[str, int, str]:
    return found.cell, found.number, found.method


def _drawn(judge: Any, left: Sequence[Any], seed: int, *, jobs: int, block: int) -> Iterable[list[Any]]:
    """The results of each sample as it ends."""
    from tqdm import tqdm

    with ProcessPoolExecutor(jobs) as pool, tqdm(total=len(left), unit="sample", delay=2) as bar:
        for begin in range(0, len(left), block):
            waiting = [
                pool.submit(judge, cell, number, seed, methods)
                for cell, number, methods in left[begin : begin + block]
            ]
            for ended in as_completed(waiting):
                yield ended.result()
                bar.update()
