"""What a bootstrap draws: rows, or whole clusters of them, and the weights that the draws give to rows.

Clusters are drawn with replacement within groups, each with all its rows (Davison & Hinkley, 1997, section
3.8); sampling weights go with their row and are normalized anew in each replicate, as the fit's were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.observed.rows import Rows

Times = list[Array]
"""How often each row is drawn, (b, n_g) by group."""


@dataclass(frozen=True, slots=True)
class Units:
    """By group: number of rows, cluster (n,) and weight (n,) of each or None. `by_group` says that weights
    are normalized within groups, so that a group counts by its rows."""

    sizes: tuple[int, ...]
    cluster: tuple[IntArray | None, ...]
    weight: tuple[Array | None, ...]
    by_group: bool = True

    @property
    def plain(self) -> bool:
        """Whether rows are drawn one by one and count the same."""
        return all(c is None for c in self.cluster) and all(w is None for w in self.weight)

    @property
    def counts(self) -> tuple[int, ...]:
        """Units to draw from in each group."""
        pairs = zip(self.sizes, self.cluster, strict=True)
        return tuple(n if c is None else int(c.max()) + 1 for n, c in pairs)

    def of_rows(self, by_unit: Times) -> Times:
        """Values of units (b, units) for each of their rows."""
        return [t if c is None else t[:, c] for t, c in zip(by_unit, self.cluster, strict=True)]

    def weighted(self, times: Times) -> tuple[Times, Array]:
        """Weights of rows that add up to 1 in each group and replicate, and the groups' shares (b, g)."""
        heavy = [t if w is None else t * w for t, w in zip(times, self.weight, strict=True)]
        sums = np.stack([h.sum(axis=1) for h in heavy], axis=1)
        rows = np.stack([t.sum(axis=1) for t in times], axis=1) if self.by_group else sums
        scaled = [h / sums[:, g, None] for g, h in enumerate(heavy)]
        return scaled, rows / rows.sum(axis=1, keepdims=True)


def units_of(rows: tuple[Rows, ...], normalization: str) -> Units:
    """The units of a sample's rows."""
    return Units(
        tuple(len(r.values) for r in rows), tuple(r.cluster for r in rows), tuple(r.weight for r in rows),
        normalization == "group" or all(r.weight is None for r in rows),
    )  # fmt: skip


def drawn_units(counts: tuple[int, ...], b: int, rng: np.random.Generator) -> list[IntArray]:
    """Units drawn with replacement (b, units) by group, taken from the stream replicate by replicate."""
    if len(counts) == 1:
        return [rng.integers(0, counts[0], size=(b, counts[0])).astype(np.intp, copy=False)]
    drawn = [[rng.integers(0, n, size=n) for n in counts] for _ in range(b)]
    return [np.stack([d[k] for d in drawn]).astype(np.intp, copy=False) for k in range(len(counts))]


def drawn_times(units: Units, n_draws: int, rng: np.random.Generator, chunk: int) -> Iterator[Times]:
    """How often each row is drawn, `chunk` replicates at a time; the chunk does not change the draws."""
    for begin in range(0, n_draws, chunk):
        b = min(chunk, n_draws - begin)
        by_unit = []
        for n, drawn in zip(units.counts, drawn_units(units.counts, b, rng), strict=True):
            flat = (drawn + n * np.arange(b)[:, None]).ravel()
            by_unit.append(np.bincount(flat, minlength=b * n).reshape(b, n).astype(float))
        yield units.of_rows(by_unit)


def times_without(units: Units, chunk: int) -> Iterator[Times]:
    """All rows but those of each unit in turn, group by group (the jackknife)."""
    for g, n in enumerate(units.counts):
        for begin in range(0, n, chunk):
            left = np.arange(begin, min(begin + chunk, n))
            by_unit = [np.ones((len(left), m)) for m in units.counts]
            by_unit[g][np.arange(len(left)), left] = 0.0
            yield units.of_rows(by_unit)
