"""Starting values from the sample moments: cheap, admissible, in the scales of the items."""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dposv

from sem_models.estimation.objective import NormalTheory, Point
from sem_models.linear_algebra import smallest_eigenvalue
from sem_models.model.ram import Array, RamModel
from sem_models.model.table import ParameterTable, Row
from sem_models.observed.sample import Sample


def starting_values(
    table: ParameterTable, ram: RamModel, sample_cov: Array, sample_mean: Array, *, structural: bool = True,
    known: Mapping[int, float] | None = None,
) -> Array:  # fmt: skip
    """Parameters (k,) to begin from: the user's values, loadings by instruments, paths by the moments.

    Loadings follow Hägglund (1982, Psychometrika 47, FABIN 2) relative to the marker, kept within a factor of
    three of the ratio of standard deviations. With `structural`, covariances of constructs are then taken
    from the covariances of their items and paths from those by least squares; without it, half of each
    variance is explained and all paths begin at zero. sample_cov (g, p, p), sample_mean (g, p), divisor n;
    `known` are values by row of the table that are better known (thresholds).
    """
    known = known or {}
    place = {name: i for i, name in enumerate(table.variables.observed)}
    found = [0.0] * ram.n_free
    for g in range(len(table.groups)):
        rows = [row for row in table.rows if row.block == g + 1]
        guess = _Guess(rows, place, sample_cov[g].tolist(), sample_mean[g], set(table.variables.latent))
        values = {row.key: guess.value(row) if row.fixed is None else row.fixed for row in rows}
        if structural:
            values.update(_from_moments(rows, values, place, sample_cov[g]))
        if table.variables.emergent:
            values.update(_left_of_parts(rows, values, place, sample_cov[g]))
        for x, number in enumerate(ram.row_of_free.tolist()):
            row = table.rows[number]
            if row.block == g + 1:
                found[x] = row.start if row.start is not None else known.get(number, values[row.key])
    free = np.array(found)
    if ram.places.unreduced:
        return free
    if not table.equalities:  # the reduction only shares labels: an average of the rows that share one
        return np.asarray((free - ram.offset) @ ram.reduction / ram.reduction.sum(axis=0))
    return np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])


def starting_point(objective: NormalTheory, table: ParameterTable, sample: Sample) -> Point | None:
    """The starting values as a point of the objective; simpler ones where the first are not admissible."""
    for structural in (True, False):
        values = starting_values(table, objective.ram, sample.cov, sample.mean, structural=structural)
        point = objective.at(values)
        if point is not None:
            return point
    return None


Key = tuple[str, str, str]


def _from_moments(
    rows: list[Row], values: dict[Key, float], place: dict[str, int], cov: Array
) -> dict[Key, float]:
    """Better starts for variances, covariances and paths of the constructs whose items are theirs alone."""
    items = _own_items(rows, values, place)
    nodes = [name for name, own in items.items() if own]
    if not nodes:
        return {}
    composites = {row.lhs for row in rows if row.op == "<~"}
    phi = _construct_covariance([items[n] for n in nodes], cov, np.array([n in composites for n in nodes]))
    at = {name: i for i, name in enumerate(nodes)}
    scale = np.ones(len(nodes))
    variances = {row.lhs: row for row in rows if row.op == "~~" and row.lhs == row.rhs}
    marked = {row.lhs for row in rows if row.op == "=~" and row.fixed}
    for name, i in at.items():
        variance = variances.get(name)
        free_scale = name not in marked
        if variance is not None and variance.fixed and free_scale and name not in place:
            scale[i] = np.sqrt(phi[i, i] / variance.fixed)
    phi = phi / np.outer(scale, scale)
    out: dict[Key, float] = {}
    s = cov.tolist()
    for name, own in items.items():
        if name in place or name in composites or not own:
            continue
        unit, variance_here = float(scale[at[name]]), float(phi[at[name], at[name]])
        for item, index, loading in own:
            out[(name, "=~", item)] = loading * unit
            explained = (loading * unit) ** 2 * variance_here
            out[(item, "~~", item)] = max(s[index][index] - explained, 0.1 * s[index][index])
    causes: dict[str, list[str]] = {}
    for row in rows:
        if row.op == "~":
            causes.setdefault(row.lhs, []).append(row.rhs)
    known = phi.tolist()
    for row in rows:
        if row.op == "~~" and row.lhs in at and row.rhs in at:
            explained_here = row.lhs in causes or row.rhs in causes
            if not explained_here and not (row.lhs in place and row.rhs in place):
                out[row.key] = known[at[row.lhs]][at[row.rhs]]
    for outcome, predictors in causes.items():
        if outcome not in at or not all(p in at for p in predictors):
            continue
        where = [at[p] for p in predictors]
        with_outcome = phi[where, at[outcome]]
        slopes = dposv(phi[where][:, where], with_outcome)[1]
        out.update({(outcome, "~", p): b for p, b in zip(predictors, slopes.tolist(), strict=True)})
        total = known[at[outcome]][at[outcome]]
        out[(outcome, "~~", outcome)] = max(total - float(slopes @ with_outcome), 0.1 * total)
    return out


