"""FIML where the rows are too few for unrestricted moments: the model is still estimated, χ² is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import sem_models as sm

from .simulated import MODEL as CLUSTERED
from .simulated import clustered_survey, uniform

MODEL = (
    "f =~ x1 + x2 + x3 + x4 + x5 + x6\n"
    "g =~ y1 + y2 + y3 + y4 + y5 + y6\n"
    "g ~ f"
)  # fmt: skip
N = 26

# R lavaan 0.6-14: sem(MODEL, d, missing = "ml", estimator = <estimator>), with " + c" added to the last line
# for the covariate: logl, bic, g~f and its error
LAVAAN = {
    ("ML", ""): (-278.0912321, 676.7320361, 0.3324490559, 0.1343100094),
    ("MLR", ""): (-278.0912321, 676.7320361, 0.3324490559, 0.1653938089),
    ("ML", " + c"): (-277.9020933, 679.6118551, 0.3137835353, 0.1347237664),
    ("MLR", " + c"): (-277.9020933, 679.6118551, 0.3137835353, 0.1653922678),
}

FIGURE = 2e-5
"""lavaan's stopping rule; g~f in standard errors, its error relative."""


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    u = uniform(N * 27, 11).reshape(N, 27)
    z = ndtri(u[:, :15])
    f = z[:, 0]
    g = 0.6 * f + 0.8 * z[:, 1]
    values = 0.8 * np.column_stack([f] * 6 + [g] * 6) + 0.6 * z[:, 3:15]
    values[u[:, 15:] < 0.18] = np.nan
    names = [f"{stem}{i}" for stem in "xy" for i in range(1, 7)]
    return pd.DataFrame(values, columns=names).assign(c=z[:, 2] + 0.3 * f)


@pytest.mark.parametrize(("estimator", "more"), LAVAAN)
def test_the_model_is_estimated_as_by_lavaan(few: pd.DataFrame, estimator: str, more: str) -> None:
    logl, bic, path, error = LAVAAN[estimator, more]
    fit = sm.fit(MODEL + more, few, missing="fiml", estimator=estimator)
    assert fit.status.ok
    rows = fit.estimates()
    first = rows[(rows["lhs"] == "g") & (rows["op"] == "~")].iloc[0]
    assert abs(first["est"] - path) < FIGURE * error
    assert first["se"] == pytest.approx(error, rel=FIGURE)
    assert fit.measures()["logl"] == pytest.approx(logl, rel=1e-9)
    assert fit.measures()["bic"] == pytest.approx(bic, rel=1e-9)


def test_what_needs_the_saturated_model_says_why(few: pd.DataFrame) -> None:
    """lavaan prints χ² 171 on 53 df here, from wherever its EM algorithm was when it stopped."""
    fit = sm.fit(MODEL, few, missing="fiml", estimator="MLR")
    measures = fit.measures()
    for name in ("chisq", "chisq_scaled", "cfi", "rmsea_robust", "srmr", "unrestricted_logl", "gfi"):
        assert np.isnan(measures[name])
        assert "too few rows for so many items" in fit.why(name)
    usual = sm.fit(CLUSTERED, clustered_survey(), missing="fiml", estimator="MLR").measures()
    assert set(measures.index) == set(usual.index)
    assert (measures["df"], measures["baseline_df"]) == (53, 66)
    assert any("no maximum" in note for note in fit.header.notes)
    for moments in (fit.residuals(), fit.residuals("cor"), fit.sample_moments()):
        assert moments[""]["cov"].isna().all(axis=None)
        assert moments[""]["mean"].isna().all()


def test_it_can_be_shown_and_saved(few: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> None:
    fit = sm.fit(MODEL, few, missing="fiml", estimator="MLR")
    assert "g" in str(fit)
    assert np.isnan(fit.tests()["stat"]).all()
    assert '"chisq": null' in fit.to_json()
    again = sm.load_fit(fit.save(tmp_path_factory.mktemp("few") / "few"))
    pd.testing.assert_frame_equal(again.estimates(), fit.estimates())


@pytest.mark.parametrize("missing", ["two.stage", "robust.two.stage", "ml.x"])
def test_methods_that_start_from_saturated_moments_refuse(few: pd.DataFrame, missing: str) -> None:
    """Missing covariates: their moments, which ml.x conditions on, would be made up."""
    holes = few.copy()
    holes.loc[5, "c"] = np.nan
    with pytest.raises(sm.DataError, match="could not be estimated: there are too few answers"):
        sm.fit(MODEL + " + c", holes, missing=missing)
