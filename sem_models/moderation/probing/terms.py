"""What probing needs of an estimated model, whichever estimator it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError, SpecError, did_you_mean
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

ZERO = 1e-12
"""Standard deviations within which a mean is zero but for rounding."""

Moments = Callable[[Array], tuple[Array, Array]]
Parts = tuple[tuple[float, tuple[str, ...]], ...]

EXACT = 1e-6
"""Residual standard deviation, as a share of the product's, up to which a column is a product."""


@dataclass(frozen=True, eq=False, repr=False)
class EffectTerms:
    """An estimated model with products, as probing sees it; v variables, g groups, q free rows.

    table has the rows of all groups, a latent product being a variable with a name of its own; value (rows,)
    their estimates, jacobian (rows, q) the derivatives by the free rows and covariance (q, q) these rows'.
    names (v,) are the variables that are no products; mean (g, v) and cov (g, v, v) their model-implied
    moments, with what products explain in them; share (g,) the groups' shares of the customers. n counts
    customers, n_params parameters: t intervals have n − n_params degrees of freedom. products maps a
    product's name to its factors; support holds where the customers lie on a moderator, else its normal
    distribution is taken. joint_cov (g, k + v, k + v) are the covariances of the k products and `names`
    together where the data know them; else they follow from mean and cov for normal variables. offset maps a
    latent product to E[Π factors] − E[the variable of that name], (g,): the product's mean for a
    double-mean-centered one; 0 where it is not named. made_of gives a column of the data that is a product of
    centered factors as what it is in the factors themselves, by group: ((coefficient, names), …). moments
    gives (mean, cov) at other values of the free rows, which are `free` (q,), for the errors of standardized
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
    joint_cov: Array | None = None
    offset: Mapping[str, Array] = field(default_factory=dict)
    made_of: Mapping[str, tuple[Parts, ...]] = field(default_factory=dict)
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
        mean = np.where(np.abs(self.mean[:, i]) < ZERO * sd, 0.0, self.mean[:, i])
        latent = name in self.table.variables.latent
        return Support("normal", mean, sd, self.share * self.n, latent=latent)

    def __repr__(self) -> str:
        return f"<EffectTerms {', '.join(self.products) or 'without products'}: {self.header_line}>"

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
            moments=partial(_moments_at, solved, keep),
            offset=_offsets(solved, found, mean),
            made_of=_made_of(solved, found),
            joint_cov=_joint(solved, found, names),
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
            if factor == name:
                raise SpecError(f"products=: '{name}' cannot be a factor of itself.")
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


def _moments_at(solved: Solved, keep: IntArray, free: Array) -> tuple[Array, Array]:
    """Means and covariances of the variables `keep` at other values of the free rows."""
    ram = solved.ram
    at = implied(*ram.matrices(free), ram.n_observed, ram.places.sources)
    mean = _means(solved)[:, keep] if not ram.has_means else at.eta[:, keep]
    return mean, at.cov_all[:, keep[:, None], keep]


def _of_first(moments: Moments, q: int, free: Array) -> tuple[Array, Array]:
    """The moments at the first q of the free rows, for a table that has more."""
    return moments(free[:q])


def _offsets(solved: Solved, products: Mapping[str, tuple[str, ...]], mean: Array) -> dict[str, Array]:
    """E[Π factors] − E[the latent variable that stands for it], (g,) each, for normal factors."""
    place = {name: i for i, name in enumerate(solved.ram.variables)}
    out = {}
    for name, factors in products.items():
        at = [place[f] for f in factors if f in place]
        if place[name] >= solved.ram.n_observed and len(at) == len(factors):
            pairs = zip(mean, solved.point.at.cov_all, strict=True)
            out[name] = np.array([expectation(at, m, c) - m[place[name]] for m, c in pairs])
    return out


def _made_of(solved: Solved, products: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Parts, ...]]:
    """What columns named in products= are in their factors: x z − x̄ z − z̄ x + x̄ z̄ for centered factors.

    Found by regression on all products of some of the factors, which fits exactly. DataError where it does
    not: the column is another quantity.
    """
    place = {name: i for i, name in enumerate(solved.sample.variables)}
    rows = solved.sample.rows
    out: dict[str, tuple[Parts, ...]] = {}
    for name, factors in products.items():
        if ":" in name or not isinstance(rows, tuple) or not {name, *factors} <= set(place):
            continue
        subsets = sorted({c for k in range(len(factors) + 1) for c in combinations(factors, k)}, key=len)
        by_group = []
        for block in rows:
            values = block.values[:, [place[n] for n in (name, *factors)]]
            values = values[np.isfinite(values).all(axis=1)]
            column = {f: values[:, 1 + k] for k, f in enumerate(factors)}
            design = np.array(
                [np.prod([column[f] for f in s], axis=0) * np.ones(len(values)) for s in subsets]
            ).T
            size = np.maximum(np.sqrt((design**2).mean(axis=0)), 1e-300)
            found = np.linalg.lstsq(design / size, values[:, 0], rcond=None)[0] / size
            left = values[:, 0] - design @ found
            if left.std() > EXACT * values[:, 0].std():
                raise DataError(
                    f"products=: the column '{name}' is not a product of {' and '.join(factors)}, centered "
                    f"or not. Make it one, or write {':'.join(factors)} in the model."
                )
            parts = zip(found, subsets, size, strict=True)
            by_group.append(tuple((float(c), s) for c, s, z in parts if abs(c) * z > EXACT * size[-1]))
        out[name] = tuple(by_group)
    return out


def _joint(solved: Solved, products: Mapping[str, tuple[str, ...]], names: tuple[str, ...]) -> Array | None:
    """Sample covariances of products and `names` (g, k + v, k + v); None where one of them is latent."""
    place = {name: i for i, name in enumerate(solved.sample.variables)}
    if not products or not all(name in place for name in (*products, *names)):
        return None
    at = np.array([place[p] for p in (*products, *names)], dtype=np.intp)
    return np.asarray(solved.sample.cov[:, at[:, None], at])


def _with_intercepts(terms: EffectTerms, solved: Solved) -> EffectTerms:
    """The same with a row `y ~1` for every observed variable but covariates; for a fit without means.

    α = (I − A) ȳ with A the paths between observed variables, as saturated means give it; latent means are 0.
    Given A its covariance is (I − A) Σ (I − A)ᵀ / n, apart from that of A (they are independent).
    """
    table, q, p = terms.table, terms.jacobian.shape[1], solved.ram.n_observed
    place = {name: i for i, name in enumerate(solved.ram.variables[:p])}
    mean, a_mat = solved.sample.mean, solved.ram.matrices(solved.point.free)[0][:, :p, :p]
    size, groups = solved.sample.rows_by_group, range(len(table.groups))
    wanted = [i for i in range(p) if i not in solved.ram.exogenous]
    k = len(wanted)
    rows, value = list(table.rows), list(terms.value)
    jacobian = np.zeros((len(rows) + k * len(groups), q + k * len(groups)))
    jacobian[: len(rows), :q] = terms.jacobian
    covariance = np.zeros((jacobian.shape[1],) * 2)
    covariance[:q, :q] = terms.covariance
    for g in groups:
        without = np.eye(p) - a_mat[g]
        spread = (without @ solved.point.at.sigma[g] @ without.T)[np.ix_(wanted, wanted)] / size[g]
        block = slice(q + g * k, q + (g + 1) * k)
        covariance[block, block] = spread
        jacobian[len(table.rows) + g * k + np.arange(k), q + g * k + np.arange(k)] = 1.0
        for i, row in enumerate(table.rows):
            if row.op == "~" and row.block == g + 1 and row.rhs in place and row.lhs in place:
                at = len(table.rows) + g * k + wanted.index(place[row.lhs])
                jacobian[at, :q] -= terms.jacobian[i] * mean[g, place[row.rhs]]
        rows += [Row(solved.ram.variables[i], "~1", "", g + 1) for i in wanted]
        value += list((without @ mean[g])[wanted])
    moments, free = terms.moments, terms.free
    return replace(
        terms, table=replace(table, rows=tuple(rows)), value=np.array(value), jacobian=jacobian,
        covariance=covariance,
        free=None if free is None else np.append(free, np.zeros(k * len(groups))),
        moments=None if moments is None else partial(_of_first, moments, q),
    )  # fmt: skip
