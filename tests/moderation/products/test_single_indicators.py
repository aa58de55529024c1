"""`method="rapi"`: composites with fixed error variances, and their products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from benchmarks.moderation_study.design import LOADINGS, MODEL, Cell, draw
from sem_models.moderation.products.composites import Composites
from sem_models.moderation.products.result import ProductModeration

UNIT = (sum(LOADINGS) / len(LOADINGS)) ** 2


def fitted(text: str, data: pd.DataFrame, **options: Any) -> ProductModeration:
    found = sm.moderate(text, data, method="rapi", **options)
    assert isinstance(found, ProductModeration)
    return found


def row(result: ProductModeration, lhs: str, op: str, rhs: str) -> pd.Series:
    t = result.estimates()
    return t[(t["lhs"] == lhs) & (t["op"] == op) & (t["rhs"] == rhs)].iloc[0]


def test_error_variances_of_products_by_hand() -> None:
    true = np.array([[2.0, 0.5], [0.5, 1.0]])
    observed = true + np.diag([0.5, 0.25])
    found = Composites(("X", "Z"), np.empty((0, 2)), np.zeros(2), np.ones(2), observed, true)
    error = found.error_covariances([(0, 1), (0, 0)])
    assert error[0, 0] == pytest.approx(2.0 * 0.25 + 1.0 * 0.5 + 0.5 * 0.25)
    assert error[1, 1] == pytest.approx(4 * 2.0 * 0.5 + 2 * 0.5**2)
    assert error[0, 1] == pytest.approx(2 * 0.5 * 0.5)  # Cov(2 X e + e², X e_z + Z e + e e_z) = 2 θ Cov(X, Z)


def test_error_variances_follow_from_the_reliabilities() -> None:
    data = draw(Cell(400, "normal", 0.2), 0, 5)
    found = fitted(MODEL, data, reliability={"X": 0.8, "Z": 0.9})
    mean = data[["x1", "x2", "x3"]].mean(axis=1)
    assert row(found, "X.mean", "~~", "X.mean")["est"] == pytest.approx(0.2 * mean.var(ddof=0))
    assert found.settings["reliability"] == {"X": 0.8, "Z": 0.9}
    latent = found.fit.latent_moments()[""]["cov"].loc["X", "X"]
    assert latent == pytest.approx(0.8 * mean.var(ddof=0), rel=0.01)


def test_it_is_the_model_a_user_would_write() -> None:
    data = draw(Cell(400, "normal", 0.2), 0, 5)
    found = fitted(MODEL, data, reliability={"X": 0.8, "Z": 0.9})
    x, z = (data[[f"{s}{i}" for i in (1, 2, 3)]].mean(axis=1) for s in "xz")
    vx, vz = 0.2 * x.var(ddof=0), 0.1 * z.var(ddof=0)
    tx, tz = 0.8 * x.var(ddof=0), 0.9 * z.var(ddof=0)
    p = (x - x.mean()) * (z - z.mean())
    frame = data.assign(cx=x, cz=z, p=p - p.mean())
    text = (
        f"X =~ cx\nZ =~ cz\nP =~ p\nY =~ y1 + y2 + y3\nY ~ X + Z + P\ncx ~~ {vx}*cx\ncz ~~ {vz}*cz\n"
        f"p ~~ {tx * vz + tz * vx + vx * vz}*p"
    )
    by_hand = sm.fit(text, frame).estimates()
    theirs = by_hand[(by_hand["op"] == "~") & (by_hand["rhs"] == "P")].iloc[0]
    ours = row(found, "Y", "~", "X:Z")
    assert ours["est"] == pytest.approx(theirs["est"], rel=1e-6)
    assert ours["se"] == pytest.approx(theirs["se"], rel=1e-6)


@pytest.mark.parametrize("reliability", ["omega", "alpha"])
def test_a_large_sample_gives_the_interaction_back(reliability: str) -> None:
    """In units of the items' mean; alpha is a little below omega, as loadings differ."""
    found = fitted(MODEL, draw(Cell(20_000, "normal", 0.2), 0, 5), reliability=reliability)
    estimate = row(found, "Y", "~", "X:Z")
    assert abs(UNIT * estimate["est"] - 0.2) < 4 * UNIT * estimate["se"] + 0.005


def test_columns_and_squares() -> None:
    data = draw(Cell(20_000, "normal", 0.2), 0, 5).assign(
        w=lambda d: np.random.default_rng(2).normal(5, 2, len(d))
    )
    found = fitted(MODEL + " + X:X + w + X:w", data)
    for rhs in ("X:X", "X:w"):
        estimate = row(found, "Y", "~", rhs)
        assert abs(estimate["est"]) < 4 * estimate["se"]
    assert found.indicators()["product"].tolist() == ["X:Z", "X:X", "X:w"]
    assert "reliability" in str(found.summary())
    assert found.interaction_test()["term"].iloc[-1] == "all products"
    assert len(found.simple_slopes(outcome="Y", predictor="X", moderator="w")) == 3


BAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "coefficient": (MODEL, {"reliability": "omeg"}, ["'omeg'", "Did you mean 'omega'"]),
    "unknown construct": (MODEL, {"reliability": {"Q": 0.8}}, ["'Q' is no factor", "Factors: X, Z"]),
    "figure": (MODEL, {"reliability": {"X": 1.8}}, ["between 0 and 1"]),
    "group": (MODEL, {"group": "g"}, ["has no groups yet"]),
    "three": (MODEL + " + w + X:Z:w", {}, ["3 factors", "sam"]),
    "one item": (MODEL.replace("x1 + x2 + x3", "x1"), {}, ["one item", "{'X': .8}"]),
    "item's own line": (MODEL + "\nx1 ~~ x2", {}, ["part of a composite", "x1 ~~ x2"]),
    "item elsewhere": (MODEL + "\nY =~ x2", {}, ["part of a composite"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str) -> None:
    text, options, says = BAD[case]
    data = draw(Cell(100, "normal", 0.2), 0, 5).assign(w=1.0, g="a")
    with pytest.raises(sm.SpecError) as caught:
        sm.moderate(text, data, method="rapi", **options)
    for part in says:
        assert part in str(caught.value)


def test_a_reversed_item_is_named() -> None:
    data = draw(Cell(200, "normal", 0.2), 0, 5)
    with pytest.raises(sm.SpecError, match="'x2' loads on 'X' against"):
        sm.moderate(MODEL, data.assign(x2=-data["x2"]), method="rapi")
