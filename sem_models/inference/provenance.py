"""Where a fit's numbers come from; the data are hashed only when someone asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sem_models.observed.sample import Sample

HASH = "data_hash"


class Provenance(Mapping[str, Any]):
    """A read-only mapping whose `data_hash` is computed from the fit's own copy of the data when read.

    Hashing is a pass over all rows, which a fit does not need.
    """

    def __init__(self, sample: Sample, facts: Mapping[str, Any]) -> None:
        self._sample = sample
        self._facts = dict(facts)

    def __getitem__(self, key: str) -> Any:
        if key == HASH and HASH not in self._facts:
            self._facts[HASH] = self._sample.fingerprint
        return self._facts[key]

    def __iter__(self) -> Iterator[str]:
        yield HASH
        yield from (key for key in self._facts if key != HASH)

    def __len__(self) -> int:
        return len(self._facts) + (HASH not in self._facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __repr__(self) -> str:
        return repr(dict(self))

    __hash__ = None  # type: ignore[assignment]
