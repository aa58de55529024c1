"""Auxiliary variables against semTools and against the same model written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import sem_models as sm

from .simulated import MODEL, clustered_survey, uniform, with_holes

FIGURE = 2e-6
"""Relative; lavaan's stopping rule."""

EM_STOP = 2e-4
"""Scaled statistics and log-likelihoods of lavaan 0.6-14 with EM moments in them, relative."""

# R semTools 0.5-6 on lavaan 0.6-14: sem.auxiliary(MODEL, data = h, aux = c("a1", "a2"), <options>)
SEMTOOLS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "ML": (
        {},
        {"npar": 36, "chisq": 4.814079027, "df": 8, "baseline_chisq": 267.2754884, "baseline_df": 15,
         "tli": 1.023678883, "srmr": 0.01777378914, "logl": -1534.853911, "unrestricted_logl": -1532.446872,
         "bic": 3250.090694},
    ),
    "MLR": (
        {"estimator": "MLR"},
        {"chisq_scaled": 5.3604161711, "chisq_scaling_factor": 0.8980793418,
         "baseline_chisq_scaled": 190.0510501375, "scaling_factor_h0": 1.3803595544,
         "scaling_factor_h1": 1.2926722430},
    ),
    "groups": (
        {"group": "grp"},
        {"npar": 72, "chisq": 19.83815124, "df": 16, "baseline_chisq": 291.2857825, "baseline_df": 30,
         "cfi": 0.9853105240, "rmsea": 0.05655492356, "logl": -1517.816579},
    ),
    "covariates": (
        {"aux": "a1", "model": MODEL + "+ cov\nf ~ cov + cov2"},
        {"npar": 37, "chisq": 11.30588525, "df": 17, "baseline_chisq": 360.6273878, "baseline_df": 28,
         "tli": 1.028195339, "logl": -1689.538649},
    ),
    "two stages": (  # sem.2stage(model = MODEL, data = h, aux = c("a1", "a2")), printed with three decimals
        {"missing": "two.stage"}, {"chisq": 5.409, "npar": 19},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    full, frame = clustered_survey(), with_holes()
    noise = ndtri(uniform(450, 7)).reshape(3, 150)
    frame["a1"] = full["y1"] + 0.8 * noise[0]
    frame["a2"] = full["x1"] + noise[1]
    frame.loc[1::9, "a2"] = np.nan
    frame["cov"] = noise[2] + 0.3 * full["x1"]
    frame["cov2"] = 0.4 * frame["cov"] + full["w"]
    return frame


@pytest.mark.parametrize("name", SEMTOOLS)
def test_agrees_with_semtools(name: str, data: pd.DataFrame) -> None:
    options, expected = SEMTOOLS[name]
    fit = sm.fit(**{"model": MODEL, "data": data, "missing": "fiml", "aux": ("a1", "a2"), **options})
    assert fit.status.ok, fit.status
    measures = fit.measures()
    loose = {"srmr", *(k for k in expected if "scal" in k)} | ({"chisq"} if name == "two stages" else set())
    for key, value in expected.items():
        assert measures[key] == pytest.approx(value, rel=EM_STOP if key in loose else FIGURE), key


def test_equals_the_model_written_out(data: pd.DataFrame) -> None:
    """One auxiliary variable by hand: correlated with every residual; its rows are shown when asked."""
    short = sm.fit(MODEL, data, missing="fiml", aux="a1")
    text = MODEL + "\na1 ~~ a1 + x1 + x2 + x3 + y1 + y2 + y3\na1 ~ 1"
    by_hand = sm.fit(text, data, missing="fiml").estimates()
    shown = short.estimates(aux=True)
    assert len(shown) == len(by_hand)
    columns = ["lhs", "op", "rhs"]
    both = by_hand.merge(shown, on=columns, suffixes=("_hand", "_aux"))
    assert len(both) == len(by_hand)
    np.testing.assert_allclose(both["est_aux"], both["est_hand"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(both["se_aux"], both["se_hand"], rtol=1e-6, atol=1e-9)
    hidden = short.estimates()
    assert "a1" not in set(hidden["lhs"]) | set(hidden["rhs"])
    assert "a1" not in set(short.standardized()["lhs"]) | set(short.standardized()["rhs"])
    assert len(hidden) == len(sm.fit(MODEL, data, missing="fiml").estimates())


def test_an_auxiliary_variable_helps(data: pd.DataFrame) -> None:
    """y1 is missing where x1 is high; a1 is nearly y1, so its mean is estimated with less error."""
    plain = sm.fit(MODEL, data, missing="fiml").estimates()
    helped = sm.fit(MODEL, data, missing="fiml", aux="a1").estimates()
    mean = (plain["lhs"] == "y1") & (plain["op"] == "~1")
    assert helped.loc[mean, "se"].iloc[0] < 0.97 * plain.loc[mean, "se"].iloc[0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"aux": "x1", "missing": "fiml"}, sm.SpecError, "'x1', already in the model"),
        ({"aux": "x1", "missing": "two.stage"}, sm.SpecError, "'x1', already in the model"),
        ({"aux": "a1"}, sm.SpecError, "with missing='listwise' it changes nothing"),
        ({"aux": "a3", "missing": "fiml"}, sm.DataError, "'a3' is not a column"),
        ({"aux": (1, 2), "missing": "fiml"}, sm.SpecError, "must be names of columns"),
        ({"aux": "a1", "missing": "fiml", "engine": "semopy"}, sm.SpecError, "aux="),
    ],
)
def test_refused_in_words(
    data: pd.DataFrame, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        sm.fit(MODEL, data, **options)
    assert words in str(caught.value)
