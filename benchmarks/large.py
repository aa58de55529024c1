"""`python -m benchmarks.large`: memory and time of fits to a million customers.

Each case runs in a process of its own. Memory is the growth of the largest resident size over what the data
frame itself needs, in units of the data; time stands beside one pass over the data (their means and
cross-products by NumPy).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

ITEMS = 20
CASES: dict[str, dict[str, Any]] = {
    "ml": {},
    "mlr": {"estimator": "MLR"},
    "fiml": {"missing": "fiml"},
    "fiml-mlr": {"missing": "fiml", "estimator": "MLR"},
}
HOLES = ((0, 1), (7,), (12, 13, 14), (19,))
"""Items missing in the rows of each incomplete pattern; every third row is incomplete."""


@dataclass(frozen=True, slots=True)
class Large:
    """Seconds of one pass, the fit, its errors and its measures (each with what comes before); memory."""

    case: str
    rows: int
    one_pass: float
    fit: float
    errors: float
    measures: float
    memory_ratio: float
    converged: bool


def run(case: str, rows: int) -> Large:
    """Measure one case in a fresh process, on one thread."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.large", "--inside", case, "--rows", str(rows)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **single})
    return Large(**json.loads(out.stdout.splitlines()[-1]))


def model() -> str:
    """Four constructs of five items each, the last explained by the others."""
    lines = [f"f{k} =~ " + " + ".join(f"i{j}" for j in range(5 * k, 5 * k + 5)) for k in range(4)]
    return "\n".join([*lines, "f3 ~ f0 + f1 + f2"])


def simulate(rows: int, *, holes: bool) -> Any:
    """A data frame of ITEMS float columns, written into place so that building it leaves no garbage."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(20031)
    values = np.empty((rows, ITEMS))
    for start in range(0, rows, 100_000):
        part = values[start : start + 100_000]
        constructs = rng.standard_normal((len(part), 4))
        constructs[:, 3] += constructs[:, :3] @ [0.4, 0.3, 0.2]
        loadings = 0.8 - 0.05 * (np.arange(ITEMS) % 5)
        part[:] = constructs[:, np.arange(ITEMS) // 5] * loadings
        part += 0.6 * rng.standard_normal(part.shape)
    if holes:
        for k, items in enumerate(HOLES):
            values[k :: 3 * len(HOLES), items] = np.nan
    return pd.DataFrame(values, columns=[f"i{j}" for j in range(ITEMS)], copy=False)


def measure(case: str, rows: int) -> Large:
    """What `run` does inside its process."""
    import resource

    import numpy as np

    import sem_models as sm

    options = CASES[case]
    data = simulate(rows, holes="missing" in options)
    values = data.to_numpy()
    sm.fit(model(), data.head(1000), **options).measures()  # imports are not measured
    begun = time.perf_counter()
    _ = values.mean(axis=0), values.T @ values
    one_pass = time.perf_counter() - begun
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    fit = sm.fit(model(), data, **options)
    seconds = [time.perf_counter() - begun]
    for table in (fit.estimates, fit.measures):
        table()
        seconds.append(time.perf_counter() - begun)
    unit = 1 if sys.platform == "darwin" else 1024
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    finite = bool(np.isfinite(fit.estimates()["se"]).all())
    return Large(
        case, rows, one_pass, *seconds, memory_ratio=growth / values.nbytes,
        converged=fit.status.converged and finite,
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print one line per case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=main.__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(CASES))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--inside", choices=tuple(CASES), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        from dataclasses import asdict

        print(json.dumps(asdict(measure(given.inside, given.rows))))
        return 0
    unknown = sorted(set(given.cases) - set(CASES))
    if unknown:
        parser.error(f"unknown case {unknown[0]}; there are " + ", ".join(CASES))
    print(f"{given.rows:,} rows × {ITEMS} items; seconds on one thread, memory beyond the data in data sizes")
    print(f"{'case':10s}{'one pass':>10s}{'fit':>8s}{'+errors':>9s}{'+measures':>11s}{'memory':>8s}")
    for case in given.cases or CASES:
        out = run(case, given.rows)
        print(
            f"{case:10s}{out.one_pass:10.2f}{out.fit:8.2f}{out.errors:9.2f}{out.measures:11.2f}"
            f"{out.memory_ratio:8.2f}" + ("" if out.converged else "  DID NOT CONVERGE")
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
