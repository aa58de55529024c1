"""What else could be tried with a fit that failed or is improper. Nothing here touches the fit itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import SEMError
from sem_models.estimation.optimizer import minimize
from sem_models.estimation.units import param_units, row_units, variable_units
from sem_models.model.table import ParameterTable
from sem_models.observed.patterns import Patterns

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved
    from sem_models.observed.sample import Sample

STARTS = 10
"""Random starting points of one attempt."""
SAME = 1e-6
"""Difference of χ² below which two solutions are the same."""
ROUNDS = 8
"""Variances fixed at zero one after the other before giving up."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt: what was tried, how it ended, its χ² and degrees of freedom, and what it tells."""

    what: str
    outcome: str
    iterations: int
    objective: float
    chisq: float
    df: float
    admissible: bool | None
    text: str


Refit = Callable[["ParameterTable", "Sample", "np.ndarray | None"], "Solved"]


def trials(solved: Solved, refit: Refit) -> Iterator[tuple[str, Callable[[], Trial]]]:
    """Name and function of each further attempt, in order; `refit` estimates a table on a sample."""
    yield "items in standard deviations", lambda: _rescaled(solved, refit)
    yield "other markers", lambda: _other_markers(solved, refit)
    yield "variances at zero or above", lambda: _bounded(solved, refit)
    yield f"{STARTS} random starts", lambda: _random_starts(solved)


def _failed(what: str, text: str) -> Trial:
    return Trial(what, "not possible", 0, nan, nan, nan, None, text)


def _trial(what: str, found: Solved, text: str) -> Trial:
    solution = found.solution
    return Trial(
        what, solution.outcome.name.lower().replace("_", " "), solution.iterations, float(found.point.value),
        found.minimum, float(found.df), found.status.admissible, text,
    )  # fmt: skip


def _against(solved: Solved, found: Solved, *, same_model: bool) -> str:
    if not found.status.converged:
        return "It does not converge either."
    gap = found.minimum - solved.minimum
    if not same_model:
        proper = "The solution is admissible" if found.status.admissible else "The solution is improper still"
        return f"{proper}; χ² is {gap:.4g} higher, with {found.df - solved.df} more degrees of freedom."
    if not solved.status.converged:
        return "This one converges: use it as the starting point, after a look at its estimates."
    if gap < -SAME:
        return f"A better optimum: χ² is {-gap:.4g} lower. The fit is at a local optimum."
    return "The same optimum." if gap < SAME else f"A worse optimum: χ² is {gap:.4g} higher."


def _free_of_scale(table: ParameterTable) -> bool:
    """Whether other units change nothing: no values are shared, or fixed but zeros and markers."""
    labels = [row.label for row in table.rows if row.free and row.label]
    if table.equalities or len(labels) != len(set(labels)):
        return False
    return all(not row.fixed or (row.op == "=~" and row.fixed) for row in table.rows if not row.exogenous)


def _rescaled(solved: Solved, refit: Refit) -> Trial:
    what = "items in standard deviations"
    if not _free_of_scale(solved.table) or solved.options.discrepancy in ("ULS", "WLS"):
        return _failed(what, "The model changes with the items' units: it shares or fixes values.")
    sample = solved.sample
    factor = 1.0 / np.sqrt(np.diagonal(sample.cov, axis1=-2, axis2=-1))
    if len(factor) > 1:  # one unit for all groups keeps their means and variances comparable
        factor = np.broadcast_to(factor.mean(axis=0), factor.shape)
    outer = factor[:, :, None] * factor[:, None, :]
    p = sample.patterns
    patterns = Patterns(p.group, p.seen, p.size, p.mean * factor[p.group], p.cov * outer[p.group])
    scaled = replace(sample, patterns=patterns, cov=sample.cov * outer, mean=sample.mean * factor, rows=None)
    try:
        found = refit(solved.table, scaled, None)
    except SEMError as error:
        return _failed(what, str(error))
    return _trial(what, found, _against(solved, found, same_model=True))


