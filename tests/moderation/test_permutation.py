"""Permutation tests of groups: the labels' moments, exact levels, and what they find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.estimation.batches import Batch
from sem_models.inference.refits import row_values
from sem_models.moderation.permutation import Labels, labels_of, pvalue, where_groups_are_alike

MODEL = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X"
ALPHA = 0.1


def customers(
    seed: int, n: tuple[int, int] = (60, 40), *, loading: float = 0.8, path: float = 0.5
) -> pd.DataFrame:
    """Two groups with heavy-tailed items; the second one's x3 loading and path may differ."""
    rng = np.random.default_rng(seed)
    frames = []
    for label, size in zip("ab", n, strict=True):
        x = rng.normal(size=size)
        y = (path if label == "b" else 0.5) * x + 0.8 * rng.normal(size=size)
        last = loading if label == "b" else 0.8
        frame = {"x1": x, "x2": 0.9 * x, "x3": last * x, "y1": y, "y2": 0.9 * y, "y3": 0.8 * y}
        items = pd.DataFrame(frame) + 0.5 * rng.standard_t(4, size=(size, 6))
        frames.append((items + 3.0 * (label == "b")).assign(g=label))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def steps() -> Any:
    return sm.invariance(
        MODEL, customers(1, loading=0.1), group="g", levels=("configural", "metric", "scalar")
    )


def test_labelings_have_the_moments_of_their_rows() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(12, 2))
    labels = Labels(values, (7, 5), True, False)
    batch = next(labels.batches(4, np.random.default_rng(8), 4))
    assert isinstance(batch, Batch)
    order = np.random.default_rng(8).permuted(np.tile(np.arange(12), (4, 1)), axis=1)
    for b in range(4):
        for g, rows in enumerate(np.split(order[b], [7])):
            assert batch.mean[b, g] == pytest.approx(values[rows].mean(axis=0))
            assert batch.cov[b, g] == pytest.approx(np.cov(values[rows], rowvar=False, ddof=0))
    assert batch.share.tolist() == [[7 / 12, 5 / 12]] * 4


def test_refits_start_where_all_labelings_are(steps: Any) -> None:
    solved = steps.fits["configural"].solved
    there, curvature = where_groups_are_alike(solved, labels_of(solved, centered=True))
    implied = there.point.at
    assert implied.sigma[0] == pytest.approx(implied.sigma[1], rel=1e-5)
    assert np.linalg.eigvalsh(curvature)[0] > 0
    together = np.concatenate([x - x.mean(axis=0) for x in row_values(solved)])
    pooled = sm.fit(MODEL, pd.DataFrame(together, columns=solved.sample.variables), meanstructure=True)
    assert implied.sigma[0] == pytest.approx(pooled.solved.point.at.sigma[0], abs=1e-4)


def test_a_loading_that_differs_is_found_and_means_are_not(steps: Any) -> None:
    table = steps.permutation_tests(199, seed=1, progress=False)
    by = table.set_index(["level", "statistic"])
    assert by.loc[("metric", "chisq_diff"), "pvalue"] <= 0.02
    assert by.loc[("metric", "delta_cfi"), "pvalue"] <= 0.02
    assert by.loc[("configural", "chisq"), "pvalue"] > 0.05
    usual = steps.comparisons().set_index("level")
    assert by.loc[("metric", "chisq_diff"), "observed"] == pytest.approx(usual.loc["metric", "chisq_diff"])
    assert by.loc[("metric", "delta_cfi"), "observed"] == pytest.approx(usual.loc["metric", "delta_cfi"])
    assert by.loc[("metric", "delta_rmsea"), "observed"] == pytest.approx(usual.loc["metric", "delta_rmsea"])
    again = steps.permutation_tests(199, seed=1, progress=False)
    pd.testing.assert_frame_equal(table, again)


def test_missing_answers_keep_the_likelihood_ratio() -> None:
    frame = customers(2, (150, 150))
    holes = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.06)
    steps = sm.invariance(
        MODEL, holes.assign(g=frame["g"]), group="g", missing="fiml", levels=("configural", "metric")
    )
    table = steps.permutation_tests(99, seed=1, progress=False)
    assert table["statistic"].tolist() == ["chisq_diff"]
    assert table["permutations"].iloc[0] > 90
    assert 0.0 < table["pvalue"].iloc[0] <= 1.0


def test_a_path_that_differs_is_found() -> None:
    frame = customers(4, (80, 80), path=-0.5)
    groups = sm.moderate(
        MODEL, frame, method="groups", moderator="g", partial=False, levels=("configural", "metric")
    )
    table = groups.permutation_differences(199, seed=2, progress=False)
    row, usual = table.iloc[0], groups.differences().iloc[0]
    assert row["est"] == pytest.approx(usual["est"])
    assert row["z"] == pytest.approx(usual["z"], rel=1e-6)
    assert row["pvalue"] == pytest.approx(1 / 200)
    assert row["pvalue_family"] == row["pvalue"]


def test_p_counts_the_observed_labeling() -> None:
    assert pvalue(0, 99)[0] == 0.01
    assert pvalue(99, 99)[0] == 1.0
    assert np.isnan(pvalue(0, 0)[0])


@pytest.mark.slow
def test_the_level_holds_in_small_groups_with_heavy_tails() -> None:
    """χ² of the plain likelihood ratio rejects too often there; permutations do not."""
    levels, paths = [], []
    for seed in range(60):
        frame = customers(1000 + seed, (35, 25))
        try:
            groups = sm.moderate(
                MODEL, frame, method="groups", moderator="g", partial=False, levels=("configural", "metric")
            )
            table = groups.invariance.permutation_tests(99, seed=seed, progress=False)
            levels.append(
                table.set_index(["level", "statistic"]).loc[("metric", "chisq_diff"), "pvalue"] <= ALPHA
            )
            paths.append(
                groups.permutation_differences(99, seed=seed, progress=False)["pvalue"].iloc[0] <= ALPHA
            )
        except sm.SEMError:
            continue
    assert len(levels) > 50
    bound = 3.0 * np.sqrt(ALPHA * (1 - ALPHA) / len(levels))
    assert abs(np.mean(levels) - ALPHA) < bound
    assert abs(np.mean(paths) - ALPHA) < bound


BAD: dict[str, tuple[dict[str, Any], int, str]] = {
    "few": ({}, 20, "at least 99"),
    "estimator": ({"estimator": "GLS"}, 99, "maximum likelihood"),
    "weights": ({"sampling_weights": "w", "estimator": "MLR"}, 99, "exchangeable"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str) -> None:
    options, n, says = BAD[case]
    frame = customers(1).assign(w=np.linspace(0.5, 1.5, 100))
    steps = sm.invariance(MODEL, frame, group="g", levels=("configural", "metric"), **options)
    with pytest.raises(sm.SpecError, match=says):
        steps.permutation_tests(n)
