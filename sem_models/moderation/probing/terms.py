"""What probing needs of an estimated model, whichever estimator it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.kernels import implied
from sem_models.model.ram import Array, IntArray
from sem_models.model.table import ParameterTable, Row
from sem_models.moderation.probing.product_moments import expectation
from sem_models.moderation.probing.support import Support

if TYPE_CHECKING:
    from sem_models.inference.result import Fit
    from sem_models.inference.solved import Solved

ROUNDING = 1e-15
"""Share of what its parts could amount to below which a variance is zero."""

Moments = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class EffectTerms:
    """An estimated model with products, as probing sees it; v variables, g groups, q free rows.

    table has the rows of all groups, a latent product being a variable with a name of its own; value (rows,)
    their estimates, jacobian (rows, q) the derivatives by the free rows and covariance (q, q) these rows'.
    names (v,) are the variables that are no products; mean (g, v) and cov (g, v, v) their model-implied
    moments, with what products explain in them; share (g,) the groups' shares of the customers. n counts
    customers, n_params parameters: t intervals have n − n_params degrees of freedom. products maps a
    product's name to its factors; support holds where the customers lie on a moderator, else its normal
    distribution is taken. product_cov (g, k, k + v) are the covariances of the k products among themselves
    and with `names` where they are known from the data; else they follow from mean and cov for normal
    variables. offset maps a product to what the variable of that name lacks to be the product itself, (g,):
    the product's mean for a double-mean-centered one; 0 where it is not named.
    moments gives (mean, cov) at other values of the free rows at `free` (q,), for the errors of standardized
    effects; without it the moments are taken as given.
    """

    table: ParameterTable
    value: Array
    jacobian: Array
    covariance: Array
    names: tuple[str, ...]
    mean: Array
    cov: Array
    share: Array
    n: int
    n_params: int
    products: Mapping[str, tuple[str, ...]]
    support: Mapping[str, Support] = field(default_factory=dict)
    method: str = "sem"
    header_line: str = ""
    product_cov: Array | None = None
    offset: Mapping[str, Array] = field(default_factory=dict)
    free: Array | None = None
    moments: Moments | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Labels of the groups; ("",) without groups."""
        return self.table.groups

    @property
    def df(self) -> int:
        """Degrees of freedom of t intervals: customers less parameters."""
        return self.n - self.n_params

    def place(self, name: str) -> int:
        """Position of a variable in `names`. SpecError with near matches for one that is not there."""
        if name not in self.names:
            raise SpecError(
                f"'{name}' is not a variable of the model. {did_you_mean(name, self.names, noun='variables')}"
            )
        return self.names.index(name)

    def support_of(self, name: str) -> Support:
        """Where the customers lie: the observed values, else the model's normal distribution."""
        if name in self.support:
            return self.support[name]
        i = self.place(name)
        sd = np.sqrt(np.maximum(self.cov[:, i, i], 0.0))
        return Support("normal", self.mean[:, i], sd, self.share * self.n)

    def errors_of(self, weights: Array) -> Array:
        """Delta-method standard errors (…,) of sums Σ w_r value_r with weights (…, rows)."""
        slopes = weights @ self.jacobian
        variance = ((slopes @ self.covariance) * slopes).sum(axis=-1)
        largest = np.abs(slopes) @ np.sqrt(np.abs(np.diagonal(self.covariance)))
        variance = np.where(np.abs(variance) < ROUNDING * largest**2, 0.0, variance)
        return np.sqrt(np.where(variance < 0, np.nan, variance))

    @classmethod
    def from_fit(cls, fit: Fit, products: Mapping[str, Sequence[str]] | None = None) -> EffectTerms:
        """The terms of an `sm.fit` result.

        Predictors written "x:z" are products by themselves; `products` names others, columns or latent
        variables made by hand, by their factors: {"EDSxACT": ("EDS", "ACT")}. Where the fit has no mean
        structure, an observed outcome's intercept follows from the sample means.
        """
        solved = fit.solved
        table = solved.table
        found = _products(table, products or {})
        place = {name: i for i, name in enumerate(solved.ram.variables)}
        names = tuple(name for name in solved.ram.variables if name not in found)
        keep = np.array([place[name] for name in names], dtype=np.intp)
        mean = _means(solved)
        observed = {name for name in names if place[name] < solved.ram.n_observed}
        factors = dict.fromkeys(f for parts in found.values() for f in parts)
        support = {}
        if isinstance(solved.sample.rows, tuple):
            for name in names:
                if name in observed and (name in factors or name in table.variables.predictors):
                    values = [rows.values[:, place[name]] for rows in solved.sample.rows]
                    support[name] = Support.observed(values)
        terms = cls(
            table=table, value=solved.rows.value, jacobian=solved.rows.jacobian,
            covariance=solved.covariance.free, names=names, mean=mean[:, keep],
            cov=solved.point.at.cov_all[:, keep[:, None], keep], share=solved.sample.share,
            n=solved.sample.n_used, n_params=solved.ram.n_counted, products=found, support=support,
            method="sem", header_line=fit.header.line(), free=solved.point.free,
            moments=lambda free: _moments_at(solved, free, keep),
            offset=_offsets(solved, found, mean),
            product_cov=_product_moments(solved, found, names),
        )  # fmt: skip
        return terms if solved.ram.has_means else _with_intercepts(terms, solved)


