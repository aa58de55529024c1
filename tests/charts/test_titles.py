"""Titles say what the intervals support, no more."""

from __future__ import annotations

import pandas as pd
import pytest

from sem_models.charts.invariance import invariance_title
from sem_models.charts.loadings import loadings_title
from sem_models.charts.paths import paths_title
from sem_models.charts.slopes import slopes_title
from sem_models.charts.text import NBSP
from sem_models.errors import DataError


def plain(title: str) -> str:
    return title.replace(NBSP, " ")


def test_one_group_names_the_largest_and_the_undetectable(standardized: pd.DataFrame) -> None:
    assert plain(paths_title(standardized)) == (
        "SAT → BI has the largest detectable estimate: .70 [.55, .85]; "
        "OPS → PV is not detectable: .05 [−.10, .20]"
    )


def test_the_largest_estimate_is_not_named_when_its_interval_covers_zero(standardized: pd.DataFrame) -> None:
    standardized.loc[standardized["rhs"] == "SAT", "ci_lower"] = -0.01
    assert plain(paths_title(standardized)).startswith("EDS → PV has the largest detectable estimate: .67")


def test_all_intervals_covering_zero(standardized: pd.DataFrame) -> None:
    frame = standardized.assign(ci_lower=-1.0)
    assert paths_title(frame) == "No path is detectable: all 5 intervals cover 0"


def test_fixed_paths_are_no_findings(standardized: pd.DataFrame) -> None:
    fixed = standardized["rhs"] == "SAT"
    standardized.loc[fixed, ["est_std", "ci_lower", "ci_upper"]] = 1.0
    assert plain(paths_title(standardized)).startswith("EDS → PV has the largest")


def test_groups_are_not_compared_without_a_test(grouped: pd.DataFrame) -> None:
    assert plain(paths_title(grouped)) == (
        "SAT → BI: .70 [.55, .85] (active) and .55 [.40, .70] (inactive); "
        "differences between groups are not tested here"
    )


def test_differences(grouped: pd.DataFrame, differences: pd.DataFrame) -> None:
    assert plain(paths_title(grouped, differences)) == (
        "EDS → PV is higher for active than for inactive: difference .26 [.04, .48]; "
        "no detectable difference in 4 of 5"
    )
    swapped = differences.assign(
        est=-differences["est"], ci_lower=-differences["ci_upper"], ci_upper=-differences["ci_lower"]
    )
    assert "EDS → PV is lower for active" in plain(paths_title(grouped, swapped))


def test_no_detectable_difference(grouped: pd.DataFrame, differences: pd.DataFrame) -> None:
    title = plain(paths_title(grouped, differences.assign(ci_lower=-0.3)))
    assert title == (
        "No detectable difference between active and inactive in any of 5 paths; "
        "largest: EDS → PV, .26 [−.30, .48]"
    )


def test_names_replace_ids(standardized: pd.DataFrame) -> None:
    title = plain(paths_title(standardized, names={"SAT": "Satisfaction", "BI": "Behavioral intentions"}))
    assert title.startswith("Satisfaction → Behavioral intentions has")


def test_slopes_claim_only_what_was_tested() -> None:
    slopes = pd.DataFrame(
        {
            "predictor": ["EDS", "EDS"],
            "group": ["active", "inactive"],
            "est": [0.6, 0.1],
            "ci_lower": [0.4, -0.1],
            "ci_upper": [0.8, 0.3],
        }
    )
    assert plain(slopes_title("PV", slopes=slopes)) == (
        "Slope of PV on EDS: .60 [.40, .80] (active) and .10 [−.10, .30] (inactive, not detectable); "
        "differences are not tested here"
    )
    test = {"predictor": "EDS", "group": "active", "reference_group": "inactive", "est": 0.5}
    clear = pd.DataFrame([{**test, "ci_lower": 0.2, "ci_upper": 0.8}])
    open_ = pd.DataFrame([{**test, "ci_lower": -0.2, "ci_upper": 1.2}])
    assert plain(slopes_title("PV", slopes=slopes, differences=clear)) == (
        "The slope of PV on EDS is higher for active than for inactive by .50 [.20, .80]"
    )
    assert plain(slopes_title("PV", differences=open_)) == (
        "No detectable difference between active and inactive in the slope of PV on EDS (.50 [−.20, 1.20])"
    )
    assert slopes_title("PV", predictors=["EDS", "OPS"]) == "PV at levels of EDS and OPS"


def test_loadings_count_against_the_threshold(standardized: pd.DataFrame) -> None:
    assert (
        plain(loadings_title(standardized))
        == "All 13 loading estimates reach .50; the lowest is eds1, .60 [.50, .70]"
    )
    assert loadings_title(standardized, threshold=0.62).startswith("5 of 13 loading estimates are below .62")


def test_invariance_holds_up_to_the_first_broken_step(comparisons: pd.DataFrame) -> None:
    assert plain(invariance_title(comparisons)) == (
        "Scalar invariance is tenable by the changes in fit (ΔCFI −.006, ΔRMSEA .004); "
        "the likelihood-ratio test rejects it (scalar, p = .013); "
        "strict invariance is not (ΔCFI −.022, ΔRMSEA .017)"
    )
    broken = comparisons.assign(delta_cfi=[-0.03, 0.0, 0.0])
    assert plain(invariance_title(broken)) == (
        "Metric invariance is not tenable by the changes in fit (ΔCFI −.030, ΔRMSEA −.001)"
    )
    good = comparisons.iloc[:1]
    assert "rejects" not in invariance_title(good)


@pytest.mark.parametrize(
    ("drop", "message"), [("est_std", "lacks the column est"), ("ci_lower", "lacks the column ci_lower")]
)
def test_missing_columns_are_named(standardized: pd.DataFrame, drop: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        paths_title(standardized.drop(columns=drop))


def test_nothing_to_draw_is_an_error(standardized: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"op '~'.*has no rows"):
        paths_title(standardized[standardized["op"] == "=~"])
