"""The second engine: a parameter table fitted by semopy, so that two programs can be compared.

Only the estimates are semopy's. Whatever follows from them (standard errors, tests, fit measures) is computed
by this package's kernels: semopy's counterparts do not all hold (see `inference.second_engine`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError, SpecError
from sem_models.estimation.bounds import held_by
from sem_models.estimation.identification import check_identified
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.optimizer import Outcome, Solution
from sem_models.estimation.options import Options
from sem_models.estimation.starts import starting_point
from sem_models.inference.solved import STATIONARY, Solved
from sem_models.inference.test_statistics import n_moments
from sem_models.linear_algebra import factored
from sem_models.model.ram import Array, RamModel, build_ram
from sem_models.model.table import ParameterTable
from sem_models.observed.sample import Sample

SOLVER: Mapping[str, Any] = {"ftol": 1e-14, "maxiter": 10_000}
"""SLSQP's options. At its default (1e-6) semopy's estimates are off by up to half a percent."""

REMEDY = "Use engine='native'."


@dataclass(frozen=True, slots=True)
class Translation:
    """A model in semopy's syntax under safe names.

    description is the text; names maps our variables to semopy's; parameters (k,) are semopy's names of
    our parameters, in order; starts maps positions in it to the starting values that semopy is given.
    """

    description: str
    names: Mapping[str, str]
    parameters: tuple[str, ...]
    starts: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class SemopyFit:
    """semopy's fitted model object and its estimates, params (k,) in the order of our parameters.

    order (k,) are the places of our parameters among semopy's; success is semopy's own word for it.
    """

    model: Any
    params: Array
    order: tuple[int, ...]
    success: bool
    iterations: int


def limits(table: ParameterTable, sample: Sample, options: Options) -> tuple[str, ...]:
    """Why semopy cannot be trusted with a model on these data; one sentence each, none when it can."""
    reasons = []
    if options.discrepancy != "ML" or options.likelihood != "normal":
        reasons.append("semopy is trusted with normal maximum likelihood only")
    if len(table.groups) > 1:
        reasons.append("semopy has no parameters that are equal or compared across groups")
    if not sample.complete:
        reasons.append("semopy's FIML objective is wrong with missing answers")
    if sample.ordinal is not None:
        reasons.append("semopy takes ordered items as continuous")
    if table.options.meanstructure:
        reasons.append("semopy's fit with a mean structure is wrong in its tests")
    if table.variables.composites or table.variables.emergent:
        reasons.append("semopy has no composites")
    if table.equalities:
        reasons.append("semopy's standard errors are wrong under '==' constraints")
    latent = set(table.variables.latent)
    placed = set(table.variables.observed) - set(table.variables.exogenous)
    for row in table.rows:
        if row.op == "~~" and ({row.lhs, row.rhs} & latent) and ({row.lhs, row.rhs} & placed):
            reasons.append(f"semopy has no covariance of a latent variable with an item ('{row.name}')")
    return tuple(reasons)


def solve_with_semopy(table: ParameterTable, sample: Sample, options: Options) -> Solved:
    """Estimate a parameter table by semopy's maximum likelihood (SLSQP at a tight tolerance).

    The point of the solution lies at semopy's estimates; its decrement says how far from stationary they are
    by our derivatives, so that a wrong optimum shows in the status although semopy calls it a success.

    Raises
    ------
    SpecError
        For what semopy computes wrongly or not at all, each by name.
    ConvergenceError
        Where semopy ends at values that imply no positive definite covariance matrix.
    """
    reasons = list(limits(table, sample, options))
    if options.robust:
        reasons.append("semopy has no scaled test that holds, Yuan–Bentler or other (use estimator='ML')")
    if reasons:
        raise SpecError(f"engine='semopy' cannot fit this: {'; '.join(reasons)}. {REMEDY}")
    ram = build_ram(table, sample.cov, sample.mean)
    held = held_by(table, options.bounds, sample.cov)
    if held:
        raise SpecError(
            f"semopy cannot hold the constraint '{held.texts[0]}' as stated. Use engine='native'."
        )
    objective = NormalTheory(ram, sample.patterns, sample.mean)
    begin = starting_point(objective, table, sample)
    if begin is None:
        raise SpecError(Outcome.BAD_START.value)
    if options.check_identification:
        check_identified(
            objective,
            table,
            begin,
            factored(objective.information(begin)),
            n_moments(sample, ram.exogenous, has_means=ram.has_means),
            held,
        )
    translation = translate(table, ram, begin.params, raw=sample.rows is not None)
    found = fit_semopy(translation, sample, max_iterations=options.max_iterations)
    point = objective.at(found.params)
    if point is None:
        raise ConvergenceError(
            "semopy ended at estimates that imply no positive definite covariance matrix. "
            "Rescale items with very different variances, or use engine='native'."
        )
    solution = _solution(objective, point, sample, found, options.max_iterations)
    return Solved(table, ram, sample, options, objective, solution)


def translate(table: ParameterTable, ram: RamModel, start: Array, *, raw: bool) -> Translation:
    """Write every row of the table in semopy's syntax, so that none of semopy's own defaults applies.

    A parameter shared by several rows is one name. `start` (k,) are values to begin from; semopy keeps its
    own rules, to be a second opinion, but for those the user gave and for loadings where its rules fail: they
    loop forever on a latent variable without a fixed loading, and give zero when the data are not `raw`.
    """
    variables = table.variables
    names = {name: f"x{i}" for i, name in enumerate(variables.observed)}
    names |= {name: f"f{i}" for i, name in enumerate(variables.latent)}
    column = {int(number): int(np.argmax(ram.reduction[x])) for x, number in enumerate(ram.row_of_free)}
    parameters = tuple(f"t{k}" for k in range(ram.n_params))
    a_base, s_base = ram.a_base[0], ram.s_base[0]
    place = {name: i for i, name in enumerate(ram.variables)}
    lines = []
    for number, row in enumerate(table.rows):
        if number in column:
            factor = parameters[column[number]]
        elif row.op == "~~":
            factor = _number(s_base[place[row.lhs], place[row.rhs]])
        else:
            to, by = (row.rhs, row.lhs) if row.op == "=~" else (row.lhs, row.rhs)
            factor = _number(a_base[place[to], place[by]])
        lines.append(f"{names[row.lhs]} {row.op} {factor}*{names[row.rhs]}")
    stated = {row.lhs for row in table.rows if row.op == "~~" and row.lhs == row.rhs}
    lines += [f"{names[v]} ~~ 0*{names[v]}" for v in ram.variables if v not in stated]
    if variables.others:
        lines.append("FORCE(endo) " + " ".join(names[v] for v in variables.others))
    return Translation("\n".join(lines), names, parameters, _given_starts(table, column, start, raw=raw))


def _given_starts(
    table: ParameterTable, column: Mapping[int, int], start: Array, *, raw: bool
) -> dict[int, float]:
    """The user's starting values, and ours for loadings where semopy's rules fail."""
    items = set(table.variables.observed) if raw else set()
    marked = {row.lhs for row in table.rows if row.op == "=~" and row.fixed and row.rhs in items}
    chosen = {}
    for number, row in enumerate(table.rows):
        if number in column and (row.start is not None or (row.op == "=~" and row.lhs not in marked)):
            chosen[column[number]] = float(start[column[number]])
    return chosen


def _number(value: float) -> str:
    """Shortest decimal text that reads back exactly; semopy's grammar has no '+' in an exponent."""
    return np.format_float_positional(float(value), trim="-")


