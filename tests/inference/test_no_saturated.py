"""Few incomplete rows for many items: no saturated estimates, but the model has its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.inference import fit_measures

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
