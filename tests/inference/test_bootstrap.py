"""The bootstrap: draws, errors, intervals and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import sem_models as sm
from sem_models import examples
from sem_models.inference import jackknife as jackknife_module
from sem_models.inference import refits as module
from sem_models.inference.intervals import between, intervals, jackknife_acceleration
from sem_models.inference.resampling import left_out, resampled, rows_to_draw

MODEL = """
EDS =~ eds1 + eds2 + eds3 + eds4
PV =~ pv1 + pv2 + pv3
BI =~ bi1 + bi2 + bi3
PV ~ a*EDS
BI ~ b*PV + EDS
ab := a*b
"""
ITEMS = ["eds1", "eds2", "eds3", "eds4", "pv1", "pv2", "pv3", "bi1", "bi2", "bi3"]


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    return pd.read_csv(examples.path())


@pytest.fixture(scope="module")
def complete(survey: pd.DataFrame) -> pd.DataFrame:
    return survey.dropna(subset=ITEMS)


@pytest.fixture(scope="module")
def fit(complete: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, complete)


def test_a_seed_gives_the_same_draws_whatever_the_chunk(fit: sm.Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit.bootstrap(50, seed=7).replicates()
    monkeypatch.setattr(module, "CHUNK", 17)
    pd.testing.assert_frame_equal(fit.bootstrap(50, seed=7).replicates(), first, rtol=1e-5)
    assert not np.allclose(fit.bootstrap(50, seed=8).replicates(), first)


def test_draws_of_groups_do_not_depend_on_the_chunk() -> None:
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(30, 2)), rng.normal(size=(41, 2)))
    rows = rows_to_draw(values, np.stack([np.eye(2)] * 2), np.zeros((2, 2)), "ordinary")
    whole = next(resampled(rows, 9, np.random.default_rng(3), 9))
    parts = list(resampled(rows, 9, np.random.default_rng(3), 4))
    np.testing.assert_allclose(np.concatenate([p.cov for p in parts]), whole.cov)


def test_replicates_are_the_refits_of_resampled_rows(fit: sm.Fit, complete: pd.DataFrame) -> None:
    drawn = fit.bootstrap(12, seed=11).replicates()
    rng = np.random.default_rng(11)
    for b in range(12):
        again = sm.fit(MODEL, complete.iloc[rng.integers(0, len(complete), size=len(complete))])
        table = again.estimates()
        free = table[(table["se"] > 0) & (table["op"] != ":=")]
        np.testing.assert_allclose(drawn.iloc[b], free["est"], atol=1e-3 * float(free["se"].max()))


def test_errors_agree_with_theory_where_theory_holds(fit: sm.Fit) -> None:
    robust = sm.fit(MODEL, _rows(fit), estimator="MLR").estimates()
    drawn = fit.bootstrap(2000, seed=1).estimates()
    compared = robust["se"] > 0
    ratio = drawn["se"][compared] / robust["se"][compared]
    assert ratio.median() == pytest.approx(1.0, abs=0.06)
    assert (drawn["bias"].abs()[compared] < 0.2 * robust["se"][compared]).all()


def _rows(fit: sm.Fit) -> pd.DataFrame:
    assert fit.solved.sample.rows is not None
    return pd.DataFrame(fit.solved.sample.rows[0].values, columns=list(fit.solved.sample.variables))  # type: ignore[union-attr]


def test_tables(fit: sm.Fit) -> None:
    drawn = fit.bootstrap(200, seed=2)
    est, plain = drawn.estimates(), fit.estimates()
    np.testing.assert_allclose(est["est"], plain["est"])
    row = est.set_index("label").loc["ab"]
    product = drawn.replicates()
    by_hand = product["a"] * product["b"]
    assert row["se"] == pytest.approx(by_hand.std(ddof=0), rel=1e-9)
    assert row["ci_lower"] == pytest.approx(between(np.sort(by_hand.to_numpy()), 0.025))
    fixed = est[plain["se"] == 0]
    assert (fixed["se"] == 0).all()
    assert (fixed["ci_lower"] == fixed["est"]).all()
    std = drawn.standardized()
    np.testing.assert_allclose(std["est_std"], plain["std_all"], rtol=1e-9)
    effect = drawn.effects().set_index("path").loc["EDS→PV→BI"]
    assert (effect["se"], effect["ci_upper"]) == pytest.approx((row["se"], row["ci_upper"]))
    assert fit.effects(interval="bootstrap", draws=200, seed=2).set_index("path").loc[
        "EDS→PV→BI", "ci_upper"
    ] == pytest.approx(row["ci_upper"])
    assert "200 of 200 ordinary bootstrap replicates used, no refit failed" in drawn.line()


def test_standardized_replicates_use_their_own_deviations(fit: sm.Fit, complete: pd.DataFrame) -> None:
    drawn = fit.bootstrap(10, seed=4)
    own = drawn.draws.replicates
    from sem_models.inference.replicates import row_replicates

    rows = complete.iloc[np.random.default_rng(4).integers(0, len(complete), size=len(complete))]
    once = sm.fit(MODEL, rows).estimates()
    for metric in ("std_all", "std_lv"):
        found = row_replicates(fit.solved.table, fit.solved.ram, own, metric)[0]
        np.testing.assert_allclose(found, once[metric], atol=2e-4)


@pytest.mark.parametrize("kind", ["percentile", "bca", "bc", "basic", "normal"])
def test_intervals_of_a_normal_statistic(kind: Any) -> None:
    values = norm.ppf((np.arange(1, 4000) - 0.5) / 3999)[:, None] * 2.0 + 1.0
    low, high = intervals(kind, np.array([1.0]), values, 0.9, np.zeros(1))
    assert (low[0], high[0]) == pytest.approx((1.0 - 2 * 1.6449, 1.0 + 2 * 1.6449), abs=0.01)


def test_quantiles_between_replicates() -> None:
    # Davison & Hinkley (1997), eq. 5.8: with 99 replicates the .025 quantile lies at rank 2.5
    values = np.arange(1.0, 100.0) ** 2
    low = between(values, 0.025)
    left, right, at = norm.ppf(0.02), norm.ppf(0.03), norm.ppf(0.025)
    assert low == pytest.approx(4 + (at - left) / (right - left) * 5)
    assert between(values, 0.0001) == 1.0
    assert between(values, 0.9999) == 99.0**2


def test_bca_corrects_for_bias_and_acceleration() -> None:
    # Efron & Tibshirani (1993), eq. 14.10, by hand: z0 = Φ⁻¹(.6), a = .1
    values = np.arange(1.0, 1000.0)
    low, high = intervals("bca", np.array([600.5]), values[:, None], 0.9, np.array([0.1]))
    z0 = norm.ppf(600 / 999)
    for limit, alpha in ((low[0], 0.05), (high[0], 0.95)):
        z = z0 + norm.ppf(alpha)
        assert limit == pytest.approx(1000 * norm.cdf(z0 + z / (1 - 0.1 * z)), abs=1.0)


def test_leaving_rows_out_by_the_formula() -> None:
    x = np.random.default_rng(2).normal(size=(9, 3)) + 4.0
    rows = rows_to_draw((x,), np.eye(3)[None], np.zeros((1, 3)), "ordinary")
    (batch,) = left_out(rows, 9)
    for i in range(9):
        rest = np.delete(x, i, axis=0)
        np.testing.assert_allclose(batch.cov[i, 0], np.cov(rest.T, bias=True), atol=1e-12)
        np.testing.assert_allclose(batch.mean[i, 0], rest.mean(axis=0))


def test_bollen_stine_rows_satisfy_the_model(fit: sm.Fit) -> None:
    at = fit.solved.point.at
    values = (_rows(fit).to_numpy(),)
    moved = rows_to_draw(values, at.sigma, fit.solved.sample.mean, "bollen.stine")
    np.testing.assert_allclose(
        moved.centered[0].T @ moved.centered[0] / len(values[0]), at.sigma[0], rtol=1e-10
    )
    test = fit.bootstrap(400, type="bollen.stine", seed=1).test
    assert 0 <= test["pvalue"] <= 1
    assert test["stat"] == pytest.approx(fit.measures()["chisq"])
    expected = fit.measures()["pvalue"]  # the items are near normal, so the two agree roughly
    assert test["pvalue"] == pytest.approx(expected, abs=0.15)
    parametric = fit.bootstrap(400, type="parametric", seed=1)
    assert parametric.draws.statistic.mean() == pytest.approx(fit.measures()["df"], rel=0.1)


def test_as_options_of_the_fit(complete: pd.DataFrame, fit: sm.Fit) -> None:
    asked = sm.fit(
        MODEL, complete, se="bootstrap", bootstrap=150, seed=3, test=["standard", "bollen.stine"]
    )  # fmt: skip
    drawn = fit.bootstrap(150, seed=3).estimates()
    table = asked.estimates()
    free = (table["se"] > 0) & (table["op"] != ":=")  # := by the delta method from the bootstrap covariance
    np.testing.assert_allclose(table["se"][free], drawn["se"][free], rtol=1e-9)
    np.testing.assert_allclose(table["ci_lower"], drawn["ci_lower"])
    assert set(asked.tests()["test"]) == {"standard", "bollen.stine"}
    assert "150 of 150 ordinary bootstrap replicates" in " ".join(asked.header.notes)


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "fiml"},
        {"estimator": "GLS"},
        {"likelihood": "wishart"},
        {"constraints": "a > 0.9"},
        {"bounds": "pos.var"},
    ],
    ids=str,
)
def test_refits_one_by_one(options: dict[str, str], survey: pd.DataFrame, complete: pd.DataFrame) -> None:
    data = survey if "missing" in options else complete
    fit = sm.fit(MODEL, data, **options)  # type: ignore[arg-type]
    drawn = fit.bootstrap(12, seed=1, progress=False)
    assert drawn.n_used + drawn.n_failed == 12
    assert drawn.n_used >= 10
    if "missing" not in options:
        rng = np.random.default_rng(1)
        rows = data.dropna(subset=ITEMS)
        again = sm.fit(MODEL, rows.iloc[rng.integers(0, len(rows), size=len(rows))], **options)  # type: ignore[arg-type]
        table = again.estimates().set_index("label")
        assert drawn.replicates()["a"].iloc[0] == pytest.approx(table.loc["a", "est"], abs=1e-4)


def test_monte_carlo_limits_are_near_the_delta_ones_where_they_should_be(fit: sm.Fit) -> None:
    delta = fit.effects()
    drawn = fit.effects(interval="montecarlo", seed=1)
    direct = delta["kind"] == "direct"
    for limit in ("ci_lower", "ci_upper"):
        gap = (drawn[limit] - delta[limit])[direct] / delta["se"][direct]
        assert gap.abs().max() < 0.06
    indirect = drawn.set_index("path").loc["EDS→PV→BI"]
    assert (
        indirect["ci_upper"] - indirect["est"] > indirect["est"] - indirect["ci_lower"]
    )  # a product is skewed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.bootstrap(5), "draws tells nothing"),
        (lambda f: f.bootstrap(100, type="pairs"), "type='pairs' is unknown"),
        (lambda f: f.bootstrap(20, seed=1).estimates(interval="perc"), "percentile"),
        (lambda f: f.bootstrap(20, seed=1).estimates(level=95), "between 0 and 1"),
        (lambda f: f.bootstrap(20, seed=1).test, "bollen.stine"),
        (lambda f: f.bootstrap(20, seed=1, type="bollen.stine").estimates(), "not intervals"),
        (lambda f: f.effects(interval="boot"), "bootstrap"),
        (lambda f: f.effects(interval="montecarlo", draws=10), "too few"),
    ],
)
def test_what_cannot_be_asked_is_said(call: Any, message: str, fit: sm.Fit) -> None:
    with pytest.raises(sm.SpecError, match=message):
        call(fit)


def test_without_errors_nothing_is_drawn(complete: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="se='none'"):
        sm.fit(MODEL, complete, se="none").effects(interval="montecarlo")


def test_moments_alone_cannot_be_resampled(fit: sm.Fit, complete: pd.DataFrame) -> None:
    moments = sm.fit(MODEL, sample_cov=complete[ITEMS].cov(), sample_nobs=len(complete))
    with pytest.raises(sm.DataError, match="parametric"):
        moments.bootstrap(100)
    assert moments.bootstrap(100, type="parametric", seed=1).n_used == 100


def test_intervals_beside_lavaan(golden_dir: Path) -> None:
    # lavaan 0.6-14: fit <- sem(m, d, se = "bootstrap", bootstrap = 2000, iseed = 1); standard errors of
    # regressions; both sides carry Monte Carlo error of about 1/sqrt(2 * 2000) = 1.6 percent
    model = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\nh =~ x7 + x8 + x9\nh ~ f + g\ng ~ f"
    fit = sm.fit(model, pd.read_csv(golden_dir / "data" / "hs.csv"))
    table = fit.bootstrap(2000, seed=1).estimates()
    found = table[table["op"] == "~"]["se"].tolist()
    assert found == pytest.approx(LAVAAN, rel=0.08)


LAVAAN = [0.081, 0.055, 0.098]


def test_incomplete_replicates_are_the_refits_of_resampled_rows(survey: pd.DataFrame) -> None:
    model = MODEL + "BI ~ tenure"
    data = survey.assign(tenure=np.random.default_rng(1).normal(size=len(survey)))
    fit = sm.fit(model, data, missing="fiml")
    drawn = fit.bootstrap(12, seed=3)
    rows = data
    assert len(rows) == fit.solved.sample.n_used
    rng = np.random.default_rng(3)
    for b in range(3):
        again = sm.fit(model, rows.iloc[rng.integers(0, len(rows), size=len(rows))], missing="fiml")
        table = again.estimates()
        free = (table["se"] > 0) & (table["op"] != ":=")
        tight = 1e-3 * float(table["se"][free].max())
        np.testing.assert_allclose(drawn.replicates().iloc[b], table["est"][free], atol=tight)
        std = drawn._rows("std_all")[b]  # in the replicate's own deviations, the covariate's among them
        np.testing.assert_allclose(std, table["std_all"], atol=1e-3)


def test_incomplete_draws_do_not_depend_on_the_chunk(
    survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = sm.fit(MODEL, survey, missing="fiml")
    first = fit.bootstrap(11, seed=7).replicates()
    monkeypatch.setattr(module, "NUMBERS", 4 * len(survey) * len(ITEMS))
    pd.testing.assert_frame_equal(fit.bootstrap(11, seed=7).replicates(), first, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(module, "FEW_PER_PATTERN", 0)
    monkeypatch.setattr(module, "NUMBERS", 0)
    singly = fit.bootstrap(11, seed=7).replicates()
    pd.testing.assert_frame_equal(singly, first, rtol=1e-4, atol=1e-4)


def test_a_missing_covariate_is_estimated_anew_in_each_replicate(survey: pd.DataFrame) -> None:
    model = MODEL + "PV ~ tenure"
    tenure = np.random.default_rng(1).normal(size=len(survey))
    data = survey.assign(tenure=np.where(np.arange(len(survey)) % 7 == 0, np.nan, tenure))
    fit = sm.fit(model, data, missing="ml.x")
    drawn = fit.bootstrap(10, seed=2).replicates()
    rows = data[data[[*ITEMS, "tenure"]].notna().any(axis=1)]
    pick = np.random.default_rng(2).integers(0, len(rows), size=len(rows))
    table = sm.fit(model, rows.iloc[pick], missing="ml.x").estimates()
    free = (table["se"] > 0) & (table["op"] != ":=")
    np.testing.assert_allclose(drawn.iloc[0], table["est"][free], atol=1e-3 * float(table["se"][free].max()))


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
@pytest.mark.parametrize("normalization", ["group", "total"])
def test_weights_go_with_their_rows(survey: pd.DataFrame, missing: str, normalization: str) -> None:
    data = survey.assign(w=np.random.default_rng(1).uniform(0.2, 2.0, len(survey)))
    if missing == "listwise":
        data = data.dropna(subset=ITEMS)
    asked: dict[str, Any] = {
        "missing": missing, "group": "active", "sampling_weights": "w",
        "sampling_weights_normalization": normalization,
    }  # fmt: skip
    model = "EDS =~ eds1 + eds2 + eds3\nPV =~ pv1 + pv2 + pv3\nPV ~ EDS"
    fit = sm.fit(model, data, **asked)
    drawn = fit.bootstrap(10, seed=5).replicates()
    blocks = [data[data["active"] == g] for g in fit.groups]
    names = ["eds1", "eds2", "eds3", "pv1", "pv2", "pv3"]
    blocks = [b[b[names].notna().any(axis=1)] for b in blocks]
    rng = np.random.default_rng(5)
    parts = [b.iloc[rng.integers(0, len(b), size=len(b))] for b in blocks]
    again = sm.fit(model, pd.concat(parts), **asked)
    table = again.estimates()
    free = table["se"] > 0
    np.testing.assert_allclose(drawn.iloc[0], table["est"][free], atol=1e-3 * float(table["se"][free].max()))


@pytest.mark.parametrize("missing", ["listwise", "fiml"])
def test_clusters_are_drawn_whole(survey: pd.DataFrame, missing: str) -> None:
    data = survey if missing == "fiml" else survey.dropna(subset=ITEMS)
    data = data.assign(manager=np.arange(len(data)) % 40)
    fit = sm.fit(MODEL, data, missing=missing, cluster="manager")
    drawn = fit.bootstrap(10, seed=6).replicates()
    used = data[data[ITEMS].notna().any(axis=1)]
    of_rows = used["manager"].to_numpy()
    names = list(dict.fromkeys(np.sort(of_rows)))
    picked = np.random.default_rng(6).integers(0, len(names), size=len(names))
    rows = pd.concat([used[of_rows == names[k]] for k in picked])
    table = sm.fit(MODEL, rows, missing=missing, meanstructure=True).estimates()
    free = (table["se"] > 0) & (table["op"] != ":=")
    np.testing.assert_allclose(drawn.iloc[0], table["est"][free], atol=1e-3 * float(table["se"][free].max()))
    assert np.isfinite(fit.bootstrap(20, seed=1).estimates(interval="bca")["ci_lower"]).all()


@pytest.mark.parametrize(
    "options", [{"missing": "fiml"}, {"estimator": "GLS"}, {"bounds": "pos.var"}], ids=str
)
def test_bca_by_refits_and_by_the_infinitesimal_jackknife(
    options: dict[str, str], survey: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = survey.dropna(subset=ITEMS) if "missing" not in options else survey
    fit = sm.fit(MODEL, data.iloc[:120], **options)  # type: ignore[arg-type]
    drawn = fit.bootstrap(30, seed=1, progress=False)
    bca = drawn.estimates(interval="bca")
    assert np.isfinite(bca[["ci_lower", "ci_upper"]]).all().all()
    exact = jackknife_acceleration(drawn.acceleration_from().free)
    monkeypatch.setattr(jackknife_module, "REFITTED", 10)
    quick = jackknife_acceleration(drawn.acceleration_from().free)
    np.testing.assert_allclose(quick, exact, atol=0.03)
    assert np.corrcoef(quick, exact)[0, 1] > 0.97


@pytest.mark.parametrize(
    "options", [{"missing": "fiml"}, {"estimator": "GLS"}, {"bounds": "pos.var"}], ids=str
)
def test_parametric_draws_of_every_kind_of_fit(options: dict[str, str], survey: pd.DataFrame) -> None:
    data = survey.dropna(subset=ITEMS) if "missing" not in options else survey
    fit = sm.fit(MODEL, data, **options)  # type: ignore[arg-type]
    n = 200 if "missing" in options else 60
    drawn = fit.bootstrap(n, type="parametric", seed=1, progress=False)
    assert drawn.n_used >= 0.95 * n
    assert drawn.draws.statistic.mean() == pytest.approx(fit.measures()["df"], rel=0.15)
    assert 0 <= drawn.test["pvalue"] <= 1
    spread = drawn.replicates().std() / np.sqrt(np.diagonal(fit.vcov()))
    assert spread.median() == pytest.approx(1.0, abs=0.12)


def test_what_weights_do_not_go_with(survey: pd.DataFrame) -> None:
    data = survey.assign(w=1.0 + (np.arange(len(survey)) % 3))
    with pytest.raises(sm.SpecError, match="equal and independent"):
        sm.fit(MODEL, data, missing="fiml", sampling_weights="w").bootstrap(20, type="parametric")
    with pytest.raises(sm.SpecError, match="equal and independent"):
        sm.fit(MODEL, data, missing="fiml", cluster="w").bootstrap(20, type="bollen.stine")


def test_bootstrap_errors_of_clusters_and_weights(complete: pd.DataFrame) -> None:
    """Clusters that matter make the errors larger; the scaled test stays the fit's own."""
    rng = np.random.default_rng(1)
    manager = np.arange(len(complete)) % 40
    shift = rng.normal(size=40)[manager]
    data = complete.assign(manager=manager, w=rng.uniform(0.5, 1.5, len(complete)))
    data[["pv1", "pv2", "pv3"]] = data[["pv1", "pv2", "pv3"]].to_numpy() + 0.5 * shift[:, None]
    asked: dict[str, Any] = {"cluster": "manager", "sampling_weights": "w"}
    drawn = sm.fit(MODEL, data, **asked, se="bootstrap", bootstrap=400, seed=1)
    robust = sm.fit(MODEL, data, **asked)
    free = robust.estimates()["se"] > 0
    ratio = drawn.estimates()["se"][free] / robust.estimates()["se"][free]
    assert ratio.median() == pytest.approx(1.0, abs=0.08)
    assert drawn.measures()["chisq_scaled"] == pytest.approx(robust.measures()["chisq_scaled"])
    assert "400 of 400" in " ".join(drawn.header.notes)


def test_a_bootstrap_of_the_fit_without_a_seed_can_be_had_again(complete: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, complete, se="bootstrap", bootstrap=20)
    again = sm.fit(MODEL, complete, se="bootstrap", bootstrap=20, seed=fit.options["seed"])
    pd.testing.assert_frame_equal(fit.estimates(level=0.8), again.estimates(level=0.8))
    assert sm.fit(MODEL, complete).options["seed"] is None
