"""Gradient, Hessian, scores and information against finite differences and against one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.estimation import kernels, moment_space
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.scores import free_scores
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.patterns import Patterns

GRADIENT, HESSIAN = 1e-7, 1e-6
"""Central differences with step 1e-5 err by 1e-10 third derivatives and by rounding over the step."""

CFA = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\n"
PATHS = CFA + "PV ~ EDS + x\nBI ~ PV + EDS"
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "factors": (CFA, {}),
    "paths and a covariate": (PATHS, {}),
    "random covariate, means": (PATHS, {"fixed_x": False, "meanstructure": True}),
    "two groups, fixed in one": (
        CFA + "PV ~ c(0.3, NA)*EDS\nBI ~ c(u, v)*PV\np1 ~~ c(0, NA)*b1",
        {"group": "g", "group_equal": "loadings"},
    ),
    "missing answers": (PATHS, {"missing": "fiml"}),
    "missing answers by group": (
        CFA + "PV ~ EDS",
        {"missing": "fiml", "group": "g", "group_equal": ("loadings", "intercepts")},
    ),
    "higher order": (CFA + "SQ =~ EDS + PV + BI", {"meanstructure": True}),
    "non-recursive": (CFA + "PV ~ EDS + 0.2*BI\nBI ~ PV + x", {}),
    "constraints": (CFA + "PV ~ a*EDS\nBI ~ b*PV + d*EDS\na == 2*b + d", {}),
    "observed path model": ("p1 ~ x + e1\nb1 ~ p1 + e1", {"meanstructure": True}),
}


def fitted(name: str, customers: pd.DataFrame, incomplete: pd.DataFrame) -> sm.Fit:
    model, options = CASES[name]
    return sm.fit(model, incomplete if options.get("missing") else customers, **options)


@pytest.fixture(params=list(CASES), scope="module")
def case(request: pytest.FixtureRequest, customers: pd.DataFrame, incomplete: pd.DataFrame) -> sm.Fit:
    return fitted(request.param, customers, incomplete)


@pytest.fixture(params=[name for name in CASES if "missing" not in CASES[name][1]], scope="module")
def complete(request: pytest.FixtureRequest, customers: pd.DataFrame, incomplete: pd.DataFrame) -> sm.Fit:
    return fitted(request.param, customers, incomplete)


def away(fit: sm.Fit) -> Array:
    """A point a little off the optimum, where the gradient is not zero."""
    params = fit.solved.point.params
    rng = np.random.default_rng(3)
    return params + 0.05 * rng.uniform(-1, 1, size=len(params)) * np.maximum(np.abs(params), 0.2)


def differences(function: Callable[[Array], Array], at: Array, step: float = 1e-5) -> Array:
    """Central differences along the last axis of the result."""
    columns = []
    for i in range(len(at)):
        shift = np.zeros(len(at))
        shift[i] = step
        columns.append((function(at + shift) - function(at - shift)) / (2 * step))
    return np.stack(columns, axis=-1)


def value(objective: NormalTheory, params: Array) -> Array:
    point = objective.at(params)
    assert point is not None
    return point.value


def gradient(objective: NormalTheory, params: Array) -> Array:
    point = objective.at(params)
    assert point is not None
    return objective.gradient(point)


def test_gradient(case: sm.Fit) -> None:
    objective, params = case.solved.objective, away(case)
    numeric = differences(lambda p: value(objective, p), params)
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(gradient(objective, params), numeric, atol=GRADIENT)


def test_hessian(case: sm.Fit) -> None:
    objective, params = case.solved.objective, away(case)
    point = objective.at(params)
    assert point is not None
    analytic = objective.hessian(point)
    numeric = differences(lambda p: gradient(objective, p), params)
    np.testing.assert_allclose(analytic, numeric, atol=HESSIAN * np.abs(numeric).max())
    np.testing.assert_allclose(analytic, analytic.T, atol=1e-12 * np.abs(numeric).max())


def test_scores_add_up_to_the_gradient(case: sm.Fit) -> None:
    solved, params = case.solved, away(case)
    point = solved.objective.at(params)
    assert point is not None
    assert solved.sample.rows is not None
    by_row = free_scores(solved.objective, point, solved.sample.rows) @ solved.ram.reduction
    assert by_row.shape == (solved.sample.n_used, solved.ram.n_params)
    np.testing.assert_allclose(
        -by_row.sum(axis=0) / solved.sample.n_used, solved.objective.gradient(point), atol=1e-12
    )


def test_scores_of_single_rows(customers: pd.DataFrame, incomplete: pd.DataFrame) -> None:
    """Each row's score is the numeric derivative of its own log-likelihood."""
    from scipy.stats import multivariate_normal

    for data, missing in ((customers, "listwise"), (incomplete, "fiml")):
        fit = sm.fit(CFA, data, meanstructure=True, missing=missing)
        solved, params = fit.solved, away(fit)
        assert solved.sample.rows is not None
        rows = solved.sample.rows[0].values

        def log_density(p: Array, row: Array, objective: NormalTheory = solved.objective) -> Array:
            point = objective.at(p)
            assert point is not None
            seen = ~np.isnan(row)
            mu, sigma = point.at.mu[0][seen], point.at.sigma[0][np.ix_(seen, seen)]
            return np.asarray(multivariate_normal.logpdf(row[seen], mu, sigma))

        point = solved.objective.at(params)
        assert point is not None
        by_row = free_scores(solved.objective, point, solved.sample.rows) @ solved.ram.reduction
        for k in (0, 7, 101):
            numeric = differences(lambda p, row=rows[k]: log_density(p, row), params)  # type: ignore[misc]
            np.testing.assert_allclose(by_row[k], numeric, atol=1e-6 * max(1.0, np.abs(numeric).max()))


