"""Which variables a product bends, and along which directions of the data: read off a model's arrows.

With products as sources without variance the reticular action model splits: what the arrows alone imply is
jointly normal, and the observed variables are that plus F E[:, T] A[T, P] q, where q are the products, T
the variables that products predict and E = (I − A)⁻¹ carries a bent variable's curvature on to its items
and to whatever depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sem_models.errors import SpecError
from sem_models.model.ram import DIRECTED, Array, IntArray, RamModel
from sem_models.observed.patterns import BoolArray


@dataclass(frozen=True, eq=False)
class QuadraticPlan:
    """Positions in the RAM variables; n products of m factors, r directions in which the data are quadratic.

    products (n,); factors (m,) the moderating variables, all of them linear; first, second (n,) each
    product's factors as indices into `factors`; bent (v,) whether a variable depends on a product; targets
    (r,) the variables that products predict; active (t, r) whether the direction of a target shows in the
    variables seen in a pattern and is no combination of earlier ones.
    """

    products: IntArray
    factors: IntArray
    first: IntArray
    second: IntArray
    bent: BoolArray
    targets: IntArray
    active: BoolArray


def quadratic_plan(ram: RamModel, products: Mapping[str, tuple[str, ...]], seen: BoolArray) -> QuadraticPlan:
    """The plan of a model whose `products` (name → two factors) are variables of `ram`.

    seen (t, p) tells the observed variables of each missing pattern. Raises SpecError where a factor itself
    depends on a product, or a product has more than two factors.
    """
    place = {name: i for i, name in enumerate(ram.variables)}
    positions = np.array([place[name] for name in products], dtype=np.intp)
    arrows = _arrows(ram)
    reach = _closure(arrows)
    bent = np.asarray(reach[:, positions].any(axis=1))
    names = tuple(dict.fromkeys(f for factors in products.values() for f in factors))
    for name, factors in products.items():
        if len(factors) != 2:
            raise SpecError(
                f"'{name}' multiplies {len(factors)} variables, and method='qml' cannot estimate more than "
                "two yet. Use method='lms'."
            )
        for factor in factors:
            if bent[place[factor]]:
                raise SpecError(
                    f"'{factor}' in the product '{name}' depends on a product itself: what '{name}' predicts "
                    "is of a higher degree than two; method='qml' cannot estimate that yet. Use 'lms'."
                )
    index = {name: i for i, name in enumerate(names)}
    targets = np.flatnonzero(arrows[:, positions].any(axis=1))
    return QuadraticPlan(
        positions,
        np.array([place[n] for n in names], dtype=np.intp),
        np.array([index[f[0]] for f in products.values()], dtype=np.intp),
        np.array([index[f[1]] for f in products.values()], dtype=np.intp),
        bent,
        targets,
        _active(ram, arrows, targets, seen),
    )


def _arrows(ram: RamModel) -> BoolArray:
    """(v, v) whether column predicts row in some group."""
    arrows = np.asarray(ram.a_base.any(axis=0))
    directed = ram.slots.kind == DIRECTED
    arrows[ram.slots.row[directed], ram.slots.col[directed]] = True
    return arrows


def _closure(arrows: BoolArray) -> BoolArray:
    """(v, v) whether row can be reached from column."""
    reach = arrows.copy()
    for _ in range(len(arrows)):
        wider = reach | (reach.astype(np.intp) @ arrows.astype(np.intp) > 0)
        if (wider == reach).all():
            break
        reach = wider
    return reach


def _active(ram: RamModel, arrows: BoolArray, targets: IntArray, seen: BoolArray) -> BoolArray:
    """(t, r) which targets' directions count: the generic rank, found with arbitrary coefficients."""
    generic: Array = np.random.default_rng(20070).uniform(0.4, 0.9, arrows.shape) * arrows
    v = len(arrows)
    with_fixed = np.where(ram.a_base.any(axis=0), ram.a_base.mean(axis=0), generic)
    directions = np.linalg.inv(np.eye(v) - with_fixed)[: ram.n_observed, targets]
    out = np.zeros((len(seen), len(targets)), dtype=bool)
    known: dict[bytes, BoolArray] = {}
    for t, shown in enumerate(seen):
        key = shown.tobytes()
        if key not in known:
            chosen: list[int] = []
            for j in range(len(targets)):
                if np.linalg.matrix_rank(directions[shown][:, [*chosen, j]], tol=1e-8) > len(chosen):
                    chosen.append(j)
            known[key] = np.isin(np.arange(len(targets)), chosen)
        out[t] = known[key]
    return out
