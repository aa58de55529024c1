"""Not identified: refused before estimation, with the parameters that could move; identified: let through."""

from __future__ import annotations

import pandas as pd
import pytest

import sem_models as sm

CFA = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\n"

FLAT = {
    "no scale": (
        "EDS =~ NA*e1 + e2 + e3\nPV =~ p1 + p2 + p3",
        ["EDS=~e1", "EDS=~e2", "EDS=~e3", "EDS~~EDS"],
        ["PV=~p2", "p1~~p1"],
    ),
    "two indicators alone": (
        "EDS =~ e1 + e2\nPV =~ p1 + p2 + p3\nEDS ~~ 0*PV",
        ["EDS=~e2", "e1~~e1", "e2~~e2", "EDS~~EDS"],
        ["PV=~p2", "p1~~p1"],
    ),
    "a single indicator with a free residual": (
        CFA + "ONE =~ b1\nb1 ~~ NA*b1\nONE ~ EDS",
        ["b1~~b1", "ONE~~ONE"],
        ["EDS=~e2", "ONE~EDS"],
    ),
    "path and covariance at once": (CFA + "PV ~ EDS\nPV ~~ EDS", ["PV~EDS", "EDS~~PV"], ["EDS=~e2"]),
}


@pytest.mark.parametrize("name", FLAT)
def test_names_the_parameters(customers: pd.DataFrame, name: str) -> None:
    model, involved, innocent = FLAT[name]
    with pytest.raises(sm.IdentificationError) as caught:
        sm.fit(model, customers)
    message = str(caught.value)
    listed = message.split("Involved: ")[1].split(". ")[0].split(", ")
    both_ways = {n for p in listed for n in (p, "~~".join(reversed(p.split("~~"))))}
    for parameter in involved:
        assert parameter in both_ways, message
    for parameter in innocent:
        assert parameter not in both_ways, message


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
    ],
)
def test_lets_identified_models_through(customers: pd.DataFrame, model: str) -> None:
    assert sm.fit(model, customers).status.converged


def test_can_be_switched_off(customers: pd.DataFrame) -> None:
    """Then the status says that standard errors do not exist."""
    model = "EDS =~ e1 + e2\nPV =~ p1 + p2 + p3\nEDS ~~ 0*PV"
    fit = sm.fit(model, customers, check_identification=False)
    assert fit.solved.covariance.singular
    assert fit.vcov().isna().all(axis=None)
    assert "not identified" in str(fit.status)
