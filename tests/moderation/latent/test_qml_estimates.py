"""QML through `sm.moderate`: what must not matter, what must agree, and what is recovered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.result import Moderation

SAME = 1e-6
"""Difference of log-likelihoods found by different searches of one model."""
IN_ERRORS = 1e-4
"""Difference of estimates, in standard errors."""

MEASURES = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\n"
MODEL = MEASURES + "Y ~ X + Z + X:Z"


def customers(n: int = 400, seed: int = 5, *, interaction: float = 0.4, square: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    z = 0.3 * x + np.sqrt(0.91) * rng.normal(size=n)
    v = 0.3 * x + rng.normal(size=n)
    y = 0.4 * x + 0.3 * z + interaction * x * z + square * x**2 + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i + 1}": 3.0 + (1.0 - 0.1 * i) * score + 0.5 * rng.normal(size=n)
            for stem, score in (("x", x), ("z", z), ("y", y))
            for i in range(3)
        }
    )
    return frame.assign(v=v, segment=np.where(np.arange(n) % 5 < 2, "new", "old"))


def qml(model: str, data: pd.DataFrame, **options: object) -> Moderation:
    found = sm.moderate(model, data, method="qml", **options)
    assert isinstance(found, Moderation)
    assert found.status.ok, str(found.status)
    return found


def path(found: Moderation, lhs: str, rhs: str, column: str = "est") -> float:
    rows = found.estimates()
    return float(rows.loc[(rows["lhs"] == lhs) & (rows["op"] == "~") & (rows["rhs"] == rhs), column].iloc[0])


def test_the_marker_of_the_outcome_does_not_matter() -> None:
    data = customers()
    first = qml(MODEL, data)
    last = qml(MODEL.replace("Y =~ y1 + y2 + y3", "Y =~ y3 + y1 + y2"), data)
    assert last.loglik == pytest.approx(first.loglik, abs=SAME)
    rows = first.estimates()
    scale = float(rows.loc[(rows["lhs"] == "Y") & (rows["rhs"] == "y3"), "est"].iloc[0])
    moved = (path(last, "Y", "X:Z") - scale * path(first, "Y", "X:Z")) / path(last, "Y", "X:Z", "se")
    assert abs(moved) < IN_ERRORS


def test_without_the_interaction_it_is_the_linear_model() -> None:
    data = customers()
    held, linear = (
        qml(MEASURES + "Y ~ X + Z + 0*X:Z", data),
        sm.fit(MEASURES + "Y ~ X + Z", data, meanstructure=True),
    )
    assert held.loglik == pytest.approx(linear.measures()["logl"], abs=SAME)
    plain = linear.estimates().set_index(["lhs", "op", "rhs"])
    rows = held.estimates().set_index(["lhs", "op", "rhs"])
    for key in (("Y", "~", "X"), ("Y", "~", "Z"), ("X", "~~", "Z")):
        assert abs(rows.loc[key, "est"] - plain.loc[key, "est"]) < IN_ERRORS * plain.loc[key, "se"]


def test_full_information_is_maximum_likelihood_where_nothing_is_missing() -> None:
    data = customers()
    listwise, fiml = qml(MODEL, data), qml(MODEL, data, missing="fiml")
    assert fiml.loglik == pytest.approx(listwise.loglik, abs=SAME)
    np.testing.assert_allclose(fiml.vcov(), listwise.vcov(), rtol=1e-4, atol=1e-9)


def test_groups_without_equalities_are_separate_models() -> None:
    data = customers()
    together = qml(MODEL, data, group="segment")
    apart = {label: qml(MODEL, part) for label, part in data.groupby("segment")}
    assert together.loglik == pytest.approx(sum(found.loglik for found in apart.values()), abs=SAME)
    rows = together.estimates()
    for label, alone in apart.items():
        own = rows[(rows["group"] == label) & (rows["rhs"] == "X:Z") & (rows["op"] == "~")]
        assert abs(own["est"].iloc[0] - path(alone, "Y", "X:Z")) < IN_ERRORS * own["se"].iloc[0]


def test_robust_errors_are_the_sandwich_of_case_scores() -> None:
    data = customers()
    plain, robust = qml(MODEL, data), qml(MODEL, data, estimator="MLR")
    assert robust.loglik == pytest.approx(plain.loglik, abs=SAME)
    likelihood, params = robust.likelihood, robust.solution.params  # type: ignore[attr-defined]
    scores = likelihood.case_scores(params)
    bread = np.linalg.inv(likelihood.information(params))
    for found, expected in ((plain, bread), (robust, bread @ (scores.T @ scores) @ bread)):
        errors = np.sqrt(np.diag(expected))
        assert np.abs((found.vcov() - expected) / np.outer(errors, errors)).to_numpy().max() < IN_ERRORS


def test_the_likelihood_ratio_test_is_against_the_model_without_the_products() -> None:
    data = customers(square=0.2)
    found = qml(MEASURES + "Y ~ X + Z + X:Z + X:X", data)
    one = qml(MEASURES + "Y ~ X + Z + X:Z", data)
    linear = sm.fit(MEASURES + "Y ~ X + Z", data, meanstructure=True)
    test = found.interaction_test().set_index("term")
    without_square = 2.0 * (found.loglik - one.loglik)
    assert test.loc["Y ~ X:X", "chisq_diff"] == pytest.approx(without_square, abs=1e-4)
    together = 2.0 * (found.loglik - linear.measures()["logl"])
    assert test.loc["all products", "chisq_diff"] == pytest.approx(together, abs=1e-4)
    assert test.loc["all products", "df"] == 2


def test_a_product_with_an_observed_column_needs_no_phantom_of_it() -> None:
    data = customers(3_000)
    rng = np.random.default_rng(8)
    score = data["x1"] - 3.0
    for item in ("y1", "y2", "y3"):
        data[item] += 0.3 * score * data["v"]
    found = qml(MEASURES + "Y ~ X + Z + v + X:v + X:Z", data.assign(noise=rng.normal(size=len(data))))
    assert path(found, "Y", "X:v") == pytest.approx(0.3, abs=4 * path(found, "Y", "X:v", "se"))


def test_with_an_observed_factor_it_is_exact() -> None:
    """Given v and the contrasts, Y's items are linear in normal variables: nothing is approximated."""
    data = customers(300)
    model = MEASURES + "Y ~ X + Z + v + X:v"
    exact = sm.moderate(model, data, method="lms")
    assert qml(model, data).loglik == pytest.approx(exact.loglik, abs=1e-4)


