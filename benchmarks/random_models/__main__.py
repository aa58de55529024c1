"""`python -m benchmarks.random_models --n 2000 --lavaan 200 --page docs/random-models.md`."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.log import keep, stored


def main(arguments: list[str] | None = None) -> int:
    """Draw, fit and judge random models; 1 if any of them is in trouble."""
    from tqdm import tqdm

    from benchmarks.random_models.draw import draw
    from benchmarks.random_models.judge import Verdict, judge_number
    from benchmarks.random_models.page import breaches, comparison, page, verdict_frame

    parser = argparse.ArgumentParser(prog="python -m benchmarks.random_models", description=main.__doc__)
    parser.add_argument("--n", type=int, default=200, help="models (200)")
    parser.add_argument("--first", type=int, default=0, help="number of the first model (0)")
    parser.add_argument("--seed", type=int, default=2003)
    parser.add_argument("--lavaan", type=int, default=0, help="how many of them to compare with lavaan (0)")
    parser.add_argument("--page", type=Path, default=None, help="write the tables there as Markdown")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--log", type=Path, default=None, help="keep results there, and go on from them")
    given = parser.parse_args(arguments)
    done = {v.number: v for v in stored(given.log, Verdict)}
    numbers = range(given.first, given.first + given.n)
    left = [n for n in numbers if n not in done]
    with ProcessPoolExecutor(given.jobs) as pool:
        waiting = [pool.submit(judge_number, given.seed, n) for n in left]
        for ended in tqdm(as_completed(waiting), total=len(left), unit="model", delay=2):
            verdict = ended.result()
            done[verdict.number] = verdict
            keep(given.log, [verdict])
    models = [draw(given.seed, n) for n in numbers]
    verdicts = [done[n] for n in numbers]
    frame = verdict_frame(models, verdicts)
    compared = None
    if given.lavaan:
        from benchmarks.random_models.lavaan import fit_all

        log = given.log.with_suffix(".lavaan.csv") if given.log else None
        compared = comparison(frame, fit_all(models[: given.lavaan], log))
    text = page(frame, given.seed, compared)
    print(text)
    if given.page is not None:
        given.page.write_text(text, encoding="utf-8", newline="\n")
    behind = [] if compared is None else breaches(compared)
    print("\n".join(behind))
    return 1 if behind or (frame["trouble"] != "").any() else 0


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
