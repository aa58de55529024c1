"""Options resolve to lavaan's defaults."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import sem_models as sm

CFA = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3"

RESOLVED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"estimator": "ML", "se": "standard", "information": "expected", "meanstructure": False}),
    ({"estimator": "mlr"}, {"estimator": "MLR", "se": "robust.huber.white", "information": "observed"}),
    ({"missing": "ml"}, {"missing": "fiml", "information": "observed", "meanstructure": True}),
    ({"missing": "fiml", "estimator": "MLR"}, {"missing": "fiml", "se": "robust.huber.white"}),
    ({"group": "g"}, {"meanstructure": True, "group": "g"}),
    ({"group": "g", "group_equal": "loadings"}, {"group_equal": ("loadings",)}),
    ({"group": "g", "group_equal": ["lv.variances"]}, {"group_equal": ("lv_variances",)}),
    ({"se": "robust"}, {"se": "robust.sem", "test": ("standard",)}),
    ({"se": "robust.huber.white"}, {"information": "observed", "test": ("standard",)}),
    ({"information": "observed"}, {"information": "observed", "se": "standard"}),
    ({"model_type": "cfa"}, {"model_type": "cfa", "fixed_x": True}),
    ({"fixed_x": "default", "std_lv": None}, {"fixed_x": True, "std_lv": False}),
    ({"likelihood": "normal", "aux": ()}, {"estimator": "ML"}),
]


@pytest.mark.parametrize(("given", "expected"), RESOLVED)
def test_resolved(customers: pd.DataFrame, given: dict[str, Any], expected: dict[str, Any]) -> None:
    options = sm.fit(CFA, customers, **given).options
    for name, value in expected.items():
        assert options[name] == value, name


def test_intercepts_in_the_text_ask_for_means(customers: pd.DataFrame) -> None:
    assert sm.fit(CFA + "\ne1 ~ 1", customers).options["meanstructure"]


def test_no_errors_on_request(customers: pd.DataFrame) -> None:
    table = sm.fit(CFA, customers, se="none").estimates()
    assert table.loc[table["label"].eq("") & (table["op"] == "~~"), "se"].isna().any()
    assert table["est"].notna().all()


def test_growth_model(customers: pd.DataFrame) -> None:
    """Intercept and slope factors: latent means carry the trend."""
    model = "i =~ 1*e1 + 1*e2 + 1*e3\ns =~ 0*e1 + 1*e2 + 2*e3"
    fit = sm.fit(model, customers, model_type="growth")
    est = fit.estimates().set_index(["lhs", "op", "rhs"])["est"]
    implied = fit.implied()[""]["mean"]
    assert implied["e3"] == pytest.approx(est[("i", "~1", "")] + 2 * est[("s", "~1", "")])
    assert fit.measures()["df"] == 1
