"""`python -m benchmarks.moderation_study.small --log LOG --page docs/two-stage-moderation.md`: small samples.

The populations of the study at N = 60, 100 and 200, analyzed by the two-stage methods beside LMS and product
indicators. What is found is written between the page's two markers.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.log import keep, stored

SIZES = (60, 100, 200)
METHODS = ("dblcent", "lms", "sam", "rapi")
BEGIN, END = "<!-- simulation -->", "<!-- end of simulation -->"


def main(arguments: list[str] | None = None) -> int:
    """Draw and analyze what the log does not hold yet, then write the tables."""
    from tqdm import tqdm

    from benchmarks.moderation_study.design import cells
    from benchmarks.moderation_study.judge import Found, judge

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.moderation_study.small", description=main.__doc__
    )
    parser.add_argument("--samples", type=int, default=20, help="samples of each population and size (20)")
    parser.add_argument("--seed", type=int, default=2022)
    parser.add_argument("--log", type=Path, required=True, help="keep results there, and go on from them")
    parser.add_argument("--page", type=Path, default=None, help="write the tables into this page")
    given = parser.parse_args(arguments)
    done = {(f.cell, f.number, f.method) for f in stored(given.log, Found)}
    every = cells(SIZES)
    left = [
        (cell, number, methods)
        for number in range(given.samples)
        for cell in every
        if (methods := tuple(m for m in METHODS if (cell.name, number, m) not in done))
    ]
    for cell, number, methods in tqdm(left, unit="sample", delay=2):
        results = judge(cell, number, given.seed, methods)
        keep(given.log, results)
    text = tables(given.log, given.samples, given.seed)
    print(text)
    if given.page is not None:
        page = given.page.read_text(encoding="utf-8")
        head, tail = page.split(BEGIN)[0], page.split(END)[1]
        given.page.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8", newline="\n")
    return 0


def tables(log: Path, samples: int, seed: int) -> str:
    """The study's tables as Markdown, a section for each population."""
    from benchmarks.moderation_study.design import EFFECT, PREDICTORS, cells
    from benchmarks.moderation_study.judge import Found
    from benchmarks.moderation_study.page import markdown, study_table

    found = [f for f in stored(log, Found) if f.number < samples]
    table = study_table(found, cells(SIZES), METHODS)
    error = (0.05 * 0.95 / samples) ** 0.5
    out = [
        f"Made by `python -m benchmarks.moderation_study.small --samples {samples} --seed {seed}`; the "
        f"populations are those of [moderation-simulation.md](moderation-simulation.md). {samples} samples a "
        f"cell; the Monte Carlo error of a rate of .05 or .95 is {error:.3f}. `sam` has one kind of error, "
        "shown under ML and MLR, and no likelihood ratio (NaN).",
    ]
    for predictors in PREDICTORS:
        for effect in (EFFECT, 0.0):
            part = table[(table["predictors"] == predictors) & (table["effect"] == effect)]
            what = f"interaction {effect:g}" if effect else "no interaction"
            out += ["", f"### {predictors.capitalize()} predictors, {what}", ""]
            out.append(markdown(part, rejected="power" if effect else "type I error"))
    return "\n".join(out)


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
