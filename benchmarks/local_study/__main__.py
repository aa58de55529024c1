"""`python -m benchmarks.local_study --samples 300 --page docs/local-sem-simulation.md`."""

from __future__ import annotations

import sys

from benchmarks.study import run
from sem_models.threads import one_thread


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, follow the slope by every method, and print the tables."""
    return run("benchmarks.local_study", main.__doc__, samples=20, seed=2016, arguments=arguments)


if __name__ == "__main__":
    one_thread()  # before NumPy is loaded
    sys.exit(main())
