"""Direct, indirect and total effects along the structural paths, without being asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sem_models.estimation.kernels import Implied
from sem_models.inference.product_metric import latent_products
from sem_models.inference.standardized import variance_jacobian
from sem_models.model.ram import DIRECTED, Array, RamModel
from sem_models.model.table import ParameterTable

MAX_PATHS = 500


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect: raw and standardized value with derivatives (q,)."""

    group: int
    source: str
    target: str
    kind: str
    path: str
    value: float
    jacobian: Array
    standardized: float
    standardized_jacobian: Array


def effects(table: ParameterTable, ram: RamModel, free: Array, at: Implied) -> list[Effect]:
    """Effects of every structural variable on every other it leads to.

    Total effects are the entries of E = (I − A)⁻¹ (Bollen, 1989, p. 376–378); specific indirect effects are
    products along simple paths and are listed for recursive models with at most MAX_PATHS of them.
    """
    lines = [row for row in table.rows if row.op == "~" and not row.hidden]
    structural = {row.lhs for row in lines} | {row.rhs for row in lines}
    names = [n for n in ram.variables if n in structural]
    place = {name: i for i, name in enumerate(ram.variables)}
    a_mat = ram.matrices(free)[0]
    d_variance = variance_jacobian(ram, at)
    products = latent_products(ram.variables, ram.n_observed)
    out: list[Effect] = []
    for g in range(ram.n_groups):
        paths = {(r.rhs, r.lhs): (place[r.lhs], place[r.rhs]) for r in lines if r.block == g + 1}
        children: dict[str, list[str]] = {}
        for source, target in paths:
            children.setdefault(source, []).append(target)
        slot_of = _slot_index(ram, g)
        recursive = not _has_cycle(children)
        for source in names:
            for target in names:
                if source == target or not _reaches(children, source, target):
                    continue
                rows: list[tuple[str, str, float, Array]] = []
                routes = list(_routes(children, source, target))[:MAX_PATHS] if recursive else []
                for route in routes:
                    value, slope = _product(route, paths, a_mat[g], slot_of, ram.n_free)
                    kind = "direct" if len(route) == 2 else "indirect"
                    rows.append((kind, "→".join(route), value, slope))
                if not recursive and (source, target) in paths:
                    value, slope = _product([source, target], paths, a_mat[g], slot_of, ram.n_free)
                    rows.append(("direct", f"{source}→{target}", value, slope))
                total, slope = _total(ram, at, g, place[source], place[target])
                direct = next((r for r in rows if r[0] == "direct"), None)
                if direct is None or len(rows) > 1 or not recursive:
                    rest = (total - direct[2], slope - direct[3]) if direct else (total, slope)
                    rows.append(("total indirect", "", *rest))
                rows.append(("total", "", total, slope))
                units = products.get(source, (place[source],))
                scale, relative = _scale(at, d_variance, g, units, place[target])
                for kind, path, value, jac in rows:
                    out.append(
                        Effect(
                            g,
                            source,
                            target,
                            kind,
                            path,
                            value,
                            jac,
                            value * scale,
                            scale * (jac + value * relative),
                        )
                    )
    return out


def _slot_index(ram: RamModel, g: int) -> dict[tuple[int, int], int]:
    slots = ram.slots
    index = np.flatnonzero((slots.kind == DIRECTED) & (slots.free[g] >= 0))
    return {(int(slots.row[k]), int(slots.col[k])): int(slots.free[g, k]) for k in index}


def _product(
    route: list[str],
    paths: dict[tuple[str, str], tuple[int, int]],
    a_mat: Array,
    slot_of: dict[tuple[int, int], int],
    q: int,
) -> tuple[float, Array]:
    entries = [paths[pair] for pair in pairwise(route)]
    factors = np.array([a_mat[i, j] for i, j in entries])
    slope = np.zeros(q)
    for k, entry in enumerate(entries):
        if entry in slot_of:
            slope[slot_of[entry]] += np.prod(np.delete(factors, k))
    return float(factors.prod()), slope


def _total(ram: RamModel, at: Implied, g: int, source: int, target: int) -> tuple[float, Array]:
    slots = ram.slots
    slope = np.zeros(ram.n_free)
    used = np.flatnonzero((slots.kind == DIRECTED) & (slots.free[g] >= 0))
    slope[slots.free[g, used]] = at.total[g, target, slots.row[used]] * at.total[g, slots.col[used], source]
    return float(at.total[g, target, source]), slope


def _scale(
    at: Implied, d_variance: Array, g: int, units: tuple[int, ...], target: int
) -> tuple[float, Array]:
    """Π sd(units) / sd(target), a latent product in its factors' units, and its logarithmic derivative."""
    variance = np.diagonal(at.cov_all[g])
    if variance[target] <= 0 or (variance[list(units)] <= 0).any():
        return np.nan, np.zeros(d_variance.shape[-1])
    relative = -0.5 * d_variance[g, target] / variance[target]
    for i in units:
        relative = relative + 0.5 * d_variance[g, i] / variance[i]
    return float(np.sqrt(np.prod(variance[list(units)]) / variance[target])), relative


def _reaches(children: dict[str, list[str]], source: str, target: str) -> bool:
    seen, stack = {source}, list(children.get(source, []))
    while stack:
        node = stack.pop()
        if node == target:
            return True
        if node not in seen:
            seen.add(node)
            stack += children.get(node, [])
    return False


def _has_cycle(children: dict[str, list[str]]) -> bool:
    return any(_reaches(children, node, node) for node in children)


def _routes(children: dict[str, list[str]], source: str, target: str) -> Iterator[list[str]]:
    stack = [[source]]
    while stack:
        route = stack.pop()
        if route[-1] == target:
            yield route
            continue
        stack += [[*route, child] for child in reversed(children.get(route[-1], []))]
