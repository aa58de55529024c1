"""Starting values from the sample moments: cheap, admissible, in the scales of the items."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable, Row


def starting_values(table: ParameterTable, ram: RamModel, sample_cov: Array, sample_mean: Array) -> Array:
    """Parameters (k,) to begin from: user values, loadings by instruments, half of each variance explained.

    Loadings follow Hägglund (1982, Psychometrika 47, FABIN 2) relative to the marker, kept within a factor
    of three of the ratio of standard deviations. sample_cov (g, p, p) and sample_mean (g, p), divisor n.
    """
    place = {name: i for i, name in enumerate(table.variables.observed)}
    free = np.zeros(ram.n_free)
    for g in range(len(table.groups)):
        rows = [row for row in table.rows if row.block == g + 1]
        guess = _Guess(rows, place, sample_cov[g], sample_mean[g], set(table.variables.latent))
        for x, number in enumerate(ram.row_of_free):
            row = table.rows[number]
            if row.block == g + 1:
                free[x] = row.start if row.start is not None else guess.value(row)
    return np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])


class _Guess:
    """Starting values of one group."""

    def __init__(
        self, rows: list[Row], place: dict[str, int], cov: Array, mean: Array, latent: set[str]
    ) -> None:
        self.place, self.cov, self.mean, self.latent = place, cov, mean, latent
        self.items: dict[str, list[Row]] = {}
        for row in rows:
            if row.op == "=~":
                self.items.setdefault(row.lhs, []).append(row)
        self.fixed_variance = {r.lhs: r.fixed for r in rows if r.op == "~~" and r.lhs == r.rhs and r.fixed}
        self.regressed = {row.lhs for row in rows if row.op == "~"}
        self.exogenous_pairs = {row.lhs for row in rows if row.op == "~"} | {
            r.rhs for r in rows if r.op == "=~"
        }
        self.variances: dict[str, float] = {}

    def variance(self, name: str, depth: int = 0) -> float:
        """Total variance assumed for a variable."""
        if name in self.place:
            i = self.place[name]
            return float(self.cov[i, i])
        if name not in self.variances:
            marker, value = self.marker(name)
            below = self.variance(marker.rhs, depth + 1) if depth < 8 else 1.0
            fixed = self.fixed_variance.get(name)
            self.variances[name] = fixed if fixed and not value else 0.5 * below / (value or 1.0) ** 2
        return self.variances[name]

    def marker(self, name: str) -> tuple[Row, float]:
        """The indicator that sets a latent variable's scale, and its fixed loading (0 if none is fixed)."""
        rows = self.items[name]
        for row in rows:
            if row.fixed:
                return row, row.fixed
        return rows[0], 0.0

    def loading(self, row: Row) -> float:
        marker, value = self.marker(row.lhs)
        unit = np.sqrt(self.variance(row.rhs) / self.variance(marker.rhs))
        first = value or np.sqrt(0.5 * self.variance(marker.rhs) / self.variance(row.lhs))
        if row.rhs == marker.rhs:
            return float(first)
        return float(first * self._ratio(row.rhs, marker.rhs, [r.rhs for r in self.items[row.lhs]], unit))

    def _ratio(self, item: str, marker: str, items: list[str], unit: float) -> float:
        if item not in self.place or marker not in self.place:
            return float(unit)
        j, m = self.place[item], self.place[marker]
        others = [self.place[o] for o in items if o in self.place and o not in (item, marker)]
        if others:
            with_marker = self.cov[others, m]
            ratio = float(self.cov[others, j] @ with_marker / (with_marker @ with_marker))
        else:
            ratio = unit * (1.0 if self.cov[j, m] >= 0 else -1.0)
        size = min(max(abs(ratio), unit / 3), 3 * unit)
        return float(np.copysign(size, ratio))

    def value(self, row: Row) -> float:
        if row.op == "=~":
            return self.loading(row)
        if row.op == "~1":
            return float(self.mean[self.place[row.lhs]]) if row.lhs in self.place else 0.0
        if row.op == "~~" and row.lhs == row.rhs:
            explained = row.lhs in self.exogenous_pairs
            return (0.5 if explained else 1.0) * self.variance(row.lhs)
        pair = {row.lhs, row.rhs}
        if row.op == "~~" and pair <= set(self.place) and not pair & self.exogenous_pairs:
            return float(self.cov[self.place[row.lhs], self.place[row.rhs]])
        return 0.0
