"""Which nodes: those asked for, or an even grid that is fine and wide enough for these data."""

from __future__ import annotations

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.optimizer import Outcome
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.latent.conditioning import make_plan
from sem_models.moderation.latent.lms import LMS
from sem_models.moderation.latent.problem import Problem
from sem_models.moderation.latent.quadrature import Rule, even, gauss_hermite, spacing
from sem_models.moderation.latent.row_blocks import row_blocks

ACCURACY = 0.1
"""Error of the log-likelihood that is tolerated by default, in its own units (0.2 in a χ²)."""

AIM = 1e-5
"""Error of the log-likelihood that the default grid aims at, were all rows off to the same side."""

REACH = 6.5
"""How many conditional standard deviations the grid goes beyond the outermost row."""

LONGEST = 1_800.0
"""Seconds of an estimation beyond which it is refused."""

BY_ROW, BY_CELL = 8e-8, 1e-6
"""Seconds of one evaluation for a row and for a cell, at one node."""

MOST_BY_MODERATOR = {1: 1_500, 2: 250, 3: 45}
"""Nodes for each of r moderators beyond which a reference grid is not made finer."""


def build_lms(
    problem: Problem, *, nodes: int | None = None, adaptive: bool | None = None, accuracy: float = ACCURACY
) -> LMS:
    """The LMS likelihood of a problem on fixed Gauss–Hermite nodes, or on a grid fitted to the data.

    nodes by moderator; without it the grid takes as many as AIM needs. adaptive is on unless nodes are given.
    Raises SpecError where that many nodes miss the log-likelihood of the linear model, which is known, by
    more than `accuracy`.
    """
    whole = isinstance(nodes, int | np.integer) and not isinstance(nodes, bool)
    if nodes is not None and not (whole and nodes >= 2):
        raise SpecError(f"nodes={nodes!r} must be a whole number of 2 or more, or left out.")
    if not accuracy > 0:
        raise SpecError(f"accuracy={accuracy!r} must be a positive error of the log-likelihood, as 0.01.")
    plan = make_plan(problem.ram, problem.products)
    columns = np.array(sorted({c for own in plan.observed for c in own}), dtype=np.intp)
    _need_moderators(problem, columns)
    blocks = row_blocks(problem.sample, columns)
    none = Rule(np.zeros((1, plan.r)), np.zeros(1), 1, "none")
    empty = LMS(problem.ram, plan, blocks, none, problem.units, problem.options.casewise_sandwich)
    if not plan.r:
        return empty
    if adaptive is None:
        adaptive = nodes is None
    at_zero = np.where(problem.moved, 0.0, problem.start)
    rule = fitted_rule(empty, at_zero, nodes=nodes) if adaptive else gauss_hermite(int(nodes or 100))
    _affordable(rule, empty)
    likelihood = empty.with_rule(rule.product(plan.r))
    if problem.starts_linear:
        _check_accuracy(likelihood, problem, accuracy)
    return likelihood


def fitted_rule(likelihood: LMS, params: Array, *, nodes: int | None = None) -> Rule:
    """An even grid over where the rows' moderators lie given their answers, by the linear model."""
    low, high, sd = _where(likelihood, params)
    error = max(AIM / len(likelihood.rows.values), 1e-12)
    n = nodes or int(np.ceil((high - low) / spacing(sd, error))) + 1
    return even(low, high, max(n, 5))


def _where(likelihood: LMS, params: Array) -> tuple[float, float, float]:
    """Range of the standardized moderators over all rows, and the smallest conditional standard deviation."""
    state = likelihood.state(params[None])
    if state is None:
        raise SpecError(Outcome.BAD_START.value)
    r = likelihood.plan.r
    precision = np.eye(r) + state.gram[0][:, :r, :r]
    spread = np.linalg.inv(precision)
    cell = likelihood.rows.by_cell.part
    center = (spread[cell] @ state.z[0][:, :r, None])[..., 0]
    sd = np.sqrt(np.diagonal(spread, axis1=-2, axis2=-1))[cell]
    smallest = 1.0 / np.sqrt(np.linalg.eigvalsh(precision).max())
    low, high = float((center - REACH * sd).min()), float((center + REACH * sd).max())
    return max(low, -12.0), min(high, 12.0), float(smallest)


