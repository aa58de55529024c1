"""`python -m benchmarks.bootstrap`: one refit of a bootstrap, here and in lavaan, one thread each."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.cases import Case

SCRIPT = Path(__file__).with_name("adapters") / "bootstrap.R"
SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(arguments: list[str] | None = None) -> int:
    """Print ms a refit of both, taken in turns, and how far our refits are from their optimum."""
    from benchmarks.cases import load_cases

    parser = argparse.ArgumentParser(prog="python -m benchmarks.bootstrap", description=main.__doc__)
    parser.add_argument("--draws", type=int, default=2000, help="our refits in one turn (2000)")
    parser.add_argument("--lavaan", type=int, default=100, help="lavaan's refits in one turn (100)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both (3)")
    parser.add_argument("--missing", choices=("listwise", "fiml"), default="listwise")
    given = parser.parse_args(arguments)
    (case,) = load_cases(("fiml" if given.missing == "fiml" else "ml",))
    ours, theirs = [], []
    _native(case, 200, given.missing)
    for _ in range(given.rounds):
        ours.append(_native(case, given.draws, given.missing))
        theirs.append(_lavaan(case, given.lavaan, given.missing))
    print(f"{case.title}: {len(case.data)} customers, {case.data.shape[1]} items, {case.source}")
    gap = _gap(case, given.missing)
    print(f"sem_models  {_line(ours)}   objective gap {gap:.1e} (largest of 50, discrepancy F)")
    if theirs[0] is None:
        print("lavaan      Rscript or lavaan is not installed")
        return 0
    lavaan = [t for t in theirs if t is not None]
    print(f"lavaan      {_line(lavaan)}")
    print(f"ratio       median {_median(lavaan) / _median(ours):.0f}, best {min(lavaan) / min(ours):.0f}")
    return 0


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _line(values: list[float]) -> str:
    return f"{_median(values):8.3f} ms a refit (best {min(values):.3f})"


def _native(case: Case, draws: int, missing: str) -> float:
    import sem_models as sm

    fit = sm.fit(case.model, case.data, missing=missing)
    begin = perf_counter()
    fit.bootstrap(draws, seed=1)
    return (perf_counter() - begin) / draws * 1e3


def _gap(case: Case, missing: str) -> float:
    """How far F of 50 refits lies above the optimum that the careful search finds."""
    import numpy as np

    import sem_models as sm
    from sem_models.estimation.objective import NormalTheory
    from sem_models.estimation.optimizer import minimize
    from sem_models.inference.drawing import drawn_units
    from sem_models.observed.pattern_moments import group_patterns

    fit = sm.fit(case.model, case.data, missing=missing)
    solved, drawn = fit.solved, fit.bootstrap(50, seed=1).draws
    assert isinstance(solved.objective, NormalTheory)
    assert solved.sample.rows is not None
    values = solved.sample.rows[0].values
    rng, worst = np.random.default_rng(1), 0.0
    for b in range(len(drawn.statistic)):
        (rows,) = drawn_units((len(values),), 1, rng)
        patterns, _ = group_patterns([values[rows[0]]], [None])
        objective = replace(solved.objective, patterns=patterns, sample_mean=patterns.mean[:1])
        best = minimize(objective, np.asarray(solved.point.params), n_rows=solved.sample.n).point
        found = objective.at(drawn.replicates.free[b])
        assert found is not None
        worst = max(worst, 2.0 * float(found.value - best.value))
    return worst


def _lavaan(case: Case, draws: int, missing: str) -> float | None:
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    with TemporaryDirectory() as name:
        case.data.to_csv(Path(name) / "data.csv", index=False)
        (Path(name) / "model.txt").write_text(case.model, encoding="utf-8")
        done = subprocess.run(
            [rscript, "--vanilla", str(SCRIPT), name, str(draws), missing],
            capture_output=True, text=True, check=False, env={**os.environ, **SINGLE_THREAD},
        )  # fmt: skip
    return float(done.stdout.strip()) / draws * 1e3 if done.returncode == 0 else None


if __name__ == "__main__":
    os.environ.update(SINGLE_THREAD)  # read when NumPy is loaded
    sys.exit(main())
