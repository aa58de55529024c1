"""Thresholds, correlations of latent responses and their Γ, against lavaan 0.6-14 and against themselves."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.model.ordinal import layout_of
from sem_models.observed.ordinal_moments import group_moments
from tests.inference.items import survey

STATISTIC, GAMMA = 1e-7, 1e-6
"""The reference's search for a correlation stops about 1e-8 from the maximum."""

# lavInspect(cfa("F =~ u1+u2+y1", d, ordered = c("u1","u2")), "wls.obs") and the diagonal of "gamma"; then
# the same with F ~ x
PLAIN = [
    -1.001331298, 0.0, 0.841621234, -0.512453961, 0.610294610, -0.999999996, 1.301078877, 0.610422744,
    0.697508924, 0.489945517,
]  # fmt: skip
PLAIN_GAMMA = [
    2.28214877, 1.57079633, 2.04137154, 1.72920460, 1.80080174, 1.32938368, 2.69624576, 0.62441065,
    1.20265960, 1.27464312,
]  # fmt: skip
GIVEN_X = [
    -1.001443503, -0.000066386, 0.841745458, -0.512882669, 0.610617407, -0.999999996, -0.013028340,
    0.036604504, -0.058086172, 1.297722917, 0.611897765, 0.698400248, 0.495215996,
]  # fmt: skip
GIVEN_X_GAMMA = [
    2.28362119, 1.57196823, 2.04199539, 1.72840560, 1.80567552, 1.35717066, 1.16247741, 1.22552105,
    1.08588095, 3.06988989, 0.61076707, 1.18062577, 1.31544484,
]  # fmt: skip


def columns() -> np.ndarray:
    data = survey()
    return np.column_stack([data["u1"] - 1, data["u2"] - 1, data["y1"]]).astype(float)


def test_agrees_with_lavaan() -> None:
    found = group_moments(columns(), layout_of([4, 3, 1], 0))
    np.testing.assert_allclose(found.statistics, PLAIN, atol=STATISTIC)
    np.testing.assert_allclose(np.diag(found.gamma), PLAIN_GAMMA, rtol=GAMMA)
    assert found.gamma[0, 3] == pytest.approx(0.711764917, abs=GAMMA)
    assert found.gamma[7, 8] == pytest.approx(0.215110694, abs=GAMMA)
    assert found.gamma[8, 6] == pytest.approx(1.165728631, abs=GAMMA)


def test_agrees_with_lavaan_given_a_covariate() -> None:
    x = survey()[["x"]].to_numpy()
    found = group_moments(columns(), layout_of([4, 3, 1], 1), x)
    np.testing.assert_allclose(found.statistics, GIVEN_X, atol=2e-5)  # its probit stops early
    np.testing.assert_allclose(np.diag(found.gamma), GIVEN_X_GAMMA, rtol=1e-4)
    assert found.gamma[0, 7] == pytest.approx(0.141047630, abs=1e-4)
    assert found.gamma[11, 8] == pytest.approx(-0.282535568, abs=1e-4)


def test_a_polychoric_of_two_by_two_categories_is_the_tetrachoric() -> None:
    """Both margins halved: P(1, 1) = ¼ + arcsin ρ / 2π (Sheppard, 1899)."""
    table = np.array([[40, 10], [10, 40]])
    rows = [(a, b) for a in (0, 1) for b in (0, 1) for _ in range(table[a, b])]
    found = group_moments(np.array(rows, dtype=float), layout_of([2, 2], 0))
    assert found.statistics[2] == pytest.approx(np.sin(2 * np.pi * (0.4 - 0.25)), abs=1e-10)


def test_an_empty_cell_of_two_by_two_gets_one_half() -> None:
    """Margins kept: the same ρ as that of the table with the half moved by hand, up to whole numbers."""
    table, doubled = np.array([[12, 0], [20, 30]]), np.array([[23, 1], [41, 59]])

    def rho(counts: np.ndarray) -> tuple[float, int]:
        rows = [(a, b) for a in (0, 1) for b in (0, 1) for _ in range(counts[a, b])]
        found = group_moments(np.array(rows, dtype=float), layout_of([2, 2], 0))
        return float(found.statistics[2]), found.empty

    assert rho(table)[0] == pytest.approx(rho(doubled)[0], abs=1e-9)
    assert (rho(table)[1], rho(doubled)[1]) == (1, 0)


def test_reversing_an_item_turns_its_signs_and_nothing_else() -> None:
    values = columns()
    turned = values.copy()
    turned[:, 1] = 2 - turned[:, 1]
    layout = layout_of([4, 3, 1], 0)
    one, other = group_moments(values, layout), group_moments(turned, layout)
    np.testing.assert_allclose(other.statistics[3:5], -one.statistics[[4, 3]], atol=1e-12)
    np.testing.assert_allclose(other.statistics[7:], one.statistics[7:] * [-1, 1, -1], atol=1e-10)
    np.testing.assert_allclose(np.diag(other.gamma)[7:], np.diag(one.gamma)[7:], rtol=1e-8)


def test_gamma_is_the_variance_over_samples() -> None:
    """300 samples of 400: the statistics' variance is Γ/N, within what 300 samples can tell (4 σ)."""
    rng = np.random.default_rng(5)
    layout, n, draws = layout_of([4, 3, 1], 0), 400, 300
    chol = np.linalg.cholesky(np.array([[1, 0.5, 0.4], [0.5, 1, 0.3], [0.4, 0.3, 1]]))
    found, gamma = [], []
    for _ in range(draws):
        z = rng.normal(size=(n, 3)) @ chol.T
        values = np.column_stack([np.digitize(z[:, 0], [-1, 0, 1]), np.digitize(z[:, 1], [0, 1.2]), z[:, 2]])
        moments = group_moments(values, layout)
        found.append(moments.statistics)
        gamma.append(np.diag(moments.gamma))
    ratio = np.var(found, axis=0) * n / np.mean(gamma, axis=0)
    assert np.abs(ratio - 1).max() < 4 * np.sqrt(2 / draws)
    correlation = np.mean(found, axis=0)[-3:]
    np.testing.assert_allclose(correlation, [0.5, 0.4, 0.3], atol=0.012)


def test_pairwise_answers_use_every_row_that_answers_both() -> None:
    values = columns()
    values[:40, 2] = np.nan
    layout = layout_of([4, 3, 1], 0)
    some, complete = group_moments(values, layout), group_moments(values[40:], layout)
    everyone = group_moments(columns(), layout)
    np.testing.assert_allclose(some.statistics[:5], everyone.statistics[:5], atol=1e-12)
    assert some.statistics[7] == pytest.approx(everyone.statistics[7], abs=1e-10)
    assert some.statistics[5] == pytest.approx(complete.statistics[5], abs=1e-12)