def _left_of_parts(
    rows: list[Row], values: dict[Key, float], place: dict[str, int], cov: Array
) -> dict[Key, float]:
    """Of emergent composites at the weights so far: paths to the parts, and what these leave unexplained."""
    out: dict[Key, float] = {}
    for name in dict.fromkeys(row.lhs for row in rows if row.op == "<~"):
        weights = {row.rhs: values[row.key] for row in rows if row.op == "<~" and row.lhs == name}
        at = [place[part] for part in weights]
        own = cov[np.ix_(at, at)]
        w = np.array(list(weights.values()))
        total = float(w @ own @ w)
        path = dict(zip(weights, own @ w / total, strict=True))
        for row in rows:
            if row.hidden and row.op == "~" and row.rhs == name and row.free:
                out[row.key] = path[row.lhs]
            elif row.hidden and row.op == "~~" and {row.lhs, row.rhs} <= set(weights) and row.free:
                left = cov[place[row.lhs], place[row.rhs]] - path[row.lhs] * path[row.rhs] * total
                out[row.key] = float(left)
    return out


Item = tuple[str, int, float]


def _own_items(rows: list[Row], values: dict[Key, float], place: dict[str, int]) -> dict[str, list[Item]]:
    """Each construct's observed items that measure nothing else, with loadings; a variable measures itself.

    Empty for a construct with fewer than two such items. A composite has its parts, with weights over their
    sum of squares, so that the same sums give its covariances.
    """
    loaded: dict[str, int] = {}
    for row in rows:
        if row.op == "=~":
            loaded[row.rhs] = loaded.get(row.rhs, 0) + 1
    out: dict[str, list[Item]] = {}
    for row in rows:
        if row.op == "=~" and row.rhs in place and loaded[row.rhs] == 1 and values[row.key]:
            out.setdefault(row.lhs, []).append((row.rhs, place[row.rhs], values[row.key]))
    out = {name: own if len(own) > 1 else [] for name, own in out.items()}
    weights: dict[str, list[Item]] = {}
    for row in rows:
        if row.op == "<~" and row.rhs in place and values[row.key]:
            weights.setdefault(row.lhs, []).append((row.rhs, place[row.rhs], values[row.key]))
    for name, parts in weights.items():
        squares = sum(w * w for _, _, w in parts)
        out[name] = [(part, i, w / squares) for part, i, w in parts]
    for row in rows:
        if row.op == "~":
            for name in (row.lhs, row.rhs):
                if name in place and name not in loaded:
                    out[name] = [(name, place[name], 1.0)]
    return out


