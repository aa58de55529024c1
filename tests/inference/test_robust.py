"""Robust errors and tests against plain loops over customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import sem_models as sm
from sem_models.model.ram import Array

from .simulated import clustered_survey

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS"

SANDWICH = 1e-4
"""Relative; second differences with step 1e-3 of log-densities."""


def log_density(fit: sm.Fit, params: Array) -> Array:
    """Each row's log-likelihood, by SciPy."""
    point = fit.solved.objective.at(params)
    assert point is not None
    assert fit.solved.sample.rows is not None
    out = []
    for row in fit.solved.sample.rows[0].values:
        seen = ~np.isnan(row)
        mu, sigma = point.at.mu[0][seen], point.at.sigma[0][np.ix_(seen, seen)]
        out.append(multivariate_normal.logpdf(row[seen], mu, sigma))
    return np.array(out)


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
def test_sandwich_from_numeric_derivatives(clients: pd.DataFrame, missing: str) -> None:
    data = clients.head(120).copy()
    if missing == "fiml":
        data.loc[data.index[::7], "e2"] = np.nan
        data.loc[data.index[::11], ["p1", "p3"]] = np.nan
    fit = sm.fit(MODEL, data, estimator="MLR", missing=missing, meanstructure=True)
    params, step = fit.solved.point.params, 1e-3
    eye = step * np.eye(len(params))
    scores = np.stack(
        [(log_density(fit, params + h) - log_density(fit, params - h)) / (2 * step) for h in eye]
    )
    objective = fit.solved.objective

    def gradient(p: Array) -> Array:
        point = objective.at(p)
        assert point is not None
        return objective.gradient(point)

    n = fit.solved.sample.n_used
    bread = np.linalg.inv(
        n * np.stack([(gradient(params + h) - gradient(params - h)) / (2 * step) for h in eye])
    )
    expected = bread @ (scores @ scores.T) @ bread
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov())), np.sqrt(np.diag(expected)), rtol=SANDWICH)


def test_robust_equals_plain_in_large_normal_samples() -> None:
    """With 20,000 normal rows the sandwich and the scaling are the plain ones within sampling error."""
    rng = np.random.default_rng(8)
    n = 20_000
    eds = rng.normal(size=n)
    pv = 0.5 * eds + rng.normal(size=n)
    data = pd.DataFrame(
        {f"{s}{i}": v + rng.normal(size=n) for s, v in (("e", eds), ("p", pv)) for i in (1, 2, 3)}
    )
    plain, robust = sm.fit(MODEL, data), sm.fit(MODEL, data, estimator="MLR")
    ratio = robust.estimates()["se"] / plain.estimates()["se"]
    assert ratio.dropna().between(0.95, 1.05).all()
    assert robust.measures()["chisq_scaling_factor"] == pytest.approx(1.0, abs=0.05)
    assert robust.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], rel=1e-6, abs=1e-6)


def test_fiml_of_complete_data_is_ml_with_means(clients: pd.DataFrame) -> None:
    options = {"meanstructure": True, "information": "observed"}
    ml, fiml = sm.fit(MODEL, clients, **options), sm.fit(MODEL, clients, missing="fiml")
    a, b = ml.estimates(), fiml.estimates()
    np.testing.assert_allclose(b["est"], a["est"], atol=1e-7)
    np.testing.assert_allclose(b["se"], a["se"], atol=1e-7)
    for name in ("chisq", "cfi", "rmsea", "srmr", "logl"):
        assert fiml.measures()[name] == pytest.approx(ml.measures()[name], abs=1e-7), name


def test_two_groups_of_unequal_size_weigh_by_their_rows() -> None:
    """Corrections take n_g / N where the discrepancy takes (n_g − 1) / (N − G); lavaan 0.6-14's figures."""
    fit = sm.fit(
        "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3", clustered_survey(), estimator="ULSM", group="grp",
        group_equal="loadings", model_type="cfa",
    )  # fmt: skip
    names = ["chisq", "chisq_scaling_factor", "baseline_chisq_scaling_factor"]
    np.testing.assert_allclose(fit.measures()[names], [17.07492108, 0.6894908429, 2.095648181], rtol=1e-7)
    loadings = fit.estimates().query("op == '=~'")["se"].to_numpy()[:6]
    expected = [0, 0.1210271706, 0.0899762111, 0, 0.1639399436, 0.0951996358]
    np.testing.assert_allclose(loadings, expected, rtol=2e-6)
