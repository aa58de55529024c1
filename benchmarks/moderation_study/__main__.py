"""`python -m benchmarks.moderation_study --samples 300 --page docs/moderation-simulation.md`."""

from __future__ import annotations

import sys

from benchmarks.study import run
from sem_models.threads import one_thread


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, analyze them by every method, and print the tables."""
    return run("benchmarks.moderation_study", main.__doc__, samples=20, seed=2004, arguments=arguments)


if __name__ == "__main__":
    one_thread()  # before NumPy is loaded
    sys.exit(main())
