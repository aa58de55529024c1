"""Kernel, bandwidth and effective sizes by hand; local moments against weighted regression."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sem_models.errors import DataError, SpecError
from sem_models.moderation.local.kernel import (
    Window,
    bandwidth_of,
    effective_sizes,
    focal_points,
    kernel_weights,
)
from sem_models.moderation.local.moments import CompleteRows, slopes_at, smooth_means

EXACT = 1e-12
"""Relative agreement of two ways to the same sums."""

ITERATED = 1e-4
"""Agreement of a slope by expectation–maximization with a closed form that it converges to."""


def test_kernels_by_hand() -> None:
    m, grid = np.array([0.0, 1.0, 3.0]), np.array([1.0])
    assert kernel_weights(m, grid, 2.0, "gaussian") == pytest.approx(
        np.array([[np.exp(-0.125), 1.0, np.exp(-0.5)]]), rel=EXACT
    )
    assert kernel_weights(m, grid, 2.0, "epanechnikov") == pytest.approx(np.array([[0.75, 1.0, 0.0]]))
    assert kernel_weights(m, grid, 1.5, "uniform") == pytest.approx(np.array([[1.0, 1.0, 0.0]]))


def test_effective_sizes_by_hand() -> None:
    sums, kish = effective_sizes(np.array([[1.0, 0.5, 0.5], [1.0, 0.0, 0.0]]))
    assert sums == pytest.approx([2.0, 1.0])
    assert kish == pytest.approx([4.0 / 1.5, 1.0])


def test_bandwidth_is_h_sd_n() -> None:
    m = np.array([1.0, 2.0, 3.0, 4.0])
    assert bandwidth_of(m, np.ones(4), 1.1, None) == pytest.approx(1.1 * np.sqrt(1.25) * 4**-0.2)
    assert bandwidth_of(m, np.ones(4), 1.1, 0.7) == 0.7
    doubled = bandwidth_of(m, np.array([2.0, 0.0, 0.0, 2.0]), 1.0, None)
    assert doubled == pytest.approx(1.5 * 4**-0.2)


def test_grid_runs_between_quantiles() -> None:
    m = np.arange(101.0)
    assert focal_points(m, 3, (0.1, 0.9), "m") == pytest.approx([10.0, 50.0, 90.0])
    assert focal_points(m, [30.0, 10.0, 10.0], (0.1, 0.9), "m") == pytest.approx([10.0, 30.0])
    with pytest.raises(DataError, match=r"1 of 2 focal points \(200\) lie outside"):
        focal_points(m, [10.0, 200.0], (0.1, 0.9), "m")
    with pytest.raises(SpecError, match="two quantiles"):
        focal_points(m, 3, (0.9, 0.1), "m")


def test_shares_add_up_and_follow_the_density() -> None:
    m = np.random.default_rng(1).normal(size=400)
    share = Window(np.array([-1.0, 0.0, 1.0]), 0.3, "gaussian", m, np.ones(400)).density()
    assert share.sum() == pytest.approx(1.0)
    assert share[1] > share[0]
    assert share[1] > share[2]


@pytest.mark.parametrize("line", [False, True])
def test_local_moments_are_those_of_weighted_regression(clients: pd.DataFrame, line: bool) -> None:
    y, m = clients[["e1", "p1", "b1"]].to_numpy(), clients["tenure"].to_numpy()
    weights = kernel_weights(m, np.array([5.0, 8.0]), 0.8, "gaussian")
    for w, at in zip(weights, (5.0, 8.0), strict=True):
        cov, mean = CompleteRows(y, line).moments(w[None], m - at)
        design = np.column_stack([np.ones(len(m)), m - at])[:, : 1 + line]
        beta = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w[:, None] * y))
        residual = y - design @ beta
        assert mean[0] == pytest.approx(beta[0], rel=EXACT)
        assert cov[0] == pytest.approx(residual.T @ (w[:, None] * residual) / w.sum(), rel=1e-10)


def test_slopes_of_incomplete_rows_go_over_into_those_of_complete_ones(clients: pd.DataFrame) -> None:
    y, m = clients[["e1", "p1", "b1"]].to_numpy(), clients["tenure"].to_numpy()
    weights = kernel_weights(m, np.array([5.0, 8.0]), 0.8, "gaussian")
    complete = slopes_at(y, m, weights)
    holed = y.copy()
    holed[0, 0] = np.nan
    light = weights.copy()
    light[:, 0] = 1e-12  # the row with the hole does not count, so the answer is known
    assert slopes_at(holed, m, light) == pytest.approx(slopes_at(y, m, light), abs=ITERATED)
    assert complete.shape == (2, 3)


def test_smooth_means_keep_a_line_and_leave_out_missing_answers() -> None:
    m = np.random.default_rng(2).uniform(0, 10, 300)
    y = np.column_stack([1 + 0.5 * m, 3 - m])
    y[::7, 0] = np.nan
    found = smooth_means(y, m, np.ones(300), 0.6)
    assert found == pytest.approx(np.column_stack([1 + 0.5 * m, 3 - m]), abs=1e-6)
