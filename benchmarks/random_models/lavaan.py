"""lavaan on the same models, a few of them in an R session."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.random_models.draw import Drawn

SCRIPT = Path(__file__).with_name("lavaan.R")
SINGLE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


SESSION = 5
"""Models fitted in one R session; what it found is kept before the next begins."""


def fit_all(models: Sequence[Drawn], log: Path | None = None) -> pd.DataFrame:
    """One row a model: number, converged, proper, logl, npar, seconds, message.

    `log` keeps the rows, and models that have one there are not fitted again. Raises RuntimeError without R.
    """
    from tqdm import tqdm

    wanted = [drawn.number for drawn in models]
    done = _read(log) if log is not None and log.exists() else None
    known = set() if done is None else set(done["number"])
    left = [drawn for drawn in models if drawn.number not in known]
    parts = [] if done is None else [done]
    for begin in tqdm(range(0, len(left), SESSION), unit="session", desc="lavaan", delay=2):
        part = _fit(left[begin : begin + SESSION])
        parts.append(part)
        if log is not None:
            part.to_csv(log, mode="a", header=not log.exists(), index=False)
    found = pd.concat(parts, ignore_index=True)
    found = found[found["number"].isin(wanted)]
    return found.sort_values("number", ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=True).astype({"converged": bool, "proper": bool})


def _fit(models: Sequence[Drawn]) -> pd.DataFrame:
    rscript = shutil.which("Rscript")
    if rscript is None:
        raise RuntimeError("Rscript is not installed; leave out --lavaan.")
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for drawn in models:
            options = drawn.options
            drawn.data.to_csv(folder / f"{drawn.number}.csv", index=False)
            (folder / f"{drawn.number}.txt").write_text(drawn.model + "\n", encoding="utf-8")
            rows.append(
                {
                    "number": drawn.number,
                    "missing": "ml" if "missing" in options else "listwise",
                    "means": str("missing" in options or "group" in options).upper(),
                    "std_lv": str(bool(options.get("std_lv"))).upper(),
                    "group": options.get("group", ""),
                    "group_equal": " ".join(options.get("group_equal", ())),
                }
            )
        pd.DataFrame(rows).to_csv(folder / "models.csv", index=False)
        done = subprocess.run(
            [rscript, "--vanilla", str(SCRIPT), name], capture_output=True, text=True, check=False,
            env={**os.environ, **SINGLE_THREAD},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"R stopped: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        return _read(folder / "results.csv")
