"""`python -m benchmarks.moderation`: latent interactions, in seconds of the machine modsem was timed on.

modsem cannot be run here, so its seconds are quoted: version 1.0.22 with its defaults, one thread. Ours are
multiplied by 0.047 s over the median of Debian's lavaan on the case "ml" (v53) in the same run, which was
0.047 s where modsem was timed.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

LAVAAN_SECONDS = 0.047
"""Debian's lavaan on the case "ml" on the machine of the quoted seconds."""

SERVICE = """
EDS =~ eds1 + eds2 + eds3 + eds4
OPS =~ ops1 + ops2 + ops3 + ops4
ACT =~ act1 + act2 + act3
PV =~ pv1 + pv2 + pv3
PV ~ EDS + OPS + ACT + EDS:ACT
"""
PLANNED_BEHAVIOR = """
ATT =~ att1 + att2 + att3 + att4 + att5
SN =~ sn1 + sn2
PBC =~ pbc1 + pbc2 + pbc3
INT =~ int1 + int2 + int3
BEH =~ b1 + b2
INT ~ ATT + SN + PBC
BEH ~ INT + PBC + INT:PBC
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model by a method: modsem's seconds, and the share of them that is aimed at."""

    name: str
    model: str
    data: str
    method: str
    modsem: float
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> float:
        return self.modsem / 10.0


ENTRIES = (
    Entry("EDS × ACT → PV, N = 387", SERVICE, "b2b_n387.csv", "dblcent", 0.13),
    Entry("EDS × ACT → PV, N = 387", SERVICE, "b2b_n387.csv", "lms", 0.5),
    Entry("EDS × ACT → PV, N = 387", SERVICE, "b2b_n387.csv", "qml", 0.36),
    Entry("planned behavior, N = 2,000", PLANNED_BEHAVIOR, "tpb.csv", "lms", 2.4),
    Entry("planned behavior, N = 2,000", PLANNED_BEHAVIOR, "tpb.csv", "qml", 1.7),
)


def main(arguments: list[str] | None = None) -> int:
    """Print seconds of each method with standard errors beside modsem's; lavaan takes a turn each round."""
    import numpy as np
    import pandas as pd

    from benchmarks.adapters import lavaan
    from benchmarks.cases import REFERENCE_DATA, load_cases

    parser = argparse.ArgumentParser(prog="python -m benchmarks.moderation", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every method (5)")
    parser.add_argument("--data", type=Path, default=REFERENCE_DATA, help="folder of the reference data")
    given = parser.parse_args(arguments)
    entries = [(e, runner(e, given.data)) for e in ENTRIES]
    if not any(run is not None for _, run in entries):
        print(f"None of the reference data is in {given.data}.")
        return 1
    (case,) = load_cases(("ml",))
    theirs: list[float] = []
    ours: dict[int, list[float]] = {k: [] for k in range(len(entries))}
    for _ in range(given.rounds):
        theirs += lavaan.run(case, 5).seconds
        for k, (_, run) in enumerate(entries):
            if run is not None:
                ours[k].append(timed(run))
    unit = LAVAAN_SECONDS / float(np.median(theirs)) if theirs else float("nan")
    rows = []
    for k, (entry, run) in enumerate(entries):
        seconds = float(np.median(ours[k])) if ours[k] else float("nan")
        loglik = float("nan") if run is None else run().loglik
        rows.append(
            (entry.name, entry.method, seconds, seconds * unit, entry.modsem, entry.modsem / (seconds * unit),
             entry.target, loglik)
        )  # fmt: skip
    columns = ["model", "method", "seconds", "normalized", "modsem", "times_faster", "target", "loglik"]
    frame = pd.DataFrame(rows, columns=columns)
    print(frame.to_string(index=False, na_rep="–", float_format="{:.4g}".format, formatters={
        "loglik": "{:.4f}".format}))  # fmt: skip
    shown = f"{np.median(theirs):.4f} s" if theirs else "not installed"
    print(f"\nlavaan on the case 'ml': {shown}; median of {given.rounds} turns, one thread, with errors.")
    return 0


def runner(entry: Entry, folder: Path) -> Callable[[], Any] | None:
    """A call that estimates the entry with its standard errors; None without data or method."""
    import pandas as pd

    import sem_models as sm

    if not (folder / entry.data).is_file():
        return None
    data = pd.read_csv(folder / entry.data)

    def run() -> Any:
        found = sm.moderate(entry.model, data, method=entry.method, **entry.options)
        found.vcov()
        return found

    try:
        run()  # imports are not timed
    except sm.SpecError as refusal:
        if " yet" not in str(refusal):
            raise
        return None
    return run


def timed(run: Callable[[], Any]) -> float:
    """Seconds of one call, with the garbage collector at rest."""
    gc.collect()
    gc.disable()
    try:
        begin = perf_counter()
        run()
        return perf_counter() - begin
    finally:
        gc.enable()


if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[variable] = "1"  # read when main() loads NumPy
    sys.exit(main())