@pytest.mark.parametrize(("interaction", "square"), [(0.4, 0.0), (0.0, 0.3), (-0.3, 0.2)])
def test_interactions_and_squares_are_recovered_together(interaction: float, square: float) -> None:
    data = customers(4_000, interaction=interaction, square=square)
    found = qml(MEASURES + "Y ~ X + Z + X:Z + X:X", data)
    for name, true in (("X:Z", interaction), ("X:X", square), ("X", 0.4), ("Z", 0.3)):
        assert abs(path(found, "Y", name) - true) < 3.5 * path(found, "Y", name, "se"), name


def test_missing_answers_at_random_leave_the_interaction_in_place() -> None:
    data = customers(3_000)
    rng = np.random.default_rng(9)
    often = data["x1"] > 3.5  # missing at random given x1
    for item in ("z2", "y1", "y2"):
        data.loc[rng.random(len(data)) < np.where(often, 0.5, 0.1), item] = np.nan
    found = qml(MODEL, data, missing="fiml")
    assert abs(path(found, "Y", "X:Z") - 0.4) < 3.5 * path(found, "Y", "X:Z", "se")


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ("Y ~ X + Z + X:Z\nZ ~ X + X:X", "higher degree than two"),
        ("Y ~ X + Z + X:Z:Z", "more than two yet. Use method='lms'"),
    ],
)
def test_what_it_cannot_estimate_is_refused_with_a_way_out(paths: str, says: str) -> None:
    with pytest.raises(sm.SpecError, match=says):
        sm.moderate(MEASURES + paths, customers(), method="qml")
