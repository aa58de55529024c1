from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sem_models.errors import DataError
from sem_models.measurement.common_method import single_factor_share
from sem_models.measurement.validity import htmt, htmt_intervals, htmt_table, htmt_verdict

CONSTRUCTS = {"A": ["a1", "a2", "a3"], "B": ["b1", "b2"]}


@pytest.fixture
def correlations() -> pd.DataFrame:
    """Within A .5, .6, .7; within B .8; between A and B .2, −.3, .4, .2, .3, .4."""
    values = np.eye(5)
    for (i, j), r in {
        (0, 1): 0.5, (0, 2): 0.6, (1, 2): 0.7, (3, 4): 0.8,
        (0, 3): 0.2, (0, 4): -0.3, (1, 3): 0.4, (1, 4): 0.2, (2, 3): 0.3, (2, 4): 0.4,
    }.items():  # fmt: skip
        values[i, j] = values[j, i] = r
    names = ["a1", "a2", "a3", "b1", "b2"]
    return pd.DataFrame(values, index=names, columns=names)


def test_arithmetic_and_geometric_ratio_by_hand(correlations: pd.DataFrame) -> None:
    arithmetic = htmt(correlations, CONSTRUCTS, kind="htmt")
    assert arithmetic.loc["A", "B"] == pytest.approx(0.3 / np.sqrt(0.6 * 0.8))
    geometric = htmt(correlations, CONSTRUCTS)
    between = (0.2 * 0.3 * 0.4 * 0.2 * 0.3 * 0.4) ** (1 / 6)
    assert geometric.loc["B", "A"] == pytest.approx(between / np.sqrt((0.5 * 0.6 * 0.7) ** (1 / 3) * 0.8))
    assert np.diag(geometric).tolist() == [1, 1]


def test_scale_of_the_items_does_not_matter(correlations: pd.DataFrame) -> None:
    scale = np.outer([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    pd.testing.assert_frame_equal(htmt(correlations * scale, CONSTRUCTS), htmt(correlations, CONSTRUCTS))


def test_single_items_and_constant_items(correlations: pd.DataFrame) -> None:
    single = htmt(correlations, {"A": ["a1"], "B": ["b1"]}, kind="htmt")
    assert single.loc["A", "B"] == pytest.approx(0.2)
    constant = correlations.copy()
    constant.loc["a1"] = constant["a1"] = 0.0
    assert htmt_table(constant, CONSTRUCTS)["verdict"].tolist() == ["undetermined"]


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.849, "distinct"), (0.85, "borderline"), (0.899, "borderline"), (0.9, "not distinct")],
)
def test_verdicts(value: float, verdict: str) -> None:
    assert htmt_verdict(value) == verdict


def test_table_holds_both_forms(correlations: pd.DataFrame) -> None:
    (row,) = htmt_table(correlations, CONSTRUCTS).to_dict("records")
    assert (row["construct_1"], row["construct_2"], row["verdict"]) == ("A", "B", "distinct")
    assert row["htmt"] > row["htmt2"]


def test_items_under_two_constructs_are_refused(correlations: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="under two: a1"):
        htmt(correlations, {"A": ["a1", "a2"], "B": ["a1", "b1"]})


def test_intervals_hold_the_estimate_and_follow_the_generator() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(150, 1))
    data = common + rng.normal(size=(150, 5))
    frame = pd.DataFrame(data, columns=["a1", "a2", "a3", "b1", "b2"])
    first, again = (
        htmt_intervals(frame, CONSTRUCTS, rng=np.random.default_rng(7), n_boot=200) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again)
    (row,) = first.to_dict("records")
    assert row["ci_lower"] < row["est"] < row["ci_upper"]
    assert row["est"] == pytest.approx(htmt(frame.cov(), CONSTRUCTS).loc["A", "B"])
    assert row["n"] == 150
    with pytest.raises(DataError, match="Only 9 rows"):
        htmt_intervals(frame.head(9), CONSTRUCTS, rng=rng)


def test_single_factor_share() -> None:
    rng = np.random.default_rng(2)
    common = rng.normal(size=(400, 1))
    one = pd.DataFrame(3 * common + rng.normal(size=(400, 4)), columns=list("abcd"))
    (row,) = single_factor_share(one, list("abcd")).to_dict("records")
    # Equal correlations ρ give a first component of (1 + (p − 1) ρ)/p; here ρ = .9.
    assert row["share"] == pytest.approx((1 + 3 * 0.9) / 4, abs=0.02)
    assert row["verdict"] == "one half or more"
    with pytest.raises(DataError, match="Constant items: a"):
        single_factor_share(one.assign(a=1.0), list("abcd"))
