"""Batched refits: the gradient against the kernels, the end against the careful optimizer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples
from sem_models.estimation.batched_gradient import batched_gradient, inverse, inverse_by_factors
from sem_models.estimation.batches import Batch
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import minimize
from sem_models.estimation.refit import TOLERANCE, refit
from sem_models.inference.resampling import resampled, rows_to_draw
from sem_models.observed.patterns import complete_patterns

LATENT = "EDS =~ eds1 + eds2 + eds3\nPV =~ pv1 + a*pv2 + a*pv3\nBI =~ bi1 + bi2\nPV ~ EDS\nBI ~ PV + EDS"
OBSERVED = "pv1 ~ eds1 + ops1\nbi1 ~ pv1 + eds1\nbi2 ~ bi1 + ops1\npv1 ~~ bi2"
CORRELATED = LATENT + "\neds1 ~~ eds2\npv3 ~~ bi2"
EXACT = LATENT + "\npv2 ~~ 0*pv2"
LOOP = "pv1 ~ eds1 + bi1\nbi1 ~ ops1 + pv1"
MIXED = "PV =~ pv1 + pv2 + pv3\nPV ~ eds1 + ops1\nbi1 ~ PV + eds1\neds1 ~~ ops1"
MODELS = [
    (LATENT, {}), (LATENT, {"meanstructure": True}), (LATENT, {"group": "active"}),
    (LATENT, {"group": "active", "group_equal": ("loadings", "intercepts")}), (EXACT, {}),
    (CORRELATED, {}), (CORRELATED, {"group": "active", "group_equal": ("loadings", "residuals")}),
    (OBSERVED, {}),
    (OBSERVED, {"meanstructure": True}), (MIXED, {"fixed_x": False}), (MIXED, {"meanstructure": True}),
]  # fmt: skip


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    names = ["eds1", "eds2", "eds3", "ops1", "pv1", "pv2", "pv3", "bi1", "bi2"]
    return pd.read_csv(examples.path()).dropna(subset=names)


def _batch(fit: sm.Fit, n: int) -> Batch:
    solved = fit.solved
    assert solved.sample.rows is not None
    values = tuple(rows.values for rows in solved.sample.rows)  # type: ignore[union-attr]
    rows = rows_to_draw(values, solved.point.at.sigma, solved.sample.mean, "ordinary")
    return next(resampled(rows, n, np.random.default_rng(5), n))


def _objective(fit: sm.Fit, batch: Batch, b: int) -> NormalTheory:
    patterns = complete_patterns(batch.share[b] * fit.solved.sample.n, batch.mean[b], batch.cov[b])
    return NormalTheory(fit.solved.ram.with_covariates(batch.cov[b], batch.mean[b]), patterns, batch.mean[b])


@pytest.mark.parametrize(("model", "options"), [*MODELS, (LOOP, {})])
def test_gradient_is_that_of_the_kernels(model: str, options: dict[str, str], survey: pd.DataFrame) -> None:
    fit = sm.fit(model, survey, **options)  # type: ignore[arg-type]
    batch = _batch(fit, 4)
    params = np.tile(fit.solved.point.params, (4, 1))
    found, _, _ = batched_gradient(fit.solved.ram)(params, batch, None)
    for b in range(4):
        objective = _objective(fit, batch, b)
        point = objective.at(params[b])
        assert point is not None
        np.testing.assert_allclose(found[b], objective.gradient(point), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("model", "options"), MODELS)
def test_ends_where_the_careful_search_ends(
    model: str, options: dict[str, str], survey: pd.DataFrame
) -> None:
    fit = sm.fit(model, survey, **options)  # type: ignore[arg-type]
    solved = fit.solved
    batch = _batch(fit, 12)
    hessian = solved.objective.hessian(solved.point)  # type: ignore[arg-type]
    found = refit(solved.ram, solved.point.params, hessian, batch, solved.sample.n)
    assert np.isfinite(found.value).all()
    errors = np.sqrt(np.diagonal(np.linalg.inv(hessian)) / solved.sample.n)
    for b in range(12):
        end = minimize(_objective(fit, batch, b), solved.point.params, n_rows=solved.sample.n)
        assert np.abs((end.point.params - found.params[b]) / errors).max() < 10 * TOLERANCE
        assert found.value[b] == pytest.approx(2.0 * float(end.point.value), abs=1e-8)


def test_inverse_by_factors() -> None:
    rng = np.random.default_rng(2)
    lead, unique = rng.normal(size=(5, 1, 7, 3)), rng.uniform(0.2, 1.0, size=(5, 1, 7))
    root = rng.normal(size=(5, 1, 3, 2))
    inner = root @ np.swapaxes(root, -1, -2)  # of rank two: one factor is a sum of the others
    unique[1, 0, 2] = -0.2  # a Heywood case
    sigma = lead @ inner @ np.swapaxes(lead, -1, -2) + unique[..., None] * np.eye(7)
    weight, loaded = inverse_by_factors(unique, lead, inner)
    np.testing.assert_allclose(weight, np.linalg.inv(sigma), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(loaded, np.linalg.inv(sigma) @ lead, rtol=1e-9, atol=1e-10)
    unique[3, 0, 4] = 1e-12
    unique[4, 0, 4] = 0.0
    weight, _ = inverse_by_factors(unique, lead, inner)
    assert np.isfinite(weight[:3]).all()
    assert np.isnan(weight[3:]).all()


def test_gradient_where_a_residual_vanishes_in_some_replicates(survey: pd.DataFrame) -> None:
    fit = sm.fit(LATENT, survey)
    batch = _batch(fit, 3)
    params = np.tile(fit.solved.point.params, (3, 1))
    names = [r.lhs if r.op == "~~" and r.lhs == r.rhs else "" for r in fit.solved.table.rows]
    place = list(fit.solved.ram.row_of_free).index(names.index("pv2"))
    params[1, place], params[2, place] = 0.0, 1e-11
    found, _, _ = batched_gradient(fit.solved.ram)(params, batch, None)
    for b in range(3):
        objective = _objective(fit, batch, b)
        point = objective.at(params[b])
        assert point is not None
        np.testing.assert_allclose(found[b], objective.gradient(point), rtol=1e-7, atol=1e-9)


def test_inverse_from_a_nearby_one() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6, 40, 5))
    matrices = np.swapaxes(x, -1, -2) @ x / 40
    near = np.linalg.inv(matrices * 1.05 + 0.01 * np.eye(5))
    np.testing.assert_allclose(inverse(matrices, near), np.linalg.inv(matrices), atol=1e-8)
    far = np.linalg.inv(matrices * 30.0)
    np.testing.assert_allclose(inverse(matrices, far), np.linalg.inv(matrices), rtol=1e-8)


def test_a_hopeless_replicate_leaves_the_batch_alone(survey: pd.DataFrame) -> None:
    fit = sm.fit(LATENT, survey)
    solved = fit.solved
    batch = _batch(fit, 3)
    bad = batch.cov.copy()
    bad[1] = np.nan
    hessian = solved.objective.hessian(solved.point)  # type: ignore[arg-type]
    found = refit(solved.ram, solved.point.params, hessian, replace(batch, cov=bad), solved.sample.n)
    good = refit(solved.ram, solved.point.params, hessian, batch, solved.sample.n)
    assert np.isnan(found.value[1])
    np.testing.assert_allclose(found.params[[0, 2]], good.params[[0, 2]], rtol=1e-6)
