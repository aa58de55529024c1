"""The second engine on simulated data: the same estimates, plain refusals, no wrong optimum called right."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

CLOSE = 1e-3
"""Estimates, in standard errors; the two optimizers end about 1e-6 apart."""

MODEL = """
EDS =~ eds.1 + eds.2 + eds.3
PV =~ pv1 + pv2 + pv3
BI =~ bi1 + bi2 + bi3
PV ~ EDS
BI ~ PV + EDS
"""


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """400 simulated customers: three constructs, three items each, tenure and calls unrelated to them."""
    rng = np.random.default_rng(20)
    n = 400
    eds = rng.normal(size=n)
    pv = 0.6 * eds + 0.8 * rng.normal(size=n)
    bi = 0.5 * pv + 0.2 * eds + 0.7 * rng.normal(size=n)
    items = {
        f"{stem}{i}": loading * latent + 0.6 * rng.normal(size=n)
        for stem, latent in (("eds.", eds), ("pv", pv), ("bi", bi))
        for i, loading in ((1, 1.0), (2, 0.9), (3, 0.8))
    }
    frame = pd.DataFrame(items)
    frame["tenure"] = rng.normal(5.0, 2.0, size=n)
    frame["calls"] = 0.3 * bi + rng.normal(size=n)
    frame["active"] = np.where(rng.random(n) < 0.5, "active", "inactive")
    return frame


def gap(ours: sm.Fit, theirs: sm.Fit) -> float:
    """Largest difference of two fits' estimates in standard errors."""
    a, b = ours.estimates(), theirs.estimates()
    free = (a["se"] > 0).to_numpy()
    return float(((a["est"] - b["est"]).abs() / a["se"])[free].max())


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (MODEL, {}),
        (MODEL, {"std_lv": True}),
        (MODEL, {"se": "robust"}),
        (MODEL, {"information": "observed"}),
        (MODEL.replace("pv2 + pv3", "a*pv2 + a*pv3") + "ab := a - 1", {}),
        (MODEL.replace("eds.2", "0.9*eds.2") + "pv1 ~~ bi1\nEDS ~~ start(2)*EDS", {}),
        (MODEL.replace("PV ~ EDS", "PV ~ EDS + tenure"), {}),
        (MODEL.replace("PV ~ EDS", "PV ~ EDS + start(-0.1)*tenure"), {"fixed_x": False}),
        ("CARE =~ EDS + PV + BI\n" + MODEL[: MODEL.index("PV ~")], {}),
        ("bi1 ~ pv1 + eds.1\npv1 ~ eds.1", {}),
        (MODEL + "calls ~~ pv1 + calls", {}),
    ],
    ids=[
        "plain", "std_lv", "robust", "observed", "label", "fixed and start", "covariate", "random covariate",
        "second order", "saturated paths", "item outside",
    ],
)  # fmt: skip
def test_semopy_agrees_with_the_native_engine(
    data: pd.DataFrame, model: str, options: dict[str, object]
) -> None:
    ours, theirs = sm.fit(model, data, **options), sm.fit(model, data, engine="semopy", **options)
    assert gap(ours, theirs) < CLOSE
    assert theirs.status.ok
    assert theirs.measures()["chisq"] == pytest.approx(ours.measures()["chisq"], rel=1e-8, abs=1e-8)
    assert theirs.provenance["engine"] == "semopy"


def test_a_covariance_matrix_will_do(data: pd.DataFrame) -> None:
    items = data.drop(columns=["active"])
    given = {"sample_cov": items.cov(), "sample_nobs": len(items)}
    assert gap(sm.fit(MODEL, items), sm.fit(MODEL, engine="semopy", **given)) < CLOSE


def test_a_negative_variance_is_reached_like_lavaan_does(data: pd.DataFrame) -> None:
    heywood = data.assign(pv1=data["pv1"] + 0.9 * data["pv2"])
    model = "PV =~ pv1 + pv2 + pv3"
    ours, theirs = sm.fit(model, heywood), sm.fit(model, heywood, engine="semopy")
    assert not ours.status.admissible
    assert gap(ours, theirs) < CLOSE


@pytest.mark.parametrize("dtype", ["int64", "Int64", "Float64"])
def test_integer_and_nullable_columns(data: pd.DataFrame, dtype: str) -> None:
    items = data.drop(columns=["active", "tenure", "calls"])
    answers = (items * 1.2 + 4).round().clip(1, 7).astype(dtype)
    robust = {"se": "robust"}
    assert gap(sm.fit(MODEL, answers, **robust), sm.fit(MODEL, answers, engine="semopy", **robust)) < CLOSE


@pytest.mark.parametrize("power", [3, 5])
def test_a_wrong_optimum_is_not_called_stationary(data: pd.DataFrame, power: int) -> None:
    """semopy reports success on badly scaled items; what it found is judged by our derivatives."""
    scaled = data.assign(**{"eds.2": data["eds.2"] * 10.0**power, "bi3": data["bi3"] / 10.0**power})
    ours = sm.fit(MODEL, scaled)
    assert ours.status.ok
    theirs = sm.fit(MODEL, scaled, engine="semopy")
    assert gap(ours, theirs) > CLOSE
    assert not theirs.status.stationary
    assert not theirs.status.converged
    assert "standard errors away" in " ".join(theirs.status.reasons)


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        ({"group": "active"}, MODEL, "equal or compared across groups"),
        ({"missing": "fiml"}, MODEL, "mean structure"),
        ({"meanstructure": True}, MODEL, "mean structure"),
        ({"estimator": "MLR"}, MODEL, "Yuan–Bentler"),
        ({"estimator": "ULS"}, MODEL, "maximum likelihood only"),
        ({}, MODEL.replace("PV ~ EDS", "PV ~ a*EDS").replace("BI ~ PV", "BI ~ b*PV") + "a == b", "'=='"),
        ({}, MODEL + "EDS ~~ bi1", "'EDS~~bi1'"),
    ],
)
def test_refusals_name_the_reason_and_the_remedy(
    data: pd.DataFrame, options: dict[str, object], model: str, message: str
) -> None:
    with pytest.raises(sm.SpecError, match=message) as caught:
        sm.fit(model, data, engine="semopy", **options)
    assert "engine='native'" in str(caught.value)


def test_missing_answers_are_refused(data: pd.DataFrame) -> None:
    holes = data.assign(pv1=data["pv1"].where(data.index > 20))
    with pytest.raises(sm.SpecError, match="FIML objective"):
        sm.fit(MODEL, holes, engine="semopy", missing="fiml")
    assert sm.fit(MODEL, holes, engine="semopy").header.n_used == len(data) - 21


def test_semopy_leaves_logging_as_it_was(data: pd.DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    """semopy warns through the root logger on models without fixed loadings; other records still pass."""
    root = logging.getLogger()
    before = list(root.handlers), list(root.filters)
    sm.fit(MODEL, data, engine="semopy", std_lv=True)
    logging.getLogger("mine").warning("kept")
    assert (list(root.handlers), list(root.filters)) == before
    assert caplog.messages == ["kept"]
