"""Score tests along a covariate: their limits, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from sem_models.moderation.tree.fluctuation import (
    efficient_scores,
    fluctuation,
    tail_of_sup,
    tail_over_cuts,
)


@pytest.mark.parametrize("k", [1, 3])
def test_the_tail_is_that_of_simulated_bridges(k: int) -> None:
    """4,000 steps miss a little of the supremum; the 5 % point of 4,000 draws is known to ± .007."""
    rng, steps, largest = np.random.default_rng(k), 4_000, []
    t = np.arange(1, steps + 1) / steps
    inside = (t >= 0.15) & (t <= 0.85)
    for _ in range(8):
        walk = np.cumsum(rng.standard_normal((500, k, steps)) / np.sqrt(steps), axis=2)
        bridge = (walk - t * walk[..., -1:])[..., inside]
        lm = (bridge**2).sum(axis=1) / (t * (1 - t))[inside]
        largest.append(lm.max(axis=1))
    critical = float(np.quantile(np.concatenate(largest), 0.95))
    assert tail_of_sup(critical, k, 0.15, 0.85) == pytest.approx(0.05, abs=0.012)


def test_the_tail_falls_and_is_never_below_a_single_cut() -> None:
    at = [tail_of_sup(c, 3, 0.1, 0.9) for c in (1.0, 5.0, 10.0, 20.0, 60.0)]
    assert at == sorted(at, reverse=True)
    assert at[0] == 1.0
    assert at[-1] >= chi2.sf(60.0, 3)
    assert tail_of_sup(7.0, 2, 0.5, 0.5) == pytest.approx(chi2.sf(7.0, 2))


def test_one_cut_is_a_chi_square_and_more_cuts_ask_for_more() -> None:
    assert tail_over_cuts(6.0, 2, (0.4,)) == pytest.approx(chi2.sf(6.0, 2))
    several = tail_over_cuts(6.0, 2, (0.2, 0.4, 0.6, 0.8))
    assert chi2.sf(6.0, 2) < several < 4 * chi2.sf(6.0, 2)


def test_many_cuts_are_nearly_continuous() -> None:
    shares = tuple(np.round(np.linspace(0.15, 0.85, 141), 4))
    assert tail_over_cuts(11.72, 2, shares) == pytest.approx(0.05, abs=0.015)


def test_efficient_scores_are_free_of_the_others() -> None:
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4))
    white = efficient_scores(raw, np.array([1, 3]))
    assert white.T @ white / 400 == pytest.approx(np.eye(2), abs=1e-10)
    others = (raw - raw.mean(axis=0))[:, [0, 2]]
    assert white.T @ others == pytest.approx(np.zeros((2, 2)), abs=1e-8)


def test_statistics_by_hand() -> None:
    scores = np.array([[1.0], [1.0], [-1.0], [-1.0]])
    codes = np.array([0, 0, 1, 1])
    ordered = fluctuation(scores, codes, "ordered", 1)
    assert ordered is not None
    assert ordered.statistic == pytest.approx((2 / np.sqrt(4)) ** 2 / 0.25)
    assert ordered.pvalue == pytest.approx(chi2.sf(4.0, 1))
    same = fluctuation(scores, codes, "categorical", 1)
    assert same is not None
    assert same.statistic == pytest.approx(4.0)
    assert fluctuation(scores, codes, "ordered", 3) is None


@pytest.mark.parametrize("scale", ["continuous", "ordered", "categorical"])
def test_the_level_holds_under_independence(scale: str) -> None:
    rng = np.random.default_rng(7)
    rejected = []
    for _ in range(400):
        scores = efficient_scores(rng.normal(size=(200, 3)), np.array([0, 1]))
        codes = np.arange(200) if scale == "continuous" else rng.integers(0, 4, 200)
        found = fluctuation(scores, codes, scale, 20)  # type: ignore[arg-type]
        assert found is not None
        rejected.append(found.pvalue < 0.05)
    assert np.mean(rejected) < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(rejected) > 0.01
