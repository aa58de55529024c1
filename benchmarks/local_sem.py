"""`python -m benchmarks.local_sem`: seconds for curves of all parameters with bootstrap bands, one thread."""

from __future__ import annotations

import argparse
import os
import sys
from time import perf_counter

SINGLE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main(arguments: list[str] | None = None) -> int:
    """Fit the five-construct model along the simulated tenure and print how long it takes."""
    import numpy as np

    import sem_models as sm
    from sem_models import examples

    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_sem", description=main.__doc__)
    parser.add_argument("--points", type=int, default=30, help="focal points (30)")
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap draws (1000)")
    parser.add_argument("--permutations", type=int, default=0, help="permutations (0)")
    parser.add_argument("--missing", choices=("listwise", "fiml"), default="listwise")
    given = parser.parse_args(arguments)
    import pandas as pd

    data = pd.read_csv(examples.path())
    spec = sm.load("b2b_service_core")
    items = list(spec.items)
    if given.missing == "listwise":  # the example's holes filled, so that all 387 customers are complete
        data[items] = data[items].fillna(data[items].mean())
    begin = perf_counter()
    found = sm.moderate(
        spec, data, method="lsem", moderator="tenure_years", grid=given.points, grid_range=(0.05, 0.9), h=2.0,
        bootstrap=given.draws, permutations=given.permutations, missing=given.missing, seed=1, progress=False,
    )  # fmt: skip
    band = found.curve("b_PV_EDS")
    seconds = perf_counter() - begin
    assert np.isfinite(band["band_lower"]).all()
    assert found.bootstrap is not None
    print(
        f"{len(items)} items, {len(data)} customers (simulated), {given.points} focal points, {given.draws} "
        f"bootstrap draws, {given.permutations} permutations, missing={given.missing}: {seconds:.1f} s; "
        f"{int(found.bootstrap.failed.sum())} of {given.draws * given.points} refits failed"
    )
    return 0


if __name__ == "__main__":
    os.environ.update(SINGLE_THREAD)  # read when main() loads NumPy
    sys.exit(main())
