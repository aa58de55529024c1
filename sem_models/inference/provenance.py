"""Where a fit's numbers come from; worked out only when someone asks."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from sem_models.estimation.options import Options
from sem_models.observed.sample import Sample

HASH = "data_hash"


class Provenance(Mapping[str, Any]):
    """A read-only mapping whose `data_hash` is computed from the fit's own copy of the data when read.

    Hashing is a pass over all rows, which a fit does not need.
    """

    def __init__(self, sample: Sample, text: str, options: Options) -> None:
        self._sample, self._text, self._options = sample, text, options

    @cached_property
    def _fingerprint(self) -> str:
        return self._sample.fingerprint

    @cached_property
    def _facts(self) -> dict[str, Any]:
        from sem_models import __version__

        return {
            "spec_hash": hashlib.sha256(self._text.encode()).hexdigest(),
            "engine": self._options.engine,
            "version": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "options": self._options.as_dict(),
        }

    def __getitem__(self, key: str) -> Any:
        return self._fingerprint if key == HASH else self._facts[key]

    def __iter__(self) -> Iterator[str]:
        yield HASH
        yield from self._facts

    def __len__(self) -> int:
        return len(self._facts) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return repr(dict(self))
