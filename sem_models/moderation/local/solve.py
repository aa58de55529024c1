"""Local fits: all focal points as one batch from the pooled solution, then each to the last digit.

With parameters held equal over the focal points they are one model of as many groups, each group's
discrepancy weighted by its effective size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SpecError
from sem_models.estimation.fit import solve
from sem_models.estimation.refit import refit
from sem_models.estimation.scores import free_scores
from sem_models.inference.header import Status
from sem_models.inference.refits import curvature
from sem_models.inference.solved import Solved
from sem_models.inference.standardized import Metric, Values
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable
from sem_models.moderation.local.points import Points, first_batch, joint_table, local_sample
from sem_models.moderation.local.problem import LocalProblem
from sem_models.observed.patterns import BoolArray

MANY = 20_000_000
"""Numbers in the units' influence beyond which it is kept as a root of its cross-products."""


@dataclass(frozen=True, eq=False)
class LocalSolution:
    """The fits at the focal points; r rows of the table of one point, then its defined parameters.

    fits holds one Solved a focal point, None where there is no solution, or a single one for all of them
    where parameters are held equal over them. why (f,) says what is wrong with a point; influence (u, q) by
    fit are the free rows' changes with each independent unit (a customer, a cluster of them, or a row of a
    root as in `compressed`), whose cross-products are the sandwich covariance.
    """

    table: ParameterTable
    points: Points
    fits: tuple[Solved | None, ...]
    why: tuple[str, ...]
    converged: BoolArray
    admissible: BoolArray
    influence: tuple[Array | None, ...]
    joint: bool

    @property
    def n_rows(self) -> int:
        """Rows and defined parameters of one focal point."""
        return len(self.table.rows) + len(self.table.definitions)

    def at(self, point: int) -> tuple[Solved | None, Array | None]:
        """The fit that holds a focal point, and its influence."""
        i = 0 if self.joint else point
        return self.fits[i], self.influence[i]

    def rows(self, point: int, metric: Metric | Literal["raw"]) -> Values | None:
        """Rows and defined parameters of one focal point, with derivatives by its fit's free rows."""
        solved, _ = self.at(point)
        if solved is None or not self.converged[point]:
            return None
        whole = solved.rows if metric == "raw" else solved.standardized(metric)
        r = len(self.table.rows)
        part = slice(point * r, (point + 1) * r) if self.joint else slice(0, r)
        mine = Values(whole.value[part], whole.jacobian[part])
        if not self.table.definitions:
            return mine
        single = replace(solved, table=self.table)
        defined = single.defined(mine)
        return Values(np.append(mine.value, defined.value), np.concatenate([mine.jacobian, defined.jacobian]))

    def curves(self, metric: Metric | Literal["raw"]) -> tuple[Array, Array]:
        """Values (f, r) and influence (u, f, r) of every row, NaN at focal points without a solution."""
        f, r = len(self.points.window.grid), self.n_rows
        known = next((i for i in self.influence if i is not None), np.zeros((0, 0)))
        value, moves = np.full((f, r), np.nan), np.full((len(known), f, r), np.nan)
        for point in range(f):
            found, (_, influence) = self.rows(point, metric), self.at(point)
            if found is None:
                continue
            value[point] = found.value
            if influence is not None:
                moves[:, point] = influence @ found.jacobian.T
        return value, moves


def solve_points(problem: LocalProblem, points: Points) -> LocalSolution:
    """Fit the model at every focal point. ConvergenceError where none of them has a solution."""
    solved = problem.plain.solved
    solution = _together(problem, points) if problem.joint else _apart(problem, points)
    if not solution.converged.any():
        raise ConvergenceError(
            f"No local fit converged ({solution.why[0] or 'no reason known'}). Use a larger h=, or a smaller "
            f"model; on all customers it {'converged' if solved.status.converged else 'did not converge'}."
        )
    return solution


def _options(solved: Solved) -> Any:
    se = "robust.cluster" if solved.sample.clustered else "robust.huber.white"
    return replace(
        solved.options, se=se, test=("standard",), information="observed", observed_information="hessian",
        h1_information="structured", check_identification=False,
    )  # fmt: skip


def _apart(problem: LocalProblem, points: Points) -> LocalSolution:
    pooled, plain = problem.pooled.solved, problem.plain.solved
    options, f = _options(plain), len(points.window.grid)
    starts: Array | None = None
    if pooled.status.converged:
        batch = first_batch(points)
        if points.complete or not len(pooled.ram.exogenous):
            starts = refit(
                pooled.ram, np.asarray(pooled.point.params), curvature(pooled), batch, pooled.sample.n
            ).params
    fits: list[Solved | None] = []
    why: list[str] = []
    for point in range(f):
        found, reason = None, ""
        try:
            sample = local_sample(points, plain.sample, [point])
            begin = None if starts is None or not np.isfinite(starts[point]).all() else starts[point]
            found = _careful(plain.table, sample, options, begin)
            reason = "" if found.status.ok else " ".join(found.status.reasons)
        except (DataError, SpecError, ConvergenceError, np.linalg.LinAlgError) as error:
            reason = str(error)
        fits.append(found)
        why.append(reason)
    converged = np.array([s is not None and s.status.converged for s in fits])
    admissible = np.array([s is not None and s.status.admissible for s in fits])
    influence = tuple(
        None if s is None or not c else influence_of(s, points, [k])
        for k, (s, c) in enumerate(zip(fits, converged, strict=True))
    )
    return LocalSolution(
        plain.table, points, tuple(fits), tuple(why), converged, admissible, compressed(influence), False
    )


