"""Covariates by default: fixed by maximum likelihood, modeled by least squares, in no group_equal family.

Figures of lavaan 0.6-14 on the data of simulated.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sem_models as sm

from .simulated import clustered_survey

MODEL = "g =~ y1 + y2 + y3\ng ~ x1 + x2"
CASES: list[tuple[dict[str, Any], list[float], list[float], list[float]]] = [
    # npar, df, chisq, baseline_chisq; the paths and their errors
    ({"estimator": "GLS"}, [11, 4, 1.251700735, 52.99131459], [0.234152816, 0.228502679],
     [0.0763627438, 0.0927703872]),
    ({"estimator": "ULSM"}, [11, 4, 0.8942183558, 426.0022862], [0.236049606, 0.228084383],
     [0.0892090827, 0.0884323893]),
    ({"estimator": "WLS"}, [11, 4, 0.8093634365, 68.77884152], [0.223945245, 0.227733979],
     [0.0780839729, 0.0807760543]),
    ({"group": "grp", "fixed_x": False,
      "group_equal": ("loadings", "intercepts", "residuals", "residual_covariances", "means")},
     [24, 16, 33.19576788, 196.1687497], [0.143837789, 0.237528213, 0.341551077, 0.247861941],
     [0.0889487248, 0.107784171, 0.114204653, 0.153554923]),
]  # fmt: skip


@pytest.mark.parametrize(("options", "measures", "estimates", "errors"), CASES)
def test_beside_lavaan(
    options: dict[str, Any], measures: list[float], estimates: list[float], errors: list[float]
) -> None:
    fit = sm.fit(MODEL, clustered_survey(), **options)
    found = fit.measures()[["npar", "df", "chisq", "baseline_chisq"]]
    np.testing.assert_allclose(found, measures, rtol=1e-8)
    paths = fit.estimates().query("op == '~'")
    assert np.abs((paths["est"] - estimates) / errors).max() < 2e-5  # lavaan's search stops a little short
    np.testing.assert_allclose(paths["se"], errors, rtol=2e-6)


def test_a_saturated_model_has_nothing_left_to_scale() -> None:
    fit = sm.fit("y1 ~ x1 + x2\ny2 ~ y1 + x1 + x2", clustered_survey(), estimator="MLR")
    names = ["df", "chisq_scaled", "cfi_scaled", "nfi_scaled", "rmsea_robust", "baseline_chisq_scaled"]
    np.testing.assert_allclose(fit.measures()[names], [0, 0, 1, 1, 0, 39.65046486], rtol=1e-9)


def test_std_nox_leaves_random_covariates_in_their_units() -> None:
    fit = sm.fit(MODEL, clustered_survey(), fixed_x=False)
    table = fit.standardized("std_nox").set_index(["lhs", "op", "rhs"])
    paths = table.loc[[("g", "~", "x1"), ("g", "~", "x2")]]
    np.testing.assert_allclose(paths["est_std"], [0.261, 0.258], atol=5e-4)
    np.testing.assert_allclose(paths["se"], [0.076, 0.098], atol=5e-4)
    raw = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    key = ("x1", "~~", "x2")
    assert table.loc[key, "est_std"] == pytest.approx(raw[key], rel=1e-12)
