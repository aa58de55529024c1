"""Monte Carlo: how well a model's estimates and intervals recover a population."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from tqdm import tqdm

from sem_models.errors import ConvergenceError, SEMError
from sem_models.estimation.fit import fit, solve
from sem_models.estimation.optimizer import Outcome
from sem_models.inference.result import Fit
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array
from sem_models.model.spec import ModelSpec
from sem_models.observed.sample import sample_from_data
from sem_models.simulation.draw import implied_moments, simulate
from sem_models.simulation.population import Population

LARGE = 1e6
"""Size of the notional sample that has the population's moments; it only weighs the groups."""


def population_fit(population: Population, model: str | ModelSpec, **options: Any) -> Fit:
    """The model fitted to the population's own moments: its estimates are the values that samples estimate.

    Where the model holds in the linear part these are the population's parameters, whatever the model's
    scaling and constraints; the discrepancy `fmin` is then zero.
    """
    moments = implied_moments(population)
    kept = {k: v for k, v in options.items() if k not in ("missing", "se", "test", "information", "group")}
    settings: dict[str, Any] = {**kept, "estimator": "ML", "sample_cov_rescale": False}
    if len(moments) == 1:
        (only,) = moments.values()
        return fit(model, sample_cov=only.cov, sample_mean=only.mean, sample_nobs=round(LARGE), **settings)
    return fit(
        model,
        sample_cov={g: m.cov for g, m in moments.items()},
        sample_mean={g: m.mean for g, m in moments.items()},
        sample_nobs={g: round(share * LARGE) for g, share in zip(moments, population.shares, strict=True)},
        **settings,
    )


def recovery(
    population: Population,
    model: str | ModelSpec,
    n: int,
    replications: int,
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    continuous: bool = True,
    linear: bool = True,
    complete: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Fit a model to many samples of a population and compare with its true values.

    Parameters
    ----------
    population, n, rng, continuous, linear, complete
        As in `simulate`; the defaults draw samples in which the linear model holds exactly.
    model : str or ModelSpec
        Fitted in the population's groups, if it has any.
    level : float
        Of the intervals whose coverage is counted.
    **options
        Options of `sm.fit`, such as estimator, missing and group_equal.

    Returns
    -------
    DataFrame
        One row per free or defined parameter: lhs, op, rhs, group, label, true, mean, bias, sd (of the
        estimates), se (their mean standard error), coverage, converged (share of replications; the others do
        not count) and replications. With rounded items or terms beyond the linear part, bias has their share.

    Raises
    ------
    ConvergenceError
        Where fewer than two replications converged.
    """
    options.setdefault("meanstructure", True)
    truth = population_fit(population, model, **options)
    shown = truth.estimates()
    kept = np.flatnonzero((shown["se"] > 0).to_numpy())
    true = _values(truth.solved)[0, kept]
    half = float(ndtri((1 + level) / 2))
    template: Solved | None = None
    found: list[Array] = []
    for _ in tqdm(range(replications), desc="replications", unit="sample", delay=2):
        data = simulate(population, n, rng=rng, continuous=continuous, linear=linear, complete=complete)
        data = _in_group_order(data, population)
        if template is None:
            template = fit(model, data, group=population.group_column or None, **options).solved
            solved: Solved | None = template
        else:
            solved = _again(template, data, population, truth.solved.point.params)
        if (
            solved is not None
            and solved.solution.outcome is Outcome.CONVERGED
            and not solved.covariance.singular
        ):
            found.append(_values(solved)[:, kept])
    if len(found) < 2:
        what = f"Only {len(found)} of {replications} replications converged."
        raise ConvergenceError(f"{what}\n  Use larger samples or a simpler model.")
    estimate, error = np.moveaxis(np.array(found), 1, 0)
    frame = shown.loc[kept, ["lhs", "op", "rhs", "group", "label"]].reset_index(drop=True)
    return frame.assign(
        true=true, mean=estimate.mean(axis=0), bias=estimate.mean(axis=0) - true,
        sd=estimate.std(axis=0, ddof=1), se=error.mean(axis=0),
        coverage=(np.abs(estimate - true) <= half * error).mean(axis=0),
        converged=len(found) / replications, replications=replications,
    )  # fmt: skip


def _in_group_order(data: pd.DataFrame, population: Population) -> pd.DataFrame:
    """Rows sorted by group, so that the first group is the same in every sample."""
    if not population.group_column:
        return data
    place = {label: i for i, label in enumerate(population.labels)}
    return data.iloc[np.argsort(data[population.group_column].map(place).to_numpy(), kind="stable")]


def _again(template: Solved, data: pd.DataFrame, population: Population, start: Array) -> Solved | None:
    """The template's table on another sample, from the true values; None where that sample allows no fit."""
    options = replace(template.options, check_identification=False)
    try:
        sample = sample_from_data(
            data, template.sample.variables, missing=options.missing, group=population.group_column or None
        )
        return solve(template.table, sample, options, start)
    except SEMError:
        return None


def _values(solved: Solved) -> Array:
    """Estimates and standard errors of all rows, defined parameters last, (2, r)."""
    rows = solved.rows
    defined = solved.defined(rows)
    error = np.append(solved.errors_of(rows.jacobian), solved.errors_of(defined.jacobian))
    return np.stack([np.append(rows.value, defined.value), error])
