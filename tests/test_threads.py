"""One thread for small matrices, unless the user decided."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import sem_models as sm
from sem_models.threads import VARIABLES, one_thread, single_threaded


def _threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread_unless_the_user_said_otherwise() -> None:
    environment = {"HOME": "x"}
    one_thread(environment)
    assert environment == {"HOME": "x"} | dict.fromkeys(VARIABLES, "1")
    chosen = {"OMP_NUM_THREADS": "4"}
    one_thread(chosen)
    assert chosen == {"OMP_NUM_THREADS": "4"}


def test_a_session_has_its_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    seen: list[set[int]] = []

    @single_threaded
    def work(x: int) -> int:
        seen.append(_threads())
        return int(np.eye(x).sum())

    with threadpool_limits(2, user_api="blas"):
        before = _threads()
        assert work(3) == 3
        assert _threads() == before
        monkeypatch.setenv("OMP_NUM_THREADS", "2")  # the user's own word stands
        work(3)
    assert seen == [{1}, before]


def test_what_is_held_keeps_its_signature() -> None:
    assert list(inspect.signature(sm.fit).parameters)[:3] == ["model", "data", "estimator"]
    assert sm.fit.__name__ == "fit"
