"""Influence: one step against refits, a planted outlier, labels and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.influence import exact_influence, one_step_influence, without_row

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nP ~ E"
ITEMS = ["e1", "e2", "e3", "p1", "p2", "p3"]


@pytest.fixture(scope="module")
def some(clients: pd.DataFrame) -> pd.DataFrame:
    data = clients.iloc[:150].copy()
    data.index = [f"id{i}" for i in range(len(data))]
    data.loc["id17", ["e1", "p3"]] = [14.0, -4.0]
    return data


def holed(data: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return data.assign(**{name: data[name].mask(rng.random(len(data)) < 0.1) for name in ITEMS})


@pytest.mark.parametrize("options", [{}, {"missing": "fiml"}, {"group": "active", "group_equal": "loadings"}])
def test_one_step_agrees_with_refits(some: pd.DataFrame, options: dict[str, str]) -> None:
    """The step leaves out the row's own curvature, of relative size 1/N for ordinary rows."""
    data = holed(some) if options.get("missing") else some
    solved = sm.fit(MODEL, data, information="observed", **options).solved
    quick, slow = one_step_influence(solved), exact_influence(solved)
    usual = slow.cook < np.quantile(slow.cook, 0.9)
    spread = np.sqrt(np.diagonal(solved.covariance.free))
    assert np.abs((quick.moved - slow.moved)[usual] / spread).max() < 0.05
    assert np.corrcoef(quick.cook[usual], slow.cook[usual])[0, 1] > 0.98
    assert np.corrcoef(np.argsort(np.argsort(quick.cook)), np.argsort(np.argsort(slow.cook)))[0, 1] > 0.97
    np.testing.assert_allclose(quick.displacement[usual], slow.displacement[usual], rtol=0.5, atol=0.02)
    assert (slow.displacement > -1e-6).all()


@pytest.mark.parametrize(
    ("estimator", "extra"),
    [("GLS", ""), ("ULS", ""), ("WLS", ""), ("GLS", "\nP ~ tenure"), ("ULS", "\nP ~ tenure")],
)
def test_one_step_of_least_squares_agrees_with_refits(some: pd.DataFrame, estimator: str, extra: str) -> None:
    data = some.drop(index="id17")
    solved = sm.fit(MODEL + extra, data, estimator=estimator).solved
    quick, slow = one_step_influence(solved), exact_influence(solved)
    usual = slow.cook < np.quantile(slow.cook, 0.9)
    spread = np.sqrt(np.diagonal(solved.covariance.free))
    # the step holds the weight matrix of WLS, which is a part of a row's influence
    allowed = {"GLS": 0.1, "ULS": 0.05, "WLS": 0.3}[estimator]
    assert np.abs((quick.moved - slow.moved)[usual] / spread).max() < allowed
    measure = "cook" if estimator == "WLS" else "displacement"
    assert np.corrcoef(getattr(quick, measure)[usual], getattr(slow, measure)[usual])[0, 1] > 0.85


def test_an_outlier_stands_out(some: pd.DataFrame) -> None:
    table = sm.fit(MODEL, some).influence()
    assert list(table.columns) == ["cooks_distance", "likelihood_displacement"]
    assert list(table.index) == list(some.index)
    assert table.cooks_distance.idxmax() == "id17"
    assert table.likelihood_displacement.idxmax() == "id17"
    groups = sm.fit(MODEL, some, group="active").influence()
    assert (groups.group == some.active).all()


def test_the_measures_do_not_depend_on_units_or_scaling(some: pd.DataFrame) -> None:
    base = sm.fit(MODEL, some).influence()
    other = sm.fit(MODEL, some.assign(e2=some.e2 * 1e3), std_lv=True).influence()
    np.testing.assert_allclose(base, other, rtol=1e-4, atol=1e-8)


def test_the_first_order_is_exact_for_a_mean(some: pd.DataFrame) -> None:
    """A saturated variance and mean by hand: d of the mean is −(x − x̄)/n in one step."""
    solved = sm.fit("e1 ~~ e1\ne1 ~ 1", some).solved
    moved = one_step_influence(solved).moved
    deviation = (some.e1 - some.e1.mean()).to_numpy()
    np.testing.assert_allclose(moved[:, 1], -deviation / len(some), rtol=1e-8)
    np.testing.assert_allclose(
        moved[:, 0], -(deviation**2 - np.var(some.e1)) / len(some), rtol=1e-6, atol=1e-10
    )


def test_a_sample_less_one_row_is_the_sample_of_the_others(some: pd.DataFrame) -> None:
    solved = sm.fit(MODEL, some).solved
    smaller = without_row(solved.sample, 0, 4)
    direct = sm.fit(MODEL, some.drop(index="id4")).solved.sample
    np.testing.assert_allclose(smaller.cov, direct.cov, rtol=1e-12)
    assert smaller.n == direct.n
    assert smaller.n_used == direct.n_used


def test_refusals(some: pd.DataFrame) -> None:
    for missing in ("pairwise", "two.stage"):
        with pytest.raises(sm.SpecError, match="no part of its own"):
            sm.fit(MODEL, holed(some), missing=missing).influence()
    moments = sm.fit(MODEL, sample_cov=some[ITEMS].cov(), sample_nobs=len(some))
    with pytest.raises(sm.DataError, match="need the rows"):
        moments.influence()
