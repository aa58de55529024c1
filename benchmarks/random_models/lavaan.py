"""lavaan on the same models, one R session for all of them."""

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


def fit_all(models: Sequence[Drawn]) -> pd.DataFrame:
    """One row a model: number, converged, proper, logl, npar, seconds, message.

    Raises RuntimeError without R.
    """
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
        found = pd.read_csv(folder / "results.csv", keep_default_na=True)
    return found.astype({"converged": bool, "proper": bool})
