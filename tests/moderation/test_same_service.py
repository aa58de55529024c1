"""The gap between groups at the same service: the population's values, algebra, derivatives, recovery."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.errors import SpecError
from sem_models.inference.result import Fit
from sem_models.moderation.path_tests import path_differences
from sem_models.moderation.same_service import same_service, same_service_curve
from sem_models.simulation.draw import simulate as draw
from sem_models.simulation.monte_carlo import population_fit
from sem_models.simulation.population import Population, load_population
from tests.moderation.test_groups import MODEL, simulate

EQUAL = ("loadings", "intercepts")


@pytest.fixture(scope="module")
def fit() -> Fit:
    return sm.fit(MODEL, simulate(), group="activity", group_equal=EQUAL)


@pytest.fixture(scope="module")
def b2b() -> Population:
    return load_population("b2b_service")


def test_in_the_population_it_is_what_the_population_file_says(b2b: Population) -> None:
    fit = population_fit(b2b, sm.load("b2b_service"), group_equal=EQUAL, meanstructure=True)
    found = same_service(fit, ["SAT_ORG", "SAT_REP"], reference_group="inactive").set_index("outcome")["est"]
    written = next(c for c in b2b.claims if c.id == "C8").quantities
    assert found.round(2).to_dict() == written


def test_one_predictor_level_by_hand(fit: Fit) -> None:
    """E(PV | EDS, OPS) = α + b₁ EDS + b₂ OPS in each group."""
    rows = fit.estimates().set_index(["lhs", "op", "rhs", "group"])["est"]
    moments = fit.latent_moments()
    sizes = {"low": 300, "high": 300}
    at = {x: sum(moments[g]["mean"][x] * n for g, n in sizes.items()) / 600 for x in ("EDS", "OPS")}
    at["EDS"] += 1.5
    level = {g: rows["PV", "~1", "", g] + sum(rows["PV", "~", x, g] * at[x] for x in at) for g in sizes}
    found = same_service(fit, at={"EDS": 1.5}, reference_group="low").iloc[0]
    assert found["est"] == pytest.approx(level["high"] - level["low"], abs=1e-12)
    assert found["mean_difference"] == pytest.approx(
        moments["high"]["mean"]["PV"] - moments["low"]["mean"]["PV"]
    )


def test_errors_against_numeric_differentiation(fit: Fit) -> None:
    solved = fit.solved
    ram, free = solved.ram, solved.point.free
    names = list(ram.variables)
    service, outcome = [names.index(x) for x in ("EDS", "OPS")], names.index("PV")

    def gap(values: np.ndarray) -> float:
        a_mat, _, m_vec = ram.matrices(values)
        total = np.linalg.inv(np.eye(len(names)) - a_mat)
        eta = np.einsum("gij,gj->gi", total, m_vec)
        pooled = solved.sample.share @ eta[:, service]
        sources = m_vec.copy()
        sources[:, service] = pooled
        level = np.einsum("gj,gj->g", total[:, outcome], sources)
        return float(level[1] - level[0])

    slope = np.zeros(len(free))
    for k in range(len(free)):
        step = np.zeros(len(free))
        step[k] = 1e-6
        slope[k] = (gap(free + step) - gap(free - step)) / 2e-6
    found = same_service(fit, ["PV"], reference_group="low").iloc[0]
    assert found["est"] == pytest.approx(gap(free), abs=1e-12)
    assert found["se"] == pytest.approx(float(solved.errors_of(slope[None])[0]), rel=1e-6)


def test_the_curve_passes_through_the_table_and_marks_its_support(fit: Fit) -> None:
    curve = same_service_curve(fit, "PV", "EDS", reference_group="low")
    x, at = float(curve["x"].iloc[20]), {}
    at["EDS"] = x
    found = same_service(fit, ["PV"], at=at, reference_group="low").iloc[0]
    assert curve["est"].iloc[20] == pytest.approx(found["est"], abs=1e-12)
    assert curve["ci_upper"].iloc[20] == pytest.approx(found["ci_upper"], abs=1e-10)
    assert not curve["supported"].iloc[[0, -1]].any()
    assert curve["supported"].iloc[20]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outcomes": ["EDS"]}, "'EDS' is no outcome"),
        ({"at": {"OSP": 1.0}}, "Did you mean 'OPS'"),
        ({"reference_group": "lo"}, "Did you mean 'low'"),
    ],
)
def test_names_that_do_not_fit_are_refused(fit: Fit, options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        same_service(fit, **options)


def test_unequal_intercepts_are_refused() -> None:
    metric = sm.fit(MODEL, simulate(), group="activity", group_equal=("loadings",))
    with pytest.raises(SpecError, match="loadings and intercepts are equal"):
        same_service(metric)


@pytest.mark.slow
def test_gap_and_path_differences_over_200_draws(b2b: Population) -> None:
    """C8 and the group part of C9: 200 samples of 387 customers from the linear part of the population."""
    rng = np.random.default_rng(8)
    spec = sm.load("b2b_service")
    gaps, paths = [], []
    for _ in range(200):
        data = draw(b2b, 387, rng=rng, continuous=True, linear=True, complete=True)
        fit = sm.fit(spec, data, group="active", group_equal=EQUAL)
        gaps.append(same_service(fit, ["SAT_ORG", "SAT_REP"], reference_group="inactive"))
        paths.append(path_differences(fit, reference_group="inactive"))
    gap = pd.concat(gaps)
    for outcome, true in (("SAT_ORG", 0.40), ("SAT_REP", 0.38)):
        mine = gap[gap["outcome"] == outcome]
        _recovered(mine, true, slack=0.005)  # the file gives two digits
    path = pd.concat(paths)
    for lhs, rhs, true in (
        ("PV", "EDS", 0.28), ("PV", "OPS", 0.25), ("SAT_REP", "EDS", 0.16), ("SAT_ORG", "OPS", 0.12),
    ):  # fmt: skip
        _recovered(path[(path["lhs"] == lhs) & (path["rhs"] == rhs)], true, slack=0.0)


def _recovered(rows: pd.DataFrame, true: float, *, slack: float) -> None:
    """Bias within three Monte Carlo errors, coverage within three of its own."""
    error = float(rows["est"].std(ddof=1)) / np.sqrt(len(rows))
    assert abs(float(rows["est"].mean()) - true) < 3 * error + slack
    covered = float(((rows["ci_lower"] <= true) & (true <= rows["ci_upper"])).mean())
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / len(rows))
