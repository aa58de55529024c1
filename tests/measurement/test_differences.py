from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from sem_models.errors import DataError
from sem_models.measurement.differences import eta_squared_interval, group_differences, scale_scores

SCALES = {"X": ["x1", "x2"], "Y": ["y1"], "Z": ["z1"]}


@pytest.fixture
def survey() -> pd.DataFrame:
    rng = np.random.default_rng(21)
    n = 90
    group = np.array(["active", "inactive", "new"])[np.arange(n) % 3]
    shift = np.where(group == "active", 1.0, 0.0)
    return pd.DataFrame(
        {
            "x1": rng.normal(size=n) + shift,
            "x2": rng.normal(size=n) + shift,
            "y1": rng.normal(size=n) * np.where(group == "new", 3, 1),
            "z1": rng.normal(size=n) + 0.7 * shift,
            "g": group,
        }
    )


def test_two_groups_against_scipy(survey: pd.DataFrame) -> None:
    two = survey[survey["g"] != "new"]
    table = group_differences(two, SCALES, "g").set_index("scale")
    scores = two[["x1", "x2"]].mean(axis=1)
    a, b = scores[two["g"] == "active"], scores[two["g"] == "inactive"]
    row = table.loc["X"]
    test = stats.ttest_ind(a, b, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert (row["group"], row["reference_group"], row["n"], row["n_reference"]) == (
        "active",
        "inactive",
        30,
        30,
    )
    assert row["difference"] == pytest.approx(a.mean() - b.mean())
    assert (row["t"], row["df"], row["pvalue"]) == pytest.approx((test.statistic, test.df, test.pvalue))
    assert (row["ci_lower"], row["ci_upper"]) == pytest.approx((interval.low, interval.high))
    pooled = np.sqrt((a.var() + b.var()) / 2)
    # Hedges (1981): g = d (1 − 3 / (4 N − 9)).
    assert row["hedges_g"] == pytest.approx((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * 60 - 9)))
    assert row["g_ci_lower"] < row["hedges_g"] < row["g_ci_upper"]


def test_holm_adjustment_over_the_scales(survey: pd.DataFrame) -> None:
    table = group_differences(survey[survey["g"] != "new"], SCALES, "g")
    p = table["pvalue"].to_numpy()
    order = np.argsort(p)
    expected = np.empty(3)
    expected[order] = np.minimum(np.maximum.accumulate(p[order] * [3, 2, 1]), 1)
    np.testing.assert_allclose(table["pvalue_holm"], expected)


def test_the_reference_group_sets_the_sign(survey: pd.DataFrame) -> None:
    two = survey[survey["g"] != "new"]
    forth = group_differences(two, SCALES, "g")
    back = group_differences(two, SCALES, "g", reference_group="active")
    np.testing.assert_allclose(back["difference"], -forth["difference"])
    assert set(back["reference_group"]) == {"active"}
    with pytest.raises(DataError, match="'nobody' is no group of 'g'"):
        group_differences(two, SCALES, "g", reference_group="nobody")


def test_three_groups_against_welch_by_hand(survey: pd.DataFrame) -> None:
    row = group_differences(survey, SCALES, "g").set_index("scale").loc["Y"]
    parts = [survey.loc[survey["g"] == g, "y1"] for g in ("active", "inactive", "new")]
    weight = np.array([len(v) / v.var() for v in parts])
    means = np.array([v.mean() for v in parts])
    grand = (weight * means).sum() / weight.sum()
    size = np.array([len(v) for v in parts])
    lam = ((1 - weight / weight.sum()) ** 2 / (size - 1)).sum()
    # Welch (1951), Biometrika 38.
    f = (weight * (means - grand) ** 2).sum() / 2 / (1 + 2 * 1 / 8 * lam)
    assert (row["groups"], row["n"], row["df1"]) == (3, 90, 2)
    assert row["f"] == pytest.approx(f)
    assert row["df2"] == pytest.approx(8 / (3 * lam))
    assert row["pvalue"] == pytest.approx(stats.f.sf(f, 2, 8 / (3 * lam)))
    y = survey["y1"]
    between = sum(len(v) * (v.mean() - y.mean()) ** 2 for v in parts)
    assert row["eta2"] == pytest.approx(between / ((y - y.mean()) ** 2).sum())
    assert row["eta2_ci_lower"] <= row["eta2"] <= row["eta2_ci_upper"]


def test_eta_squared_interval_inverts_the_noncentral_f() -> None:
    low, high = eta_squared_interval(6.0, 2, 87, 0.95)
    for eta2, probability in ((low, 0.975), (high, 0.025)):
        found = optimize.brentq(lambda nc, p=probability: stats.ncf.cdf(6.0, 2, 87, nc) - p, 1e-9, 200)
        assert eta2 == pytest.approx(found / (found + 90), rel=1e-6)
    assert eta_squared_interval(0.5, 2, 87, 0.95)[0] == 0
    assert eta_squared_interval(0.001, 2, 87, 0.95) == (0, 0)


def test_small_groups_are_left_out_and_not_named(survey: pd.DataFrame) -> None:
    frame = survey.copy()
    frame.loc[:3, "g"] = "tiny"
    table = group_differences(frame, SCALES, "g")
    assert set(table["groups"]) == {3}
    assert set(table["note"]) == {"groups under 5 left out"}
    assert "tiny" not in table.to_csv()
    alone = frame[frame["g"].isin(["tiny", "new"])]
    with pytest.raises(DataError, match="fewer than two groups"):
        group_differences(alone, SCALES, "g")


def test_scales_with_few_answers_in_a_group_are_not_shown(survey: pd.DataFrame) -> None:
    two = survey[survey["g"] != "new"].copy()
    answered = np.flatnonzero(two["g"] == "active")[:3]
    two.loc[(two["g"] == "active") & ~two.index.isin(two.index[answered]), "z1"] = np.nan
    row = group_differences(two, SCALES, "g").set_index("scale").loc["Z"]
    assert np.isnan(row["difference"])
    assert np.isnan(row["pvalue_holm"])
    assert "not shown" in row["note"]


def test_scores_without_variance_are_a_note(survey: pd.DataFrame) -> None:
    table = group_differences(survey.assign(y1=4.0), SCALES, "g").set_index("scale")
    assert "do not vary" in table.loc["Y", "note"]
    assert np.isfinite(table.loc["X", "pvalue_holm"])


def test_scores_need_half_of_the_items() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, np.nan], "b": [3.0, 2.0, np.nan], "c": [5.0, np.nan, np.nan]})
    scores = scale_scores(frame, {"S": ["a", "b", "c"], "T": ["a", "b"]})
    assert scores["S"].to_numpy() == pytest.approx([3, np.nan, np.nan], nan_ok=True)
    assert scores["T"].to_numpy() == pytest.approx([2, 2, np.nan], nan_ok=True)


def test_unknown_group_column_is_named(survey: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="'gg' is not a column"):
        group_differences(survey, SCALES, "gg")
