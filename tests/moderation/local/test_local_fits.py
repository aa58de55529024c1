"""Local fits against sm.fit with the kernel weights as sampling weights, against lavaan, and in "
"joint estimation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.local.kernel import kernel_weights
from sem_models.moderation.local.result import LocalModeration

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ a*E\nB ~ b*P + E\nind := a*b"
PATHS = [("P", "E"), ("B", "P"), ("B", "E")]

SAME = 1e-8
"""Two searches for one optimum, relative."""
LAVAAN = 1e-3
"""Agreement with lavaan in standard errors."""

# lavaan 0.6-14, sem(MODEL, clients, estimator = "MLR", sampling.weights = exp(-((tenure - t)/bw)^2/2)) with
# bw = 1.1 SD(tenure) 300^(-1/5) (divisor n), t = 4 and 8: estimates and robust errors of P ~ E, B ~ P, B ~ E
WEIGHTED = {
    4.0: ([0.56694470528, 0.404062111807, 0.343155490245], [0.099271130627, 0.118518034492, 0.119222991072]),
    8.0: (
        [0.680379530039, 0.533904418754, -0.0421095648664],
        [0.14063960045, 0.175693594433, 0.155595679595],
    ),
}
# the same with sample.cov = weighted covariances of residuals(lm(item ~ tenure, weights = w)) and
# sample.mean = the lines' heights at t; last the intercept of p2
RESIDUALIZED = {
    4.0: [0.570153692962, 0.399642354161, 0.346517946386, 4.30423985453],
    8.0: [0.680026922862, 0.528567894465, -0.0372007175643, 4.14736919651],
}


def paths(result: LocalModeration, at: float) -> pd.DataFrame:
    table = result.estimates()
    here = table[np.isclose(table["tenure"], at)].set_index(["lhs", "rhs"])
    return here[here["op"] == "~"].loc[PATHS]


@pytest.fixture(scope="module")
def grid() -> list[float]:
    return [4.0, 6.0, 8.0]


def test_every_row_is_that_of_a_weighted_fit(clients: pd.DataFrame, grid: list[float]) -> None:
    found = sm.moderate(MODEL, clients, method="lsem", moderator="tenure", grid=grid, residualize=False)
    width = found.problem.window.bandwidth
    table = found.estimates()
    for at in grid:
        weight = kernel_weights(clients["tenure"].to_numpy(), np.array([at]), width, "gaussian")[0]
        brute = sm.fit(MODEL, clients.assign(w=weight), estimator="MLR", sampling_weights="w").estimates()
        mine = table[np.isclose(table["tenure"], at)]
        for column in ("est", "se", "std_lv", "std_all"):
            assert mine[column].to_numpy() == pytest.approx(brute[column].to_numpy(), rel=SAME, abs=SAME)


def test_incomplete_rows_are_weighted_in_their_likelihood(clients: pd.DataFrame) -> None:
    rng = np.random.default_rng(4)
    data = clients.copy()
    items = [c for c in data.columns if c[0] in "epb" and c[1:].isdigit()]
    data[items] = data[items].mask(rng.random((len(data), len(items))) < 0.15)
    found = sm.moderate(
        MODEL, data, method="lsem", moderator="tenure", grid=[5.0], residualize=False, missing="fiml"
    )
    m = data["tenure"].to_numpy()
    weight = kernel_weights(m, np.array([5.0]), found.problem.window.bandwidth, "gaussian")[0]
    brute = sm.fit(
        MODEL, data.assign(w=weight), estimator="MLR", sampling_weights="w", missing="fiml"
    ).estimates()
    mine = found.estimates()
    assert mine["est"].to_numpy() == pytest.approx(brute["est"].to_numpy(), rel=1e-6, abs=1e-6)
    assert mine["se"].to_numpy() == pytest.approx(brute["se"].to_numpy(), rel=1e-5, abs=1e-6)


def test_lavaan_with_kernel_weights(clients: pd.DataFrame) -> None:
    model = MODEL.splitlines()
    plain = "\n".join(line for line in model if ":=" not in line)
    found = sm.moderate(plain, clients, method="lsem", moderator="tenure", grid=[4.0, 8.0], residualize=False)
    for at, (est, se) in WEIGHTED.items():
        mine = paths(found, at)
        assert (np.abs(mine["est"] - est) / se).max() < LAVAAN
        assert (np.abs(mine["se"] - se) / se).max() < LAVAAN


def test_lavaan_with_residualized_moments(clients: pd.DataFrame) -> None:
    found = sm.moderate(
        MODEL, clients, method="lsem", moderator="tenure", grid=[4.0, 8.0], meanstructure=True
    )
    for at, figures in RESIDUALIZED.items():
        mine = paths(found, at)
        assert (np.abs(mine["est"] - figures[:3]) / mine["se"]).max() < LAVAAN
        level = found.curve("p2~1").set_index("tenure").loc[at]
        assert abs(level["est"] - figures[3]) / level["se"] < LAVAAN


def test_sampling_weights_multiply_the_kernel(clients: pd.DataFrame) -> None:
    weight = np.where(np.arange(300) % 2, 1.0, 2.0)
    data = clients.assign(w=weight)
    found = sm.moderate(
        MODEL, data, method="lsem", moderator="tenure", grid=[6.0], residualize=False, sampling_weights="w"
    )
    kernel = kernel_weights(
        clients["tenure"].to_numpy(), np.array([6.0]), found.problem.window.bandwidth, "gaussian"
    )
    brute = sm.fit(
        MODEL, data.assign(w=weight * kernel[0]), estimator="MLR", sampling_weights="w"
    ).estimates()
    assert found.estimates()["est"].to_numpy() == pytest.approx(brute["est"].to_numpy(), rel=SAME, abs=SAME)
    assert found.estimates()["se"].to_numpy() == pytest.approx(brute["se"].to_numpy(), rel=1e-6, abs=SAME)


def test_clusters_are_summed_in_the_errors(clients: pd.DataFrame) -> None:
    data = clients.assign(manager=np.arange(300) // 6)
    found = sm.moderate(
        MODEL, data, method="lsem", moderator="tenure", grid=[6.0], residualize=False, cluster="manager"
    )
    kernel = kernel_weights(
        clients["tenure"].to_numpy(), np.array([6.0]), found.problem.window.bandwidth, "gaussian"
    )
    brute = sm.fit(
        MODEL, data.assign(w=kernel[0]), estimator="MLR", sampling_weights="w", cluster="manager"
    ).estimates()
    assert found.estimates()["se"].to_numpy() == pytest.approx(brute["se"].to_numpy(), rel=1e-6, abs=SAME)


def test_defined_parameters_have_curves(clients: pd.DataFrame, grid: list[float]) -> None:
    found = sm.moderate(MODEL, clients, method="lsem", moderator="tenure", grid=grid)
    product = found.curve("a")["est"] * found.curve("b")["est"]
    assert found.curve("ind")["est"].to_numpy() == pytest.approx(product.to_numpy(), rel=SAME)
    assert (found.curve("ind")["se"] > 0).all()


def test_parameters_held_equal_are_estimated_together(clients: pd.DataFrame, grid: list[float]) -> None:
    """Against sm.fit on the stacked customers, one group a focal point, weighted by the kernel."""
    found = sm.moderate(
        MODEL, clients, method="lsem", moderator="tenure", grid=grid, residualize=False,
        group_equal="loadings", meanstructure=True,
    )  # fmt: skip
    width = found.problem.window.bandwidth
    weights = kernel_weights(clients["tenure"].to_numpy(), np.array(grid), width, "gaussian")
    stacked = pd.concat(
        [clients.assign(point=f"at{k}", w=w) for k, w in enumerate(weights)], ignore_index=True
    )
    plain = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nP ~ E\nB ~ P + E"
    brute = sm.fit(
        plain, stacked, group="point", group_equal="loadings", sampling_weights="w",
        sampling_weights_normalization="none", estimator="MLR",
    ).estimates()  # fmt: skip
    mine = found.estimates()
    mine = mine[mine["op"] != ":="]
    assert mine["est"].to_numpy() == pytest.approx(brute["est"].to_numpy(), rel=1e-6, abs=1e-6)
    loading = found.curve("E=~e2")
    assert (loading["est"] == loading["est"].iloc[0]).all()
    assert found.position("E=~e2") not in found.moving
    assert found.position("a") in found.moving


def test_joint_estimation_with_a_family_left_free_is_estimation_apart(
    clients: pd.DataFrame, grid: list[float]
) -> None:
    """With every family's members excepted, nothing is held equal, and the points come apart."""
    every = ["E=~e2", "E=~e3", "P=~p2", "P=~p3", "B=~b2", "B=~b3"]
    options = {"method": "lsem", "moderator": "tenure", "grid": grid, "meanstructure": True}
    apart = sm.moderate(MODEL, clients, **options)
    together = sm.moderate(MODEL, clients, **options, group_equal="loadings", group_partial=every)
    assert isinstance(apart, LocalModeration)
    assert isinstance(together, LocalModeration)
    for column in ("est", "se", "std_all"):
        assert together.estimates()[column].to_numpy() == pytest.approx(
            apart.estimates()[column].to_numpy(), rel=1e-6, abs=1e-6
        )


def test_a_trend_in_the_means_is_no_covariation(clients: pd.DataFrame) -> None:
    """Items that rise with the moderator: residualized moments are those of items that do not."""
    rising = clients.copy()
    items = [c for c in clients.columns if c[0] in "epb" and c[1:].isdigit()]
    rising[items] = rising[items].add(0.8 * rising["tenure"], axis=0)
    options = {"method": "lsem", "moderator": "tenure", "grid": [4.0, 8.0]}
    flat, steep = sm.moderate(MODEL, clients, **options), sm.moderate(MODEL, rising, **options)
    raw = sm.moderate(MODEL, rising, **options, residualize=False)
    assert steep.estimates()["est"].to_numpy() == pytest.approx(flat.estimates()["est"].to_numpy(), abs=1e-6)
    assert np.abs(raw.estimates()["est"] - flat.estimates()["est"]).max() > 0.1
