"""Parcels: means of items in their place, which is how products take ordered items."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import DataError, SpecError
from sem_models.moderation.products.parcels import parceled
from sem_models.moderation.products.result import ProductModeration
from sem_models.moderation.statement import read_statement

MODEL = """
X =~ x1 + x2 + x3 + x4
Z =~ z1 + z2 + z3 + z4
Y =~ y1 + y2 + y3
Y ~ X + Z + X:Z
"""
TWO = {"x1": lambda d: (d["x1"] > 3) + 0}
FACTORS = [f"{stem}{i}" for stem in "xz" for i in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    x, z = rng.multivariate_normal([0, 0], [[1, 0.3], [0.3, 1]], 600).T
    y = 0.4 * x + 0.3 * z + 0.3 * x * z + rng.normal(0, 0.7, 600)
    columns = {}
    for stem, factor, items in (("x", x, 4), ("z", z, 4), ("y", y, 3)):
        for i in range(items):
            response = (1.0 - 0.15 * i) * factor + rng.normal(0, 0.7, 600)
            columns[f"{stem}{i + 1}"] = np.digitize(response, np.linspace(-1.5, 1.5, 4)) + 1
    return pd.DataFrame(columns)


def fitted(data: pd.DataFrame, **options: Any) -> ProductModeration:
    found = sm.moderate(MODEL, data, **{"method": "uca", "parcels": 2, **options})
    assert isinstance(found, ProductModeration)
    return found


def test_it_is_the_model_of_the_means(data: pd.DataFrame) -> None:
    result = fitted(data, estimator="MLR")
    parts = result.settings["parcels"]
    assert parts == {"X.p1": ("x1", "x4"), "X.p2": ("x2", "x3"), "Z.p1": ("z1", "z4"), "Z.p2": ("z2", "z3")}
    means = pd.DataFrame({name: data[list(own)].mean(axis=1) for name, own in parts.items()})
    text = "X =~ X.p1 + X.p2\nZ =~ Z.p1 + Z.p2\nY =~ y1 + y2 + y3\nY ~ X + Z + X:Z"
    same = sm.moderate(text, data.join(means), method="uca", estimator="MLR")
    pd.testing.assert_frame_equal(result.estimates(), same.estimates())
    assert "items of X and Z as parcels" in str(result.header.notes)


def test_ordered_items_outside_the_product_stay_ordered(data: pd.DataFrame) -> None:
    every = fitted(data, ordered=True)
    named = fitted(data, ordered=["x1", "y1", "y2", "y3"])
    assert every.header.estimator == "WLSMV"
    pd.testing.assert_frame_equal(every.estimates(), named.estimates())
    assert set(every.estimates().query("op == '|'")["lhs"]) == {"y1", "y2", "y3"}


def test_items_of_two_answers_are_numbers_in_parcels_without_a_word_of_ordered(data: pd.DataFrame) -> None:
    """Under ordered=True it would be said of items that are named there."""
    two = data.assign(**{name: (data[name] > 3) + 0 for name in FACTORS})
    assert fitted(two, ordered=True).status.converged


def test_words_for_categories_count_by_their_order(data: pd.DataFrame) -> None:
    words, numbers = data.copy(), data.copy()
    for name in FACTORS:
        named = data[name].map(dict(enumerate("abcde", start=1)))
        words[name] = pd.Categorical(named, categories=list("abcde"), ordered=True)
        numbers[name] = pd.Categorical(data[name], ordered=True)
    plain = fitted(data, estimator="MLR")
    for typed in (words, numbers):
        pd.testing.assert_frame_equal(fitted(typed, estimator="MLR").estimates(), plain.estimates())


def test_a_parcel_is_missing_where_an_item_is(data: pd.DataFrame) -> None:
    holes = data.astype(float)
    holes.loc[:49, "x4"] = np.nan
    statement = read_statement(MODEL)
    found = parceled(statement, holes, 2, {"x1": 0.9, "x2": 0.8, "x3": 0.7, "x4": 0.6})
    assert found.of["X.p1"] == ("x1", "x4")
    assert found.frame["X.p1"].isna().sum() == 50
    assert found.frame["X.p2"].notna().all()
    assert fitted(holes, missing="fiml", estimator="MLR").status.converged


def test_reversed_items_are_named(data: pd.DataFrame) -> None:
    for item in ("x2", "x1"):  # the first gives the factor its sign
        with pytest.raises(SpecError, match=f"'{item}' goes against the other items of 'X'"):
            fitted(data.assign(**{item: 6 - data[item]}))


@pytest.mark.parametrize(
    ("text", "columns", "options", "error", "words"),
    [
        (MODEL, {}, {"parcels": 5}, SpecError, "'X' has 4 items"),
        (MODEL, {}, {"parcels": 1}, SpecError, "parcels=1"),
        (MODEL, {}, {"parcels": True}, SpecError, "parcels=True"),
        (MODEL + "x1 ~~ x2", {}, {}, SpecError, "'x1', of which the model says more"),
        (MODEL.replace("x2", "a*x2"), {}, {}, SpecError, "a modifier"),
        (MODEL, {"X.p1": 1.0}, {}, DataError, "'X.p1'"),
        (MODEL.replace("z4", "z4 + x1"), {}, {}, SpecError, "'x1' measures two factors"),
        (MODEL.replace("X + Z + X:Z", "w + v + w:v"), {"w": 1.0, "v": 2.0}, {}, SpecError, "no product has"),
        (MODEL, {"x2": "much"}, {}, DataError, "'x2' holds text"),
        (MODEL, {}, {"method": "rapi"}, SpecError, "parcels"),
        (MODEL.replace("+ x3 + x4", ""), TWO, {}, SpecError, r"'x1' alone.*multiplied\. Use method"),
        (MODEL.replace("+ x2 + x3 + x4", ""), {}, {}, SpecError, r"one item, 'x1'.*in place of 'X'"),
        (MODEL, TWO, {"parcels": 4}, SpecError, r"'x1' alone.*Give fewer parcels=, or use"),
    ],
)
def test_bad_input_is_one_clear_error(
    data: pd.DataFrame, text: str, columns: dict[str, Any], options: dict[str, Any],
    error: type[Exception], words: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=words):
        sm.moderate(text, data.assign(**columns), **{"method": "uca", "parcels": 2, **options})
