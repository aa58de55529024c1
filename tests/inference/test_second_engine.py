"""`fit.cross_check()` on simulated data: like beside like, and a word where nothing can be compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference.second_engine import COLUMNS, NEVER

CLOSE = 1e-5
"""Estimates in standard errors and standard errors relative to ours; semopy agrees with lavaan to 1e-6."""

MODEL = "PV =~ pv1 + pv2 + pv3\nBI =~ bi1 + bi2 + bi3\nBI ~ b*PV\ntwice := 2*b"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """250 simulated customers with heavy-tailed answers, so that robust and plain errors differ."""
    rng = np.random.default_rng(7)
    n = 250
    pv = rng.normal(size=n)
    bi = 0.6 * pv + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{s}{i}": v + 0.4 * rng.standard_t(5, size=n)
            for s, v in (("pv", pv), ("bi", bi))
            for i in (1, 2, 3)
        }
    )
    frame["tenure"] = rng.normal(size=n)
    frame["active"] = np.where(rng.random(n) < 0.5, "active", "inactive")
    return frame


def parts(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return tuple(table[table["what"] == what] for what in ("parameter", "test", "no counterpart"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"information": "observed"},
        {"estimator": "MLR"},
        {"se": "robust"},
        {"std_lv": True},
        {"engine": "semopy"},
    ],
)
def test_estimates_errors_and_test_side_by_side(data: pd.DataFrame, options: dict[str, object]) -> None:
    fit = sm.fit(MODEL, data, **options)
    table = fit.cross_check()
    assert tuple(table.columns) == COLUMNS
    parameters, tests, rest = parts(table)
    assert len(parameters) == len(fit.vcov())
    assert parameters[["est", "est_semopy", "se", "se_semopy"]].notna().all(axis=None)
    assert parameters[["est_gap", "se_gap"]].abs().max(axis=None) < CLOSE
    assert parameters["label"].eq("b").sum() == 1
    assert tests["lhs"].tolist() == ["chisq", "df"]
    assert tests["est_gap"].abs().max() < 1e-8
    assert set(rest["lhs"]) >= {name for name, _ in NEVER}
    assert rest["note"].str.len().min() > 10
    assert rest["lhs"].eq("scaled χ²").any() == (options.get("estimator") == "MLR")


def test_robust_errors_are_compared_with_robust_ones(data: pd.DataFrame) -> None:
    plain, robust = (parts(sm.fit(MODEL, data, estimator=e).cross_check())[0] for e in ("ML", "MLR"))
    assert (robust["se_semopy"] / plain["se_semopy"] - 1).abs().max() > 0.05


def test_a_gap_is_seen(data: pd.DataFrame) -> None:
    """A fit stopped before its optimum differs from semopy's, and the table says which of the two is off."""
    stopped = sm.fit(MODEL, data, max_iterations=1)
    parameters, _, rest = parts(stopped.cross_check())
    assert parameters["est_gap"].abs().max() > 1e-3
    assert "lower" in rest.set_index("lhs").loc["this fit's optimum", "note"]


def test_covariance_input(data: pd.DataFrame) -> None:
    items = data.drop(columns=["active"])
    parameters, _, rest = parts(sm.fit(MODEL, sample_cov=items.cov(), sample_nobs=len(items)).cross_check())
    assert parameters[["est_gap", "se_gap"]].abs().max(axis=None) < CLOSE
    assert not rest["lhs"].str.contains("optimum").any()


def test_degrees_of_freedom_are_left_out_with_observed_covariates(data: pd.DataFrame) -> None:
    parameters, tests, rest = parts(sm.fit(MODEL + "\nBI ~ tenure", data).cross_check())
    assert parameters[["est_gap", "se_gap"]].abs().max(axis=None) < CLOSE
    assert tests["lhs"].tolist() == ["chisq"]
    assert rest["lhs"].eq("df, p-value").any()


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        (MODEL.replace("b*", "").replace("twice := 2*b", ""), {"group": "active"}, "across groups"),
        (MODEL, {"missing": "fiml"}, "mean structure"),
        (MODEL.replace("b*PV", "b*PV + c*tenure") + "\nb == 0.5 + c", {}, "'=='"),
    ],
)
def test_only_notes_where_semopy_has_no_counterpart(
    data: pd.DataFrame, model: str, options: dict[str, object], reason: str
) -> None:
    table = sm.fit(model, data, **options).cross_check()
    assert tuple(table.columns) == COLUMNS
    assert set(table["what"]) == {"no counterpart"}
    assert table[["est", "est_semopy", "se", "se_semopy"]].isna().all(axis=None)
    assert table.loc[table["lhs"] == "this fit", "note"].str.contains(reason).any()


def test_a_wrong_optimum_of_semopy_is_named(data: pd.DataFrame) -> None:
    scaled = data.assign(pv2=data["pv2"] * 1e5, bi3=data["bi3"] / 1e5)
    fit = sm.fit(MODEL, scaled)
    assert fit.status.ok
    rest = parts(fit.cross_check())[2].set_index("lhs")
    assert "standard errors away" in rest.loc["semopy's optimum", "note"]


def test_without_standard_errors(data: pd.DataFrame) -> None:
    parameters, _, rest = parts(sm.fit(MODEL, data, se="none").cross_check())
    assert parameters["est_semopy"].notna().all()
    assert parameters["se_semopy"].isna().all()
    assert rest["lhs"].eq("standard errors").any()


@pytest.mark.parametrize(
    ("text", "options", "named"),
    [
        ("", {"bounds": "pos.var"}, "pv1~~pv1 >"),
        ("\nb < 0.9", {}, "b < 0.9"),
        ("\npv1 ~~ lower(0.5)*pv1", {}, "0.5"),
    ],
)
def test_what_is_held_is_not_compared(
    data: pd.DataFrame, text: str, options: dict[str, str], named: str
) -> None:
    """Bounds and inequalities, whether they are active or not."""
    parameters, tests, rest = parts(sm.fit(MODEL + text, data, **options).cross_check())
    assert not len(parameters)
    assert not len(tests)
    assert rest["note"].str.contains("cannot hold").any()
    assert rest["note"].str.contains(named, regex=False).any()
