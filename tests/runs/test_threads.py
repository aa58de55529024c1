"""One thread for small matrices, unless the user decided."""

from __future__ import annotations

from sem_models.runs.threads import VARIABLES, one_thread


def test_one_thread_unless_the_user_said_otherwise() -> None:
    environment = {"HOME": "x"}
    one_thread(environment)
    assert environment == {"HOME": "x"} | dict.fromkeys(VARIABLES, "1")
    chosen = {"OMP_NUM_THREADS": "4"}
    one_thread(chosen)
    assert chosen == {"OMP_NUM_THREADS": "4"}
