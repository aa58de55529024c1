"""lavaan in its own R session, which repeats the fit and reports the seconds without R's start."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.cases import Case
from benchmarks.scoring import Run

SCRIPT = Path(__file__).with_name("lavaan.R")
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run(case: Case, fits: int) -> Run:
    """`sem()`, which computes standard errors, test statistic and baseline."""
    return _run(case, fits, "fit")


def run_with_tables(case: Case, fits: int) -> Run:
    """The same with `parameterEstimates(standardized = TRUE)` and `fitMeasures()`."""
    return _run(case, fits, "tables")


def _run(case: Case, fits: int, tables: str) -> Run:
    rscript = shutil.which("Rscript")
    if rscript is None:
        return Run((), {}, "Rscript is not installed")
    with TemporaryDirectory() as name:
        folder = Path(name)
        case.data.to_csv(folder / "data.csv", index=False)
        (folder / "model.txt").write_text(case.model, encoding="utf-8")
        ordered = "ordered" if case.ordered else "continuous"
        command = [rscript, "--vanilla", str(SCRIPT), name]
        command += [case.estimator, case.missing, str(fits), tables, ordered]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **SINGLE_THREAD}
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return Run((), {}, f"R stopped: {last}")
        seconds = pd.read_csv(folder / "seconds.csv")["seconds"]
        table = pd.read_csv(folder / "estimates.csv", keep_default_na=False)
    keys = table[["lhs", "op", "rhs"]].itertuples(index=False, name=None)
    values = table["est"].astype(float)
    return Run(tuple(seconds), dict(zip(keys, values, strict=True)), f"lavaan {done.stdout.strip()}")
