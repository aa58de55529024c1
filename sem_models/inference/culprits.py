"""Which parameters an unsuccessful search was moving, by name, value and size without scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.estimation.optimizer import Outcome
from sem_models.estimation.units import row_units, variable_units
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

SHARE = 0.3
"""A parameter takes part in a direction when its entry is at least this part of the largest one."""

LEVEL_GROUND = 1e-12
"""Newton decrement below which a search that ended in a flat direction was at an optimum."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """A free parameter: its row in the table, name, value, and value in standard deviations."""

    row: int
    name: str
    value: float
    size: float

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.4g} ({self.size:.3g} in standard deviations)"


def row_name(table: ParameterTable, number: int) -> str:
    """`lhs op rhs` with label and group where there are any."""
    row = table.rows[number]
    text = f"{row.lhs} {row.op} {row.rhs}" if row.op != "~1" else f"{row.lhs} ~ 1"
    label = f" (label {row.label})" if row.label and not row.label.startswith(".") else ""
    group = f" in group {table.groups[row.block - 1]}" if len(table.groups) > 1 else ""
    return text + label + group


def observed_information(solved: Solved) -> Array:
    """The Hessian at the solution (k, k), from the standard errors where they use it."""
    if solved.options.informations[0].exact:
        return solved.covariance.information
    objective: Any = solved.objective  # each objective takes its own kind of point
    return np.asarray(objective.hessian(solved.point))


def flattest(solved: Solved) -> tuple[float, Array]:
    """Smallest eigenvalue of the observed information in its own scale, and its direction (k,)."""
    curve = observed_information(solved)
    scale = np.sqrt(np.abs(np.diagonal(curve)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(curve / np.outer(scale, scale))
    return float(values[0]), vectors[:, 0] / scale


def culprits(solved: Solved, direction: Array, *, most: int = 3, share: float = SHARE) -> list[Culprit]:
    """The parameters that a direction (k,) moves most, in standard deviations, largest first."""
    moved = solved.ram.reduction @ direction
    units = row_units(solved.table, variable_units(solved.table, solved.sample.cov))
    by_size = np.abs(moved) / units[solved.ram.row_of_free]
    out: dict[str, Culprit] = {}
    for x in np.argsort(-by_size):
        if by_size[x] < share * by_size.max() or len(out) == most:
            break
        number = int(solved.ram.row_of_free[x])
        value = float(solved.point.free[x])
        name = row_name(solved.table, number)
        label = solved.table.rows[number].label or name
        out.setdefault(label, Culprit(number, name, value, value / units[number]))
    return list(out.values())


def flat_names(solved: Solved) -> str:
    """The parameters that the flattest direction moves."""
    return "; ".join(c.name for c in culprits(solved, flattest(solved)[1], most=8, share=0.01))


def reason(solved: Solved) -> str:
    """Why the search did not end well: the outcome's text, and the parameters it was moving."""
    outcome = solved.solution.outcome
    if outcome not in (Outcome.RUNAWAY, Outcome.STUCK, Outcome.MAX_ITERATIONS):
        return outcome.value
    found = culprits(solved, flattest(solved)[1])
    if not found:
        return outcome.value
    if outcome is Outcome.RUNAWAY and solved.solution.decrement < LEVEL_GROUND:
        return f"The optimum is no single point: the likelihood does not change along {flat_names(solved)}."
    one = "The parameter" if len(found) == 1 else "The parameters"
    verb = "running away" if outcome is Outcome.RUNAWAY else "least determined"
    return f"{outcome.value} {one} {verb}: {'; '.join(map(str, found))}."
