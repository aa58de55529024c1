"""How many threads the linear algebra of a run uses: one, unless the user's environment says otherwise."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what BLAS libraries read when they are loaded, so call it before NumPy is imported.

    The matrices here have some hundred rows: threads wait for each other longer than they work, most of all
    where the processors are shared (other programs, many notebooks at once).
    """
    if not any(name in environment for name in VARIABLES):
        environment.update(dict.fromkeys(VARIABLES, "1"))
