"""Recovery tables: true values whatever the scaling, and figures that a direct computation confirms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.simulation.draw import simulate
from sem_models.simulation.monte_carlo import population_fit, recovery
from sem_models.simulation.population import Population

MODEL = """
    X =~ x1 + c(l, l)*x2
    Y =~ y1 + c(k, k)*y2
    Y ~ c(ba, bb)*X
    gap := ba - bb
"""


def test_true_values_follow_the_models_scaling(small: dict[str, Any]) -> None:
    fit = population_fit(Population.from_dict(small), MODEL.replace("x1 +", "NA*x1 +") + "X ~~ 1*X")
    assert fit.solved.fmin < 1e-12
    true = fit.estimates().set_index("label")["est"]
    # X has variance 2: its loadings and paths are √2 times those of the marker
    assert true["l"].to_numpy() == pytest.approx(0.8 * np.sqrt(2), abs=1e-6)
    assert true["ba"] == pytest.approx(0.5 * np.sqrt(2), abs=1e-6)
    assert true["gap"] == pytest.approx(0.3 * np.sqrt(2), abs=1e-6)


def test_recovery_counts_what_separate_fits_give(small: dict[str, Any]) -> None:
    population = Population.from_dict(small)
    frame = recovery(population, MODEL, 300, 6, np.random.default_rng(3)).set_index("label")
    rng = np.random.default_rng(3)
    fits = []
    for _ in range(6):
        data = simulate(population, 300, rng=rng, continuous=True, linear=True, complete=True)
        fits.append(sm.fit(MODEL, data.sort_values("g", kind="stable"), group="g").estimates())
    gaps = [f.set_index("label").loc["gap"] for f in fits]
    row = frame.loc["gap"]
    assert row["true"] == pytest.approx(0.3, abs=1e-6)
    assert row["mean"] == pytest.approx(np.mean([g["est"] for g in gaps]), abs=1e-6)
    assert row["bias"] == pytest.approx(row["mean"] - 0.3, abs=1e-6)
    assert row["sd"] == pytest.approx(np.std([g["est"] for g in gaps], ddof=1), abs=1e-6)
    assert row["se"] == pytest.approx(np.mean([g["se"] for g in gaps]), abs=1e-6)
    assert row["coverage"] == np.mean([g["ci_lower"] <= 0.3 <= g["ci_upper"] for g in gaps])
    assert row["converged"] == 1
    assert frame.loc["bb", "group"] == "b"


def test_recovery_of_rounded_incomplete_answers(b2b: Population) -> None:
    frame = recovery(
        b2b, "b2b_service", 387, 3, np.random.default_rng(4),
        continuous=False, linear=False, complete=False, missing="fiml", estimator="MLR",
    )  # fmt: skip
    paths = frame[frame["op"] == "~"].set_index(["lhs", "rhs", "group"])
    assert paths.loc[("PV", "EDS", "active"), "true"] == pytest.approx(0.66, abs=1e-6)
    assert paths["bias"].abs().max() < 0.4
    assert (frame["replications"] == 3).all()


def test_misspelt_option_is_refused(small: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="group_eqal"):
        recovery(Population.from_dict(small), MODEL, 300, 2, np.random.default_rng(1), group_eqal="loadings")
