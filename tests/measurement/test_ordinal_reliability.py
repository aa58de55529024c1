"""Reliability of ordered items' sum scores, and category-probability curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.measurement.ordinal_scores import Scale, score_covariances, score_variances
from sem_models.measurement.validity import fornell_larcker
from tests.inference.items import ITEMS, survey

REFITTED = 2e-6
"""semTools takes lavaan's estimates, which stop up to 1e-6 short of the optimum."""

# semTools 0.5-6 on lavaan 0.6-14: compRelSEM(ord.scale = TRUE), the same with obs.var = FALSE, and AVE
SEMTOOLS = {
    "": (0.770082509756, 0.769443958977, 0.54692769125),
    "a": (0.77263235905007, 0.771468225093462, 0.546773940925),
    "b": (0.770589816525691, 0.769077037596784, 0.551393203128),
}


@pytest.fixture(scope="module")
def one() -> sm.Fit:
    return sm.fit("F =~ u1 + u2 + u3 + u4", survey(), ordered=ITEMS)


@pytest.fixture(scope="module")
def two() -> sm.Fit:
    return sm.fit("F =~ u1 + u2 + u3 + u4", survey(), ordered=ITEMS, group="g")


def test_agrees_with_semtools(one: sm.Fit, two: sm.Fit) -> None:
    rows = pd.concat([one.reliability(), two.reliability()])
    assert list(rows["group"]) == list(SEMTOOLS)
    for row in rows.to_dict("records"):
        assert [row["omega"], row["cr"], row["ave"]] == pytest.approx(SEMTOOLS[row["group"]], abs=REFITTED)


def test_theta_gives_the_same_figures(one: sm.Fit) -> None:
    theta = sm.fit("F =~ u1 + u2 + u3 + u4", survey(), ordered=ITEMS, parameterization="theta")
    columns = ["alpha", "omega", "cr", "ave"]
    # ends of two searches, each within 1e-6 standard errors
    assert theta.reliability()[columns].to_numpy() == pytest.approx(
        one.reliability()[columns].to_numpy(), abs=1e-7
    )


def test_covariances_of_numbers_against_drawn_answers() -> None:
    rng = np.random.default_rng(3)
    rho = 0.6
    draws = rng.multivariate_normal([0, 0, 0], [[1, rho, 0.3], [rho, 1, 0.4], [0.3, 0.4, 1]], size=400_000)
    tau = np.array([[-1.0, 0.2, 1.1], [0.3, np.inf, np.inf], [np.inf] * 3])
    numbers = np.column_stack(
        [np.digitize(draws[:, 0], tau[0]), np.digitize(draws[:, 1], tau[1][:1]), 2.0 * draws[:, 2]]
    )
    seen = np.cov(numbers.T)
    scale = Scale(tau, np.array([1.0, 1.0, 2.0]))
    of = score_covariances(
        scale, np.array([[1.0, rho, 0.3], [rho, 1.0, 0.4], [0.3, 0.4, 1.0]]) * (1 - np.eye(3))
    )
    np.fill_diagonal(of, score_variances(scale))
    assert of == pytest.approx(seen, abs=0.015)  # five standard errors of a covariance of 400,000 draws


def test_alpha_of_two_categories_is_that_of_the_answers() -> None:
    data = (survey()[ITEMS] > 1).astype(float)
    fit = sm.fit("F =~ u1 + u2 + u3 + u4", data.drop(columns="u1").assign(u1=data["u1"]), ordered=True)
    answers = data.cov().to_numpy()
    alpha = 4 / 3 * (1 - np.trace(answers) / answers.sum())
    assert fit.reliability()["alpha"].iloc[0] == pytest.approx(alpha, abs=1e-9)


def test_mixed_items_single_items_and_covariates() -> None:
    mixed = sm.fit("F =~ u1 + u2 + y1 + y2", survey(), ordered=["u1", "u2"]).reliability()
    assert 0 < mixed["omega"].iloc[0] < 1
    assert abs(mixed["omega"].iloc[0] / mixed["cr"].iloc[0] - 1) < 0.05
    covariate = sm.fit("F =~ u1 + u2 + u3\nF ~ x", survey(), ordered=ITEMS[:3]).reliability()
    assert np.isnan(covariate["omega"].iloc[0])
    assert "covariates" in covariate["note"].iloc[0]


def test_fornell_larcker_takes_the_ave_of_the_responses() -> None:
    fit = sm.fit("F =~ u1 + u2\nG =~ u3 + u4", survey(), ordered=ITEMS)
    quality = fit.reliability()
    moments = fit.sample_moments()[""]["cov"]
    assert (
        fornell_larcker(fit.estimates(), moments, quality=quality)["ave_1"].iloc[0] == quality["ave"].iloc[0]
    )
    with pytest.raises(sm.DataError, match=r"fit.reliability\(\)"):
        fornell_larcker(fit.estimates(), moments)


def test_continuous_items_keep_their_figures() -> None:
    fit = sm.fit("F =~ u1 + u3 + y1 + y2", survey().astype({"u1": float}))
    row = fit.reliability().iloc[0]
    assert 0 < row["omega"] < 1


def test_category_probabilities(one: sm.Fit) -> None:
    curves = one.category_curves(["u1", "u4"], at=[-1.0, 0.0, 2.0])
    total = curves.groupby(["item", "value"])["probability"].sum()
    assert total.to_numpy() == pytest.approx(1.0)
    # averaged over a normal construct they are the shares of the answers, which the thresholds reproduce
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    along = one.category_curves("u3", at=nodes.tolist())
    share = [
        float(part["probability"].to_numpy() @ weights / weights.sum())
        for _, part in along.groupby("category", sort=True)
    ]
    assert share == pytest.approx(
        survey()["u3"].value_counts(normalize=True).sort_index().to_list(), abs=1e-6
    )
    assert list(along["answer"].unique()) == ["1", "2", "3", "4", "5"]


def test_curves_are_free_of_the_parameterization(two: sm.Fit) -> None:
    # without the item of two categories, whose scale is 1 in all groups in either parameterization
    equal = {"group": "g", "group_equal": ["thresholds", "loadings"], "ordered": ITEMS[:3]}
    both = [
        sm.fit("F =~ u1 + u2 + u3", survey(), parameterization=p, **equal).category_curves()
        for p in ("delta", "theta")
    ]
    assert both[0]["probability"].to_numpy() == pytest.approx(both[1]["probability"].to_numpy(), abs=1e-5)
    assert set(both[0]["group"]) == {"a", "b"}
    assert len(two.category_curves("u4", at=[0.0])) == 4


def test_curves_ask_for_ordered_items(one: sm.Fit) -> None:
    with pytest.raises(sm.SpecError, match="Did you mean 'u1'"):
        one.category_curves("u11")
    with pytest.raises(sm.SpecError, match="ordered="):
        sm.fit("F =~ y1 + y2 + u1", survey()).category_curves()
