"""C6, C9 and C10 on samples of the example's population: the interactions it was drawn with come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.simulation.draw import simulate
from sem_models.simulation.population import load_population

MEASURED = """
EDS =~ eds1 + eds2 + eds3 + eds4
OPS =~ ops1 + ops2 + ops3 + ops4
ACT =~ act1 + act2 + act3
PV_PRIOR =~ pvp1 + pvp2 + pvp3
PV =~ pv1 + pv2 + pv3
pv1 ~~ pvp1
pv2 ~~ pvp2
pv3 ~~ pvp3
PV ~ EDS + OPS + ACT + PV_PRIOR + tenure_years + customer_calls + company_calls + onsite_visits
"""
TRUE = {
    "EDS:ACT": (0.22, 0.22), "OPS:ACT": (0.20, 0.20), "EDS:OPS": (-0.05, -0.05),
    "EDS:PV_PRIOR": (-0.06, -0.06), "OPS:PV_PRIOR": (0.08, 0.08), "EDS:tenure_years": (-0.02, -0.02),
    "OPS:tenure_years": (0.015, 0.015), "onsite_visits:ACT": (0.09, 0.09),
}  # fmt: skip
"""Active, inactive: as the population file has them."""


@pytest.mark.slow
def test_interactions_of_the_population_come_back_over_200_draws() -> None:
    population = load_population("b2b_service")
    rng = np.random.default_rng(10)
    model = MEASURED + "PV ~ " + " + ".join([*TRUE, "onsite_visits:PV_PRIOR"])
    found = []
    for _ in range(200):
        data = simulate(population, 800, rng=rng, continuous=True, linear=False, complete=True)
        result = sm.moderate(model, data, group="active", group_equal=("loadings",), match="position")
        if result.status.converged:
            rows = result.estimates()
            found.append(rows[(rows["lhs"] == "PV") & (rows["op"] == "~") & rows["rhs"].isin(TRUE)])
    assert len(found) >= 190
    drawn = pd.concat(found)
    for product, values in TRUE.items():
        for group, true in zip(("active", "inactive"), values, strict=True):
            mine = drawn[(drawn["rhs"] == product) & (drawn["group"] == group)]
            error = float(mine["est"].std(ddof=1)) / np.sqrt(len(mine))
            bias = float(mine["est"].mean()) - true
            assert abs(bias) < 3 * error + 0.01, (product, group, bias, error)


@pytest.mark.slow
def test_the_harm_of_visits_at_low_activity_comes_back_over_200_draws() -> None:
    """C6: at the 10th percentile of activity over all customers, and the share to whom a visit does harm."""
    population = load_population("b2b_service")
    written = next(c.quantities for c in population.claims if c.id == "C6")
    spec = sm.load("b2b_service_core")
    only = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id == "C6")})
    rng = np.random.default_rng(6)
    at_low, harmed = [], []
    for _ in range(200):
        data = simulate(population, 800, rng=rng, continuous=True, linear=False, complete=True)
        rows = sm.scorecard(only, data, missing="listwise").table().set_index(["claim", "part"])
        at_low.append(rows.loc[("C6", "PV")])
        harmed.append(float(rows.loc[("C6", "SHARE"), "estimate"]))
    low = pd.DataFrame(at_low)
    error = float(low["estimate"].std(ddof=1)) / np.sqrt(len(low))
    assert abs(float(low["estimate"].mean()) - written["visit_at_p10_of_ACT"]) < 3 * error + 0.02
    assert abs(float(np.mean(harmed)) - written["share_harmed"]) < 0.1
