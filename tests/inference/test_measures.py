"""Fit measures as functions of numbers: bounds, limits, and SciPy's distributions."""

from __future__ import annotations

from math import exp, isnan, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, ncx2

from sem_models.inference import measures as m
from sem_models.inference.test_statistics import upper_tail

chisq = st.floats(0.0, 5e3)
df = st.integers(1, 400)


@given(chisq, df, st.floats(1.0, 1e5), df)
def test_cfi_lies_between_zero_and_one(x2: float, k: int, b2: float, kb: int) -> None:
    assert 0.0 <= m.cfi(x2, k, b2, kb) <= 1.0


def test_incremental_indices_by_hand() -> None:
    """χ² = 60 on 40 against 500 on 55."""
    args = (60.0, 40, 500.0, 55)
    assert m.cfi(*args) == pytest.approx(1 - 20 / 445)
    assert m.rni(*args) == pytest.approx(m.cfi(*args))
    assert m.tli(*args) == pytest.approx((500 / 55 - 60 / 40) / (500 / 55 - 1))
    assert m.nfi(60, 500) == pytest.approx(0.88)
    assert m.rfi(*args) == pytest.approx((500 / 55 - 60 / 40) / (500 / 55))
    assert m.ifi(60, 40, 500) == pytest.approx(440 / 460)


def test_perfect_and_saturated_models() -> None:
    assert m.cfi(10.0, 40, 500.0, 55) == 1.0
    assert m.tli(0.0, 0, 500.0, 55) == 1.0
    assert m.rmsea(0.0, 0, 200, 1) == 0.0
    assert m.rmsea(30.0, 40, 200, 1) == 0.0
    assert m.rmsea_interval(0.0, 0, 200, 1) == (0.0, 0.0)
    assert isnan(m.rmsea_close(0.0, 0, 200, 1, against=0.05))
    assert isnan(m.critical_n(0.0, 0, 200, 0.05))
    assert isnan(m.nfi(0.0, 0.0))
    assert isnan(m.rfi(3.0, 1, 0.0, 0))


@given(x2=st.floats(1.0, 2e3), k=st.integers(1, 300), n=st.integers(50, 5000), g=st.integers(1, 4))
def test_rmsea_interval_inverts_the_noncentral_distribution(x2: float, k: int, n: int, g: int) -> None:
    """At each limit the statistic is the 5 % or 95 % point; at zero it lies outside already."""
    low, high = m.rmsea_interval(x2, k, n, g)
    assert low <= m.rmsea(x2, k, n, g) + 1e-9
    assert low <= high
    for limit, tail in ((low, 0.95), (high, 0.05)):
        noncentrality = limit**2 * n * k / g
        if limit > 0:
            assert ncx2.cdf(x2, k, noncentrality) == pytest.approx(tail, abs=1e-6)
        else:
            assert chi2.cdf(x2, k) <= tail + 1e-9


def test_rmsea_by_hand_and_groups() -> None:
    assert m.rmsea(60.0, 40, 200, 1) == pytest.approx(sqrt(20 / (200 * 40)))
    assert m.rmsea(60.0, 40, 200, 2) == pytest.approx(sqrt(2) * m.rmsea(60.0, 40, 200, 1))


@given(x2=st.floats(1.0, 500.0), k=st.integers(1, 100), n=st.integers(50, 2000))
def test_close_fit_probabilities(x2: float, k: int, n: int) -> None:
    close = m.rmsea_close(x2, k, n, 1, against=0.05)
    assert close == pytest.approx(ncx2.sf(x2, k, n * k * 0.05**2), abs=1e-8)
    assert m.rmsea_notclose(x2, k, n, 1, against=0.08) == pytest.approx(
        ncx2.cdf(x2, k, n * k * 0.08**2), abs=1e-8
    )


def test_information_criteria_by_hand() -> None:
    assert m.aic(-100.0, 10) == 220.0
    assert m.bic(-100.0, 10, exp(5)) == pytest.approx(250.0)
    assert m.bic_adjusted(-100.0, 10, 24 * exp(2) - 2) == pytest.approx(220.0)


def test_critical_n_is_where_the_statistic_turns_significant() -> None:
    x2, k, n = 60.0, 40, 200
    critical = m.critical_n(x2, k, n, 0.05)
    assert chi2.sf((critical - 1) * x2 / n, k) == pytest.approx(0.05)


def test_gfi_and_its_bounds() -> None:
    assert m.gfi(0.0, 9, 0.0) == 1.0
    assert m.gfi(3.0, 9, 5.0) == 1.0
    assert m.gfi(3.0, 9, 1.0) == pytest.approx(9 / 11)
    assert m.mfi(60.0, 40, 200) == pytest.approx(exp(-0.05))
    assert m.ecvi(60.0, 30, 200) == pytest.approx(0.6)


def test_tail_keeps_tiny_probabilities() -> None:
    """`1 − cdf` would be zero here."""
    assert upper_tail(900.0, 10) == pytest.approx(chi2.sf(900.0, 10), rel=1e-10)
    assert upper_tail(900.0, 10) > 0
    assert isnan(upper_tail(3.0, 0))
