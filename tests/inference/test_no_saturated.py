"""Few incomplete rows for many items: no saturated estimates, but the model has its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference import fit_measures

from .simulated import clustered_survey

MODEL = "\n".join(f"F{k} =~ " + " + ".join(f"x{k}{i}" for i in range(6)) for k in range(4))


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    """60 customers, 24 items, a quarter of the answers missing: EM runs off to a singular matrix."""
    rng = np.random.default_rng(8)
    scores = rng.multivariate_normal(np.zeros(4), 0.3 + 0.7 * np.eye(4), size=60)
    values = np.repeat(scores, 6, axis=1) * 0.8 + 0.6 * rng.normal(size=(60, 24))
    values[rng.random(values.shape) < 0.25] = np.nan
    return pd.DataFrame(values, columns=[f"x{k}{i}" for k in range(4) for i in range(6)])


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_the_model_is_estimated_and_the_indices_say_why_not(few: pd.DataFrame, estimator: str) -> None:
    fit = sm.fit(MODEL, few, missing="fiml", estimator=estimator)
    assert fit.status.converged
    loadings = fit.estimates().query("op == '=~'")
    assert loadings["std_all"].between(0.4, 1.0).all()
    assert (loadings["se"].iloc[1:6] > 0).all()
    measures = fit.measures()
    assert measures[["npar", "df", "logl", "aic", "bic"]].notna().all()
    for name in ("chisq", "cfi", "rmsea", "srmr", "cfi_robust", "fmin"):
        assert np.isnan(measures[name])
        assert "saturated model has no maximum" in fit.why(name)
    assert any("saturated model has no maximum" in note for note in fit.header.notes)
    assert "indices made of it are undefined" in str(fit.diagnose()).replace("\n    ", " ")
    assert np.isnan(fit.tests()["stat"]).all()
    assert "Log" in str(fit)
    assert fit.to_json()


def test_the_optimum_does_not_depend_on_the_rough_moments(few: pd.DataFrame) -> None:
    """The same likelihood with items in other units, where the way of the EM steps is another one."""
    ours = sm.fit(MODEL, few, missing="fiml")
    other = sm.fit(MODEL, few * 100.0, missing="fiml")
    shift = int(few.notna().to_numpy().sum()) * np.log(100.0)
    assert other.measures()["logl"] == pytest.approx(ours.measures()["logl"] - shift, abs=1e-6)


def test_saved_and_loaded(few: pd.DataFrame, tmp_path: pytest.TempPathFactory) -> None:
    fit = sm.fit(MODEL, few, missing="fiml", estimator="MLR")
    loaded = sm.load_fit(fit.save(tmp_path / "fit"))  # type: ignore[operator]
    pd.testing.assert_frame_equal(loaded.estimates(), fit.estimates(), check_exact=True)
    pd.testing.assert_series_equal(loaded.measures(), fit.measures(), check_exact=True)


# ---------------------------------------------------------------------- items never asked together

HALVES = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f"


@pytest.fixture(scope="module")
def halves() -> pd.DataFrame:
    """x1 asked of the first half of the customers alone, x2 of the second."""
    data = clustered_survey()
    first = np.arange(len(data)) < 75
    return data.assign(x1=data["x1"].where(first), x2=data["x2"].where(~first))


@pytest.mark.parametrize(
    ("estimator", "errors"), [("ML", (0.172283787, 0.136105869)), ("MLR", (0.168245383, 0.132642119))]
)
def test_items_that_no_one_answers_both_of(
    halves: pd.DataFrame, estimator: str, errors: tuple[float, float]
) -> None:
    """Estimates as lavaan 0.6-14's, sem(HALVES, d, missing = "ml"); no figure tells of x1 with x2."""
    fit = sm.fit(HALVES, halves, missing="fiml", estimator=estimator)
    assert fit.status.converged
    rows = fit.estimates().set_index(["lhs", "op", "rhs"])
    places = (("f", "=~", "x2"), ("g", "~", "f"))
    for place, est, se in zip(places, (0.698363766, 0.523725591), errors, strict=True):
        assert rows.loc[place, "est"] == pytest.approx(est, abs=1e-4 * se)
        assert rows.loc[place, "se"] == pytest.approx(se, rel=1e-4)
    assert fit.measures()["logl"] == pytest.approx(-1043.16548998, abs=1e-5)
    assert np.isnan(fit.measures()["chisq"])
    assert "answered together" in fit.why("chisq")
    assert "x1 ~~ x2" not in {f"{r.lhs} ~~ {r.rhs}" for r in fit.modification_indices().itertuples()}
    assert str(fit)
    assert fit.bootstrap(20, seed=1, progress=False).n_used


@pytest.mark.parametrize(("estimator", "expected"), [("ML", 3.713121589), ("MLR", 9.724471163)])
def test_nested_models_need_no_saturated_one(halves: pd.DataFrame, estimator: str, expected: float) -> None:
    """lavaan 0.6-14's lavTestLRT: the saturated model's likelihood and trace are in both χ² and cancel."""
    fit = sm.fit(HALVES, halves, missing="fiml", estimator=estimator)
    other = sm.fit(HALVES.replace("g ~ f", "g ~ 0.3*f"), halves, missing="fiml", estimator=estimator)
    row = fit.compare(other).iloc[1]
    assert row["chisq_diff"] == pytest.approx(expected, rel=1e-4)
    assert row["df_diff"] == 1
    assert 0 < row["pvalue"] < 0.06
    if estimator == "MLR":
        with pytest.raises(sm.SpecError, match=r"Use method='satorra.bentler.2001'"):
            fit.compare(other, method="satorra.bentler.2010")


@pytest.mark.parametrize("test", ["yuan.bentler", "yuan.bentler.mplus"])
def test_a_scaled_test_is_undefined_too(halves: pd.DataFrame, test: str) -> None:
    fit = sm.fit(HALVES, halves, missing="fiml", test=test)
    assert fit.tests()["stat"].isna().all()
    assert np.isnan(fit.measures()["chisq_scaled"])
    assert "answered together" in fit.why("chisq_scaled")


def test_their_own_covariance_is_not_identified(halves: pd.DataFrame) -> None:
    fit = sm.fit(HALVES + "\nx1 ~~ x2", halves, missing="fiml")
    assert "not identified by these data: x1 ~~ x2" in str(fit.status)
    with pytest.raises(sm.ConvergenceError, match="modification indices do not exist"):
        fit.modification_indices()


@pytest.mark.parametrize("missing", ["pairwise", "two.stage"])
def test_moments_of_all_pairs_are_not_made_up(halves: pd.DataFrame, missing: str) -> None:
    with pytest.raises(sm.DataError, match=r"answers both of 'x1' with 'x2'.*missing='fiml'"):
        sm.fit(HALVES, halves, missing=missing)


def test_what_needs_the_moments_is_refused(few: pd.DataFrame) -> None:
    with pytest.raises(sm.DataError, match="could not be estimated"):
        sm.fit(MODEL, few, missing="two.stage")


def test_a_scaling_that_is_not_positive_is_a_reason(
    clients: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The robust RMSEA is undefined, not absent, so that a summary can be printed."""
    monkeypatch.setattr(fit_measures, "_robust_moments", lambda *given: ((5.0, -1.0), (100.0, 15.0)))
    fit = sm.fit("EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3", clients, estimator="MLR")
    assert np.isnan(fit.measures()["rmsea_robust"])
    assert "not positive" in fit.why("rmsea_robust")
    assert "RMSEA" in str(fit)
