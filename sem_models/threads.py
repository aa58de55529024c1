"""How many threads linear algebra uses here: one, unless the user's environment says otherwise.

The matrices of these models have some hundred rows: threads wait for each other longer than they work, most
of all where the processors are shared (other programs, many notebooks at once).
"""

from __future__ import annotations

import os
from collections.abc import Callable, MutableMapping
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

P = ParamSpec("P")
R = TypeVar("R")


def one_thread(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what BLAS libraries read when they are loaded, so call it before NumPy is imported."""
    if not _decided(environment):
        environment.update(dict.fromkeys(VARIABLES, "1"))


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """The function with BLAS held to one thread while it runs, in a session whose threads are its own affair.

    Costs about 20 µs a call; the session's setting is back afterwards.
    """

    @wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> R:
        if _decided(os.environ):
            return function(*args, **kwargs)
        with _blas().limit(limits=1):
            return function(*args, **kwargs)

    return held


def _decided(environment: MutableMapping[str, str]) -> bool:
    return any(name in environment for name in VARIABLES)


@cache
def _blas() -> Any:
    """The BLAS libraries that NumPy and SciPy have loaded."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
