"""Results of a long run, a line each, so that a run that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any


def keep(log: Path | None, results: Iterable[Any]) -> None:
    """Add results to a log, a line each."""
    if log is None:
        return
    with log.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(f)) + "\n" for f in results)


def stored(log: Path | None, found: type[Any]) -> list[Any]:
    """Results of an earlier run, of this dataclass; none without a log."""
    if log is None or not log.exists():
        return []
    return [found(**json.loads(line)) for line in log.read_text(encoding="utf-8").splitlines()]
