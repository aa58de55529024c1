"""Starting values from the sample moments: cheap, admissible, in the scales of the items."""

from __future__ import annotations

from collections.abc import Mapping
from math import copysign, inf, sqrt

import numpy as np
from scipy.linalg.lapack import dposv

from sem_models.estimation.objective import NormalTheory, Point
from sem_models.linear_algebra import in_units, is_positive
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
        cov = sample_cov[g].tolist()
        guess = _Guess(rows, place, cov, sample_mean[g])
        values = {row.key: guess.value(row) if row.fixed is None else row.fixed for row in rows}
        if structural:
            values.update(_from_moments(rows, values, place, sample_cov[g], cov))
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
    rows: list[Row], values: dict[Key, float], place: dict[str, int], cov: Array, s: list[list[float]]
) -> dict[Key, float]:
    """Better starts for variances, covariances and paths of the constructs whose items are theirs alone.

    s are the sample covariances `cov` (p, p) as lists, for single entries.
    """
    items = _own_items(rows, values, place)
    nodes = [name for name, own in items.items() if own]
    if not nodes:
        return {}
    composites = {row.lhs for row in rows if row.op == "<~"}
    phi = _construct_covariance([items[n] for n in nodes], [n in composites for n in nodes], cov, s)
    at = {name: i for i, name in enumerate(nodes)}
    scale = [1.0] * len(nodes)
    variances = {row.lhs: row for row in rows if row.op == "~~" and row.lhs == row.rhs}
    marked = {row.lhs for row in rows if row.op == "=~" and row.fixed}
    for name, i in at.items():
        variance = variances.get(name)
        free_scale = name not in marked
        if variance is not None and variance.fixed and free_scale and name not in place:
            scale[i] = sqrt(phi[i, i] / variance.fixed)
    known = in_units(phi, np.array(scale)).tolist()
    out: dict[Key, float] = {}
    for name, own in items.items():
        if name in place or name in composites or not own:
            continue
        i = at[name]
        for item, index, loading in own:
            out[(name, "=~", item)] = scaled = loading * scale[i]
            total = s[index][index]
            out[(item, "~~", item)] = max(total - scaled * scaled * known[i][i], 0.1 * total)
    causes: dict[str, list[str]] = {}
    for row in rows:
        if row.op == "~":
            causes.setdefault(row.lhs, []).append(row.rhs)
    for row in rows:
        if row.op == "~~" and row.lhs in at and row.rhs in at:
            explained_here = row.lhs in causes or row.rhs in causes
            if not explained_here and not (row.lhs in place and row.rhs in place):
                out[row.key] = known[at[row.lhs]][at[row.rhs]]
    for outcome, predictors in causes.items():
        if outcome not in at or not all(p in at for p in predictors):
            continue
        where, of_outcome = [at[p] for p in predictors], known[at[outcome]]
        with_outcome = [of_outcome[i] for i in where]
        slopes = dposv([[known[i][j] for j in where] for i in where], with_outcome)[1].tolist()
        total, explained = of_outcome[at[outcome]], 0.0
        for name, slope, covariance in zip(predictors, slopes, with_outcome, strict=True):
            out[(outcome, "~", name)] = slope
            explained += slope * covariance
        out[(outcome, "~~", outcome)] = max(total - explained, 0.1 * total)
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

LEAST = 0.05
"""Smallest eigenvalue of the constructs' correlations to begin from."""


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


