"""Products of three: every method that takes them runs on the bundled example and recovers a known one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import data_schemas as ds
import sem_models as sm
from sem_models import examples

MODEL = (
    "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nW =~ w1 + w2 + w3\nY =~ y1 + y2 + y3\n"
    "Y ~ X + Z + W + X:Z + X:W + Z:W + X:Z:W"
)
TRUTH = {"X": 0.3, "X:Z": 0.15, "X:W": 0.0, "X:Z:W": 0.15}
EXAMPLE = (
    "ACT =~ act1 + act2 + act3\nPVP =~ pvp1 + pvp2 + pvp3\nPV =~ pv1 + pv2 + pv3\n"
    "PV ~ onsite_visits + ACT + PVP + onsite_visits:ACT + onsite_visits:PVP + ACT:PVP + onsite_visits:ACT:PVP"
)
WAYS: dict[str, dict[str, Any]] = {
    "dblcent": {"match": True, "estimator": "MLR"}, "sam": {}, "lms": {},
}  # fmt: skip


def customers(n: int, seed: int) -> pd.DataFrame:
    """Three correlated predictors (.3), whose product matters."""
    rng = np.random.default_rng([seed, n])
    scores = rng.multivariate_normal(np.zeros(3), 0.3 + 0.7 * np.eye(3), n)
    x, z, w = scores.T
    y = 0.3 * (x + z + w) + 0.15 * x * z + 0.15 * x * z * w + 0.7 * rng.normal(size=n)
    return pd.DataFrame(
        {
            f"{stem}{i}": loading * score + 0.5 * rng.normal(size=n)
            for stem, score in (("x", x), ("z", z), ("w", w), ("y", y))
            for i, loading in enumerate((1.0, 0.9, 0.8), start=1)
        }
    )


def path(result: Any, rhs: str) -> pd.Series:
    table = result.estimates()
    return table[(table["op"] == "~") & (table["rhs"] == rhs)].iloc[0]


@pytest.mark.parametrize("method", ["dblcent", "sam"])
def test_a_large_sample_gives_it_back_where_predictors_correlate(method: str) -> None:
    found = sm.moderate(MODEL, customers(20_000, 1), method=method, **WAYS[method])
    for rhs, truth in TRUTH.items():
        row = path(found, rhs)
        assert abs(row["est"] - truth) < 4 * row["se"], rhs
        assert row["se"] < 0.01


def test_residuals_of_three_correlate_with_their_items() -> None:
    """Cov(resid(x z w), resid(x)) = Var(e_x) Cov(Z, W), which the fit finds near .3 × .25 × the loadings."""
    found = sm.moderate(MODEL, customers(20_000, 1), match=True)
    table = found.estimates()
    row = table[(table["op"] == "~~") & (table["lhs"] == "x1z1w1") & (table["rhs"] == "x1")].iloc[0]
    assert row["est"] == pytest.approx(0.25 * 0.3, abs=4 * row["se"])
    assert row["se"] < 0.02
    plain = sm.moderate(MODEL, customers(300, 1), match=True, res_cov_method="none").estimates()
    assert plain[(plain["lhs"] == "x1z1w1") & (plain["rhs"] == "x1")].empty


@pytest.mark.parametrize("method", ["dblcent", "uca", "rca", "sam"])
def test_two_latent_factors_and_a_column_on_the_example(method: str) -> None:
    survey = ds.load(examples.path("b2b_service"), schema="b2b_service")
    options = {} if method == "sam" else {"match": True}
    found = sm.moderate(EXAMPLE, survey, method=method, missing="fiml", **options)
    assert found.status.converged
    row = path(found, "onsite_visits:ACT:PVP")
    assert np.isfinite(row["se"])
    slopes = found.simple_slopes(outcome="PV", predictor="onsite_visits", moderator=["ACT", "PVP"])
    assert len(slopes) == 9
    corners = slopes.set_index(["position", "position_2"])["est"]
    twist = corners[("+1 SD", "+1 SD")] - corners[("+1 SD", "-1 SD")]
    twist -= corners[("-1 SD", "+1 SD")] - corners[("-1 SD", "-1 SD")]
    sd = {n: slopes.loc[slopes[p] == "+1 SD", v].iloc[0] - slopes.loc[slopes[p] == "mean", v].iloc[0]
          for n, p, v in (("ACT", "position", "value"), ("PVP", "position_2", "value_2"))}  # fmt: skip
    assert twist == pytest.approx(4 * row["est"] * sd["ACT"] * sd["PVP"], rel=1e-6)


PROBED = {
    (-1, -1): (0.207498332324, 0.1004156735695), (0, -1): (0.320338338290, 0.0829244752547),
    (1, -1): (0.433178344255, 0.1334762375549), (-1, 0): (0.191159894597, 0.0681715476907),
    (0, 0): (0.364477267501, 0.0533743322800), (1, 0): (0.537794640405, 0.0869956774681),
    (-1, 1): (0.174821456870, 0.1314850060281), (0, 1): (0.408616196713, 0.0787085452640),
    (1, 1): (0.642410936556, 0.0813995688413),
}  # fmt: skip
"""semTools 0.5-6, lavaan 0.6-14: indProd(match = TRUE, doubleMC = TRUE) of customers(400, 7), sem() without
residual covariances, probe3WayMC at (Z, W): the slope of Y on X and its error."""


def test_slopes_are_those_of_semtools() -> None:
    found = sm.moderate(MODEL, customers(400, 7), match=True, res_cov_method="none")
    at = {"Z": [-1, 0, 1], "W": [-1, 0, 1]}
    slopes = found.simple_slopes(outcome="Y", predictor="X", moderator=["Z", "W"], values=at)
    for row in slopes.to_dict("records"):
        est, se = PROBED[int(row["value"]), int(row["value_2"])]
        assert abs(row["est"] - est) < 1e-3 * se
        assert abs(row["se"] - se) < 1e-3 * se


def test_qml_and_rapi_say_that_they_take_two() -> None:
    for method in ("qml", "rapi"):
        with pytest.raises(sm.SpecError, match="X:Z:W"):
            sm.moderate(MODEL, customers(200, 1), method=method)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "draws"), [("dblcent", 60), ("sam", 60), ("lms", 10)])
def test_bias_and_coverage(method: str, draws: int) -> None:
    found = np.array(
        [
            [(path(r, rhs)["est"], path(r, rhs)["se"]) for rhs in TRUTH]
            for r in (
                sm.moderate(MODEL, customers(500, s), method=method, **WAYS[method]) for s in range(draws)
            )
        ]
    )
    away = found[..., 0] - np.array(list(TRUTH.values()))
    error = found[..., 0].std(axis=0, ddof=1) / np.sqrt(draws)
    assert (np.abs(away.mean(axis=0)) < 3.5 * error + 0.01).all()
    covered = (np.abs(away) < 1.96 * found[..., 1]).mean(axis=0)
    assert (covered > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / draws)).all()