def _construct_covariance(items: list[list[Item]], cov: Array, composite: NDArray[np.bool_]) -> Array:
    """Σ λᵢ λⱼ sᵢⱼ / Σ (λᵢ λⱼ)² over pairs of different items, made safely positive definite.

    Of a composite all pairs count: it has no error.
    """
    m = len(items)
    flat = [(a, i, loading) for a, own in enumerate(items) for _, i, loading in own]
    loadings = np.zeros((m, len(cov)))
    loadings[[a for a, _, _ in flat], [i for _, i, _ in flat]] = [loading for _, _, loading in flat]
    squares = loadings**2
    products = loadings @ cov @ loadings.T
    sums = squares.sum(axis=1)
    weight = np.outer(sums, sums)
    several = np.array([len(own) > 1 for own in items]) & ~composite
    on_diagonal = np.flatnonzero(several)  # pairs of an item with itself tell of its error, not the construct
    products[on_diagonal, on_diagonal] -= (squares @ np.diagonal(cov))[on_diagonal]
    weight[on_diagonal, on_diagonal] -= (squares**2).sum(axis=1)[on_diagonal]
    phi = products / np.where(weight > 0, weight, 1.0)
    variance = np.diagonal(cov).tolist()
    for a in on_diagonal.tolist():
        ceiling = min(variance[i] / loading**2 for _, i, loading in items[a])
        phi[a, a] = min(max(float(phi[a, a]), 0.05 * ceiling), 0.95 * ceiling)
    sd = np.sqrt(np.diagonal(phi))
    correlation = phi / np.outer(sd, sd)
    for _ in range(40):
        if smallest_eigenvalue(correlation) > 0.05:
            break
        correlation = 0.9 * correlation + 0.1 * np.eye(m)
    return np.asarray(correlation * np.outer(sd, sd))


class _Guess:
    """Starting values of one group."""

    def __init__(
        self, rows: list[Row], place: dict[str, int], cov: list[list[float]], mean: Array, latent: set[str]
    ) -> None:
        self.place, self.cov, self.mean, self.latent = place, cov, mean, latent
        self.items: dict[str, list[Row]] = {}
        for row in rows:
            if row.op == "=~":
                self.items.setdefault(row.lhs, []).append(row)
        self.parts: dict[str, list[Row]] = {}
        for row in rows:
            if row.op == "<~":
                self.parts.setdefault(row.lhs, []).append(row)
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
            return float(self.cov[i][i])
        if name in self.parts:
            return 1.0
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
        unit = sqrt(self.variance(row.rhs) / self.variance(marker.rhs))
        first = value or sqrt(0.5 * self.variance(marker.rhs) / self.variance(row.lhs))
        if row.rhs == marker.rhs:
            return float(first)
        return float(first * self._ratio(row.rhs, marker.rhs, [r.rhs for r in self.items[row.lhs]], unit))

    def _ratio(self, item: str, marker: str, items: list[str], unit: float) -> float:
        if item not in self.place or marker not in self.place:
            return float(unit)
        j, m = self.place[item], self.place[marker]
        others = [self.place[o] for o in items if o in self.place and o not in (item, marker)]
        if others:
            with_marker = [self.cov[o][m] for o in others]
            products = sum(self.cov[o][j] * w for o, w in zip(others, with_marker, strict=True))
            ratio = products / sum(w * w for w in with_marker)
        else:
            ratio = unit * (1.0 if self.cov[j][m] >= 0 else -1.0)
        size = min(max(abs(ratio), unit / 3), 3 * unit)
        return float(copysign(size, ratio))

    def weight(self, row: Row) -> float:
        """Equal in standard deviations, by the sign of the covariance with the part whose weight is fixed."""
        fixed = next((r for r in self.parts[row.lhs] if r.fixed), self.parts[row.lhs][0])
        at, to = self.place[fixed.rhs], self.place[row.rhs]
        size = sqrt(self.cov[at][at] / self.cov[to][to]) * (fixed.fixed or 1.0)
        return -size if self.cov[at][to] < 0 else size

    def value(self, row: Row) -> float:
        if row.op == "=~":
            return self.loading(row)
        if row.op == "<~":
            return self.weight(row)
        if row.op == "~1":
            return float(self.mean[self.place[row.lhs]]) if row.lhs in self.place else 0.0
        if row.op == "~~" and row.lhs == row.rhs:
            explained = row.lhs in self.exogenous_pairs
            return (0.5 if explained else 1.0) * self.variance(row.lhs)
        observed = row.op == "~~" and row.lhs in self.place and row.rhs in self.place
        if observed and not (row.lhs in self.exogenous_pairs or row.rhs in self.exogenous_pairs):
            return self.cov[self.place[row.lhs]][self.place[row.rhs]]
        return 0.0
