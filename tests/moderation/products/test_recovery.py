"""Product indicators recover a latent interaction that is known: bias, errors, coverage, type I error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sem_models as sm

from .conftest import MODEL, customers

DRAWS = 150
TRUTH = 0.25
WAYS: dict[str, dict[str, Any]] = {
    "all pairs": {"estimator": "MLR"},
    "matched": {"estimator": "MLR", "match": True},
    "by loading": {"estimator": "MLR", "match": "loading"},
    "rca": {"estimator": "MLR", "method": "rca"},
    "ca": {"method": "ca"},
    "ca, all pairs": {"method": "ca", "match": "all"},
}
TEXT = MODEL + "Y ~ t + X:t"


@pytest.fixture(scope="module")
def drawn() -> dict[str, np.ndarray]:
    """Estimates and errors of X:Z by way, (draws, 2); the columns' moderator is left out under "ca"."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for seed in range(DRAWS):
        data = customers(500, seed)
        data["t"] = data["t"] - 6.0
        for name, options in WAYS.items():
            text = MODEL if options.get("method") == "ca" else TEXT
            result = sm.moderate(text, data, **options)
            assert result.status.converged, (seed, name)
            table = result.estimates()
            row = table[(table["op"] == "~") & (table["rhs"] == "X:Z")].iloc[0]
            found[name].append((row["est"], row["se"]))
    return {name: np.array(rows) for name, rows in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_interaction_is_recovered(drawn: dict[str, np.ndarray], way: str) -> None:
    est, se = drawn[way].T
    spread = est.std(ddof=1)
    assert abs(est.mean() - TRUTH) < 3.5 * spread / np.sqrt(DRAWS) + 0.02 * TRUTH  # consistent, not unbiased
    assert 0.85 < se.mean() / spread < 1.15
    covered = (np.abs(est - TRUTH) < 1.96 * se).mean()
    assert covered > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / DRAWS)


@pytest.mark.slow
def test_more_pairs_are_no_less_precise(drawn: dict[str, np.ndarray]) -> None:
    """All pairs use what matched pairs leave out; both estimate the same."""
    one, other = drawn["all pairs"][:, 0], drawn["matched"][:, 0]
    assert one.std() < 1.05 * other.std()
    assert np.corrcoef(one, other)[0, 1] > 0.8
    assert drawn["ca, all pairs"][:, 0].std() < 1.05 * drawn["ca"][:, 0].std()


@pytest.mark.slow
def test_no_interaction_is_found_where_there_is_none() -> None:
    rejected = []
    for seed in range(DRAWS):
        data = customers(400, 1000 + seed)
        rng = np.random.default_rng(seed)
        # outcome items of other customers: nothing predicts them
        order = rng.permutation(len(data))
        data[["y1", "y2", "y3"]] = data[["y1", "y2", "y3"]].to_numpy()[order]
        result = sm.moderate(MODEL, data, match=True, estimator="MLR")
        table = result.estimates()
        rejected.append(table.loc[(table["op"] == "~") & (table["rhs"] == "X:Z"), "pvalue"].iloc[0] < 0.05)
    assert np.mean(rejected) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / DRAWS)