def fit_semopy(translation: Translation, sample: Sample, *, max_iterations: int = 10_000) -> SemopyFit:
    """Fit the translated model by semopy's ML objective and read the estimates back.

    semopy holds variances at zero or above; when one ends there the search goes on without that bound, as
    ours and lavaan's do. The data are float64: semopy fails on integer and nullable columns.
    """
    with quiet():
        import semopy

        model = semopy.Model(translation.description, cov_diag=True)
        for k, value in translation.starts.items():
            model.parameters[translation.parameters[k]].start = value
        columns = [translation.names[v] for v in sample.variables]
        solver = {**SOLVER, "maxiter": max(max_iterations, 1000)}
        if sample.rows is not None:
            data = pd.DataFrame(np.asarray(sample.rows[0].values, dtype=np.float64), columns=columns)
            result = model.fit(data, options=solver)
        else:
            cov = pd.DataFrame(np.array(sample.cov[0]), index=columns, columns=columns)
            result = model.fit(cov=cov, n_samples=sample.n_used, options=solver)
        active = [name for name, parameter in model.parameters.items() if parameter.active]
        lowest = [model.parameters[name].bound[0] for name in active]
        if any(bound == 0 and value <= 0 for bound, value in zip(lowest, result.x, strict=True)):
            for name in active:
                model.parameters[name].bound = (None, None)
            result = model.fit(options=solver)
    order = tuple(active.index(name) for name in translation.parameters)
    params = np.asarray(model.param_vals, dtype=np.float64)[list(order)]
    return SemopyFit(model, params, order, bool(result.success), int(result.n_it))


def _solution(
    objective: NormalTheory, point: Point, sample: Sample, found: SemopyFit, max_iterations: int
) -> Solution:
    gradient = objective.gradient(point)
    decrement = newton_decrement(objective, point, gradient)
    if decrement * sample.n_used < STATIONARY**2:
        outcome = Outcome.CONVERGED
    else:
        outcome = Outcome.STUCK if found.iterations < max_iterations else Outcome.MAX_ITERATIONS
    return Solution(point, gradient, outcome, found.iterations, decrement)


def newton_decrement(objective: NormalTheory, point: Point, gradient: Array) -> float:
    """gᵀH⁻¹g with the observed Hessian; where that is indefinite, the larger of |H| and the expected one."""
    values = []
    for curve in (objective.hessian(point), objective.information(point)):
        scale = np.sqrt(np.abs(np.diagonal(curve)))
        scale[scale == 0] = 1.0
        eigenvalues, vectors = np.linalg.eigh(curve / np.outer(scale, scale))
        along = vectors.T @ (gradient / scale)
        values.append(float((along**2 / np.maximum(np.abs(eigenvalues), 1e-12)).sum()))
        if eigenvalues[0] > 0:
            break
    return max(values)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep semopy's warnings and its records to the root logger from the user; nobody else's are touched.

    semopy logs by `logging.warning`, which would also give the root logger a handler if it has none.
    """
    root, handler = logging.getLogger(), logging.NullHandler()

    def not_semopy(record: logging.LogRecord) -> bool:
        return "semopy" not in Path(record.pathname).parts

    root.addHandler(handler)
    root.addFilter(not_semopy)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(not_semopy)
        root.removeHandler(handler)
