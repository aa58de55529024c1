"""Few matrices go to LAPACK one by one, many to NumPy: both must say the same, of failures too."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.linear_algebra import FEW, factored, in_units, inverse, is_positive, positive_inverse

MANY = FEW + 3
ROUNDING = 1e-12
"""Agreement of two algorithms on well-conditioned matrices."""


def positive(count: int, m: int = 6) -> np.ndarray:
    factors = np.random.default_rng(1).normal(size=(count, m, 3 * m))
    return factors @ np.swapaxes(factors, -1, -2) / (3 * m)


@pytest.mark.parametrize("count", [1, FEW, MANY])
def test_inverses_of_few_and_of_many(count: int) -> None:
    matrices = positive(count)
    general = matrices + np.triu(matrices, 1)
    found, log_det = positive_inverse(matrices)
    np.testing.assert_allclose(found @ matrices, np.broadcast_to(np.eye(6), matrices.shape), atol=ROUNDING)
    np.testing.assert_array_equal(found, np.swapaxes(found, -1, -2))
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrices)[1], rtol=ROUNDING)
    np.testing.assert_allclose(inverse(general), np.linalg.inv(general), rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("count", [1, MANY])
def test_leading_axes_are_kept(count: int) -> None:
    matrices = positive(2 * count).reshape(count, 2, 6, 6)
    found, log_det = positive_inverse(matrices)
    assert found.shape == inverse(matrices).shape == matrices.shape
    assert log_det.shape == (count, 2)


@pytest.mark.parametrize("count", [1, MANY])
def test_one_bad_matrix_is_an_error(count: int) -> None:
    matrices = positive(count)
    matrices[-1, 0] = matrices[-1, :, 0] = 0.0
    with pytest.raises(np.linalg.LinAlgError):
        inverse(matrices)
    matrices[-1, 0, 0] = -1.0
    with pytest.raises(np.linalg.LinAlgError):
        positive_inverse(matrices)


def test_no_variables_at_all() -> None:
    assert inverse(np.zeros((1, 0, 0))).shape == (1, 0, 0)


def test_factor_solves_and_knows_what_is_singular() -> None:
    matrix, right = positive(1)[0], np.arange(1.0, 1.0 + len(positive(1)[0]))
    found = factored(matrix)
    np.testing.assert_allclose(matrix @ found.solve(right), right, rtol=1e-9)
    assert found.pivot == pytest.approx(np.linalg.cholesky(in_units(matrix, found.units)).diagonal().min())
    eased = matrix + 0.5 * np.diag(matrix.diagonal())
    np.testing.assert_allclose(eased @ factored(matrix, ridge=0.5).solve(right), right, rtol=1e-9)
    assert factored(-matrix).pivot == 0.0
    assert factored(np.zeros((3, 3))).pivot == 0.0
    assert factored(np.zeros((0, 0))).pivot == np.inf


def test_is_positive() -> None:
    matrix = positive(1)[0]
    smallest = np.linalg.eigvalsh(matrix)[0] * np.eye(len(matrix))
    assert is_positive(matrix - (1 - 1e-9) * smallest)
    assert not is_positive(matrix - (1 + 1e-9) * smallest)


@pytest.mark.parametrize("at", [0, 3, -1])
def test_what_is_not_a_number_is_not_positive(at: int) -> None:
    """LAPACK reports no failure there."""
    matrix = positive(1)[0]
    matrix[at, at] = np.nan
    assert not is_positive(matrix)
    assert np.isnan(factored(matrix).pivot)


def test_in_units_of_standard_deviations() -> None:
    correlations = in_units(positive(1)[0], np.sqrt(positive(1)[0].diagonal()))
    np.testing.assert_allclose(correlations.diagonal(), 1.0, rtol=ROUNDING)
