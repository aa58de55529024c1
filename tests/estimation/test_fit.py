"""`sm.fit`: whatever form the data come in, the same fit; whatever the units, the same χ²."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\nPV ~ EDS + x\nBI ~ PV + EDS"

SAME = 1e-6
"""Estimates and statistics of one optimum reached on two ways; the search stops at 1e-9 standard errors."""


def assert_same(a: sm.Fit, b: sm.Fit, *, order: bool = True) -> None:
    left, right = a.estimates(), b.estimates()
    if not order:
        left, right = (t.sort_values(["group", "lhs", "op", "rhs"], ignore_index=True) for t in (left, right))
    assert left[["lhs", "op", "rhs", "group"]].equals(right[["lhs", "op", "rhs", "group"]])
    np.testing.assert_allclose(right["est"], left["est"], atol=SAME)
    np.testing.assert_allclose(right["se"], left["se"], atol=SAME)
    for name in ("chisq", "df", "npar", "cfi", "srmr"):
        assert b.measures()[name] == pytest.approx(a.measures()[name], abs=SAME), name


@pytest.fixture(scope="module")
def base(customers: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, customers)


def test_recovers_the_population() -> None:
    """20,000 rows of η2 = 0.5 η1 + ζ with loadings 1, 0.8, 0.6."""
    rng = np.random.default_rng(2)
    n = 20_000
    eds = rng.normal(size=n)
    pv = 0.5 * eds + 0.8 * rng.normal(size=n)
    data = pd.DataFrame(
        {
            f"{stem}{i}": loading * latent + 0.6 * rng.normal(size=n)
            for stem, latent in (("e", eds), ("p", pv))
            for i, loading in ((1, 1.0), (2, 0.8), (3, 0.6))
        }
    )
    fit = sm.fit("EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ EDS", data)
    table = fit.estimates().set_index(["lhs", "op", "rhs"])
    truths = {
        ("PV", "~", "EDS"): 0.5,
        ("EDS", "=~", "e3"): 0.6,
        ("PV", "~~", "PV"): 0.64,
        ("e1", "~~", "e1"): 0.36,
    }
    for key, truth in truths.items():
        assert abs(table.loc[key, "est"] - truth) < 4 * table.loc[key, "se"], key
    assert fit.status.ok
    assert fit.measures()["pvalue"] > 1e-4


def test_rows_columns_and_index_do_not_matter(customers: pd.DataFrame, base: sm.Fit) -> None:
    shuffled = customers.sample(frac=1, random_state=3)[list(reversed(customers.columns))]
    assert_same(base, sm.fit(MODEL, shuffled))
    duplicated = customers.set_axis(np.zeros(len(customers), dtype=int), axis=0)
    assert_same(base, sm.fit(MODEL, duplicated))
    assert base.provenance["data_hash"] == sm.fit(MODEL, duplicated).provenance["data_hash"]


def test_other_columns_are_ignored(customers: pd.DataFrame, base: sm.Fit) -> None:
    more = customers.assign(name="someone", empty=np.nan)
    more = pd.concat([more, more[["name"]]], axis=1)
    assert_same(base, sm.fit(MODEL, more))


@pytest.mark.parametrize("dtype", ["Int64", "int16", "Float64", "object", "category", "string", "bool"])
def test_column_types(customers: pd.DataFrame, dtype: str) -> None:
    """Rounded answers as any type that holds numbers; text that reads as numbers counts as numbers."""
    items = [c for c in customers.columns if c not in ("x", "g")]
    rounded = customers.copy()
    rounded[items] = rounded[items].round().clip(1, 7)
    if dtype == "bool":
        rounded["e1"] = (rounded["e1"] > 4).astype(float)
    typed = rounded.copy()
    for item in ["e1"] if dtype == "bool" else items:
        whole = rounded[item].astype("int64")
        typed[item] = whole.astype(str).astype("string") if dtype == "string" else whole.astype(dtype)
    if dtype == "bool":
        with pytest.warns(UserWarning, match="'e1' has two values only, treated as continuous"):
            assert_same(sm.fit(MODEL, rounded), sm.fit(MODEL, typed))
        return
    assert_same(sm.fit(MODEL, rounded), sm.fit(MODEL, typed))


def test_nullable_missing_values(incomplete: pd.DataFrame) -> None:
    nullable = incomplete.convert_dtypes()
    assert_same(sm.fit(MODEL, incomplete, missing="fiml"), sm.fit(MODEL, nullable, missing="fiml"))


def test_covariances_stand_for_rows(customers: pd.DataFrame) -> None:
    names = [c for c in customers.columns if c != "g"]
    for means in (False, True):
        raw = sm.fit(MODEL, customers, meanstructure=means)
        extra: dict[str, Any] = {"sample_mean": customers[names].mean()} if means else {}
        moments = sm.fit(MODEL, sample_cov=customers[names].cov(), sample_nobs=len(customers), **extra)
        assert_same(raw, moments)


def test_covariances_by_group(customers: pd.DataFrame) -> None:
    names = [c for c in customers.columns if c != "g"]
    split = {label: customers.loc[customers["g"] == label, names] for label in customers["g"].unique()}
    raw = sm.fit(MODEL, customers, group="g", group_equal=("loadings", "intercepts"))
    moments = sm.fit(
        MODEL,
        sample_cov={k: v.cov() for k, v in split.items()},
        sample_mean={k: v.mean() for k, v in split.items()},
        sample_nobs={k: len(v) for k, v in split.items()},
        group_equal=("loadings", "intercepts"),
    )
    assert_same(raw, moments)
    turned = sm.fit(
        MODEL,
        sample_cov={k: split[k].cov() for k in reversed(split)},
        sample_mean={k: v.mean() for k, v in split.items()},
        sample_nobs={k: len(v) for k, v in split.items()},
    )
    assert turned.groups == tuple(reversed(raw.groups))


def test_groups_come_in_order_of_appearance(customers: pd.DataFrame) -> None:
    assert sm.fit(MODEL, customers, group="g").groups == ("b", "a")
    turned = customers.iloc[::-1]
    assert sm.fit(MODEL, turned, group="g").groups == tuple(turned["g"].unique())


def test_order_of_the_groups_does_not_change_their_estimates(customers: pd.DataFrame) -> None:
    """Configural: the same rows by label whichever group comes first."""
    turned = customers.sort_values("g")
    first, second = sm.fit(MODEL, customers, group="g"), sm.fit(MODEL, turned, group="g")
    assert first.groups != second.groups
    assert_same(first, second, order=False)


@pytest.mark.parametrize("options", [{}, {"estimator": "MLR"}, {"missing": "fiml"}, {"group": "g"}])
def test_units_of_the_items_do_not_matter(
    customers: pd.DataFrame, incomplete: pd.DataFrame, options: dict[str, Any]
) -> None:
    data = incomplete if "missing" in options else customers
    items = [c for c in data.columns if c != "g"]
    factors = np.resize([1e-6, 1e3, 1.0, 1e6, 1e-2], len(items))
    scaled = data.copy()
    scaled[items] = data[items] * factors
    a, b = sm.fit(MODEL, data, **options), sm.fit(MODEL, scaled, **options)
    assert b.status.ok
    assert b.measures()["chisq"] == pytest.approx(a.measures()["chisq"], rel=SAME)
    left, right = a.standardized(), b.standardized()
    keep = (left["op"] != "~1").to_numpy()
    np.testing.assert_allclose(right["est_std"][keep], left["est_std"][keep], atol=SAME)
    np.testing.assert_allclose(right["se"][keep], left["se"][keep], atol=SAME)


def test_marker_and_std_lv_are_one_model(customers: pd.DataFrame, base: sm.Fit) -> None:
    std_lv = sm.fit(MODEL, customers, std_lv=True)
    assert std_lv.measures()["chisq"] == pytest.approx(base.measures()["chisq"], rel=SAME)
    np.testing.assert_allclose(std_lv.standardized()["est_std"], base.standardized()["est_std"], atol=SAME)


def test_configural_groups_are_separate_fits(customers: pd.DataFrame) -> None:
    together = sm.fit(MODEL, customers, group="g")
    alone = [
        sm.fit(MODEL, customers[customers["g"] == label], meanstructure=True) for label in together.groups
    ]
    total = sum(fit.measures()["chisq"] for fit in alone)
    assert together.measures()["chisq"] == pytest.approx(total, rel=SAME)
    np.testing.assert_allclose(
        together.estimates()["est"], np.concatenate([fit.estimates()["est"] for fit in alone]), atol=1e-5
    )


def test_fixed_and_random_covariates_give_the_same_paths(customers: pd.DataFrame, base: sm.Fit) -> None:
    random = sm.fit(MODEL, customers, fixed_x=False)
    assert random.measures()["npar"] == base.measures()["npar"] + 1
    assert random.measures()["chisq"] == pytest.approx(base.measures()["chisq"], rel=SAME)
    key = ["lhs", "op", "rhs"]
    a, b = (f.estimates().set_index(key)["est"] for f in (base, random))
    np.testing.assert_allclose(b[a.index], a, atol=1e-5)


def test_observed_product_is_computed(customers: pd.DataFrame) -> None:
    by_hand = customers.assign(ex=customers["e1"] * customers["x"])
    a = sm.fit("p1 ~ e1 + x + e1:x", customers).estimates()["est"]
    b = sm.fit("p1 ~ e1 + x + ex", by_hand).estimates()["est"]
    np.testing.assert_allclose(a, b, atol=SAME)


def test_regression_is_least_squares(customers: pd.DataFrame) -> None:
    """A saturated path model: coefficients, residual variance (divisor n) and intercept of OLS."""
    fit = sm.fit("p1 ~ e1 + x", customers, meanstructure=True)
    design = np.column_stack([np.ones(len(customers)), customers["e1"], customers["x"]])
    coefficients, rest, *_ = np.linalg.lstsq(design, customers["p1"].to_numpy(), rcond=None)
    est = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    np.testing.assert_allclose(
        [est[("p1", "~1", "")], est[("p1", "~", "e1")], est[("p1", "~", "x")]], coefficients, atol=1e-8
    )
    assert est[("p1", "~~", "p1")] == pytest.approx(rest[0] / len(customers))
    assert fit.measures()["df"] == 0


def test_linear_constraint_costs_one_degree_of_freedom(customers: pd.DataFrame, base: sm.Fit) -> None:
    model = MODEL.replace("BI ~ PV + EDS", "BI ~ b*PV + d*EDS")
    held = sm.fit(model + "\nb == d + 0.1", customers)
    est = held.estimates().set_index("label")["est"]
    assert est["b"] == pytest.approx(est["d"] + 0.1)
    assert held.measures()["df"] == base.measures()["df"] + 1
    assert held.measures()["chisq"] > base.measures()["chisq"]


def test_start_values_do_not_move_the_optimum(customers: pd.DataFrame, base: sm.Fit) -> None:
    started = sm.fit(MODEL.replace("~ PV + EDS", "~ start(-0.4)*PV + start(2)*EDS"), customers)
    assert_same(base, started)


def test_input_is_left_alone(incomplete: pd.DataFrame) -> None:
    before = incomplete.copy(deep=True)
    sm.fit(MODEL, incomplete, missing="fiml", group="g")
    pd.testing.assert_frame_equal(incomplete, before)
