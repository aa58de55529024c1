"""May two fits be compared: same data, same estimator, one nested in the other?"""

from __future__ import annotations

from typing import Any

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.least_squares import LeastSquares
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.inference.nested import parameters_of
from sem_models.inference.ordinal_nested import distance
from sem_models.inference.solved import Solved
from sem_models.observed.patterns import complete_patterns

SAME = 1e-6
"""Relative difference of sample moments below which they are of the same data (EM stops at 1e-11)."""
NESTED = 1e-7
"""Discrepancy per row below which a model reproduces the moments that another one implies."""


def check_comparable(first_name: str, first: Solved, name: str, other: Solved) -> None:
    """Raise SpecError unless both fits are of the same variables and rows, by the same estimator."""
    a, b = first.options, other.options
    if a.discrepancy != b.discrepancy or a.missing != b.missing or a.likelihood != b.likelihood:
        raise SpecError(
            f"Model '{name}' was estimated in another way ({b.estimator}, missing='{b.missing}') than "
            f"'{first_name}' ({a.estimator}, missing='{a.missing}'). Fit both with the same estimator."
        )
    same = (
        other.sample.n_used == first.sample.n_used
        and set(other.sample.variables) == set(first.sample.variables)
        and set(other.sample.groups) == set(first.sample.groups)
        and _same_moments(first, other)
    )
    if not same:
        raise SpecError(
            f"Model '{name}' was fitted to other variables or rows than '{first_name}'; a likelihood-ratio "
            "test needs the same data under both models."
        )
    if (first.sample.ordinal is None) != (other.sample.ordinal is None) or (
        a.table.categories != b.table.categories
    ):
        raise SpecError(
            f"Model '{name}' treats other items as ordered than '{first_name}'. Give both the same ordered=."
        )
    if a.scaled_test != b.scaled_test:
        raise SpecError(
            f"Model '{name}' has another test statistic than '{first_name}'. Fit both with the same "
            "estimator."
        )


def _same_moments(first: Solved, other: Solved) -> bool:
    place = [other.sample.variables.index(v) for v in first.sample.variables]
    group = [other.sample.groups.index(g) for g in first.sample.groups]
    cov = other.sample.cov[group][:, place][:, :, place]
    scale = np.sqrt(np.diagonal(first.sample.cov, axis1=1, axis2=2))
    gap = np.abs(cov - first.sample.cov) / (scale[:, :, None] * scale[:, None, :])
    return bool(gap.max() < SAME)


def check_nested(name: str, restricted: Solved, general_name: str, general: Solved) -> None:
    """Raise SpecError where the general model cannot reproduce the moments the restricted one implies.

    Bentler & Satorra (2010), Psychological Methods 15, 111–123: a nested model's implied moments are fitted
    perfectly by the general one. Said only where the search for such parameters ends well.
    """
    if restricted.df == general.df:
        raise SpecError(
            f"'{name}' and '{general_name}' have the same degrees of freedom ({general.df}), so neither is a "
            "restriction of the other. Compare their AIC or BIC."
        )
    if restricted.ram.has_means and not general.ram.has_means:
        raise SpecError(
            f"'{name}' has a mean structure and '{general_name}' has none. Fit both with meanstructure=True."
        )
    starts = [parameters_of(restricted, general), general.point.params]
    if general.sample.ordinal is not None:
        far = distance(restricted, general, starts)
        if far is not None and far > NESTED:
            raise SpecError(_not_nested(name, general_name))
        return
    objectives: list[Any] = [restricted.objective, general.objective]
    if not all(isinstance(o, NormalTheory | LeastSquares) for o in objectives):
        return
    place = [restricted.sample.variables.index(v) for v in general.sample.variables]
    group = [restricted.sample.groups.index(g) for g in general.sample.groups]
    at = restricted.point.at
    sigma = at.sigma[group][:, place][:, :, place]
    mean = (at.mu if restricted.ram.has_means else restricted.sample.mean)[group][:, place]
    patterns = complete_patterns(general.sample.n_by_group, mean, sigma)
    objective = NormalTheory(general.ram, patterns, mean)
    floor = 0.5 * float((patterns.share * (np.linalg.slogdet(sigma)[1] + len(place))).sum())
    worst = np.inf
    for start in starts:
        if objective.at(start) is None:
            continue
        found = minimize(objective, start, n_rows=general.sample.n)
        if found.point is None or found.outcome is not Outcome.CONVERGED:
            return
        worst = min(worst, float(found.point.value) - floor)
        if worst < NESTED:
            return
    if np.isfinite(worst):
        raise SpecError(_not_nested(name, general_name) + " Compare their AIC or BIC.")


def _not_nested(name: str, general_name: str) -> str:
    return (
        f"'{name}' is not nested in '{general_name}': no parameters of '{general_name}' imply the moments "
        f"that '{name}' does."
    )