def _other_markers(solved: Solved, refit: Refit) -> Trial:
    """Each construct scaled by the indicator that correlates most with its others."""
    what = "other markers"
    table, names = solved.table, solved.sample.variables
    if not _free_of_scale(table):
        return _failed(what, "The model depends on the markers: it shares or fixes values.")
    cor = np.abs(sum(c / np.outer(*(np.sqrt(np.diagonal(c)),) * 2) for c in solved.sample.cov))
    place = {name: i for i, name in enumerate(names)}
    moved: list[str] = []
    rows = list(table.rows)
    for construct in table.variables.latent:
        own = [i for i, r in enumerate(rows) if r.op == "=~" and r.lhs == construct and r.block == 1]
        marker = [i for i in own if rows[i].fixed]
        items = [place[rows[i].rhs] for i in own if rows[i].rhs in place]
        if len(marker) != 1 or len(items) != len(own) or len(own) < 2:
            continue
        block = cor[np.ix_(items, items)]
        strength = block.sum(axis=0) - np.diagonal(block)
        best, old = own[int(strength.argmax())], marker[0]
        if strength.max() <= strength[own.index(old)] * (1.0 + 1e-9):
            continue
        moved.append(f"{rows[best].rhs} for {construct}")
        new_item, old_item = rows[best].rhs, rows[old].rhs
        for i, row in enumerate(rows):
            if row.op == "=~" and row.lhs == construct and row.rhs in (new_item, old_item):
                rows[i] = replace(row, fixed=1.0 if row.rhs == new_item else None, start=None)
    if not moved:
        return _failed(what, "Every construct already has its strongest indicator as marker.")
    try:
        found = refit(replace(table, rows=tuple(rows)), solved.sample, None)
    except SEMError as error:
        return _failed(what, str(error))
    return _trial(what, found, f"{', '.join(moved)}. {_against(solved, found, same_model=True)}")


def _bounded(solved: Solved, refit: Refit) -> Trial:
    """Negative variances fixed at zero, one by one; one whose slope points upwards is let go again."""
    what = "variances at zero or above"
    current, fixed = solved, list[str]()
    for _ in range(ROUNDS):
        negative = current.negative_variances
        if not negative:
            break
        units = row_units(current.table, variable_units(current.table, current.sample.cov))
        worst = min(negative, key=lambda i: current.rows.value[i] / units[i])
        row = current.table.rows[worst]
        fixed.append(f"{row.lhs} ~~ {row.rhs}" + (f" (group {row.block})" if row.block > 1 else ""))
        rows = list(current.table.rows)
        rows[worst] = replace(row, fixed=0.0, label="")
        try:
            current = refit(replace(current.table, rows=tuple(rows)), solved.sample, None)
        except SEMError as error:
            return _failed(what, f"With {', '.join(fixed)} at zero: {error}")
    if not fixed:
        return _failed(what, "No variance is negative.")
    told = _against(solved, current, same_model=False)
    return _trial(what, current, f"At zero: {', '.join(fixed)}. {told}")


def _random_starts(solved: Solved) -> Trial:
    """Random perturbations of the solution's or the starting parameters; the best end counts."""
    what = f"{STARTS} random starts"
    rng = np.random.default_rng(solved.options.seed)
    spread = param_units(solved.table, solved.ram.reduction, solved.ram.row_of_free, solved.sample.cov)
    from sem_models.estimation.starts import starting_values

    center = starting_values(solved.table, solved.ram, solved.sample.cov, solved.sample.mean)
    found = []
    objective: Any = solved.objective  # each objective takes its own kind of point
    for _ in range(STARTS):
        begin = _admissible(solved, center, spread * rng.uniform(-1.0, 1.0, size=len(center)))
        if begin is not None:
            limits: dict[str, Any] = {
                "n_rows": solved.sample.n,
                "max_iterations": solved.options.max_iterations,
            }
            found.append(minimize(objective, begin, **limits))
    ended = [s for s in found if s.outcome.name == "CONVERGED"]
    if not ended:
        return _failed(what, f"None of {len(found)} admissible starts converged.")
    best = min(ended, key=lambda s: float(s.point.value))
    best_fit = replace(solved, solution=best)
    close = SAME / (2.0 * solved.sample.n)
    optima = 1 + int((np.diff(np.sort([float(s.point.value) for s in ended])) > close).sum())
    count = f"{len(ended)} of {len(found)} converge, to {optima} optim{'um' if optima == 1 else 'a'}."
    return _trial(what, best_fit, f"{count} Best: {_against(solved, best_fit, same_model=True)}")


def _admissible(solved: Solved, center: np.ndarray, noise: np.ndarray) -> np.ndarray | None:
    for _ in range(8):
        if solved.objective.at(center + noise) is not None:
            return np.asarray(center + noise)
        noise = 0.5 * noise
    return None
