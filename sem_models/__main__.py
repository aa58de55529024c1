"""`python -m sem_models`: the same as the command `sem-models`."""

from __future__ import annotations

from sem_models.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
