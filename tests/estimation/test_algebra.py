"""Implied moments worked by hand, and the likelihood against SciPy's multivariate normal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import sem_models as sm
from sem_models.estimation.kernels import implied
from sem_models.estimation.objective import NormalTheory

EXACT = 1e-12
"""The same algebra in another order: rounding only."""

PATH = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\nPV ~ EDS + x\nBI ~ PV + EDS"


def test_two_indicators_of_one_factor() -> None:
    """x1 = f + e1, x2 = 2f + e2, var f = 3, var e = (0.5, 0.7): Σ = [[3.5, 6], [6, 12.7]]; μ = τ + λ α."""
    a_mat, s_mat = np.zeros((1, 3, 3)), np.diag([0.5, 0.7, 3.0])[None]
    a_mat[0, 0, 2], a_mat[0, 1, 2] = 1.0, 2.0
    at = implied(a_mat, s_mat, np.array([[4.0, 5.0, 0.25]]), 2)
    np.testing.assert_allclose(at.sigma[0], [[3.5, 6.0], [6.0, 12.7]], rtol=EXACT)
    np.testing.assert_allclose(at.mu[0], [4.25, 5.5], rtol=EXACT)


def test_path_model() -> None:
    """y2 = 0.5 y1 + e2, y3 = 0.4 y2 − 0.3 y1 + e3 with var y1 = 2, e2 = 1, e3 = 1.5, worked by hand."""
    a_mat, s_mat = np.zeros((1, 3, 3)), np.diag([2.0, 1.0, 1.5])[None]
    a_mat[0, 1, 0], a_mat[0, 2, 1], a_mat[0, 2, 0] = 0.5, 0.4, -0.3
    sigma = implied(a_mat, s_mat, np.zeros((1, 3)), 3).sigma[0]
    var_2, cov_31 = 0.25 * 2 + 1, 0.4 * 1.0 - 0.3 * 2
    cov_32 = 0.4 * var_2 - 0.3 * 1.0
    var_3 = 0.4 * cov_32 - 0.3 * cov_31 + 1.5
    expected = [[2.0, 1.0, cov_31], [1.0, var_2, cov_32], [cov_31, cov_32, var_3]]
    np.testing.assert_allclose(sigma, expected, rtol=EXACT)


def test_non_recursive_total_effects() -> None:
    """y1 = a y2 + e1, y2 = b y1 + e2: the loop multiplies everything by 1 / (1 − ab)."""
    a, b = 0.4, 0.5
    at = implied(np.array([[[0, a], [b, 0]]]), np.eye(2)[None], np.zeros((1, 2)), 2)
    loop = 1 / (1 - a * b)
    np.testing.assert_allclose(at.total[0], loop * np.array([[1, a], [b, 1]]), rtol=EXACT)
    expected = loop**2 * np.array([[1 + a * a, a + b], [a + b, 1 + b * b]])
    np.testing.assert_allclose(at.sigma[0], expected, rtol=EXACT)


def test_log_likelihood_of_complete_rows(customers: pd.DataFrame) -> None:
    model = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS"
    fit = sm.fit(model, customers, meanstructure=True)
    moments = fit.implied()[""]
    rows = customers[list(moments["cov"].columns)].to_numpy()
    expected = multivariate_normal.logpdf(rows, moments["mean"], moments["cov"]).sum()
    assert fit.measures()["logl"] == pytest.approx(expected, rel=EXACT)


def test_log_likelihood_of_incomplete_rows_by_group(incomplete: pd.DataFrame) -> None:
    model = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS"
    fit = sm.fit(model, incomplete, missing="fiml", group="g")
    expected = 0.0
    for label, moments in fit.implied().items():
        names = list(moments["cov"].columns)
        for row in incomplete.loc[incomplete["g"] == label, names].to_numpy():
            seen = ~np.isnan(row)
            if seen.any():
                mean = moments["mean"].to_numpy()[seen]
                cov = moments["cov"].to_numpy()[np.ix_(seen, seen)]
                expected += multivariate_normal.logpdf(row[seen], mean, cov)
    assert fit.measures()["logl"] == pytest.approx(expected, rel=EXACT)


def test_log_likelihood_is_conditional_on_fixed_covariates(customers: pd.DataFrame) -> None:
    fit = sm.fit(PATH, customers, meanstructure=True)
    moments = fit.implied()[""]
    rows = customers[list(moments["cov"].columns)].to_numpy()
    x = customers["x"].to_numpy()
    joint = multivariate_normal.logpdf(rows, moments["mean"], moments["cov"]).sum()
    marginal = multivariate_normal.logpdf(x, x.mean(), x.var()).sum()
    assert fit.measures()["logl"] == pytest.approx(joint - marginal, rel=EXACT)


def test_no_point_where_sigma_is_not_positive_definite(customers: pd.DataFrame) -> None:
    fit = sm.fit("EDS =~ e1 + e2 + e3", customers)
    objective: NormalTheory = fit.solved.objective
    params = fit.solved.point.params.copy()
    assert objective.at(params) is not None
    params[fit.vcov().columns.get_loc("e1~~e1")] = -50.0
    assert objective.at(params) is None