def test_information_is_the_expected_hessian(complete: sm.Fit) -> None:
    """With the implied moments in place of the data the two coincide."""
    solved = complete.solved
    point = solved.point
    mu = point.at.mu if solved.ram.has_means else solved.sample.mean
    old = solved.sample.patterns
    ideal = NormalTheory(solved.ram, Patterns(old.group, old.seen, old.size, mu, point.at.sigma), mu)
    there = ideal.at(point.params)
    assert there is not None
    np.testing.assert_allclose(ideal.gradient(there), 0.0, atol=1e-10)
    information = ideal.information(there)
    np.testing.assert_allclose(
        ideal.hessian(there), information, rtol=1e-8, atol=1e-10 * np.abs(information).max()
    )


@pytest.mark.parametrize("observed", [False, True])
def test_moment_space_agrees_with_the_gathers(case: sm.Fit, observed: bool) -> None:
    solved = case.solved
    point = solved.objective.at(away(case))
    assert point is not None
    ram, patterns = solved.ram, solved.sample.patterns
    kernel = kernels.hessian if observed else kernels.expected_information
    gathered = kernel(ram.slots, point.at, point.parts, patterns)
    curve = moment_likelihood.curvature(point.parts, patterns, ram.n_groups, observed=observed)
    chained = moment_space.chain(curve, moment_space.jacobian(ram.slots, point.at))
    if observed:
        chained = chained + kernels.second_order(ram.slots, point.at, point.parts, patterns)
    np.testing.assert_allclose(chained, gathered, atol=1e-10 * np.abs(gathered).max())


def test_a_stack_of_points_is_each_point(complete: sm.Fit) -> None:
    """The batch axis: three parameter vectors at once give what each gives alone."""
    objective, params = complete.solved.objective, complete.solved.point.params
    stack = np.stack([0.2 * params + 0.8 * away(complete), away(complete), 0.5 * (params + away(complete))])
    together = objective.at(stack)
    assert together is not None
    assert together.value.shape == (3,)
    for b, one in enumerate(stack):
        alone = objective.at(one)
        assert alone is not None
        np.testing.assert_allclose(together.value[b], alone.value, rtol=1e-13)
        for method in (objective.gradient, objective.hessian, objective.information):
            expected = method(alone)
            np.testing.assert_allclose(
                method(together)[b], expected, rtol=1e-10, atol=1e-12 * max(1.0, np.abs(expected).max())
            )
