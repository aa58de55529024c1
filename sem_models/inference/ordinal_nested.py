"""Are models of ordered items nested, and which of their statistics are the same?"""

from __future__ import annotations

import numpy as np

from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.estimation.ordinal_least_squares import OrdinalLeastSquares
from sem_models.inference.ordinal_fit import parts_of
from sem_models.inference.solved import Solved
from sem_models.model.ordinal import Layout
from sem_models.model.ram import Array, IntArray


def keys(solved: Solved) -> list[tuple[object, ...]]:
    """A name for each statistic of a group that does not depend on the order of the variables."""
    part = solved.ram.ordinal
    assert part is not None
    layout: Layout = part.layout
    names = [solved.ram.variables[i] for i in part.y]
    covariates = [solved.ram.variables[i] for i in part.x]
    out: list[tuple[object, ...]] = [
        ("|", names[j], k)
        for j, k in zip(layout.th_variable.tolist(), layout.th_number.tolist(), strict=True)
    ]
    out += [
        ("~", names[j], covariates[k])
        for j, k in zip(layout.slope_variable.tolist(), layout.slope_covariate.tolist(), strict=True)
    ]
    out += [("~~", frozenset([names[j]])) for j in layout.variances.tolist()]
    out += [
        ("~~", frozenset([names[i], names[j]]))
        for i, j in zip(layout.first.tolist(), layout.second.tolist(), strict=True)
    ]
    return out


def same_statistics(restricted: Solved, general: Solved) -> IntArray | None:
    """Positions of the general model's statistics among the restricted one's; None where they differ."""
    place = {key: i for i, key in enumerate(keys(restricted))}
    wanted = keys(general)
    if len(place) != len(wanted) or any(key not in place for key in wanted):
        return None
    return np.array([place[key] for key in wanted], dtype=np.intp)


def implied_by(restricted: Solved, general: Solved) -> Array | None:
    """The restricted model's implied statistics in the general one's order, (g, s)."""
    order = same_statistics(restricted, general)
    if order is None:
        return None
    objective, point = parts_of(restricted)
    group = [restricted.sample.groups.index(label) for label in general.sample.groups]
    return np.asarray((objective.moments - point.residual)[group][:, order])


def distance(restricted: Solved, general: Solved, starts: list[Array]) -> float | None:
    """How far the general model stays from what the restricted one implies (discrepancy); None if unknown."""
    target = implied_by(restricted, general)
    if target is None:
        return np.inf
    own = parts_of(general)[0]
    # a pairwise likelihood has no discrepancy of statistics: least squares with its curvature stand in
    objective = OrdinalLeastSquares(own.ram, target, own.weight, own.share)
    best = np.inf
    for start in starts:
        if objective.at(start) is None:
            continue
        found = minimize(objective, start, n_rows=general.sample.n)
        if found.point is None or found.outcome is not Outcome.CONVERGED:
            return None
        best = min(best, float(found.point.value))
    return best if np.isfinite(best) else None
