"""`python -m benchmarks.ordered_moderation_study --samples 100 --page docs/ordered-moderation.md`."""

from __future__ import annotations

import sys

from benchmarks.study import run
from sem_models.threads import one_thread


def main(arguments: list[str] | None = None) -> int:
    """Draw samples of every population, estimate the interaction by every method, and print the tables."""
    return run("benchmarks.ordered_moderation_study", main.__doc__, samples=5, seed=2005, arguments=arguments)


if __name__ == "__main__":
    one_thread()  # before NumPy is loaded
    sys.exit(main())
