"""Items on scales a million apart end in the same optimum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.estimation.units import row_units, variable_units

MODEL = """
EDS =~ e1 + e2 + e3
PV =~ p1 + p2 + p3
BI =~ b1 + b2 + b3
PV ~ EDS + x
BI ~ PV + EDS
e1 ~~ e3
"""
FACTORS = (1e-3, 1e6, 1.0, 1e-3, 1e3, 1e6, 1e-1, 1e6, 1e-3, 1e5)
SAME_CHISQ = 1e-8
"""Relative: rounding in the moments is the only thing that scales change."""

SAME_SIZE = 1e-6
"""Estimates in standard deviations; optimizers stop 1e-9 standard errors from the optimum."""


def rescaled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    items = [c for c in frame.columns if c != "g"]
    factors = np.random.default_rng(seed).permutation(FACTORS)[: len(items)]
    return frame.assign(**{c: frame[c] * f for c, f in zip(items, factors, strict=True)})


def sizes(fit: sm.Fit) -> np.ndarray:
    solved = fit.solved
    return solved.rows.value / row_units(solved.table, variable_units(solved.table, solved.sample.cov))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("estimator", ["ML", "MLR", "GLS", "FIML", "WLS"])
def test_same_optimum(customers: pd.DataFrame, incomplete: pd.DataFrame, estimator: str, seed: int) -> None:
    frame = incomplete if estimator == "FIML" else customers
    options = {"estimator": "MLR", "missing": "fiml"} if estimator == "FIML" else {"estimator": estimator}
    plain = sm.fit(MODEL, frame, **options)
    scaled = sm.fit(MODEL, rescaled(frame, seed), **options)
    assert plain.status.converged
    assert scaled.status.converged
    assert scaled.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], rel=SAME_CHISQ)
    np.testing.assert_allclose(sizes(scaled), sizes(plain), atol=SAME_SIZE)
    ours, theirs = plain.estimates(), scaled.estimates()
    np.testing.assert_allclose(theirs["std_all"], ours["std_all"], atol=SAME_SIZE)
    np.testing.assert_allclose(theirs["z"].dropna(), ours["z"].dropna(), rtol=1e-5, atol=1e-6)
    if estimator in ("MLR", "FIML"):
        assert scaled.measures()["chisq_scaled"] == pytest.approx(plain.measures()["chisq_scaled"], rel=1e-6)


def test_in_groups_with_equal_loadings(customers: pd.DataFrame) -> None:
    options = {"group": "g", "group_equal": ("loadings", "intercepts")}
    plain = sm.fit(MODEL, customers, **options)
    scaled = sm.fit(MODEL, rescaled(customers, 7), **options)
    assert scaled.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], rel=SAME_CHISQ)
    np.testing.assert_allclose(scaled.estimates()["std_all"], plain.estimates()["std_all"], atol=SAME_SIZE)


@pytest.mark.parametrize("shift", [1e5, 1e6, 1e7])
def test_means_far_from_zero(incomplete: pd.DataFrame, shift: float) -> None:
    """A shift leaves moments with fewer digits: the search ends where these do, and says that it has."""
    items = [c for c in incomplete.columns if c not in ("g", "x")]
    plain = sm.fit(MODEL, incomplete, missing="fiml")
    far = sm.fit(MODEL, incomplete.assign(**{c: incomplete[c] + shift for c in items}), missing="fiml")
    assert far.status.converged
    assert far.solved.solution.iterations < 50
    assert far.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], abs=1e-6)
    np.testing.assert_allclose(sizes(far)[:9], sizes(plain)[:9], atol=1e-6)
