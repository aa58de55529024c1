"""Along which covariate a parameter's curve runs, and where the others stand meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.moderation.covariates.problem import CovariateProblem
from sem_models.moderation.covariates.statement import CovariateStatement


def followed_by(statement: CovariateStatement, row: int, parameter: str, covariate: str | None) -> str:
    """The covariate that a row of the table follows; of several the one named. SpecError for another one."""
    mine = [m for m, entry in enumerate(statement.moderated) if row in entry.rows]
    followed = [c.formula.rhs for c in statement.coefficients if c.moderated in mine]
    names = list(dict.fromkeys(part for whole in followed for part in whole.split(":")))
    if covariate is None:
        if len(names) > 1:
            raise SpecError(f"'{parameter}' follows several covariates ({', '.join(names)}). Name one.")
        return names[0]
    if covariate not in names:
        near = did_you_mean(covariate, names, noun="covariates")
        raise SpecError(f"'{parameter}' does not follow '{covariate}'. {near}")
    return covariate


def covariate_column(problem: CovariateProblem, name: str) -> Array:
    """The raw values (n,) of a single column. DataError for one that only stands in a product."""
    names = problem.statement.covariates
    if name not in names:
        raise DataError(
            f"The curve along '{name}' needs '{name}' itself as a covariate, not only its product."
        )
    j = names.index(name)
    return np.asarray(problem.covariates[:, j] + problem.center[j])


def settings_along(
    problem: CovariateProblem, name: str, points: Array, at: Mapping[str, float] | None
) -> Array:
    """Covariates (m, c) as the model takes them: `name` at points (m,), the others at `at` or their means."""
    names = problem.statement.covariates
    singles = dict.fromkeys(part for whole in names for part in whole.split(":"))
    for other in at or {}:
        if other not in singles:
            raise SpecError(
                f"at=: '{other}' is no covariate. {did_you_mean(other, singles, noun='covariates')}"
            )
    where: dict[str, Array] = {name: points}
    for single in singles:
        if single != name:
            value = (at or {}).get(single)
            fixed = covariate_column(problem, single).mean() if value is None else value
            where[single] = np.full(len(points), float(fixed))
    columns = [np.prod([where[p] for p in whole.split(":")], axis=0) for whole in names]
    return np.asarray(np.column_stack(columns) - problem.center)
