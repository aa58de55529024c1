"""`sm.moderate`: what it refuses, in one clear sentence each, before anything is estimated."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

ITEMS = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\n"
MODEL = ITEMS + "Y ~ X + Z + X:Z"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Sixty customers whose x1 has three answers."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        rng.normal(size=(60, 9)) + rng.normal(size=(60, 1)),
        columns=[f"{s}{i}" for s in "xzy" for i in (1, 2, 3)],
    )
    frame["x1"] = frame["x1"].clip(-1.4, 1.4).round()
    return frame.assign(t=rng.normal(size=60), same=3.0, word="often", small=["few"] * 5 + ["many"] * 55)


SPEC, DATA = sm.SpecError, sm.DataError
BAD: dict[str, tuple[str, dict[str, Any], type[Exception], list[str]]] = {
    "method": (MODEL, {"method": "dblcnt"}, SPEC, ["'dblcnt' is unknown", "Did you mean 'dblcent'"]),
    "option": (MODEL, {"matsh": True}, SPEC, ["no option 'matsh'", "Did you mean 'match'"]),
    "option of fit": (MODEL, {"estimtor": "MLR"}, SPEC, ["'estimtor'", "Did you mean 'estimator'"]),
    "option of another method": (
        MODEL, {"method": "lms", "parcels": 2}, SPEC, ["parcels= is an option of method='dblcent'", "'ca'"],
    ),
    "option of one method": (MODEL, {"nodes": 5}, SPEC, ["option of method='lms', not of method='dblcent'"]),
    "matching": (MODEL, {"match": "postion"}, SPEC, ["Did you mean 'position'"]),
    "residual covariances": (MODEL, {"res_cov_method": "simpel"}, SPEC, ["Did you mean 'simple'"]),
    "centering": (MODEL, {"centering": "overal"}, SPEC, ["Did you mean 'overall'"]),
    "moderator": (MODEL, {"moderator": "t"}, SPEC, ["moderator= is for method='groups'", "EDS:t"]),
    "no product": (ITEMS + "Y ~ X + Z", {}, SPEC, ["states no moderation"]),
    "unknown factor": (ITEMS + "Y ~ X + X:W", {}, SPEC, ["'W'", "neither a variable", "line 4"]),
    "unknown item": (MODEL.replace("x3", "x4"), {}, DATA, ["'x4' is not a column", "Columns: x1"]),
    "constant column": (ITEMS + "Y ~ X + same + X:same", {}, DATA, ["moderator 'same'", "is constant"]),
    "text column": (ITEMS + "Y ~ X + word + X:word", {}, DATA, ["'word' holds text"]),
    "shared item": (
        MODEL.replace("z3", "x1"), {}, SPEC, ["'x1' is an item of both", "multiplied with itself"],
    ),
    "own item": (ITEMS + "Y ~ X + X:x2", {}, SPEC, ["'x2' is an item of 'X'", "X:X"]),
    "outcome's item": (ITEMS + "Y ~ X + X:y1", {}, SPEC, ["an item of the outcome"]),
    "measured": (MODEL + "\nX:Z =~ x1 + z1", {}, SPEC, ["is measured by products", "line 5", "sm.fit"]),
    "ordered": (MODEL, {"ordered": ["x1"]}, SPEC, ["'x1' is an ordered item", "parcels=2", "lms", "MLR"]),
    "covariances": (MODEL, {"sample_cov": np.eye(9)}, SPEC, ["need the rows", "sample_cov="]),
    "five customers": (MODEL, {"group": "small", "match": True}, DATA, ["usable rows in group 'few'"]),
    "engine of lms": (MODEL, {"method": "lms", "engine": "semopy"}, SPEC, ["by this package alone"]),
    "engine of sam": (MODEL, {"method": "sam", "engine": "semopy"}, SPEC, ["by this package alone"]),
    "no group": (MODEL, {"group": "smal"}, DATA, ["group='smal'", "Did you mean 'small'"]),
    "three factors, constrained": (
        ITEMS + "Y ~ X:Z:t", {"method": "ca"}, SPEC, ["three factors", "yet", "dblcent"],
    ),
    "column, constrained": (ITEMS + "Y ~ X:t", {"method": "ca"}, SPEC, ["cannot take the column 't'", "yet"]),
    "cross-loading, constrained": (
        MODEL + "\nY =~ x2", {"method": "ca"}, SPEC, ["'x2' loads on X and Y", "yet"],
    ),
    "loop": (
        MODEL + "\nX ~ Z\nZ ~ X", {"method": "uca"}, SPEC, ["loop of paths", "yet", "dblcent"],
    ),
    "covariate's moments": (
        MODEL + "\nX ~ t\nZ ~ t", {"method": "uca"}, SPEC, ["fixed_x=False"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(data: pd.DataFrame, case: str) -> None:
    model, options, kind, says = BAD[case]
    given = None if "sample_cov" in options else data
    with pytest.raises(kind) as caught:
        sm.moderate(model, given, **options)
    for part in says:
        assert part in str(caught.value)


def test_no_rows_at_all() -> None:
    with pytest.raises(sm.DataError, match="pass data="):
        sm.moderate(MODEL)
    with pytest.raises(sm.DataError, match="not list"):
        sm.moderate(MODEL, [1, 2])


def test_columns_of_the_data_that_products_are_named_like_are_left_alone(data: pd.DataFrame) -> None:
    given = data.assign(x1z1="a word")
    before = given.copy()
    found = sm.moderate(MODEL, given, match=True, check_identification=False)
    assert found.status is not None
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize("method", ["dblcent", "uca", "lms", "qml", "sam", "rapi"])
def test_a_result_that_was_probed_can_be_pickled(data: pd.DataFrame, method: str) -> None:
    rng = np.random.default_rng(3)
    many = pd.DataFrame(rng.normal(size=(200, 9)), columns=data.columns[:9])
    for stem in "xzy":
        many[[f"{stem}{i}" for i in (1, 2, 3)]] += rng.normal(size=(200, 1))
    result = sm.moderate(MODEL, many, method=method)
    slopes = result.simple_slopes()
    again = pickle.loads(pickle.dumps(result))
    pd.testing.assert_frame_equal(again.simple_slopes(), slopes)
    pd.testing.assert_frame_equal(again.estimates(), result.estimates())


@pytest.mark.parametrize("method", ["lms", "sam"])
def test_the_own_engine_may_be_named(method: str, data: pd.DataFrame) -> None:
    named = sm.moderate(MODEL, data, method=method, engine="native")
    pd.testing.assert_frame_equal(named.estimates(), sm.moderate(MODEL, data, method=method).estimates())
