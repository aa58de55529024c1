"""`python -m benchmarks.ordered_study --samples 500 --log LOG --page docs/ordered-simulation.md`."""

from __future__ import annotations

import sys

from benchmarks.study import run
from sem_models.threads import one_thread


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, analyze them as ordered and as continuous, and print the tables."""
    return run("benchmarks.ordered_study", main.__doc__, samples=5, seed=2004, arguments=arguments)


if __name__ == "__main__":
    one_thread()  # before NumPy is loaded
    sys.exit(main())
