"""The quasi-Newton search of one objective, held against Newton's."""

from __future__ import annotations

import numpy as np
import pandas as pd

import sem_models as sm
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome
from sem_models.estimation.secants import minimize_by_secants

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS"


def test_ends_where_newton_ends(clients: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, clients)
    objective, params = fit.solved.objective, np.asarray(fit.solved.point.params)
    assert isinstance(objective, NormalTheory)
    errors = np.sqrt(np.diagonal(np.linalg.inv(objective.hessian(fit.solved.point))) / 300)
    start = objective.at(params + 2.0 * errors * np.cos(np.arange(len(params))))
    assert start is not None
    found = minimize_by_secants(objective, start, n_rows=300.0, tolerance=1e-7)
    assert found.outcome is Outcome.CONVERGED
    assert found.iterations < 30
    np.testing.assert_allclose((found.point.params - params) / errors, 0.0, atol=1e-6)


def test_a_search_without_steps_left_says_so(clients: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, clients)
    start = fit.solved.objective.at(np.asarray(fit.solved.point.params) + 0.05)
    assert start is not None
    found = minimize_by_secants(fit.solved.objective, start, n_rows=300.0, max_iterations=2)
    assert found.outcome is Outcome.MAX_ITERATIONS
    assert found.decrement > 0


def test_a_marginal_likelihood_of_two_factors_converges() -> None:
    """Cross-products of scores alone led it along for 500 steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=320)
    y = 0.5 * x + 0.8 * rng.normal(size=320)
    columns = {
        f"{n}{i}": 0.8 * f + 0.6 * rng.normal(size=320) for n, f in (("x", x), ("y", y)) for i in (1, 2, 3, 4)
    }
    answers = pd.DataFrame(columns).apply(lambda c: pd.qcut(c, 4, labels=False))
    model = "X =~ x1 + x2 + x3 + x4\nY =~ y1 + y2 + y3 + y4\nY ~ X"
    fit = sm.fit(model, answers, ordered=True, estimator="MML")
    assert fit.status.converged
    assert fit.solved.solution.iterations < 40
    assert fit.status.stationary
    pairs = sm.fit(model, answers, ordered=True, estimator="PML")
    gaps = (fit.estimates()["est"] - pairs.estimates()["est"]) / pairs.estimates()["se"].replace(0.0, np.nan)
    assert gaps.abs().max() < 1.0
