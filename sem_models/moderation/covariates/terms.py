"""Paths that follow covariates as interactions, so that slopes, regions and surfaces are those of
any other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import SpecError
from sem_models.model.table import Row
from sem_models.moderation.probing.support import Support
from sem_models.moderation.probing.terms import EffectTerms

if TYPE_CHECKING:
    from sem_models.moderation.covariates.result import CovariateModeration


def covariate_terms(result: CovariateModeration) -> EffectTerms:
    """The equations with a row `PV ~ EDS:tenure` for each coefficient of a path's label, and `PV ~ tenure`
    for those of an intercept's.

    Covariates join the variables with their observed moments, as unrelated to the model's. SpecError where no
    path follows a covariate, and with center=True, whose covariates are deviations.
    """
    problem, found = result.problem, result.found
    statement, table, ram = problem.statement, problem.table, found.likelihood.ram
    along = found.likelihood.along
    if problem.center.any():
        raise SpecError(
            "Probing takes the covariates as they are. Estimate with center=False; the curve is the same."
        )
    rows, more_slopes, values, products = list(table.rows), [], [], {}
    coefficients = along.coefficients(found.point.params)
    for j, c in enumerate(statement.coefficients):
        slope = np.zeros(along.n_params)
        slope[along.k0 :] = along.spread[j]
        for i in statement.moderated[c.moderated].rows:
            row = table.rows[i]
            if row.op not in ("~", "~1"):
                continue
            name = f"{row.rhs}:{c.formula.rhs}" if row.op == "~" else c.formula.rhs
            if ":" in name:
                products[name] = tuple(name.split(":"))
            rows.append(Row(row.lhs, "~", name, 1))
            values.append(coefficients[j])
            more_slopes.append(slope)
    if not any(row.op == "~" and row.rhs in products for row in rows[len(table.rows) :]):
        raise SpecError("No path of the model follows a covariate. Use curve() for the other parameters.")
    singles = list(dict.fromkeys(p for name in statement.covariates for p in name.split(":")))
    extra = [s for s in singles if s not in ram.variables]
    base = problem.constant.rows.value.copy()
    base[ram.row_of_free] = found.point.zero
    jacobian = np.zeros((len(table.rows), along.n_params))
    jacobian[ram.row_of_free, : along.k0] = ram.reduction
    average = problem.covariates.mean(axis=0)[None]
    at = found.likelihood.implied(result.rows_at(average)[0])
    columns = {
        s: problem.covariates[:, statement.covariates.index(s)] for s in extra if s in statement.covariates
    }
    for name in extra:
        if name not in columns:
            raise SpecError(
                f"Probing needs '{name}' itself among the covariates, as its product "
                f"{statement.covariates} does."
            )
    v = len(ram.variables)
    mean = np.zeros((1, v + len(extra)))
    cov = np.zeros((1, v + len(extra), v + len(extra)))
    mean[:, :v], cov[:, :v, :v] = at.eta, at.cov_all
    support = {}
    for k, name in enumerate(extra):
        mean[0, v + k], cov[0, v + k, v + k] = columns[name].mean(), columns[name].var()
        support[name] = Support.observed([columns[name]])
    for name in singles:
        if name in ram.variables and name in statement.covariates:
            support[name] = Support.observed([problem.covariates[:, statement.covariates.index(name)]])
    sample = problem.constant.sample
    return EffectTerms(
        table=replace(table, rows=tuple(rows)), value=np.append(base, values),
        jacobian=np.concatenate([jacobian, np.array(more_slopes)]), covariance=found.covariance,
        names=(*ram.variables, *extra), mean=mean, cov=cov, share=np.ones(1), n=sample.n_used,
        n_params=along.n_params, products=products, support=support, method="mnlfa",
        header_line=result.header.line(),
    )  # fmt: skip