def _careful(table: ParameterTable, sample: Any, options: Any, start: Array | None) -> Solved:
    """From the given start, and afresh where that leads nowhere."""
    if start is not None:
        try:
            found = solve(table, sample, options, start)
            if found.status.converged:
                return found
        except SpecError:  # the start implies no covariance matrix
            pass
    return solve(table, sample, options)


def _together(problem: LocalProblem, points: Points) -> LocalSolution:
    plain, f = problem.plain.solved, len(points.window.grid)
    every = list(range(f))
    sample = local_sample(points, plain.sample, every)
    table = joint_table(plain.table, sample.groups, problem.group_equal, problem.group_partial)
    found = solve(table, sample, _options(plain))
    status = found.status
    proper = _admissible_points(found, status, f)
    why = tuple("" if status.ok else " ".join(status.reasons) for _ in every)
    influence = influence_of(found, points, every) if status.converged else None
    return LocalSolution(
        plain.table,
        points,
        (found,),
        why,
        np.full(f, status.converged),
        proper,
        compressed((influence,)),
        True,
    )


def _admissible_points(found: Solved, status: Status, f: int) -> BoolArray:
    """Focal points without a negative variance; all or none where another matrix is not admissible."""
    if status.admissible:
        return np.ones(f, dtype=bool)
    out = np.ones(f, dtype=bool)
    for i in found.negative_variances:
        out[found.table.rows[i].block - 1] = False
    return out if found.negative_variances else np.zeros(f, dtype=bool)


def compressed(influence: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
    """The same cross-products within and between focal points from fewer rows, where customers are many.

    With C = Σ i iᵀ over the units, any root of C has them: as many rows as there are free rows in all.
    """
    there = [i for i, found in enumerate(influence) if found is not None]
    parts = [influence[i] for i in there]
    widths = [part.shape[1] for part in parts if part is not None]
    units = max((len(part) for part in parts if part is not None), default=0)
    if units * sum(widths) <= MANY or units <= sum(widths):
        return influence
    whole = np.concatenate([part for part in parts if part is not None], axis=1)
    values, vectors = np.linalg.eigh(whole.T @ whole)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    ends = np.cumsum([0, *widths])
    out = list(influence)
    for k, i in enumerate(there):
        out[i] = np.ascontiguousarray(root[:, ends[k] : ends[k + 1]])
    return tuple(out)


def influence_of(found: Solved, points: Points, at: list[int]) -> Array | None:
    """Change of the free rows with each independent unit (u, q), whose cross-products are their covariance.

    A⁻¹ Σ w s over the focal points `at`, with A the observed information (White, 1982; Yuan & Bentler, 2000,
    eq. 10). Where a local line is taken out, the mean at the focal point moves with a customer by the weight
    of local linear regression, not by the kernel's. None where the information is singular.
    """
    if found.covariance.singular:
        return None
    ram, sample = found.ram, found.sample
    assert sample.rows is not None
    total = np.zeros((len(sample.rows[0].values), ram.n_free))
    for g, (point, rows) in enumerate(zip(at, sample.rows, strict=True)):
        assert rows.weight is not None
        scores = _scores(found, rows, g)
        part = scores * rows.weight[:, None]
        if points.residualize and ram.has_means:
            mirrored = _scores(found, replace(rows, values=2.0 * sample.mean[g] - rows.values), g)
            lever = points.lever(rows.weight, point) - rows.weight
            part = part + lever[:, None] * 0.5 * (scores - mirrored)
        total += part
    params = np.linalg.solve(found.covariance.information, (total @ ram.reduction).T).T / sample.n
    influence = np.asarray(params @ ram.reduction.T)
    cluster = sample.rows[0].cluster
    if cluster is None:
        return influence
    sums = np.zeros((sample.rows[0].n_clusters, influence.shape[1]))
    np.add.at(sums, cluster, influence)
    return np.asarray(sums * np.sqrt(len(sums) / (len(sums) - 1.0)))


def _scores(found: Solved, rows: Any, group: int) -> Array:
    """Unweighted scores (n, q) of one group's rows."""
    assert found.sample.rows is not None
    bare = replace(rows, weight=None, cluster=None)
    empty = [replace(r, values=r.values[:0], pattern=r.pattern[:0], weight=None) for r in found.sample.rows]
    empty[group] = bare
    objective: Any = found.objective
    point: Any = found.point
    return free_scores(objective, point, tuple(empty))
