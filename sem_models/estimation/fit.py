"""`sm.fit`: the one place that sees the whole chain from model and data to a `Fit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sem_models.errors import DataError, SpecError
from sem_models.estimation import trail
from sem_models.estimation.bounds import held_by
from sem_models.estimation.constrained import minimize_constrained, on_the_constraints
from sem_models.estimation.data_options import TWO_STAGE
from sem_models.estimation.identification import check_identified
from sem_models.estimation.least_squares import Kind, LeastSquares, least_squares
from sem_models.estimation.marginal_likelihood import marginal_likelihood
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, Solution, minimize
from sem_models.estimation.options import Options, resolve
from sem_models.estimation.ordinal_least_squares import ordinal_least_squares
from sem_models.estimation.ordinal_starts import ordinal_start
from sem_models.estimation.pairwise_likelihood import (
    PairwiseLikelihood,
    PairwisePoint,
    pairwise_likelihood,
    refuse_for_pairs,
    settled,
)
from sem_models.estimation.secants import minimize_by_secants
from sem_models.estimation.starts import starting_point, starting_values
from sem_models.inference.provenance import Provenance
from sem_models.inference.result import Fit
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import n_moments
from sem_models.linear_algebra import factored
from sem_models.model.auxiliary import check_outside, with_auxiliaries
from sem_models.model.build_table import build_table
from sem_models.model.constraints import Restrictions
from sem_models.model.ram import RamModel, build_ram
from sem_models.model.syntax import parse
from sem_models.model.table import ParameterTable, TableOptions
from sem_models.observed.frame import frame_of
from sem_models.observed.moments import Moments, sample_from_moments
from sem_models.observed.ordered_items import ordered_items, warn_two_values
from sem_models.observed.ordered_sample import sample_of_items
from sem_models.observed.patterns import complete_patterns
from sem_models.observed.preparation import chosen_groups, standardized_columns
from sem_models.observed.sample import Sample, group_labels, sample_from_data
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

LIKELIHOODS = ("ML", "PML", "MML")
"""Discrepancies that are not least squares of moments."""

NUMERIC = 1e-6
"""Distance to the optimum, in standard errors, that derivatives by differences can tell."""

LOWER = 1e-9
"""Difference of the discrepancy, per row, from which one optimum counts as lower than another."""


@single_threaded
def fit(
    model: str | ModelSpec,
    data: Any = None,
    *,
    estimator: str = "ML",
    missing: str = "listwise",
    group: str | None = None,
    group_equal: str | Sequence[str] = (),
    group_partial: str | Sequence[str] = (),
    ordered: Sequence[str] | bool = (),
    sample_cov: Moments | None = None,
    sample_mean: Any = None,
    sample_nobs: int | Mapping[str, int] | None = None,
    engine: str = "native",
    seed: int | None = None,
    **options: Any,
) -> Fit:
    """Fit a structural equation model by maximum likelihood.

    Parameters
    ----------
    model : str or ModelSpec
        lavaan syntax, a specification from `sm.load`, or the name of a shipped one.
    data : DataFrame or Survey, optional
        One row a customer. A Survey is used through its `analysis_frame()`.
    estimator : "ML" or "MLR"
        MLR gives sandwich standard errors and the Yuan–Bentler (Mplus) scaled test.
    missing : "listwise", "fiml", "ml.x", "pairwise", "two.stage", "robust.two.stage"
        "fiml" uses every row with at least one answer (also called "ml"), "ml.x" also those with a missing
        covariate. With `aux`, names of columns outside the model inform the missing answers.
    group : str, optional
        Column that splits the customers; groups come in order of first appearance.
    ordered : sequence of str, or True
        Items to be treated as ordered, True for all that are explained; columns of an ordered categorical
        type are so by themselves. With them "ML" means WLSMV: thresholds and polychoric correlations by
        diagonally weighted least squares, `parameterization="delta"` or "theta". estimator="PML" is the
        pairwise likelihood, with `missing="pairwise"` or "available.cases".
    group_equal, group_partial : sequence of str
        Parameter families equal across groups ("loadings", "intercepts", …) and the exceptions ("x3~1").
    sample_cov, sample_mean, sample_nobs
        Labelled covariance matrix (divisor n − 1), means and N in place of data; dicts by group label.
    engine : "native" or "semopy"
        "semopy" fits the same parameter table with semopy, for a second opinion.
    **options
        `cluster` and `sampling_weights` name columns and bring sandwich errors and scaled tests. Any
        option of lavaan's `sem()` in snake case; unknown ones are errors.

    Raises
    ------
    SpecError, DataError, IdentificationError
        Before the estimation starts, each naming what is wrong, where, and what to do.
    """
    spec_id, spec = _specification(model)
    frame = frame_of(data)
    if frame is None and sample_cov is None:
        raise DataError("fit() needs data, or sample_cov= with sample_nobs=.")
    if frame is not None and sample_cov is not None:
        raise SpecError("fit() got both data and sample_cov=. Give one of them.")
    if frame is not None and group is not None and options.get("group_label") is not None:
        frame = chosen_groups(frame, group, options["group_label"])
    labels = group_labels(frame, group) if frame is not None else _cov_labels(sample_cov)
    equal = (group_equal,) if isinstance(group_equal, str) else tuple(group_equal)
    text = (
        model
        if spec is None
        else spec.syntax(groups=labels if len(labels) > 1 else (), labels="regressions" not in equal)
    )
    assert isinstance(text, str)
    if options.get("constraints"):
        text = f"{text}\n{_constraints(options['constraints'])}"
    syntax = parse(text)
    items = ordered_items(frame, syntax, ordered)
    resolved = resolve(
        options,
        estimator=estimator, missing=missing, group=group, group_equal=group_equal,
        group_partial=group_partial,
        engine=engine, seed=seed, has_groups=len(labels) > 1,
        has_intercepts=any(f.op == "~1" for f in syntax.formulas), has_sample_mean=sample_mean is not None,
        items=items.sizes,
    )  # fmt: skip
    table = _table(text, resolved.table, labels)
    observed, aux = table.variables.observed, resolved.rows.aux
    if aux and resolved.missing in TWO_STAGE:
        check_outside(table, aux)
    elif aux:
        resolved = replace(resolved, table=replace(resolved.table, fixed_x=False))
        table = _table(with_auxiliaries(text, table, aux), resolved.table, labels)
        observed, aux = table.variables.observed, ()
    if frame is None and options.get("std_ov") is True:
        raise SpecError(
            "std_ov=True needs the raw data. For a covariance matrix pass the correlations instead."
        )
    if frame is not None:
        exogenous = table.variables.exogenous if resolved.table.fixed_x else ()
        if options.get("std_ov") is True:
            frame = standardized_columns(frame, [v for v in observed if v not in exogenous], group)
        sample = sample_of_items(
            frame, observed, items, missing=resolved.missing, group=group, exogenous=exogenous,
            sampling_weights=resolved.rows.sampling_weights,
            normalization=resolved.rows.sampling_weights_normalization, cluster=resolved.rows.cluster,
        ) if items else sample_from_data(
            frame, (*observed, *aux), missing=resolved.missing, group=group, exogenous=exogenous,
            has_means=resolved.table.meanstructure, sampling_weights=resolved.rows.sampling_weights,
            normalization=resolved.rows.sampling_weights_normalization, cluster=resolved.rows.cluster,
        )  # fmt: skip
        explained = [
            v for v in (*table.variables.indicators, *table.variables.outcomes) if v not in items.codes
        ]
        warn_two_values([rows.values for rows in sample.rows or ()], sample.variables, explained)
        if resolved.missing in TWO_STAGE and (aux or not sample.complete):
            from sem_models.observed.two_stage import first_stage

            fixed = np.array([i for i, name in enumerate(observed) if name in exogenous], dtype=np.intp)
            robust = resolved.missing == "robust.two.stage"
            sample = first_stage(sample, fixed, kept=len(observed), robust=robust)
    else:
        assert sample_cov is not None
        _need_rows(resolved)
        sample = sample_from_moments(
            sample_cov, sample_nobs, observed, sample_mean=sample_mean, rescale=resolved.sample_cov_rescale
        )
    if resolved.discrepancy in ("PML", "MML"):
        sample = sample.with_whole_rows()
    elif not sample.unbiased and (resolved.likelihood == "wishart" or resolved.discrepancy != "ML"):
        sample = sample.with_unbiased_moments()
    if engine == "semopy":
        from sem_models.estimation.semopy_engine import solve_with_semopy

        solved = solve_with_semopy(table, sample, resolved)
    else:
        solved = solve(table, sample, resolved)
    return Fit(solved, text, spec_id, Provenance(sample, text, resolved))


@lru_cache(maxsize=32)
def _table(text: str, options: TableOptions, labels: tuple[str, ...]) -> ParameterTable:
    """The parameter table of a model text, remembered: a batch fits the same model many times."""
    return build_table(parse(text), options, labels)


def solve(table: ParameterTable, sample: Sample, options: Options, start: np.ndarray | None = None) -> Solved:
    """Estimate a parameter table on a sample: identification, starting values, optimization."""
    ram = build_ram(table, sample.cov, sample.mean)
    if ram.ordinal is not None:
        return solve_ordinal(table, ram, sample, options, start)
    patterns = sample.patterns
    if not sample.complete:
        patterns = complete_patterns(sample.n_by_group, sample.mean, sample.cov)
    complete = NormalTheory(ram, patterns, sample.mean)
    begin = starting_point(complete, table, sample) if start is None else complete.at(start)
    if begin is None:
        raise SpecError(Outcome.BAD_START.value)
    information = factored(complete.information(begin))
    held = held_by(table, options.bounds, sample.cov)
    if options.check_identification:
        moments = n_moments(sample, ram.exogenous, has_means=ram.has_means)
        check_identified(complete, table, begin, information, moments, held)
    limits: dict[str, Any] = {"n_rows": sample.n, "max_iterations": options.max_iterations}
    tried: list[tuple[str, Solution]] = []
    objective: NormalTheory | LeastSquares = complete
    if held:
        return _solve_held(table, sample, options, complete, begin, held, limits)
    if options.discrepancy not in LIKELIHOODS:
        objective = least_squares(ram, sample, cast("Kind", options.discrepancy))
        solution = minimize(objective, begin.params, **limits)
    elif not sample.complete:
        # what fits the EM moments as if they were complete is close to the FIML optimum, and cheap
        objective = NormalTheory(ram, sample.patterns, sample.mean)
        rough = minimize(complete, begin, information=information, tolerance=1e-3, **limits)
        tried.append((trail.AS_COMPLETE, rough))
        near = rough.point
        start_here = near if near is not None and objective.at(near.params) is not None else begin
        solution = minimize(objective, start_here.params, **limits)
    else:
        solution = minimize(objective, begin, information=information, **limits)
    if solution.outcome is Outcome.BAD_START:
        raise SpecError(Outcome.BAD_START.value)
    tried.append((trail.FROM_MOMENTS if start is None else trail.GIVEN, solution))
    if start is None and (solution.outcome is not Outcome.CONVERGED or solution.trust_region):
        # the curvature led astray: another way down may lead to an optimum, or to a lower one
        plain = starting_values(table, ram, sample.cov, sample.mean, structural=False)
        again = minimize(objective, plain, **limits)
        tried.append((trail.PLAIN, again))
        solution = again if _better(again, solution) else solution
    return Solved(table, ram, sample, options, objective, trail.with_trail(solution, *tried))


def _better(second: Solution, first: Solution) -> bool:
    """Whether the second end is an optimum and the first is none, or else is clearly the lower of the two."""
    ended = [end.outcome is Outcome.CONVERGED for end in (second, first)]
    if ended[0] != ended[1] or second.point is None:
        return ended[0]
    return float(second.point.value) < float(first.point.value) - LOWER


def solve_ordinal(
    table: ParameterTable, ram: RamModel, sample: Sample, options: Options, start: np.ndarray | None
) -> Solved:
    """The same for ordered items, from thresholds and correlations of latent responses."""
    of_answers = options.discrepancy in ("PML", "MML")
    if options.discrepancy == "PML":
        refuse_for_pairs(sample)
    likelihood = marginal_likelihood(ram, sample) if options.discrepancy == "MML" else None
    objective = ordinal_least_squares(ram, sample, "DWLS" if of_answers else options.discrepancy)
    begin = objective.at(ordinal_start(table, ram, sample) if start is None else start)
    if begin is None:
        raise SpecError(Outcome.BAD_START.value)
    held = held_by(table, options.bounds, sample.cov)
    if options.check_identification:
        moments = n_moments(sample, ram.exogenous, has_means=ram.has_means)
        information = factored(objective.information(begin))
        check_identified(objective, table, begin, information, moments, held, cov=sample.cov)
    limits: dict[str, Any] = {"n_rows": sample.n, "max_iterations": options.max_iterations}
    if of_answers:
        near = minimize(objective, begin, **limits).point if start is None and not held else begin
        objective = likelihood or pairwise_likelihood(
            ram, sample, available=options.missing == "available.cases"
        )
        begin = objective.at((near or begin).params) or objective.at(begin.params)
        if begin is None:
            raise SpecError(Outcome.BAD_START.value)
    if likelihood is not None:
        if held:
            raise SpecError(
                "estimator='MML' is not built for bounds, inequalities and nonlinear constraints yet. Leave "
                "them out, or use estimator='PML'."
            )
        limits["tolerance"] = NUMERIC
    if held:
        found = minimize_constrained(objective, ram, begin, held, **limits)
        along, params = on_the_constraints(found, ram)
        objective = replace(objective, ram=along)
        solution = replace(found.solution, point=objective.at(params), gradient=np.zeros(along.n_params))
        kept = trail.with_trail(solution, (trail.HELD, solution))
        return _settled(Solved(table, along, sample, options, objective, kept))
    search = minimize if likelihood is None else minimize_by_secants
    solution = search(objective, begin, **limits)
    kept = trail.with_trail(solution, (trail.FROM_MOMENTS if start is None else trail.GIVEN, solution))
    return _settled(Solved(table, ram, sample, options, objective, kept))


def _settled(solved: Solved) -> Solved:
    """Of a pairwise likelihood, with what errors and tests take from the solution."""
    if not isinstance(solved.objective, PairwiseLikelihood) or not isinstance(solved.point, PairwisePoint):
        return solved
    objective, sample = settled(solved.objective, solved.point, solved.sample)
    return replace(solved, objective=objective, sample=sample)


def _solve_held(
    table: ParameterTable, sample: Sample, options: Options, complete: NormalTheory, begin: Any,
    held: Restrictions, limits: dict[str, Any],
) -> Solved:  # fmt: skip
    """The same under nonlinear equalities, inequalities or bounds; what follows runs along them."""
    ram = complete.ram
    objective: NormalTheory | LeastSquares = complete
    point = begin
    if options.discrepancy not in LIKELIHOODS:
        objective = least_squares(ram, sample, cast("Kind", options.discrepancy))
        point = objective.at(begin.params)
    elif not sample.complete:
        objective = NormalTheory(ram, sample.patterns, sample.mean)
        point = objective.at(begin.params)
    if point is None:
        raise SpecError(Outcome.BAD_START.value)
    found = minimize_constrained(objective, ram, point, held, **limits)
    along, params = on_the_constraints(found, ram)
    objective = replace(objective, ram=along)
    solution = replace(found.solution, point=objective.at(params), gradient=np.zeros(along.n_params))
    kept = trail.with_trail(solution, (trail.HELD, solution))
    return Solved(table, along, sample, options, objective, kept)


def _specification(model: Any) -> tuple[str, ModelSpec | None]:
    if isinstance(model, str):
        if not any(mark in model for mark in "~=<>|\n"):
            from sem_models.model.spec import load

            spec = load(model)
            return spec.id, spec
        return "custom", None
    from sem_models.model.spec import ModelSpec

    if not isinstance(model, ModelSpec):
        raise SpecError(
            f"The model must be text or a ModelSpec, not {type(model).__name__}. Use sm.load(name) or "
            "lavaan syntax."
        )
    return model.id, model


def _constraints(given: Any) -> str:
    """The text of `constraints=`, checked by itself so that an error points into it."""
    text = given if isinstance(given, str) else "\n".join(map(str, given))
    try:
        parse(text)
    except SpecError as problem:
        raise SpecError(f"constraints=: {problem}") from None
    return text


def _need_rows(options: Options) -> None:
    """SpecError where an option about rows meets a covariance matrix."""
    if options.missing != "listwise":
        raise SpecError(
            f"missing='{options.missing}' needs the raw data; a covariance matrix has no missing answers."
        )
    if options.rows.design:
        raise SpecError(
            f"{options.rows.design} needs the raw data; a covariance matrix has no rows. Pass data=."
        )


def _cov_labels(sample_cov: Any) -> tuple[str, ...]:
    return tuple(str(k) for k in sample_cov) if isinstance(sample_cov, Mapping) else ("",)
