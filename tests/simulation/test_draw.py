"""Draws against algebra: implied moments by hand, and what a large draw must come near to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.simulation.draw import implied_moments, simulate
from sem_models.simulation.monte_carlo import population_fit
from sem_models.simulation.population import Population

LARGE = 200_000
STANDARD_ERRORS = 4.0
"""Allowed distance of a large draw: of 200 quantities one is farther by chance with probability .012."""


def test_implied_moments_by_hand(small: dict[str, Any]) -> None:
    moments = implied_moments(Population.from_dict(small))["a"]
    # var X = 2, var Y = .25 · 2 + 1, cov(X, Y) = .5 · 2; mean X = .5, mean Y = .25
    assert moments.latent_cov.loc["Y", "Y"] == pytest.approx(1.5)
    assert moments.cov.loc["x1", "x2"] == pytest.approx(0.8 * 2)
    assert moments.cov.loc["x2", "x2"] == pytest.approx(0.64 * 2 + 0.4)
    assert moments.cov.loc["x2", "y2"] == pytest.approx(0.8 * 2 * 1.0)
    assert moments.mean["y2"] == pytest.approx(4 + 2 * 0.25)
    assert implied_moments(Population.from_dict(small))["b"].mean["y2"] == pytest.approx(4)


def test_groups_get_their_shares_and_draws_repeat(small: dict[str, Any]) -> None:
    population = Population.from_dict(small)
    first = simulate(population, 101, rng=np.random.default_rng(5))
    assert first["g"].value_counts().to_dict() == {"a": 61, "b": 40}
    pd.testing.assert_frame_equal(first, simulate(population, 101, rng=np.random.default_rng(5)))
    assert not first.equals(simulate(population, 101, rng=np.random.default_rng(6)))


def test_answers_are_the_nearest_point_of_the_scale(small: dict[str, Any]) -> None:
    population = Population.from_dict(small)
    exact = simulate(population, 5000, rng=np.random.default_rng(5), continuous=True)
    answers = simulate(population, 5000, rng=np.random.default_rng(5))
    items = ["x1", "x2", "y1", "y2"]
    drawn, given = exact[items].to_numpy(), answers[items].to_numpy()
    assert set(np.unique(given)) == set(range(1, 8))
    inside = (drawn > 0.5) & (drawn < 7.5)
    assert 0.5 < inside.mean() < 1
    assert np.abs(given - drawn)[inside].max() <= 0.5
    assert set(given[drawn >= 7.5]) == {7.0}
    assert set(given[drawn <= 0.5]) == {1.0}


def test_terms_on_products_and_records(small: dict[str, Any]) -> None:
    data = simulate(Population.from_dict(small), LARGE, rng=np.random.default_rng(5), latents=True)
    mean = {"a": 0.5, "b": 0.0}
    intercept = {"a": (0.5, 0.3), "b": (0.2, 0.0)}
    for label, rows in data.groupby("g"):
        x, calls = rows["X"] - mean[str(label)], rows["calls"] - 2
        design = np.column_stack([np.ones(len(rows)), rows["X"], calls, x * calls])
        slopes, *_ = np.linalg.lstsq(design, rows["Y"].to_numpy(), rcond=None)
        path, product = intercept[str(label)]
        errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))  # the disturbance has variance 1
        assert (np.abs(slopes - [0, path, -0.1, product]) < STANDARD_ERRORS * errors).all()


def test_linear_draw_leaves_the_terms_out(small: dict[str, Any]) -> None:
    population = Population.from_dict(small)
    draw = {
        linear: simulate(population, LARGE, rng=np.random.default_rng(5), linear=linear, latents=True)
        for linear in (True, False)
    }
    variance = {linear: data.loc[data["g"] == "a", "Y"].var() for linear, data in draw.items()}
    assert variance[True] == pytest.approx(1.5, rel=STANDARD_ERRORS * np.sqrt(2 / (0.6 * LARGE)))
    assert variance[False] > 1.7


def test_moments_of_records(b2b: Population) -> None:
    """Counts are mixed Poisson: log-normal mean λ, variance E λ + (1 + 1/size) E λ² − (E λ)²."""
    data = simulate(b2b, LARGE, rng=np.random.default_rng(11), complete=True)
    latent = {label: moments.latent_cov for label, moments in implied_moments(b2b).items()}
    for name in ("customer_calls", "company_calls"):
        record = b2b.records[name]
        assert record.size is not None
        for label, level in zip(b2b.labels, b2b.by_group(record.level), strict=True):
            slopes = pd.Series(record.on)
            spread = slopes @ latent[label].loc[slopes.index, slopes.index] @ slopes
            mean, square = np.exp(level + spread / 2), np.exp(2 * level + 2 * spread)
            variance = mean + (1 + 1 / record.size) * square - mean**2
            column = data.loc[data["active"] == label, name]
            error = np.sqrt(variance / len(column))
            assert abs(column.mean() - mean) < STANDARD_ERRORS * error
            fourth = ((column - column.mean()) ** 4).mean()
            error = np.sqrt((fourth - variance**2) / len(column))
            assert abs(column.var() - variance) < STANDARD_ERRORS * error
    shares = data["contract_months"].value_counts(normalize=True)
    assert shares[24] == pytest.approx(0.35, abs=STANDARD_ERRORS * np.sqrt(0.35 * 0.65 / LARGE))
    log_tenure = np.log(data.loc[data["active"] == "active", "tenure_years"])
    assert log_tenure.median() == pytest.approx(2.0, abs=0.02)  # a decimal is 1 % of 7.4 years
    assert data["billing_accuracy"].max() <= 100
    assert data["account_manager"].nunique() == 24
    assert data["customer_id"].is_unique


def test_visits_follow_trouble(b2b: Population) -> None:
    data = simulate(b2b, LARGE, rng=np.random.default_rng(12), complete=True, latents=True)
    assert data["onsite_visits"].corr(data["OPS"]) < -0.1
    assert data["onsite_visits"].corr(data["repair_hours"]) > 0.1


def test_answers_go_missing_as_written(b2b: Population) -> None:
    data = simulate(b2b, LARGE, rng=np.random.default_rng(13))
    whole = simulate(b2b, 1000, rng=np.random.default_rng(13), complete=True)
    assert not whole.isna().any().any()
    at_random = 1 / (1 + np.exp(3.7))
    error = np.sqrt(at_random * (1 - at_random) / LARGE)
    for item in ("eds1", "sato2", "act1"):
        assert data[item].isna().mean() == pytest.approx(at_random, abs=STANDARD_ERRORS * error)
    gone = data["bi3"].isna().groupby(data["active"]).mean()
    assert gone["inactive"] > gone["active"] + 0.02
    short = data["tenure_years"] < data["tenure_years"].median()
    assert data.loc[short, "bi3"].isna().mean() > data.loc[~short, "bi3"].isna().mean() + 0.01
    wave_1 = data[["pvp1", "pvp2", "pvp3", "satp1", "satp2", "satp3"]].isna()
    assert wave_1.all(axis=1).mean() > 0.04


def test_population_is_recovered_from_a_large_draw(b2b: Population) -> None:
    """Two-group fit, every free parameter of the linear part within four standard errors."""
    data = simulate(b2b, LARGE, rng=np.random.default_rng(7), continuous=True, linear=True, complete=True)
    data = data.sort_values("active", kind="stable")  # groups in the population's order
    spec = sm.load("b2b_service")
    fit = sm.fit(spec, data, group="active")
    assert fit.status.admissible
    truth = population_fit(b2b, spec)
    assert truth.solved.fmin < 1e-12
    wanted, found = truth.estimates(), fit.estimates()
    assert (wanted[["lhs", "op", "rhs", "group"]] == found[["lhs", "op", "rhs", "group"]]).all().all()
    free = found["se"] > 0
    assert free.sum() > 120
    distance = (found["est"] - wanted["est"])[free].abs() / found["se"][free]
    assert distance.max() < STANDARD_ERRORS
    paths = wanted[wanted["op"] == "~"].set_index(["lhs", "rhs", "group"])["est"]
    assert paths["PV", "EDS", "active"] == pytest.approx(0.66)
    assert paths["SAT_ORG", "OPS", "inactive"] == pytest.approx(0.32)
