"""Products of scores lose their measurement error row by row, whatever the constructs' distribution."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from sem_models.moderation.two_stage.unbiased import (
    Scores,
    Unbiased,
    casewise_covariances,
    monomials_of,
    product_moments,
)

ROUNDING = 1e-10
GAMMA = np.array([[0.5, 0.2], [0.2, 0.8]])


def over_errors(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores at the nodes of a Gauss–Hermite rule for e ~ N(0, Γ), with their weights."""
    nodes, weight = np.polynomial.hermite_e.hermegauss(8)
    root = np.linalg.cholesky(GAMMA)
    e = np.array([root @ np.array(pair) for pair in product(nodes, nodes)])
    w = np.array([a * b for a, b in product(weight, weight)]) / (2 * np.pi)
    return eta + e, w


@pytest.mark.parametrize("monomial", [(0,), (0, 1), (0, 0), (0, 0, 1), (0, 1, 1, 1), (0, 0, 0, 1, 1, 1)])
def test_the_expectation_over_the_errors_is_the_product_of_the_constructs(monomial: tuple[int, ...]) -> None:
    eta = np.array([1.3, -0.7])
    scores, weight = over_errors(eta)
    value = Unbiased(Scores(scores, GAMMA[None], np.zeros(len(scores), dtype=int)))(monomial)
    assert weight @ value == pytest.approx(np.prod(eta[list(monomial)]), abs=ROUNDING)


def test_a_product_of_two_by_hand() -> None:
    scores = Scores(np.array([[2.0, 3.0]]), GAMMA[None], np.zeros(1, dtype=int))
    value = Unbiased(scores)
    assert value((0, 1))[0] == pytest.approx(2.0 * 3.0 - 0.2)
    assert value((0, 0))[0] == pytest.approx(2.0**2 - 0.5)
    assert value((0, 0, 1))[0] == pytest.approx(2.0**2 * 3.0 - 0.5 * 3.0 - 2.0 * 0.2 * 2.0)


def test_every_pattern_of_answers_has_its_own_error() -> None:
    errors = np.stack([GAMMA, 2.0 * GAMMA])
    scores = Scores(np.array([[1.0, 1.0], [1.0, 1.0]]), errors, np.array([0, 1]))
    assert Unbiased(scores)((0, 1)).tolist() == pytest.approx([0.8, 0.6])


def test_without_error_the_moments_are_the_sample_s() -> None:
    rng = np.random.default_rng(1)
    f = rng.normal(size=(50, 2))
    whole = np.column_stack([f, f[:, 0] * f[:, 1], f[:, 0] ** 2])
    scores = Scores(f, np.zeros((1, 2, 2)), np.zeros(50, dtype=int))
    monomials = monomials_of(2, [(0, 1), (0, 0)])
    found = product_moments(scores, monomials)
    assert found.mean == pytest.approx(whole.mean(axis=0))
    assert found.cov == pytest.approx(np.cov(whole, rowvar=False, ddof=0))
    centered = whole - whole.mean(axis=0)
    i, j = np.tril_indices(4)
    parts = centered[:, i] * centered[:, j]
    assert casewise_covariances(scores, monomials) == pytest.approx(parts - parts.mean(axis=0))
