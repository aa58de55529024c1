"""Columns of product indicators against sums worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sem_models.moderation.products.columns import product_columns, weighted_mean

X = np.array([1.0, 2.0, 6.0, 3.0])
Z = np.array([0.0, 4.0, 2.0, 2.0])
ITEMS = np.column_stack([X, Z])


def _columns(items: np.ndarray, how: str, **more: np.ndarray) -> np.ndarray:
    return product_columns(items, [(0, 1)], [(0, 1)], how=how, **more)[:, 0]  # type: ignore[arg-type]


def test_items_are_centered_and_products_centered_again() -> None:
    by_hand = np.array([-2.0 * -2.0, -1.0 * 2.0, 3.0 * 0.0, 0.0 * 0.0])
    assert _columns(ITEMS, "items") == pytest.approx(by_hand)
    assert _columns(ITEMS, "double") == pytest.approx(by_hand - 0.5)


def test_a_residual_is_orthogonal_to_the_items() -> None:
    rng = np.random.default_rng(1)
    items = rng.normal(size=(50, 2)) + 3.0
    left = _columns(items, "residual")
    assert np.column_stack([np.ones(50), items]).T @ left == pytest.approx(np.zeros(3), abs=1e-10)
    product = items.prod(axis=1)
    design = np.column_stack([np.ones(50), items])
    assert left == pytest.approx(product - design @ np.linalg.lstsq(design, product, rcond=None)[0])


def test_missing_answers_leave_their_products_missing_and_means_over_the_rest() -> None:
    items = np.column_stack([np.append(X, np.nan), np.append(Z, 7.0)])
    found = _columns(items, "double")
    centered = (X - 3.0) * (Z - 3.0)
    assert np.isnan(found[4])
    assert found[:4] == pytest.approx(centered - centered.mean())


def test_a_residual_needs_all_items_of_its_product() -> None:
    rng = np.random.default_rng(2)
    items = rng.normal(size=(30, 3))
    items[4, 2] = np.nan
    found = product_columns(items, [(0, 1)], [(0, 1, 2)], how="residual")[:, 0]
    assert np.flatnonzero(np.isnan(found)).tolist() == [4]


def test_groups_are_centered_apart_and_rows_without_group_left_out() -> None:
    items = np.concatenate([ITEMS, ITEMS + 10.0, [[5.0, 5.0]]])
    membership = np.repeat([0, 1, -1], [4, 4, 1])
    found = _columns(items, "double", membership=membership)
    alone = _columns(ITEMS, "double")
    assert found[:8] == pytest.approx(np.tile(alone, 2))
    assert np.isnan(found[8])


def test_weights_count_as_repeated_rows() -> None:
    weight = np.array([1.0, 3.0, 2.0, 1.0])
    times = weight.astype(int)
    for how in ("double", "residual", "items"):
        repeated = _columns(np.repeat(ITEMS, times, axis=0), how)
        assert np.repeat(_columns(ITEMS, how, weight=weight), times) == pytest.approx(repeated, abs=1e-12)


def test_a_column_without_answers_has_no_mean() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    assert weighted_mean(values, np.ones(2)) == pytest.approx([2.0, np.nan], nan_ok=True)
