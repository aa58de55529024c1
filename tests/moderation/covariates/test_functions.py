"""How rows follow covariates: by hand, and derivatives of rows, likelihood and scores against differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from sem_models.moderation.covariates.functions import covariance, covariance_slopes
from sem_models.moderation.covariates.likelihood import CovariateLikelihood
from sem_models.moderation.covariates.problem import CovariateProblem, covariate_problem

DIFFERENCE = 1e-6
"""Agreement of analytic and central differences, relative to the largest entry."""

EVERYTHING = """
E =~ NA*e1 + l2*e2 + e3
P =~ NA*p1 + l2*p2 + p3
E ~ 0*1 + m*1
E ~~ 1*E + v*E
P ~~ 1*P + w*P
E ~~ k*P
e1 ~~ r*e1
e1 ~~ s*p1
e3 ~ i*1
m :~ tenure
v :~ tenure
w :~ active
k :~ tenure + active
l2 :~ c1*active
i :~ c1*active + tenure:active
r :~ tenure
s :~ start(0.05)*tenure
"""


@pytest.fixture(scope="module")
def data(clients: pd.DataFrame) -> pd.DataFrame:
    return clients.assign(active=(clients["active"] == "active").astype(float), tenure=clients["tenure"] - 6)


@pytest.fixture(scope="module", params=["complete", "incomplete"])
def problem(request: pytest.FixtureRequest, data: pd.DataFrame) -> CovariateProblem:
    if request.param == "complete":
        return covariate_problem(EVERYTHING, data)
    holed = data.copy()
    holed.loc[::7, "e1"] = np.nan
    holed.loc[::5, ["p1", "p3"]] = np.nan
    return covariate_problem(EVERYTHING, holed, missing="fiml")


@pytest.fixture(scope="module")
def somewhere(problem: CovariateProblem) -> np.ndarray:
    along, start = problem.likelihood.along, problem.start.copy()
    start[along.k0 :] += np.random.default_rng(3).normal(0, 0.05, len(start) - along.k0)
    return start


def value(likelihood: CovariateLikelihood, params: np.ndarray) -> float:
    point = likelihood.at(params)
    assert point is not None
    return float(point.value)


def test_a_covariance_keeps_its_correlation_admissible() -> None:
    one = np.ones(1)
    for eta in (-30.0, -1.0, 0.0, 2.0, 30.0):
        found = covariance(0.3 * one, one, 4 * one, eta * one, 0.2 * one, -0.4 * one)[0]
        v1, v2 = np.exp(0.2), 4 * np.exp(-0.4)
        assert found == pytest.approx(np.sqrt(v1 * v2) * np.tanh(np.arctanh(0.15) + eta), rel=1e-12)
        assert abs(found) <= np.sqrt(v1 * v2)


def test_covariance_slopes_against_differences() -> None:
    at = np.array([0.3, 1.2, 0.8, 0.4, 0.1, -0.2])
    slopes = [float(s[0]) for s in covariance_slopes(*(a * np.ones(1) for a in at))]
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-6
        ends = [covariance(*((at + s * step)[:, None]))[0] for s in (1, -1)]
        assert slopes[i] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-8)


def test_likelihood_is_the_sum_over_customers(problem: CovariateProblem, somewhere: np.ndarray) -> None:
    """Every customer's own normal density, by SciPy, at Σ and μ of their covariates."""
    likelihood = problem.likelihood
    point = likelihood.at(somewhere)
    assert point is not None
    total = 0.0
    for block, here in zip(likelihood.blocks, point.blocks, strict=True):
        for row, u in zip(block.values, block.member, strict=True):
            seen = np.isfinite(row)
            mu, sigma = here.at.mu[u][seen], here.at.sigma[u][np.ix_(seen, seen)]
            total += multivariate_normal(mu, sigma).logpdf(row[seen])
    assert problem.logl(float(point.value)) == pytest.approx(total, rel=1e-10)


def test_gradient_hessian_and_scores_against_differences(
    problem: CovariateProblem, somewhere: np.ndarray
) -> None:
    likelihood, h = problem.likelihood, 1e-5
    point = likelihood.at(somewhere)
    assert point is not None
    gradient, hessian = likelihood.gradient(point), likelihood.hessian(point)
    units = np.eye(len(somewhere)) * h
    numeric = np.array(
        [(value(likelihood, somewhere + e) - value(likelihood, somewhere - e)) / (2 * h) for e in units]
    )
    assert gradient == pytest.approx(numeric, abs=DIFFERENCE * np.abs(numeric).max())
    ends = [(likelihood.at(somewhere + e), likelihood.at(somewhere - e)) for e in units]
    curved = np.array([(likelihood.gradient(a) - likelihood.gradient(b)) / (2 * h) for a, b in ends])  # type: ignore[arg-type]
    assert hessian == pytest.approx(curved, abs=DIFFERENCE * np.abs(curved).max())
    assert likelihood.case_scores(point).sum(axis=0) / likelihood.n == pytest.approx(-gradient, abs=1e-12)


def test_expected_information_is_the_mean_of_the_observed(problem: CovariateProblem) -> None:
    """Over data drawn from the model itself they agree as the sample grows; here in trace, within noise."""
    likelihood = problem.likelihood
    point = likelihood.at(problem.start)
    assert point is not None
    expected, observed = likelihood.information(point), likelihood.hessian(point)
    scale = np.sqrt(np.diagonal(expected))
    ratio = np.linalg.eigvalsh(np.linalg.solve(expected, observed)).mean() if (scale > 0).all() else np.nan
    assert 0.7 < ratio < 1.4