def _construct_covariance(
    items: list[list[Item]], composite: list[bool], cov: Array, s: list[list[float]]
) -> Array:
    """Σ λᵢ λⱼ sᵢⱼ / Σ (λᵢ λⱼ)² over pairs of different items, made safely positive definite.

    Of a composite all pairs count: it has no error.
    """
    rows, sums, variances = [], [], []
    for own, is_composite in zip(items, composite, strict=True):
        row, total, fourth, errors, ceiling = [0.0] * len(s), 0.0, 0.0, 0.0, inf
        for _, i, loading in own:
            square = loading * loading
            row[i] = loading
            total += square
            fourth += square * square
            errors += square * s[i][i]
            ceiling = min(ceiling, s[i][i] / square)
        rows.append(row)
        sums.append(total)
        variances.append(None if is_composite or len(own) == 1 else (errors, total * total - fourth, ceiling))
    loadings, size = np.array(rows), np.array(sums)
    phi = loadings @ cov @ loadings.T
    variance = phi.diagonal().tolist()
    phi /= size[:, None] * size
    for a, pairs in enumerate(variances):
        if pairs is not None:  # pairs of an item with itself tell of its error, not of the construct
            errors, weight, ceiling = pairs
            of_pairs = (variance[a] - errors) / (weight if weight > 0.0 else 1.0)
            phi[a, a] = min(max(of_pairs, 0.05 * ceiling), 0.95 * ceiling)
    sd = np.sqrt(phi.diagonal())
    correlation, identity = in_units(phi, sd), np.eye(len(items))
    for _ in range(40):
        if is_positive(correlation - LEAST * identity):
            break
        correlation = 0.9 * correlation + 0.1 * identity
    return np.asarray(correlation * (sd[:, None] * sd))


class _Guess:
    """Starting values of one group."""

    def __init__(self, rows: list[Row], place: dict[str, int], cov: list[list[float]], mean: Array) -> None:
        self.place, self.cov, self.mean = place, cov, mean
        self.items: dict[str, list[Row]] = {}
        self.parts: dict[str, list[Row]] = {}
        self.fixed_variance: dict[str, float] = {}
        self.explained: set[str] = set()
        for row in rows:
            if row.op == "=~":
                self.items.setdefault(row.lhs, []).append(row)
                self.explained.add(row.rhs)
            elif row.op == "<~":
                self.parts.setdefault(row.lhs, []).append(row)
            elif row.op == "~":
                self.explained.add(row.lhs)
            elif row.op == "~~" and row.fixed and row.lhs == row.rhs:
                self.fixed_variance[row.lhs] = row.fixed
        self.variances: dict[str, float] = {}
        self.units: dict[str, tuple[str, float, float]] = {}

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

    def unit(self, name: str) -> tuple[str, float, float]:
        """Of a latent variable the item that sets its scale, that item's variance and its loading."""
        if name not in self.units:
            marker, value = self.marker(name)
            variance = self.variance(marker.rhs)
            self.units[name] = marker.rhs, variance, value or sqrt(0.5 * variance / self.variance(name))
        return self.units[name]

    def loading(self, row: Row) -> float:
        marker, variance, first = self.unit(row.lhs)
        if row.rhs == marker:
            return first
        unit = sqrt(self.variance(row.rhs) / variance)
        return first * self._ratio(row.rhs, marker, self.items[row.lhs], unit)

    def _ratio(self, item: str, marker: str, items: list[Row], unit: float) -> float:
        place = self.place
        if item not in place or marker not in place:
            return unit
        of_item, of_marker = self.cov[place[item]], self.cov[place[marker]]
        products = squares = 0.0
        for row in items:
            if row.rhs in place and row.rhs != item and row.rhs != marker:
                other = place[row.rhs]
                products += of_item[other] * of_marker[other]
                squares += of_marker[other] * of_marker[other]
        # without another item, or one that goes with the marker, by the sign alone
        ratio = products / squares if squares > 0.0 else copysign(unit, of_item[place[marker]])
        return copysign(min(max(abs(ratio), unit / 3), 3 * unit), ratio)

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
            explained = row.lhs in self.explained
            return (0.5 if explained else 1.0) * self.variance(row.lhs)
        observed = row.op == "~~" and row.lhs in self.place and row.rhs in self.place
        if observed and not (row.lhs in self.explained or row.rhs in self.explained):
            return self.cov[self.place[row.lhs]][self.place[row.rhs]]
        return 0.0
