"""Everything derived from the estimates: values and derivatives against numeric differentiation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models.inference.effects import effects
from sem_models.inference.standardized import standardize
from sem_models.model.ram import Array

DERIVATIVE = 1e-7
"""Central differences of functions of size one with step 1e-6."""

MODEL = """
EDS =~ e1 + e2 + e3
PV =~ p1 + p2 + p3
BI =~ b1 + b2 + b3
PV ~ a*EDS + tenure
BI ~ b*PV + d*EDS
e1 ~~ p1
indirect := a*b
share := indirect/(indirect + d)
root := sqrt(abs(a)) + exp(b) - log(1 + d^2)
"""


@pytest.fixture(scope="module")
def fit(clients: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, clients, meanstructure=True)


def numeric(function: Callable[[Array], Array], free: Array, step: float = 1e-6) -> Array:
    out = []
    for i in range(len(free)):
        shift = np.zeros(len(free))
        shift[i] = step
        out.append((function(free + shift) - function(free - shift)) / (2 * step))
    return np.stack(out, axis=-1)


def implied_at(fit: sm.Fit, free: Array):  # type: ignore[no-untyped-def]
    from sem_models.estimation.kernels import implied

    return implied(*fit.solved.ram.matrices(free), fit.solved.ram.n_observed)


@pytest.mark.parametrize("metric", ["std_all", "std_lv", "std_nox"])
def test_standardized_derivatives(fit: sm.Fit, metric: str) -> None:
    solved = fit.solved

    def values(free: Array) -> Array:
        return standardize(solved.table, solved.ram, free, implied_at(fit, free), metric).value  # type: ignore[arg-type]

    analytic = standardize(solved.table, solved.ram, solved.point.free, solved.point.at, metric)  # type: ignore[arg-type]
    np.testing.assert_allclose(analytic.jacobian, numeric(values, solved.point.free), atol=DERIVATIVE)


@pytest.mark.parametrize("metric", ["std_all", "std_lv", "std_nox"])
def test_what_is_one_in_its_own_units_has_no_error(metric: str) -> None:
    """The derivatives of an exogenous variance in its own units cancel, but for rounding in some samples."""
    model = "E =~ e1 + e2 + e3\nO =~ o1 + o2 + o3\nO ~ E + w\nE ~~ w"
    exact = {"E"} if metric == "std_lv" else {"E", "w"}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        e, w = rng.normal(size=(2, 200))
        o = 0.5 * e + 0.3 * w + rng.normal(size=200)
        items = {
            f"{name}{i}": score + rng.normal(size=200)
            for name, score in (("e", e), ("o", o))
            for i in (1, 2, 3)
        }
        fit = sm.fit(model, pd.DataFrame(items).assign(w=w), fixed_x=False)
        table = fit.standardized(metric)  # type: ignore[arg-type]
        ones = table[(table["op"] == "~~") & (table["lhs"] == table["rhs"]) & table["lhs"].isin(exact)]
        assert set(ones["lhs"]) == exact
        assert (ones["se"] == 0.0).all()
        assert ones[["z", "pvalue"]].isna().all(axis=None)
        assert (table.loc[~table.index.isin(ones.index), "se"] > 1e-3).all()


def test_standardized_by_hand(fit: sm.Fit) -> None:
    """A path times the ratio of implied standard deviations; a loading; a residual variance is 1 − R²."""
    cov = fit.latent_moments()[""]["cov"]
    raw = fit.estimates().set_index(["lhs", "op", "rhs"])
    scaled = fit.standardized().set_index(["lhs", "op", "rhs"])["est_std"]
    path = raw.loc[("BI", "~", "PV"), "est"] * np.sqrt(cov.loc["PV", "PV"] / cov.loc["BI", "BI"])
    assert scaled[("BI", "~", "PV")] == pytest.approx(path)
    item = fit.implied()[""]["cov"].loc["p2", "p2"]
    loading = raw.loc[("PV", "=~", "p2"), "est"] * np.sqrt(cov.loc["PV", "PV"] / item)
    assert scaled[("PV", "=~", "p2")] == pytest.approx(loading)
    assert scaled[("p2", "~~", "p2")] == pytest.approx(1 - loading**2)
    assert 1 - scaled[("BI", "~~", "BI")] == pytest.approx(fit.r_squared()["BI"])
    assert raw.loc[("PV", "=~", "p2"), "std_all"] == pytest.approx(loading)


def test_defined_parameters(fit: sm.Fit) -> None:
    table = fit.estimates().set_index("lhs")
    value = {row.label: row.est for row in fit.estimates().itertuples() if row.label and row.op == "~"}
    a, b, d = value["a"], value["b"], value["d"]
    expected = {
        "indirect": a * b,
        "share": a * b / (a * b + d),
        "root": np.sqrt(a) + np.exp(b) - np.log(1 + d * d),
    }
    names = [f"{lhs}~{rhs}" for lhs, rhs in (("PV", "EDS"), ("BI", "PV"), ("BI", "EDS"))]
    vcov = fit.vcov().loc[names, names].to_numpy()
    slopes = {
        "indirect": [b, a, 0],
        "share": np.array([b * d, a * d, -a * b]) / (a * b + d) ** 2,
        "root": [0.5 / np.sqrt(a), np.exp(b), -2 * d / (1 + d * d)],
    }
    for name, slope in slopes.items():
        assert table.loc[name, "est"] == pytest.approx(expected[name])
        assert table.loc[name, "se"] == pytest.approx(np.sqrt(np.array(slope) @ vcov @ np.array(slope)))


def test_z_p_and_interval(fit: sm.Fit) -> None:
    table = fit.estimates()
    free = table[table["se"] > 0]
    np.testing.assert_allclose(free["z"], free["est"] / free["se"])
    np.testing.assert_allclose(free["pvalue"], 2 * norm.sf(np.abs(free["z"])), rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(free["ci_upper"] - free["est"], norm.ppf(0.975) * free["se"])
    np.testing.assert_allclose(free["est"] - free["ci_lower"], norm.ppf(0.975) * free["se"])
    fixed = table[table["se"] == 0]
    assert fixed["z"].isna().all()
    assert fixed["pvalue"].isna().all()


def test_effects_add_up_and_have_their_derivatives(fit: sm.Fit) -> None:
    solved = fit.solved
    found = effects(solved.table, solved.ram, solved.point.free, solved.point.at)

    def values(free: Array) -> Array:
        at = implied_at(fit, free)
        return np.array([e.value for e in effects(solved.table, solved.ram, free, at)])

    def scaled(free: Array) -> Array:
        at = implied_at(fit, free)
        return np.array([e.standardized for e in effects(solved.table, solved.ram, free, at)])

    free = solved.point.free
    np.testing.assert_allclose(np.array([e.jacobian for e in found]), numeric(values, free), atol=DERIVATIVE)
    np.testing.assert_allclose(
        np.array([e.standardized_jacobian for e in found]), numeric(scaled, free), atol=DERIVATIVE
    )
    table = fit.effects()
    of = table[(table["source"] == "EDS") & (table["target"] == "BI")].set_index("kind")["est"]
    assert of["direct"] + of["indirect"] == pytest.approx(of["total"])
    assert of["indirect"] == pytest.approx(of["total indirect"])
    assert of["indirect"] == pytest.approx(fit.estimates().set_index("lhs").loc["indirect", "est"])
    assert set(table["path"]) >= {"EDS→PV→BI", "EDS→BI", "tenure→PV→BI", ""}


def test_totals_of_a_loop(clients: pd.DataFrame) -> None:
    """With feedback the total effect is the entry of (I − B)⁻¹; only direct effects are listed by path."""
    model = "e1 ~ tenure\np1 ~ 0.4*b1 + e1\nb1 ~ 0.5*p1 + tenure"
    fit = sm.fit(model, clients)
    est = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    table = fit.effects().set_index(["source", "target", "kind"])["est"]
    loop = 1 / (1 - 0.4 * 0.5)
    assert table[("e1", "p1", "total")] == pytest.approx(loop * est[("p1", "~", "e1")])
    assert table[("e1", "b1", "total")] == pytest.approx(0.5 * loop * est[("p1", "~", "e1")])
    assert set(fit.effects()["kind"]) == {"direct", "total indirect", "total"}


def test_contrast_is_the_defined_parameter(fit: sm.Fit) -> None:
    contrast = fit.contrast("a*b")
    defined = fit.estimates().set_index("lhs").loc["indirect"]
    assert contrast["est"] == pytest.approx(defined["est"])
    assert contrast["se"] == pytest.approx(defined["se"])
    scaled = fit.contrast("a - d", metric="std_all")
    paths = fit.standardized().set_index("label")["est_std"]
    assert scaled["est"] == pytest.approx(paths["a"] - paths["d"])


def test_wald_of_one_restriction_is_z_squared(fit: sm.Fit) -> None:
    table = fit.estimates().set_index("label")
    one = fit.wald("b == 0")
    assert one.statistic == pytest.approx(table.loc["b", "z"] ** 2)
    assert one.pvalue == pytest.approx(table.loc["b", "pvalue"])
    assert fit.wald("a == 0; b == 0").df == 2


def test_derivatives_survive_equality_constraints(clients: pd.DataFrame) -> None:
    """a == 2b: their errors are in the same ratio and their contrast has none."""
    fit = sm.fit(MODEL + "a == 2*b", clients)
    table = fit.estimates().set_index("label")
    assert table.loc["a", "est"] == pytest.approx(2 * table.loc["b", "est"])
    assert table.loc["a", "se"] == pytest.approx(2 * table.loc["b", "se"])
    assert fit.contrast("a - 2*b")["se"] == pytest.approx(0.0, abs=1e-9)
