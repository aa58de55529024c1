"""Sums over rows in pieces, patterns of many rows, and the hash of our own copy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.observed import pattern_moments, rows
from sem_models.observed.fourth_moments import asymptotic_covariance
from sem_models.observed.rows import Rows, score_products, walk
from sem_models.observed.sample import sample_from_data

NAMES = tuple(f"v{i}" for i in range(10))
MODEL = "f =~ v0 + v1 + v2 + v3\ng =~ v4 + v5 + v6 + v7\ng ~ f"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(31)
    common = rng.normal(size=(600, 1))
    frame = pd.DataFrame(common + rng.normal(size=(600, 10)), columns=list(NAMES))
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    frame["w"] = rng.uniform(0.2, 2.0, size=600)
    frame["c"] = rng.integers(0, 40, size=600)
    return frame


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
@pytest.mark.parametrize("design", [{}, {"sampling_weights": "w"}, {"cluster": "c"}])
def test_pieces_of_any_size_give_the_same(
    data: pd.DataFrame, missing: str, design: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large data are walked by pattern in small pieces; small data at once."""
    at_once = sm.fit(MODEL, data, estimator="MLR", missing=missing, **design)
    expected = at_once.vcov().to_numpy(), at_once.measures()
    monkeypatch.setattr(rows, "MANY", 50)
    monkeypatch.setattr(rows.pieces, "__defaults__", (17,))
    monkeypatch.setattr(pattern_moments, "AT_ONCE", 0)
    in_pieces = sm.fit(MODEL, data, estimator="MLR", missing=missing, **design)
    np.testing.assert_allclose(in_pieces.vcov(), expected[0], rtol=1e-7, atol=1e-12)
    pd.testing.assert_series_equal(in_pieces.measures(), expected[1], rtol=1e-7, atol=1e-9)


def test_walk_covers_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MANY", 5)
    pattern = np.array([2, 0, 2, 1, 1, 0, 2, 2], dtype=np.intp)
    block = Rows(np.zeros((8, 2)), np.arange(8), pattern)
    found = [np.arange(8)[piece] for piece in walk(block)]
    assert sorted(np.concatenate(found).tolist()) == list(range(8))
    assert all(len(set(pattern[piece].tolist())) == 1 for piece in found)


def test_products_of_weighted_and_clustered_scores() -> None:
    """Against sums written out."""
    rng = np.random.default_rng(5)
    scores, weight = rng.normal(size=(12, 3)), rng.uniform(0.5, 2, size=12)
    cluster = np.array([0, 1, 2, 2, 1, 0, 3, 3, 3, 0, 1, 2])
    plain = Rows(scores, np.arange(12), np.zeros(12, dtype=np.intp), weight)
    expected = sum(w * w * np.outer(s, s) for w, s in zip(weight, scores, strict=True))
    np.testing.assert_allclose(score_products(plain, lambda piece: scores[piece], 3), expected)
    grouped = Rows(scores, np.arange(12), np.zeros(12, dtype=np.intp), weight, cluster)
    sums = [(weight[:, None] * scores)[cluster == c].sum(axis=0) for c in range(4)]
    expected = 4 / 3 * sum(np.outer(s, s) for s in sums)
    np.testing.assert_allclose(score_products(grouped, lambda piece: scores[piece], 3), expected)


def test_fourth_moments_given_covariates() -> None:
    """Γ of what covariates leave, written out; the rows and columns of the covariates themselves are zero."""
    rng = np.random.default_rng(8)
    values = rng.standard_t(6, size=(50, 3)) @ rng.normal(size=(3, 3))
    block = Rows(values, np.arange(50), np.zeros(50, dtype=np.intp))
    gamma = asymptotic_covariance(block, np.array([2]))
    centered = values - values.mean(axis=0)
    fitted = np.outer(centered[:, 2], centered[:, 2] @ centered / (centered[:, 2] @ centered[:, 2]))
    i, j = np.tril_indices(3)
    products = centered[:, i] * centered[:, j] - fitted[:, i] * fitted[:, j]
    parts = np.concatenate([products - products.mean(axis=0), centered - fitted], axis=1)
    np.testing.assert_allclose(gamma, parts.T @ parts / 50, atol=1e-10)
    np.testing.assert_allclose(gamma[[5, 8]], 0.0, atol=1e-12)


def test_weighted_moments() -> None:
    rng = np.random.default_rng(9)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=list("abc")).assign(w=rng.uniform(0.1, 3, 40))
    sample = sample_from_data(frame, ("a", "b", "c"), missing="listwise", sampling_weights="w")
    values, weight = frame[["a", "b", "c"]].to_numpy(), frame["w"].to_numpy()
    np.testing.assert_allclose(sample.mean[0], np.average(values, axis=0, weights=weight))
    np.testing.assert_allclose(sample.cov[0], np.cov(values.T, aweights=weight, ddof=0))
    assert sample.n == pytest.approx(40)


def test_many_items_have_patterns_too() -> None:
    """More than 64 items: sets of observed variables are longer than one machine word."""
    rng = np.random.default_rng(10)
    values = rng.normal(size=(300, 70))
    values[::3, 69] = np.nan
    values[1::3, 0] = np.nan
    patterns, (member,) = pattern_moments.group_patterns([values], [None])
    assert patterns.size.tolist() == [100.0, 100.0, 100.0]
    np.testing.assert_array_equal(patterns.seen[member], ~np.isnan(values))


def test_the_hash_is_of_our_own_copy(data: pd.DataFrame) -> None:
    """Asked for after the data frame was changed, it is still that of the data the fit has seen."""
    complete = data[list(NAMES[:8])].dropna()
    expected = sm.fit(MODEL, complete).provenance["data_hash"]
    changing = complete.copy()
    fit = sm.fit(MODEL, changing)
    changing.loc[:, :] = 0.0
    assert fit.provenance["data_hash"] == expected
    assert "data_hash" in fit.provenance
    assert dict(fit.provenance)["data_hash"] == expected
    assert sm.fit(MODEL, complete.iloc[::-1]).provenance["data_hash"] != expected


def test_the_hash_knows_weights_and_clusters(data: pd.DataFrame) -> None:
    plain = sm.fit(MODEL, data, missing="fiml").provenance["data_hash"]
    weighted = sm.fit(MODEL, data, missing="fiml", sampling_weights="w").provenance["data_hash"]
    clustered = sm.fit(MODEL, data, missing="fiml", cluster="c").provenance["data_hash"]
    assert len({plain, weighted, clustered}) == 3
