"""Trade-off, cheapest mix and what-if: algebra by hand, recovery, and what is out of the data's reach."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.findings.cheapest_mix import cheapest
from sem_models.findings.trade_off import rates_along
from sem_models.inference.result import Fit

MODEL = """
EDS =~ e1 + e2 + e3
OPS =~ o1 + o2 + o3
PV =~ p1 + p2 + p3
BI =~ b1 + b2 + b3
PV ~ EDS + OPS
BI ~ PV + OPS
"""


def simulate(n: int = 600, seed: int = 4) -> pd.DataFrame:
    """PV = .6 EDS + .3 OPS, BI = .5 PV + .2 OPS; activity adds .3 to the effect of EDS in group "active"."""
    rng = np.random.default_rng(seed)
    active = rng.random(n) < 0.5
    eds, ops = rng.normal(size=(2, n))
    pv = (0.6 + 0.3 * active) * eds + 0.3 * ops + 0.5 * rng.normal(size=n)
    bi = 0.5 * pv + 0.2 * ops + 0.5 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i}": 4 + weight * latent + 0.4 * rng.normal(size=n)
            for stem, latent in (("e", eds), ("o", ops), ("p", pv), ("b", bi))
            for i, weight in ((1, 1.0), (2, 0.9), (3, 0.8))
        }
    )
    return frame.assign(activity=np.where(active, "active", "inactive"), w=rng.normal(size=n))


@pytest.fixture(scope="module")
def fit() -> Fit:
    return sm.fit(MODEL, simulate(), meanstructure=True)


def test_rates_are_ratios_of_total_effects(fit: Fit) -> None:
    rows = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    eds = rows["PV", "~", "EDS"] * rows["BI", "~", "PV"]
    ops = rows["PV", "~", "OPS"] * rows["BI", "~", "PV"] + rows["BI", "~", "OPS"]
    rates = sm.trade_off(fit, outcome="BI").rates().set_index("scale")
    assert rates.loc["points", "rate"] == pytest.approx(ops / eds, abs=1e-12)
    cov = fit.latent_moments()[""]["cov"]
    sd = float(np.sqrt(cov.loc["OPS", "OPS"] / cov.loc["EDS", "EDS"]))
    assert rates.loc["sd", "rate"] == pytest.approx(ops * sd / eds, abs=1e-12)
    assert (rates["set"] == "interval").all()


def test_the_set_is_that_of_the_contrast(fit: Fit) -> None:
    labeled = sm.fit(MODEL.replace("PV ~ EDS + OPS", "PV ~ e*EDS + o*OPS"), simulate())
    contrast = labeled.contrast(sm.Contrast("C4", "o/e", interval="fieller"))
    rates = sm.trade_off(labeled).rates().iloc[0]
    assert rates["ci_lower"] == pytest.approx(contrast["ci_lower"], abs=1e-12)
    assert rates["ci_upper"] == pytest.approx(contrast["ci_upper"], abs=1e-12)


def test_groups_have_their_own_rates_and_the_bootstrap_agrees() -> None:
    fit = sm.fit(MODEL, simulate(), group="activity", group_equal=("loadings",))
    rates = sm.trade_off(fit, bootstrap=400, seed=1).rates()
    points = rates[rates["scale"] == "points"].set_index("group")
    assert points.loc["active", "rate"] == pytest.approx(0.3 / 0.9, abs=0.12)
    assert points.loc["inactive", "rate"] == pytest.approx(0.3 / 0.6, abs=0.15)
    width = (rates["ci_upper"] - rates["ci_lower"]).to_numpy()
    drawn = (rates["boot_upper"] - rates["boot_lower"]).to_numpy()
    np.testing.assert_allclose(drawn, width, rtol=0.25)


def test_iso_value_lines_leave_the_outcome_unchanged(fit: Fit) -> None:
    rows = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    curve = sm.trade_off(fit).iso_value()
    change = rows["PV", "~", "OPS"] * curve["x"] + rows["PV", "~", "EDS"] * curve["y"]
    np.testing.assert_allclose(change, 0.0, atol=1e-12)
    assert (curve["lower"] <= curve["y"] + 1e-12).all()
    assert (curve["y"] <= curve["upper"] + 1e-12).all()
    assert curve["supported"].iloc[20]
    assert not curve["supported"].iloc[[0, -1]].any()


def test_the_better_effect_per_cost_is_used_first() -> None:
    effects, costs, room = np.array([0.6, 0.3]), np.array([3.0, 1.0]), np.array([2.0, 1.0])
    mix = cheapest(("EDS", "OPS"), effects, 0.001 * np.eye(2), costs, 0.5, room)
    np.testing.assert_allclose(mix.raises, [0.2 / 0.6, 1.0])  # OPS: .3 per unit of cost against .2
    assert mix.cost == pytest.approx(3 * 0.2 / 0.6 + 1.0)
    assert mix.reachable
    assert mix.probability[1] > 0.9
    assert mix.switch.lower < effects[0] / effects[1] < mix.switch.upper


def test_a_target_beyond_the_room_is_said_to_be_out_of_reach() -> None:
    mix = cheapest(("EDS", "OPS"), np.array([0.6, 0.3]), 0.001 * np.eye(2), np.ones(2), 5.0, np.ones(2))
    assert not mix.reachable
    assert mix.reached == pytest.approx(0.9)
    assert "out of the data's reach" in mix.sentence


def test_a_lever_that_does_harm_is_not_used() -> None:
    mix = cheapest(("EDS", "OPS"), np.array([-0.6, 0.3]), 0.001 * np.eye(2), np.ones(2), 0.1, np.ones(2))
    assert mix.raises[0] == 0.0


def test_rates_along_a_moderator(fit: Fit) -> None:
    data = simulate()
    data["pv"] = data[["p1", "p2", "p3"]].mean(axis=1)
    data["eds"], data["ops"] = data["e1"] - 4, data["o1"] - 4
    observed = sm.fit("pv ~ eds + ops + w + eds:w + ops:w", data, meanstructure=True)
    found = rates_along(sm.probe(observed), outcome="pv", takes="eds", gives="ops", moderator="w")
    rows = observed.estimates().set_index(["lhs", "op", "rhs"])["est"]
    w = found["value"].to_numpy()
    by_hand = (rows["pv", "~", "ops"] + rows["pv", "~", "ops:w"] * w) / (
        rows["pv", "~", "eds"] + rows["pv", "~", "eds:w"] * w
    )
    np.testing.assert_allclose(found["rate"], by_hand, atol=1e-12)
    inside = found[found["set"] == "interval"]
    assert (inside["ci_lower"] < inside["rate"]).all()


def test_what_if_is_the_total_effect_times_the_change(fit: Fit) -> None:
    rows = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    found = sm.what_if(fit, {"OPS": -0.5, "EDS": 0.2}).table().set_index("outcome")["change"]
    pv = -0.5 * rows["PV", "~", "OPS"] + 0.2 * rows["PV", "~", "EDS"]
    assert found["PV"] == pytest.approx(pv, abs=1e-12)
    bi = pv * rows["BI", "~", "PV"] - 0.5 * rows["BI", "~", "OPS"]
    assert found["BI"] == pytest.approx(bi, abs=1e-12)


def test_what_if_says_how_it_is_read_and_where_it_leaves_the_data(fit: Fit) -> None:
    small, large = sm.what_if(fit, {"OPS": -0.5}), sm.what_if(fit, {"OPS": -5.0}, adjusted_for=["size"])
    assert "observed, not assigned" in small.reading
    assert "given size" in large.reading
    assert not small.table()["extrapolated"].any()
    assert large.table()["extrapolated"].all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: sm.what_if(f, {"OSP": 1.0}), "Did you mean 'OPS'"),
        (lambda f: sm.what_if(f, {}), "names no lever"),
        (lambda f: sm.what_if(f, {"PV": 1.0}, outcomes=["EDS"]), "No lever leads to 'EDS'"),
        (lambda f: sm.trade_off(f, takes="OPS", gives="OPS"), "make up for itself"),
        (lambda f: sm.trade_off(f, outcome="EDS"), "No path leads"),
        (lambda f: sm.trade_off(f).cheapest(costs={"EDS": 1.0}, target=1.0), "costs= needs"),
        (lambda f: sm.trade_off(f).cheapest(costs={"EDS": 1.0, "OPS": -1.0}, target=1.0), "must be positive"),
    ],
)
def test_what_does_not_fit_is_refused(fit: Fit, call: object, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        call(fit)  # type: ignore[operator]
