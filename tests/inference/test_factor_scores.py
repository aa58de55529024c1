"""Factor scores: algebra, labels, missing answers, and errors against R lavaan 0.6-14."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

MODEL = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nP ~ E"
ITEMS = ["e1", "e2", "e3", "p1", "p2", "p3"]
HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"


@pytest.fixture(scope="module")
def holes(clients: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = clients.drop(columns="active")
    data = data.mask(rng.random(data.shape) < 0.15).assign(active=clients.active)
    data.loc[7, ["e1", "e2", "e3"]] = np.nan
    data.index = [f"id{i}" for i in range(len(data))]
    return data


def test_one_factor_by_hand() -> None:
    """Regression scores Φ λᵀ Σ⁻¹ y, Bartlett (λᵀ Θ⁻¹ λ)⁻¹ λᵀ Θ⁻¹ y, and both errors in closed form."""
    rng = np.random.default_rng(8)
    factor = rng.normal(size=400)
    data = pd.DataFrame(
        {f"y{i}": a * factor + rng.normal(size=400) for i, a in ((1, 1.0), (2, 0.7), (3, 1.4))}
    )
    fit = sm.fit("f =~ y1 + y2 + y3", data)
    est = fit.estimates().est.to_numpy()
    loading, theta, phi = est[:3], est[3:6], est[6]
    centered = (data - data.mean()).to_numpy()
    precision = (loading**2 / theta).sum()
    bartlett = centered @ (loading / theta) / precision
    shrink = phi * precision / (1 + phi * precision)
    ours = fit.factor_scores("bartlett", se=True)
    np.testing.assert_allclose(ours.f, bartlett, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.f_se, 1 / np.sqrt(precision), rtol=1e-8)
    regression = fit.factor_scores(se=True)
    np.testing.assert_allclose(regression.f, shrink * bartlett, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(regression.f_se, np.sqrt(phi / (1 + phi * precision)), rtol=1e-8)


def test_rows_are_labelled_and_in_the_order_of_the_data(holes: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, holes, missing="fiml", group="active")
    scores = fit.factor_scores(se=True)
    assert list(scores.index) == list(holes.index)
    assert list(scores.columns) == ["group", "E", "P", "E_se", "P_se"]
    assert (scores.group == holes.active).all()
    listwise = sm.fit(MODEL, holes).factor_scores()
    assert list(listwise.index) == list(
        holes.index[holes[["e1", "e2", "e3", "p1", "p2", "p3"]].notna().all(axis=1)]
    )


def test_missing_answers_are_scored_by_what_there_is(holes: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, holes, missing="fiml")
    regression, bartlett = fit.factor_scores(se=True), fit.factor_scores("bartlett", se=True)
    assert np.isnan(bartlett.loc["id7", "E"])
    assert np.isnan(bartlett.loc["id7", "E_se"])
    assert np.isfinite(bartlett.loc["id7", "P"])
    assert np.isfinite(regression.loc["id7", "E"])
    # fewer answers, larger errors
    full = regression.E_se[holes[ITEMS].notna().all(axis=1)]
    assert (full == full.iloc[0]).all()
    assert (regression.E_se >= full.iloc[0] - 1e-12).all()


def test_other_rows(holes: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, holes, missing="fiml", group="active")
    some = holes.iloc[[5, 2, 40]]
    pd.testing.assert_frame_equal(fit.factor_scores(data=some), fit.factor_scores().loc[some.index])
    nothing = some.assign(**dict.fromkeys(ITEMS, np.nan))
    assert fit.factor_scores(data=nothing)[["E", "P"]].isna().all(axis=None)
    with pytest.raises(sm.DataError, match=r"Row 2 of data= has no group"):
        fit.factor_scores(data=some.assign(active=["active", "new", "active"]))
    with pytest.raises(sm.DataError, match="needs the column 'active'"):
        fit.factor_scores(data=some.drop(columns="active"))
    with pytest.raises(sm.DataError, match="e1"):
        fit.factor_scores(data=some.drop(columns="e1"))


def test_refusals(clients: pd.DataFrame) -> None:
    cov = clients.drop(columns="active").cov()
    moments = sm.fit(MODEL, sample_cov=cov, sample_nobs=len(clients))
    with pytest.raises(sm.DataError, match=r"made from covariances. Pass data="):
        moments.factor_scores()
    assert len(moments.factor_scores(data=clients)) == len(clients)
    with pytest.raises(sm.SpecError, match="Did you mean 'bartlett'"):
        sm.fit(MODEL, clients).factor_scores("bartlet")  # type: ignore[arg-type]
    with pytest.raises(sm.SpecError, match="no latent variables"):
        sm.fit("p1 ~ e1 + e2", clients).factor_scores()


def test_a_saved_fit_scores_only_what_it_holds(clients: pd.DataFrame, tmp_path: Path) -> None:
    data = clients.set_axis([f"id{i}" for i in range(len(clients))])
    fit = sm.fit(MODEL, data)
    bare = sm.load_fit(fit.save(tmp_path / "bare"))
    with pytest.raises(sm.DataError, match="without the rows of the data"):
        bare.factor_scores()
    pd.testing.assert_frame_equal(bare.factor_scores(data=data), fit.factor_scores())
    whole = sm.load_fit(fit.save(tmp_path / "whole", include_rows=True))
    pd.testing.assert_frame_equal(whole.factor_scores(), fit.factor_scores())


def test_higher_order_factors_have_bartlett_scores(clients: pd.DataFrame) -> None:
    """What the second order leaves of the first is error to it; scores spread by that error too."""
    model = "E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3\nB =~ b1 + b2 + b3\nG =~ E + P + B"
    fit = sm.fit(model, clients)
    scores = fit.factor_scores("bartlett", se=True)
    phi = fit.estimates().set_index(["lhs", "op", "rhs"]).est["G", "~~", "G"]
    assert scores.G.var(ddof=0) == pytest.approx(phi + scores.G_se.iloc[0] ** 2, rel=0.05)


def test_errors_against_lavaan(golden_dir: Path) -> None:
    """R lavaan 0.6-14: attr(lavPredict(cfa(HS), method, se = "standard"), "se"), also with missing = "ml"."""
    fit = sm.fit(HS, pd.read_csv(golden_dir / "data/hs.csv"), model_type="cfa")
    columns = ["visual_se", "textual_se", "speed_se"]
    for method, expected in (
        ("regression", [0.4747365594, 0.3316381538, 0.3276656959]),
        ("bartlett", [0.6061629059, 0.3562692654, 0.4025226728]),
    ):
        ours = fit.factor_scores(method, se=True)[columns].iloc[0]  # type: ignore[arg-type]
        np.testing.assert_allclose(ours, expected, rtol=1e-5)
    fiml = sm.fit(HS, pd.read_csv(golden_dir / "data/hs_mar.csv"), model_type="cfa", missing="fiml")
    for method, expected in (
        ("regression", [0.4737113227, 0.3885054835, 0.3396161855]),
        ("bartlett", [0.6150541333, 0.4290244733, 0.4633199734]),
    ):
        ours = fiml.factor_scores(method, se=True)[columns].iloc[1]  # type: ignore[arg-type]
        np.testing.assert_allclose(ours, expected, rtol=1e-5)
    schools = sm.fit(HS, pd.read_csv(golden_dir / "data/hs.csv"), model_type="cfa", group="school")
    ours = schools.factor_scores(se=True).groupby("group")[columns].first()
    np.testing.assert_allclose(ours.loc["Grant_White"], [0.4029451484, 0.3305335212, 0.3124641973], rtol=1e-5)


def test_a_negative_error_variance_is_no_error_of_zero() -> None:
    """x3's correlations make its residual variance −0.6, and with it the variance of what is left of f."""
    cov = np.array([[1.0, 0.3, 0.8], [0.3, 1.0, 0.6], [0.8, 0.6, 1.0]])
    rng = np.random.default_rng(1)
    values = np.linalg.qr(rng.standard_normal((100, 4)) - 0.0)[0]
    values = np.linalg.qr(np.column_stack([np.ones(100), values]))[0][:, 1:4] * 10
    data = pd.DataFrame(values @ np.linalg.cholesky(cov).T, columns=["x1", "x2", "x3"])
    fit = sm.fit("f =~ x1 + x2 + x3", data)
    assert not fit.status.admissible
    scores = fit.factor_scores(se=True)
    assert scores["f"].notna().all()
    assert scores["f_se"].isna().all()
