"""`Fit`: labels, tables, status, comparison, and what is written down."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import sem_models as sm
from sem_models import examples

CFA = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\n"
PATHS = CFA + "PV ~ EDS\nBI ~ PV"


@pytest.fixture(scope="module")
def fit(clients: pd.DataFrame) -> sm.Fit:
    return sm.fit(PATHS, clients, group="active", estimator="MLR")


def test_rows_and_labels_by_group(fit: sm.Fit, clients: pd.DataFrame) -> None:
    assert fit.groups == tuple(clients["active"].unique())
    table = fit.estimates()
    assert table["block"].tolist() == sorted(table["block"])
    assert dict(zip(table["block"], table["group"], strict=True)) == dict(enumerate(fit.groups, 1))
    names = list(fit.vcov().columns)
    assert names == list(fit.vcov().index)
    assert "PV~EDS" in names
    assert "PV~EDS.g2" in names
    assert len(set(names)) == len(names)


def test_errors_are_the_root_of_vcov(fit: sm.Fit) -> None:
    table = fit.estimates()
    free = table.loc[table["se"] > 0, "se"].to_numpy()
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov())), free)


def test_r_squared_and_implied_by_group(fit: sm.Fit) -> None:
    r_squared = fit.r_squared()
    for label in fit.groups:
        assert 0 < r_squared[(label, "PV")] < 1
        cov = fit.implied()[label]["cov"]
        residual = fit.residuals()[label]["cov"]
        pd.testing.assert_frame_equal(cov + residual, fit.sample_moments()[label]["cov"])
        assert np.abs(np.diag(fit.residuals("cor")[label]["cov"])).max() < 1e-12


def test_a_baseline_without_degrees_of_freedom(clients: pd.DataFrame) -> None:
    """One variable with equal variances in two groups: a test, but a baseline that leaves nothing out."""
    fit = sm.fit("e1 ~~ c(v, v)*e1", clients, group="active", estimator="MLR")
    measures = fit.measures()
    assert (measures["df"], measures["baseline_df"]) == (1, 0)
    for name in ("rfi", "rfi_scaled", "pnfi", "baseline_pvalue"):
        assert np.isnan(measures[name])
    assert "no degrees of freedom" in fit.why("rfi")
    assert all(fit.why(name) for name in measures.index[measures.isna()])


def test_undefined_measures_say_why(clients: pd.DataFrame) -> None:
    saturated = sm.fit("p1 ~ e1", clients)
    measures = saturated.measures()
    for name in ("pvalue", "rmsea_pvalue", "cn_05"):
        assert np.isnan(measures[name])
        assert "saturated" in saturated.why(name)
    assert "MLR" in saturated.why("cfi_robust")
    assert saturated.why("chisq") == ""
    for name in measures.index[measures.isna()]:
        assert saturated.why(name)


def test_json_round_trip_holds_no_rows(fit: sm.Fit, clients: pd.DataFrame) -> None:
    text = fit.to_json()
    back = json.loads(text)
    assert back == fit.to_dict()
    assert len(back["estimates"]) == len(fit.estimates())
    assert back["n"]["used"] == len(clients)
    assert back["status"]["converged"] is True
    for value in clients["e1"].head(50):
        assert repr(float(value))[:12] not in text


def test_provenance_follows_data_model_and_options(clients: pd.DataFrame) -> None:
    base = sm.fit(PATHS, clients).provenance
    assert sm.fit(PATHS, clients).provenance == base
    other = clients.assign(e1=clients["e1"] + 1e-9)
    assert sm.fit(PATHS, other).provenance["data_hash"] != base["data_hash"]
    assert sm.fit(CFA, clients).provenance["spec_hash"] != base["spec_hash"]
    assert sm.fit(PATHS, clients, std_lv=True).provenance["options"]["std_lv"] is True


def test_header_counts_rows(clients: pd.DataFrame) -> None:
    data = clients.copy()
    data.loc[:4, "p2"] = np.nan
    header = sm.fit(PATHS, data).header
    assert (header.n_available, header.n_used, header.n_dropped) == (300, 295, 5)
    assert "295 of 300" in header.line()
    assert any("incomplete" in note for note in header.notes)
    grouped = sm.fit(PATHS, data, group="active", missing="fiml").header
    assert sum(grouped.groups.values()) == grouped.n_used == 300


# ---------------------------------------------------------------------- status


def test_negative_variance_is_converged_but_inadmissible() -> None:
    """r12 r13 / r23 = 1.2 asks for a communality above one: a Heywood case."""
    names = ["x1", "x2", "x3"]
    cor = pd.DataFrame([[1, 0.8, 0.6], [0.8, 1, 0.4], [0.6, 0.4, 1]], index=names, columns=names)
    fit = sm.fit("f =~ x1 + x2 + x3", sample_cov=cor, sample_nobs=200)
    assert fit.status.converged
    assert fit.status.stationary
    assert not fit.status.admissible
    assert not fit.status.ok
    assert "variance of x1 is negative" in str(fit.status)
    assert "INADMISSIBLE" in fit.header.line()
    assert fit.estimates().set_index(["lhs", "op"]).loc[("x1", "~~"), "est"].item() == pytest.approx(
        (1 - 0.8 * 0.6 / 0.4) * 199 / 200
    )


def test_correlation_beyond_one_is_inadmissible() -> None:
    """Two factors whose cross correlations exceed what their reliabilities allow."""
    names = ["x1", "x2", "y1", "y2"]
    values = np.full((4, 4), 0.55)
    values[:2, :2] = values[2:, 2:] = 0.5
    np.fill_diagonal(values, 1.0)
    cor = pd.DataFrame(values, index=names, columns=names)
    fit = sm.fit("f =~ x1 + x2\ng =~ y1 + y2", sample_cov=cor, sample_nobs=200)
    assert fit.status.converged
    assert not fit.status.admissible
    assert "beyond ±1" in str(fit.status)


def test_iterations_that_run_out_are_told(clients: pd.DataFrame) -> None:
    short = sm.fit(PATHS, clients, max_iterations=1)
    assert not short.status.converged
    assert "ran out of iterations" in str(short.status)
    assert "DID NOT CONVERGE" in short.header.line()
    assert "NOT CONVERGE" in str(short.summary()).upper()
    assert "CONVERGE" in short._repr_html_().upper()
    with pytest.raises(sm.ConvergenceError, match="did not converge"):
        sm.fit(PATHS, clients).compare(short)


# ---------------------------------------------------------------------- comparison


def test_likelihood_ratio_by_hand(clients: pd.DataFrame) -> None:
    general, restricted = sm.fit(PATHS + "\nBI ~ EDS", clients), sm.fit(PATHS, clients)
    table = restricted.compare(general, names=("without", "with"))
    assert table.index.tolist() == ["with", "without"]
    row = table.loc["without"]
    difference = restricted.measures()["chisq"] - general.measures()["chisq"]
    assert row["chisq_diff"] == pytest.approx(difference)
    assert row["df_diff"] == 1
    assert row["pvalue"] == pytest.approx(chi2.sf(difference, 1))
    assert difference == pytest.approx(2 * (general.measures()["logl"] - restricted.measures()["logl"]))
    assert np.isnan(table.loc["with", "chisq_diff"])


def test_scaled_difference_by_hand(clients: pd.DataFrame) -> None:
    """Satorra & Bentler (2001): T_d = (T0 − T1) d / (d0 c0 − d1 c1)."""
    general = sm.fit(PATHS + "\nBI ~ EDS", clients, estimator="MLR")
    restricted = sm.fit(PATHS, clients, estimator="MLR")
    m0, m1 = restricted.measures(), general.measures()
    scaling = m0["df"] * m0["chisq_scaling_factor"] - m1["df"] * m1["chisq_scaling_factor"]
    expected = (m0["chisq"] - m1["chisq"]) / scaling
    assert restricted.compare(general)["chisq_diff"].iloc[1] == pytest.approx(expected)


def test_comparison_needs_one_test_statistic_and_names(clients: pd.DataFrame) -> None:
    plain, robust = sm.fit(PATHS, clients), sm.fit(PATHS, clients, estimator="MLR")
    with pytest.raises(sm.SpecError, match="same estimator"):
        plain.compare(robust)
    with pytest.raises(sm.SpecError, match="names= has 1 entries for 2"):
        plain.compare(plain, names=("only",))


# ---------------------------------------------------------------------- small models


@pytest.mark.parametrize(
    "options", [{}, {"estimator": "MLR"}, {"missing": "fiml"}, {"engine": "native", "se": "none"}]
)
@pytest.mark.parametrize(
    ("model", "npar"),
    [
        ("e1 ~~ 1*e1\ne2 ~~ 1*e2\ne1 ~~ 0*e2", 0),
        ("e1 ~~ e1", 1),
        ("p1 ~ e1", 2),
        ("e1 ~~ e2", 3),
        ("e1 ~~ 0*e2", 2),
    ],
)
def test_the_smallest_models_have_every_table(
    clients: pd.DataFrame, model: str, npar: int, options: dict[str, str]
) -> None:
    """Nothing free, nothing to test, or a baseline that is the model: no table fails."""
    data = clients.copy()
    if options.get("missing"):
        data.loc[:9, "e2"] = np.nan
        data.loc[20:29, "p1"] = np.nan
    fit = sm.fit(model, data, **options)
    means = fit.options["meanstructure"]
    intercepts = (fit.estimates()["op"] == "~1").sum() - model.startswith("p1 ~ e1") if means else 0
    assert fit.measures()["npar"] == npar + intercepts
    assert fit.status.converged
    for table in (fit.estimates(), fit.standardized(), fit.effects(), fit.vcov()):
        assert isinstance(table, pd.DataFrame)
    assert json.loads(fit.to_json())["estimates"]
    assert str(fit)
    assert fit._repr_html_()


def test_intervals_at_another_level() -> None:
    frame = pd.read_csv(examples.path())
    fit = sm.fit("PV =~ pv1 + pv2 + pv3", frame)
    wide, narrow = fit.estimates(level=0.99), fit.estimates(level=0.9)
    half = (wide["ci_upper"] - wide["est"])[wide["se"] > 0] / wide["se"][wide["se"] > 0]
    np.testing.assert_allclose(half, 2.5758293, rtol=1e-6)
    assert (wide["ci_lower"] <= narrow["ci_lower"]).all()
    assert not np.allclose(fit.standardized(level=0.9)["ci_lower"], fit.standardized()["ci_lower"])
    with pytest.raises(sm.SpecError, match="between 0 and 1"):
        fit.estimates(level=95)