def _products(table: ParameterTable, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Products by name with their factors. SpecError for a name that is not in the model."""
    known = (*table.variables.observed, *table.variables.latent)
    for name, factors in given.items():
        if name not in known:
            raise SpecError(
                f"products=: '{name}' is not a variable of the model. "
                f"{did_you_mean(name, known, noun='variables')}"
            )
        if isinstance(factors, str) or len(factors) < 2:
            raise SpecError(f"products=: '{name}' needs its two or more factors, as ('EDS', 'ACT').")
        for factor in factors:
            if factor not in known:
                raise SpecError(
                    f"products=: the factor '{factor}' of '{name}' is not a variable of the model. "
                    f"{did_you_mean(factor, known, noun='variables')}"
                )
    written = {name: tuple(name.split(":")) for name in known if ":" in name}
    return {**written, **{name: tuple(factors) for name, factors in given.items()}}


def _means(solved: Solved) -> Array:
    """Means of all variables (g, v); without a mean structure the sample's, and 0 for latent variables."""
    eta = np.array(solved.point.at.eta)
    if not solved.ram.has_means:
        eta[:, : solved.ram.n_observed] = solved.sample.mean
    return eta


def _moments_at(solved: Solved, free: Array, keep: IntArray) -> tuple[Array, Array]:
    """Means and covariances of the variables `keep` at other values of the free rows."""
    ram = solved.ram
    at = implied(*ram.matrices(free), ram.n_observed, ram.places.sources)
    mean = _means(solved)[:, keep] if not ram.has_means else at.eta[:, keep]
    return mean, at.cov_all[:, keep[:, None], keep]


def _offsets(solved: Solved, products: Mapping[str, tuple[str, ...]], mean: Array) -> dict[str, Array]:
    """E[Π factors] − E[the variable that stands for the product], (g,) each.

    From the rows where all are observed, else for normal variables with the model's moments. A column
    written "x:z" is the product itself.
    """
    place = {name: i for i, name in enumerate(solved.ram.variables)}
    cov, out = solved.point.at.cov_all, {}
    for name, factors in products.items():
        at = [place[f] for f in factors if f in place]
        if ":" in name or len(at) < len(factors):
            continue
        rows = solved.sample.rows
        if max(*at, place[name]) < solved.ram.n_observed and isinstance(rows, tuple):
            expected = [np.nanmean(r.values[:, at].prod(axis=1) - r.values[:, place[name]]) for r in rows]
        else:
            expected = [expectation(at, m, c) - m[place[name]] for m, c in zip(mean, cov, strict=True)]
        out[name] = np.array(expected)
    return out


def _product_moments(
    solved: Solved, products: Mapping[str, tuple[str, ...]], names: tuple[str, ...]
) -> Array | None:
    """Covariances of observed products with each other and with `names` (g, k, k + v), from the sample.

    None where a product or a variable is latent: the sample knows nothing of it.
    """
    place = {name: i for i, name in enumerate(solved.sample.variables)}
    if not products or not all(name in place for name in (*products, *names)):
        return None
    rows = np.array([place[p] for p in products], dtype=np.intp)
    columns = np.array([place[p] for p in (*products, *names)], dtype=np.intp)
    return np.asarray(solved.sample.cov[:, rows[:, None], columns])


def _with_intercepts(terms: EffectTerms, solved: Solved) -> EffectTerms:
    """The same with a row `y ~1` for every observed outcome of a fit without a mean structure.

    α = ȳ − Σ b x̄, as saturated means give it; the mean of the residual adds ψ / n to its variance.
    """
    table, q = terms.table, terms.jacobian.shape[1]
    place = {name: i for i, name in enumerate(solved.ram.variables)}
    mean, residual = _means(solved), solved.ram.matrices(solved.point.free)[1]
    size = solved.sample.rows_by_group
    outcomes = [
        (name, g)
        for g in range(len(table.groups))
        for name in solved.sample.variables
        if name in table.variables.regressed
    ]
    rows, value, jacobian = list(table.rows), list(terms.value), list(terms.jacobian)
    spread = np.zeros((len(outcomes), len(outcomes)))
    jacobian = [np.append(j, np.zeros(len(outcomes))) for j in jacobian]
    for k, (name, g) in enumerate(outcomes):
        slope = np.zeros(q + len(outcomes))
        slope[q + k] = 1.0
        intercept = mean[g, place[name]]
        for i, row in enumerate(table.rows):
            if row.op == "~" and row.lhs == name and row.block == g + 1:
                intercept = intercept - terms.value[i] * mean[g, place[row.rhs]]
                slope[:q] -= terms.jacobian[i] * mean[g, place[row.rhs]]
        rows.append(Row(name, "~1", "", g + 1))
        value.append(intercept)
        jacobian.append(slope)
        for m, (other, h) in enumerate(outcomes):
            if h == g:
                spread[k, m] = residual[g, place[name], place[other]] / size[g]
    covariance = np.zeros((q + len(outcomes),) * 2)
    covariance[:q, :q], covariance[q:, q:] = terms.covariance, spread
    moments, free = terms.moments, terms.free
    return replace(
        terms, table=replace(table, rows=tuple(rows)), value=np.array(value), jacobian=np.array(jacobian),
        covariance=covariance, free=None if free is None else np.append(free, np.zeros(len(outcomes))),
        moments=None if moments is None else lambda x: moments(x[:q]),
    )  # fmt: skip
