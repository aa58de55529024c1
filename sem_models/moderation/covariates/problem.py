"""From a model text with `:~` rows and data to a likelihood and where its search starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sem_models.errors import DataError, IdentificationError, SpecError
from sem_models.estimation.data_options import missing_method
from sem_models.estimation.fit import solve
from sem_models.estimation.options import Options, resolve
from sem_models.inference.solved import Solved
from sem_models.model.build_table import build_table
from sem_models.model.ram import Array, IntArray, RamModel, build_ram
from sem_models.model.table import ParameterTable
from sem_models.moderation.covariates.functions import Correlated, ParameterMap
from sem_models.moderation.covariates.identified import check_identified
from sem_models.moderation.covariates.likelihood import CovariateLikelihood, covariate_blocks
from sem_models.moderation.covariates.statement import (
    CovariateStatement,
    covariate_values,
    parsed,
    read_covariates,
)
from sem_models.moderation.statement import model_text
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.ordered_items import refuse_ordered_columns
from sem_models.observed.patterns import discrepancy
from sem_models.observed.sample import sample_from_data


@dataclass(frozen=True, eq=False)
class CovariateProblem:
    """A model whose parameters follow covariates.

    constant is the model with every parameter the same for all customers, at its optimum; covariates (n, c)
    are the customers' values less `center` (c,); likelihood and start (k,) are what the search takes.
    """

    text: str
    statement: CovariateStatement
    constant: Solved
    options: Options
    covariates: Array
    center: Array
    likelihood: CovariateLikelihood
    start: Array

    @property
    def table(self) -> ParameterTable:
        return self.constant.table

    @property
    def covariate_logl(self) -> float:
        """Log-likelihood of the fixed covariates of the model by themselves, which ℓ is conditional on."""
        sample, x = self.constant.sample, self.constant.ram.exogenous
        if not len(x):
            return 0.0
        at_x = discrepancy(sample.cov[:, x[:, None], x], sample.mean[:, x], sample.patterns.only(x))
        seen = sample.patterns.seen[:, x].sum(axis=1)
        return float(-0.5 * (sample.patterns.size * (at_x.value + seen * np.log(2 * np.pi))).sum())

    def logl(self, value: float) -> float:
        """Log-likelihood of a value of the objective."""
        sample = self.constant.sample
        answers = float((sample.patterns.size * sample.patterns.seen.sum(axis=1)).sum())
        whole = -sample.n * value - 0.5 * answers * np.log(2 * np.pi)
        return float(whole) - self.covariate_logl


def covariate_problem(
    model: Any,
    data: Any,
    *,
    estimator: str = "ML",
    missing: str = "listwise",
    center: bool = False,
    seed: int | None = None,
    **options: Any,
) -> CovariateProblem:
    """Read the model, check the data, and fit the model with constant parameters.

    Raises SpecError, DataError or IdentificationError before the search starts.
    """
    _refuse_options(estimator, missing, options)
    if not isinstance(center, bool | np.bool_):
        raise SpecError(f"center={center!r} must be True or False.")
    frame = frame_with_rows(data, "method='mnlfa' needs")
    text = model_text(model)
    given = options.pop("constraints", None)
    if given:
        text = f"{text}\n{given if isinstance(given, str) else chr(10).join(map(str, given))}"
    syntax = parsed(text)
    resolved = resolve(
        {**options, "meanstructure": True}, estimator=estimator, missing=missing, group=None, group_equal=(),
        group_partial=(), engine="native", seed=seed, has_groups=False, has_intercepts=True,
        has_sample_mean=False,
    )  # fmt: skip
    table = build_table(replace(syntax, moderated=()), resolved.table)
    if table.variables.emergent:
        raise SpecError(
            f"method='mnlfa' cannot take the composite '{table.variables.emergent[0]}' as an outcome yet. "
            "Measure it by =~, or let it predict only."
        )
    refuse_ordered_columns(frame, table.variables.observed, "mnlfa")
    statement = read_covariates(syntax, table, frame)
    values = covariate_values(frame, statement.covariates)
    exogenous = table.variables.exogenous if resolved.table.fixed_x else ()
    sample = sample_from_data(
        frame, table.variables.observed, missing=resolved.missing, exogenous=exogenous, has_means=True
    )
    plain = replace(resolved, se="standard", test=("standard",), information="observed")
    try:
        constant = solve(table, sample, plain)
    except IdentificationError as error:
        raise IdentificationError(f"{error}{_origin_hint(statement, table)}") from None
    if constant.ram.unheld is not None or table.inequalities:
        raise SpecError(
            "method='mnlfa' cannot hold inequalities and nonlinear equalities yet. Remove them from "
            "the model."
        )
    assert sample.rows is not None
    rows = sample.rows[0]
    used = values[rows.position]
    for name, column in zip(statement.covariates, used.T, strict=True):
        if len(np.unique(column)) < 2:
            raise DataError(f"The covariate '{name}' has one value only among the rows used.")
    middle = used.mean(axis=0) if center else np.zeros(used.shape[1])
    ram = with_pinned(statement, table, constant)
    along = _parameter_map(statement, table, ram)
    likelihood = CovariateLikelihood(ram, along, covariate_blocks(rows.values, used - middle))
    start = np.concatenate([np.asarray(constant.point.params), _start(statement, along)])
    problem = CovariateProblem(text, statement, constant, resolved, used - middle, middle, likelihood, start)
    check_identified(likelihood, statement, start, problem.covariates, table.names())
    return problem


def _refuse_options(estimator: str, missing: str, options: Mapping[str, Any]) -> None:
    if str(estimator).upper() not in ("ML", "MLR"):
        raise SpecError(
            f"estimator='{estimator}' has no casewise likelihood, which method='mnlfa' is made of. Use 'ML', "
            "or 'MLR' for robust errors."
        )
    if missing_method(missing) not in ("listwise", "fiml"):
        raise SpecError(
            f"missing='{missing}' does not go with method='mnlfa', which is full information maximum "
            "likelihood. Use missing='fiml', or 'listwise'."
        )
    if options.get("group") is not None:
        raise SpecError(
            "method='mnlfa' takes no group=: code the groups as a covariate, 0 and 1, and let parameters "
            "follow it, as in b :~ active."
        )
    ordered = options.get("ordered")
    if ordered is not None and (ordered is True or (ordered is not False and len(tuple(ordered)))):
        raise SpecError(
            "method='mnlfa' cannot treat ordered items yet. Leave out ordered= to treat items with five or "
            "more categories as continuous."
        )
    for name in (
        "cluster", "sampling_weights", "aux", "sample_cov", "sample_mean", "sample_nobs", "group_equal",
        "group_partial", "group_label",
    ):  # fmt: skip
        if options.get(name):
            raise SpecError(f"method='mnlfa' cannot use {name}= yet. Leave it out.")
    if options.get("meanstructure") is False:
        raise SpecError("method='mnlfa' needs the mean structure. Leave out meanstructure=False.")
    for name, neutral in (
        ("bounds", ("none", None, False)),
        ("likelihood", ("normal", None, "default")), ("std_ov", (False, None)),
    ):  # fmt: skip
        if options.get(name, neutral[0]) not in neutral:
            raise SpecError(f"method='mnlfa' cannot honor {name}={options[name]!r} yet. Leave it out.")
    if options.get("se") not in (None, "default", "standard", "robust", "robust.huber.white", "none"):
        raise SpecError(
            f"method='mnlfa' has no se='{options['se']}' yet. Leave it out, or use estimator='MLR'."
        )


def with_pinned(statement: CovariateStatement, table: ParameterTable, constant: Solved) -> RamModel:
    """The model's arrays with rows that are fixed where all covariates are 0, and follow them from there.

    Such a row is a free entry of the matrices, but no parameter: its value there is its offset.
    """
    pinned = {i: table.rows[i].fixed for m in statement.moderated for i in m.rows if not table.rows[i].free}
    if not pinned:
        return constant.ram
    rows = tuple(replace(r, fixed=None, label="") if i in pinned else r for i, r in enumerate(table.rows))
    ram = build_ram(replace(table, rows=rows), constant.sample.cov, constant.sample.mean)
    reduction, offset = np.zeros((ram.n_free, constant.ram.n_params)), np.zeros(ram.n_free)
    own = {int(row): x for x, row in enumerate(constant.ram.row_of_free)}
    for x, row in enumerate(ram.row_of_free):
        if int(row) in pinned:
            offset[x] = float(pinned[int(row)] or 0.0)
        else:
            reduction[x], offset[x] = (
                constant.ram.reduction[own[int(row)]],
                constant.ram.offset[own[int(row)]],
            )
    return replace(ram, reduction=reduction, offset=offset)


def _origin_hint(statement: CovariateStatement, table: ParameterTable) -> str:
    """How a latent mean or variance that follows covariates gets its origin, where one does."""
    latent = set(table.variables.latent)
    rows = [table.rows[i] for m in statement.moderated for i in m.rows]
    mean = next((r for r in rows if r.op == "~1" and r.lhs in latent and r.free), None)
    if mean is None:
        return ""
    return (
        f" The mean of {mean.lhs} needs an origin where the covariates are 0: write {mean.lhs} ~ 0*1 + "
        f"{mean.label}*1."
    )


def _parameter_map(statement: CovariateStatement, table: ParameterTable, ram: RamModel) -> ParameterMap:
    free_of = {int(row): x for x, row in enumerate(ram.row_of_free)}
    line_of = {row: line for line, m in enumerate(statement.moderated) for row in m.rows}
    linear, scaled, correlated = [], [], []
    for line, m in enumerate(statement.moderated):
        for row in m.rows:
            if m.link == "identity":
                linear.append((free_of[row], line))
            elif m.link == "log":
                scaled.append((free_of[row], line))
            else:
                correlated.append(_correlated(row, line, table, free_of, line_of))
    of, by, spread, base = _coefficients(statement)
    return ParameterMap(
        ram.reduction, ram.offset, of, by, spread, base, len(statement.moderated), tuple(linear),
        tuple(scaled), tuple(correlated),
    )  # fmt: skip


def _correlated(
    row: int, line: int, table: ParameterTable, free_of: Mapping[int, int], line_of: Mapping[int, int]
) -> Correlated:
    entry = table.rows[row]
    places, fixed, lines = [], [], []
    for name in (entry.lhs, entry.rhs):
        at = next((i for i, r in enumerate(table.rows) if r.key == (name, "~~", name)), None)
        value = None if at is None else table.rows[at].fixed
        if at is None or (at not in free_of and not value):
            raise SpecError(
                f"'{entry.label}' is the covariance of {entry.lhs} and {entry.rhs}, and {name} has no "
                "variance that it could be a correlation of."
            )
        places.append(free_of.get(at, -1))
        fixed.append(float(value or 0.0))
        lines.append(line_of.get(at, -1))
    return Correlated(free_of[row], line, (places[0], places[1]), (fixed[0], fixed[1]), (lines[0], lines[1]))


def _coefficients(statement: CovariateStatement) -> tuple[IntArray, IntArray, Array, Array]:
    """Line and covariate of each coefficient, and the free ones behind them: those with one label are one."""
    items = statement.coefficients
    column: dict[str, int] = {}
    base = np.zeros(len(items))
    place = np.full(len(items), -1)
    shared = {c.label: c.fixed for c in items if c.label and c.fixed is not None}
    for j, c in enumerate(items):
        value = c.fixed if c.fixed is not None else shared.get(c.label)
        if value is not None:
            base[j] = value
        else:
            place[j] = column.setdefault(c.label or f"\0{j}", len(column))
    spread = np.zeros((len(items), len(column)))
    free = np.flatnonzero(place >= 0)
    spread[free, place[free]] = 1.0
    if not len(column):
        raise SpecError("Every coefficient right of ':~' is fixed: nothing is left to estimate.")
    of = np.array([c.moderated for c in items], dtype=np.intp)
    by = np.array([c.covariate for c in items], dtype=np.intp)
    return of, by, spread, base


def _start(statement: CovariateStatement, along: ParameterMap) -> Array:
    out = np.zeros(along.spread.shape[1])
    for j, c in enumerate(statement.coefficients):
        if along.spread[j].any():
            out[along.spread[j] > 0] = c.start
    return out
