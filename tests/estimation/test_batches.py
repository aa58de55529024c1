"""Batches of incomplete rows: the expectation step against the kernels of missing patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples
from sem_models.estimation.batched_gradient import batched_gradient
from sem_models.estimation.batches import IncompleteBatch, incomplete_rows, saturated, values
from sem_models.estimation.objective import NormalTheory
from sem_models.inference.drawing import drawn_times
from sem_models.inference.refits import row_gaps, row_units
from sem_models.inference.resampling import resampled_gaps
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.saturated import saturated_moments

LATENT = "EDS =~ eds1 + eds2 + eds3\nPV =~ pv1 + a*pv2 + a*pv3\nPV ~ EDS"
COVARIATE = "PV =~ pv1 + pv2 + pv3\nPV ~ tenure\npv1 ~~ bi1\nbi1 ~ PV"
MODELS = [(LATENT, {}), (LATENT, {"group": "active"}), (COVARIATE, {}), (LATENT, {"aux": ["bi1"]})]


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    data = pd.read_csv(examples.path()).iloc[:160].copy()
    rng = np.random.default_rng(4)
    data["tenure"] = rng.normal(size=len(data)) + data["pv1"].fillna(5.0)
    many = data.index[:6]
    data.loc[many, ["eds1", "eds2", "pv1", "pv2"]] = np.nan  # more gaps in a row than a few
    return data


def _batch(fit: sm.Fit, n: int) -> IncompleteBatch:
    units = row_units(fit.solved)
    draws = drawn_times(units, n, np.random.default_rng(5), n)
    return next(resampled_gaps(row_gaps(fit.solved), draws, units))


def _objective(fit: sm.Fit, batch: IncompleteBatch, b: int) -> NormalTheory:
    solved = fit.solved
    assert solved.sample.rows is not None
    sizes = batch.share[b] * solved.sample.n
    used = [np.flatnonzero(w[b] > 0) for w in batch.weights]
    blocks = [r.values[k] for r, k in zip(solved.sample.rows, used, strict=True)]  # type: ignore[union-attr]
    weights = [w[b, k] * n for w, k, n in zip(batch.weights, used, sizes, strict=True)]
    patterns, _ = group_patterns(blocks, weights)
    return NormalTheory(solved.ram.with_covariates(batch.cov[b], batch.mean[b]), patterns, solved.sample.mean)


@pytest.mark.parametrize(("model", "options"), MODELS)
def test_gradient_and_value_are_those_of_the_patterns(
    model: str, options: dict[str, object], survey: pd.DataFrame
) -> None:
    fit = sm.fit(model, survey, missing="fiml", **options)  # type: ignore[arg-type]
    batch = _batch(fit, 3)
    params = np.tile(fit.solved.point.params, (3, 1)) * 1.03
    found, weight, seen = batched_gradient(fit.solved.ram)(params, batch, None)
    value = values(weight, seen, batch.share)
    for b in range(3):
        objective = _objective(fit, batch, b)
        point = objective.at(params[b])
        assert point is not None
        np.testing.assert_allclose(found[b], objective.gradient(point), rtol=1e-8, atol=1e-11)
        assert value[b] == pytest.approx(2.0 * float(point.value), rel=1e-10)


def test_saturated_moments_of_replicates(survey: pd.DataFrame) -> None:
    fit = sm.fit(LATENT, survey, missing="fiml", group="active")
    batch = _batch(fit, 3)
    found, value = saturated(batch, fit.solved.sample.cov, fit.solved.sample.mean, tolerance=1e-13)
    for b in range(3):
        patterns = _objective(fit, batch, b).patterns
        cov, mean = saturated_moments(patterns, 2)
        np.testing.assert_allclose(found.cov[b], cov, atol=1e-4)
        np.testing.assert_allclose(found.mean[b], mean, atol=1e-4)
    assert np.isfinite(value).all()
    rough = saturated(batch, fit.solved.sample.cov, fit.solved.sample.mean, tolerance=1e-9)[1]
    np.testing.assert_allclose(rough, value, atol=1e-8)


def test_a_covariance_that_is_none_gives_nan(survey: pd.DataFrame) -> None:
    fit = sm.fit(LATENT, survey, missing="fiml")
    batch = _batch(fit, 2)
    broken = replace(batch, weights=tuple(w * np.array([[1.0], [np.nan]]) for w in batch.weights))
    value = saturated(broken, fit.solved.sample.cov, fit.solved.sample.mean, tolerance=1e-8)[1]
    assert np.isfinite(value[0])
    assert np.isnan(value[1])


def test_the_layout_of_gaps() -> None:
    nan = np.nan
    layout = incomplete_rows(np.array([[1.0, nan, 3.0], [nan, 2.0, nan], [4.0, nan, 6.0], [7.0, 8.0, 9.0]]))
    one, two = layout.holes
    assert one.missing.tolist() == [[1]]
    assert one.rows.tolist() == [0, 2]
    assert one.of.tolist() == [0, 0]
    assert two.missing.tolist() == [[0, 2]]
    assert two.rows.tolist() == [1]
    assert layout.values[1].tolist() == [0.0, 2.0, 0.0]