def reference_rule(likelihood: LMS, params: Array) -> Rule:
    """A grid twice as fine as needed at params, and wider, to measure the error of another rule with."""
    r = likelihood.plan.r
    low, high, sd = _where(likelihood, params)
    nodes = np.unique(likelihood.rule.nodes[:, 0])
    used = float(np.diff(nodes).min()) if len(nodes) > 1 else sd
    width = min(0.5 * used, spacing(sd, 1e-12) * 0.7) if r == 1 else min(0.75 * used, spacing(sd, 1e-9))
    low, high = max(low - 1.0, -14.0), min(high + 1.0, 14.0)
    return even(low, high, min(int(np.ceil((high - low) / width)) + 1, MOST_BY_MODERATOR[r]))


def error_bound(likelihood: LMS, params: Array) -> float:
    """|ℓ − ℓ on a much finer and wider grid| at params."""
    if not likelihood.plan.r:
        return 0.0
    here = likelihood.value(params)
    finer = likelihood.with_rule(reference_rule(likelihood, params).product(likelihood.plan.r))
    there = finer.value(params)
    return float("nan") if here is None or there is None else abs(here - there)


def too_inaccurate(likelihood: LMS, bound: float, accuracy: float) -> str:
    """What to say where the error at the solution is above `accuracy`."""
    if not bound > accuracy:
        return ""
    return (
        f"{likelihood.rule.per_dimension} nodes integrate the log-likelihood only to about {bound:.2g}, more "
        f"than accuracy={accuracy:g}. Leave out nodes= for a grid that fits these data, or give more."
    )


def _check_accuracy(likelihood: LMS, problem: Problem, accuracy: float) -> None:
    value = likelihood.value(problem.start)
    exact = problem.linear.logl + problem.covariate_logl
    error = float("inf") if value is None else abs(value - exact)
    if error > accuracy:
        needed = fitted_rule(likelihood, problem.start).per_dimension
        raise SpecError(
            f"nodes={likelihood.rule.per_dimension} are too few: they miss the log-likelihood of the model "
            f"without products, which is known, by {error:.2g} (accuracy={accuracy:g}). Leave out nodes=, "
            f"which takes {needed} that fit these data, or give more (100 Gauss–Hermite nodes reach far)."
        )


def _affordable(rule: Rule, likelihood: LMS) -> None:
    """SpecError where the search and its standard errors would take longer than LONGEST."""
    r = likelihood.plan.r
    nodes = float(len(rule.log_weight)) ** r
    rows, cells = len(likelihood.rows.values), len(likelihood.rows.pattern_of_cell)
    evaluations = 2 * likelihood.ram.n_params + 40
    seconds = nodes * evaluations * (rows * BY_ROW + cells * BY_CELL)
    if seconds > LONGEST:
        what = f"{rule.per_dimension} nodes for each of {r} moderators" if r > 1 else f"{int(nodes)} nodes"
        raise SpecError(
            f"Method 'lms' would take about {seconds / 60:,.0f} minutes: {rows:,} rows at {what}, "
            f"{cells:,} of them distinct in what they answered and in their observed moderators. Use "
            "method='qml', drop some products, or give fewer nodes= with a larger accuracy=."
        )


def _need_moderators(problem: Problem, columns: IntArray) -> None:
    assert problem.sample.rows is not None
    for column in columns:
        missing = sum(int(np.isnan(rows.values[:, column]).sum()) for rows in problem.sample.rows)
        if missing:
            name = problem.ram.variables[column]
            raise SpecError(
                f"The moderator '{name}' has {missing} missing value{'s' if missing > 1 else ''} in the rows "
                "used, which its products with latent variables cannot bridge yet. Drop those rows, or use "
                "missing='listwise'."
            )
