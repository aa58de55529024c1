"""Not identified: refused before estimation, with the parameters that could move; identified: let through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest

import sem_models as sm

GROWTH = "i =~ 1*e1 + 1*e2 + 1*e3 + 1*p1\ns =~ 0*e1 + 1*e2 + 2*e3 + 3*p1\n"
CFA = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\n"

ALL = CFA + "BI =~ b1 + b2 + b3\n"
FLAT: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    # name: model, all involved, a word of the remedy, options
    "no scale": ("EDS =~ NA*e1 + e2 + e3\nPV =~ p1 + p2 + p3",
        "EDS=~e1 EDS=~e2 EDS=~e3 EDS~~EDS EDS~~PV", "EDS has no scale", {}),
    "no scale, alone": ("EDS =~ NA*e1 + e2 + e3", "EDS=~e1 EDS=~e2 EDS=~e3 EDS~~EDS", "no scale", {}),
    "no scale, equal loadings": ("EDS =~ NA*e1 + a*e1 + a*e2 + a*e3", "a EDS~~EDS", "no scale", {}),
    "no scale, labels": ("EDS =~ NA*e1 + a*e2 + a*e3\nEDS ~~ v*EDS", "EDS=~e1 a v", "no scale", {}),
    "second order without scale": (ALL + "SQ =~ NA*EDS + PV + BI",
        "SQ=~EDS SQ=~PV SQ=~BI SQ~~SQ", "SQ has no scale", {}),
    "second order of two": (CFA + "SQ =~ EDS + PV", "SQ=~PV EDS~~EDS PV~~PV SQ~~SQ", "SQ has two", {}),
    "two indicators alone": ("EDS =~ e1 + e2", "EDS=~e2 e1~~e1 e2~~e2 EDS~~EDS", "EDS has two", {}),
    "two indicators, held apart": ("EDS =~ e1 + e2\nPV =~ p1 + p2 + p3\nEDS ~~ 0*PV",
        "EDS=~e2 e1~~e1 e2~~e2 EDS~~EDS", "EDS has two", {}),
    "a single indicator with a free residual": (CFA + "ONE =~ b1\nb1 ~~ NA*b1\nONE ~ EDS",
        "b1~~b1 ONE~~ONE", "residual variance of b1", {}),
    "path and covariance at once": (CFA + "PV ~ EDS\nPV ~~ EDS", "PV~EDS PV~~EDS PV~~PV", "keep one", {}),
    "feedback without instruments": (ALL + "PV ~ EDS + BI\nBI ~ EDS + PV",
        "PV~EDS PV~BI BI~EDS BI~PV PV~~PV BI~~BI", "predict each other", {}),
    "feedback of observed variables": ("p1 ~ e1 + b1\nb1 ~ e1 + p1",
        "p1~e1 p1~b1 b1~e1 b1~p1 p1~~p1 b1~~b1", "predict each other", {}),
    "causes of one indicator": ("F =~ NA*p1\nF ~ e1 + e2\np1 ~~ NA*p1",
        "F=~p1 F~e1 F~e2 p1~~p1 F~~F", "F has no scale", {}),
    "causes of a marker": ("F ~ e1 + e2\nF =~ p1\np1 ~~ NA*p1", "p1~~p1 F~~F", "residual variance of p1", {}),
    "correlated residuals, three items": ("EDS =~ e1 + e2 + e3\ne1 ~~ e2\ne1 ~~ e3\ne2 ~~ e3",
        "EDS=~e2 EDS=~e3 e1~~e2 e1~~e3 e2~~e3 e1~~e1 e2~~e2 e3~~e3 EDS~~EDS", "Fix one", {}),
    "correlated residuals, two items": ("F =~ p1 + p2\nF ~ x\np1 ~~ p2",
        "p1~~p2 p1~~p1 p2~~p2 F~~F", "F has two", {}),
    "latent mean and every intercept": (CFA + "EDS ~ 1", "EDS~1 e1~1 e2~1 e3~1", "origin",
        {"meanstructure": True}),
    "growth with intercepts": (GROWTH + "e1 ~ 1\ne2 ~ 1\ne3 ~ 1\np1 ~ 1",
        "e1~1 e2~1 e3~1 p1~1 i~1 s~1", "origin", {"model_type": "growth"}),
    "growth of two waves": ("i =~ 1*e1 + 1*e2\ns =~ 0*e1 + 1*e2", "e1~~e1 e2~~e2 i~~i s~~s i~~s", "i has two",
        {"model_type": "growth"}),
    "growth without time": (GROWTH.replace("0*e1 + 1*e2 + 2*e3 + 3*p1", "1*e1 + 1*e2 + 1*e3 + 1*p1"),
        "i~~i s~~s i~~s i~1 s~1", "Fix one", {"model_type": "growth"}),
    "scale freed in a group": ("EDS =~ NA*e1 + e2 + e3\nEDS ~~ c(1, NA)*EDS",
        "EDS=~e1.g2 EDS=~e2.g2 EDS=~e3.g2 EDS~~EDS.g2", "no scale in group a", {"group": "g"}),
    "origin freed in a group": ("EDS =~ e1 + e2 + e3\nEDS ~ c(0, NA)*1",
        "EDS~1.g2 e1~1.g2 e2~1.g2 e3~1.g2", "origin", {"group": "g"}),
    "a construct twice": (CFA + "PV ~ EDS + Q\nQ =~ 1*EDS\nEDS ~~ 0*EDS", "PV~EDS PV~Q", "Fix one", {}),
    "two general factors": ("G =~ e1 + e2 + e3 + p1 + p2 + p3\nA =~ NA*e1 + e2 + e3 + p1 + p2 + p3\nA ~~ 1*A",
        "G=~e2 G=~p3 A=~e1 A=~p3 G~~G", "Fix one", {"orthogonal": True}),
}  # fmt: skip


ONE_SCALE = {"no scale, labels", "growth with intercepts"}


def both_ways(names: Iterable[str]) -> set[str]:
    """A covariance is named in either order."""
    return {n for p in names for n in (p, "~~".join(reversed(p.split("~~"))))}


@pytest.mark.parametrize("units", [1.0, 1e3], ids=["as is", "far apart"])
@pytest.mark.parametrize("name", FLAT)
def test_names_the_parameters(customers: pd.DataFrame, name: str, units: float) -> None:
    """All of those involved and no other, whatever the scales of the items; and what to do."""
    if units != 1.0 and name in ONE_SCALE:
        pytest.skip("these models hold items of one scale equal")
    model, involved, words, options = FLAT[name]
    items = [c for c in customers.columns if c != "g"]
    factors = dict(zip(items, [1.0, units, 1.0 / units] * 4, strict=False))
    data = customers.assign(**{c: customers[c] * f for c, f in factors.items()})
    with pytest.raises(sm.IdentificationError) as caught:
        sm.fit(model, data, **options)
    message = str(caught.value)
    listed = message.split("Involved: ")[1].split(". ")[0].replace(", …", "").split(", ")
    if " more)" in message or name == "two general factors":
        assert set(involved.split()) <= both_ways(listed), message
    else:
        assert both_ways(involved.split()) == both_ways(listed), message
    assert words in message


def test_free_latent_means_beside_free_intercepts(customers: pd.DataFrame) -> None:
    with pytest.raises(sm.IdentificationError, match=r"moments|EDS~1"):
        sm.fit(CFA + "EDS ~ 1", customers, meanstructure=True)


@pytest.mark.parametrize(
    "model",
    [
        "EDS =~ e1 + e2 + e3",
        "EDS =~ e1 + e2\nPV =~ p1 + p2",
        CFA + "BI =~ b1 + b2 + b3\nSQ =~ EDS + PV + BI",
        CFA + "ONE =~ b1\nONE ~ EDS + PV",
        "p1 ~ e1 + b1\nb1 ~ x\np1 ~~ b1",
        CFA + "BI =~ b1 + b2 + b3\nPV ~ EDS + BI\nBI ~ x + PV",
        "F =~ p1 + p2\nF ~ e1 + x",
        "G =~ e1 + e2 + e3 + p1 + p2 + p3\nA =~ e1 + e2 + e3\nG ~~ 0*A",
    ],
)
def test_lets_identified_models_through(customers: pd.DataFrame, model: str) -> None:
    sm.fit(model, customers)
    far = {c: customers[c] * f for c, f in zip(("e1", "e2", "p2", "b1"), (1e-3, 1e6, 1e4, 1e-3), strict=True)}
    sm.fit(model, customers.assign(**far))


def test_can_be_switched_off(customers: pd.DataFrame) -> None:
    """Then the status says that standard errors do not exist."""
    model = "EDS =~ e1 + e2\nPV =~ p1 + p2 + p3\nEDS ~~ 0*PV"
    fit = sm.fit(model, customers, check_identification=False)
    assert fit.solved.covariance.singular
    assert fit.vcov().isna().all(axis=None)
    assert "not identified" in str(fit.status)
