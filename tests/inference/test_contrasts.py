"""Named contrasts: the same figures as the tables they are read from, in every scale and group."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import sem_models as sm
from sem_models.inference.contrasts import adjust_pvalues, as_dict

MODEL = """
EDS =~ e1 + e2 + e3
PV =~ p1 + p2 + p3
BI =~ b1 + b2 + b3
PV ~ a*EDS + t*tenure
BI ~ b*PV + c*EDS
through := a*b
"""
EXACT = 1e-10
"""The same derivatives by another way."""


@pytest.fixture(scope="module")
def fit(clients: pd.DataFrame) -> sm.Fit:
    return sm.fit(MODEL, clients, estimator="MLR")


@pytest.fixture(scope="module")
def grouped(clients: pd.DataFrame) -> sm.Fit:
    text = MODEL.replace("a*EDS", "c(a.inactive, a.active)*EDS").replace("b*PV", "c(b.inactive, b.active)*PV")
    text = text.replace("through := a*b\n", "").replace("c*EDS", "EDS").replace("t*", "")
    return sm.fit(text, clients, group="active", group_equal=("loadings",))


def row_of(fit: sm.Fit, group: str, kind: str, source: str, target: str) -> pd.Series:
    table = fit.effects()
    mask = (table["source"] == source) & (table["target"] == target) & (table["kind"] == kind)
    return table[mask & (table["group"] == group)].iloc[0]


@pytest.mark.parametrize("kind", ["direct", "total"])
def test_an_effect_is_the_table_s(fit: sm.Fit, kind: Any) -> None:
    row = row_of(fit, "", kind, "EDS", "BI")
    raw = fit.contrast(sm.Contrast("x", source="EDS", target="BI", effect=kind))
    scaled = fit.contrast(sm.Contrast("x", source="EDS", target="BI", effect=kind, scale="std_all"))
    figures = ["est", "se", "ci_lower", "ci_upper"]
    for found, suffix in ((raw, ""), (scaled, "_std")):
        expected = row[[f"{name}{suffix}" for name in figures]].astype(float)
        np.testing.assert_allclose(found[figures].astype(float), expected, rtol=EXACT)


def test_indirect_effects(fit: sm.Fit) -> None:
    """Through the only mediator, as the total indirect effect, as a product, and as a defined parameter."""
    ways = [
        sm.Contrast("i", source="EDS", target="BI", effect="indirect"),
        sm.Contrast("i", source="EDS", target="BI", effect="indirect", via="PV"),
        sm.Contrast("i", "a*b"),
        sm.Contrast("i", "through"),
        sm.Contrast("i", "c", effect="indirect"),
    ]
    table = fit.contrasts(ways)
    for column in ("est", "se", "pvalue", "ci_lower"):
        np.testing.assert_allclose(table[column], table[column].iloc[0], rtol=EXACT)
    assert table["definition"].iloc[1] == "indirect effect of EDS on BI through PV, in the units of the items"


@pytest.mark.parametrize("scale", ["std_lv", "std_nox", "std_all", "raw"])
def test_scales_agree_with_the_standardized_solution(fit: sm.Fit, scale: Any) -> None:
    table = fit.estimates() if scale == "raw" else fit.standardized(scale)
    rows = table.set_index("label")
    for label, source, target in (("a", "EDS", "PV"), ("t", "tenure", "PV")):
        by_label = fit.contrast(sm.Contrast("x", label, scale=scale))
        by_effect = fit.contrast(sm.Contrast("x", source=source, target=target, scale=scale))
        est = rows.loc[label, "est" if scale == "raw" else "est_std"]
        assert by_label["est"] == pytest.approx(est, rel=EXACT)
        assert by_effect["est"] == pytest.approx(est, rel=EXACT)
        assert by_label["se"] == pytest.approx(rows.loc[label, "se"], rel=1e-8)
        assert by_effect["se"] == pytest.approx(rows.loc[label, "se"], rel=1e-8)


def test_labels_as_total_effects(fit: sm.Fit) -> None:
    found = fit.contrast(sm.Contrast("x", "c - b", effect="total"))
    expected = row_of(fit, "", "total", "EDS", "BI")["est"] - row_of(fit, "", "total", "PV", "BI")["est"]
    assert found["est"] == pytest.approx(expected, rel=EXACT)
    assert "labels as total effects" in found["definition"]
    assert "c: EDS → BI; b: PV → BI" in found["definition"]


def test_groups_by_label(grouped: sm.Fit) -> None:
    by_group = sm.Contrast("C9.PV_EDS", "a", group="active", reference_group="inactive", sign=-1)
    by_label = sm.Contrast("x", "a.active - a.inactive")
    by_effect = sm.Contrast("x", source="EDS", target="PV", group="active", reference_group="inactive")
    table = grouped.contrasts([by_group, by_label, by_effect])
    np.testing.assert_allclose(table["est"], table["est"].iloc[0], rtol=EXACT)
    np.testing.assert_allclose(table["se"], table["se"].iloc[0], rtol=EXACT)
    assert (
        table["definition"].iloc[0].startswith("a, in the units of the items, in group active less in group")
    )
    total = grouped.contrast(sm.Contrast("x", source="EDS", target="BI", effect="total", group="inactive"))
    assert total["est"] == pytest.approx(row_of(grouped, "inactive", "total", "EDS", "BI")["est"], rel=EXACT)


def test_level_and_sign(fit: sm.Fit) -> None:
    wide = fit.contrast(sm.Contrast("x", "a", level=0.99))
    assert wide["ci_upper"] - wide["est"] == pytest.approx(ndtri(0.995) * wide["se"])
    assert fit.contrast("a", level=0.9)["ci_lower"] == pytest.approx(wide["est"] - ndtri(0.95) * wide["se"])


def test_fieller_is_the_set_not_rejected(fit: sm.Fit) -> None:
    """Its limits are the ratios at which a − r·b is just significant."""
    found = fit.contrast(sm.Contrast("x", "c/b", interval="fieller"))
    assert found["note"] == ""
    for limit in (found["ci_lower"], found["ci_upper"]):
        assert abs(fit.contrast(f"c - {limit!r}*b".replace("np.float64(", "").replace(")", ""))["z"]) == (
            pytest.approx(ndtri(0.975), rel=1e-6)
        )
    unbounded = fit.contrast(sm.Contrast("x", "a/t", interval="fieller"))
    assert unbounded["note"].startswith(("Unbounded", "Disjoint"))
    assert unbounded["ci_upper"] == np.inf


def test_adjustment_for_several() -> None:
    """Worked by hand; the undefined one is not counted."""
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(adjust_pvalues(p, "bonferroni"), [0.04, 0.16, np.nan, 0.12, 0.02])
    np.testing.assert_allclose(adjust_pvalues(p, "holm"), [0.03, 0.06, np.nan, 0.06, 0.02])
    np.testing.assert_allclose(adjust_pvalues(p, "bh"), [0.02, 0.04, np.nan, 0.04, 0.02])
    np.testing.assert_allclose(adjust_pvalues(p, "none"), p)
    with pytest.raises(sm.SpecError, match="Did you mean 'holm'"):
        adjust_pvalues(p, "hom")  # type: ignore[arg-type]


def test_a_table_by_name(fit: sm.Fit) -> None:
    table = fit.contrasts({"one": "a - b", "two": "b - c", "three": "t"}, adjust="holm")
    assert table["id"].tolist() == ["one", "two", "three"]
    assert (table["pvalue_adjusted"] >= table["pvalue"]).all()


@pytest.mark.parametrize("name", ["b2b_service_core", "b2b_service"])
def test_every_claim_of_the_catalogue_is_a_contrast(name: str) -> None:
    spec = sm.load(name)
    every = sm.Contrast.of_spec(spec, needs=("groups", "interactions", "controls", "capped"))
    assert len(every) == sum(bool(part.expression) for claim in spec.claims for part in claim.parts)
    plain = sm.Contrast.of_spec(spec)
    assert 0 < len(plain) < len(every)
    ids = [c.id for c in every]
    assert len(set(ids)) == len(ids)
    assert {"C1.PV", "C3.EDS", "C4.PV", "C9.PV_EDS"} <= set(ids)
    assert next(c for c in every if c.id == "C4.PV").interval == "fieller"
    assert next(c for c in every if c.id == "C1.PV").scale == "std_all"


def test_the_claims_on_a_fit() -> None:
    from sem_models.examples import path

    data, spec = pd.read_csv(path()), sm.load("b2b_service")
    frame = data[list(spec.items)].where(lambda d: (d >= 1) & (d <= 7))
    fit = sm.fit(spec, frame, missing="fiml")
    table = fit.contrasts(spec, adjust="bh")
    assert table["est"].notna().all()
    assert table.loc[table["id"] == "C1.PV", "definition"].item().startswith("b_PV_EDS - b_PV_OPS, stand")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give an expression"),
        ({"expression": "a", "source": "EDS", "target": "PV"}, "give an expression"),
        ({"source": "EDS"}, "give an expression"),
        ({"expression": "a", "scale": "std_al"}, "Did you mean 'std_all'"),
        ({"expression": "a", "effect": "totl"}, "Did you mean 'total'"),
        ({"expression": "a", "reference_group": "x"}, "needs group="),
        ({"expression": "a", "level": 95}, "between 0 and 1"),
        ({"expression": "a", "via": "PV"}, "via= belongs"),
        ({"expression": "a - b", "interval": "fieller"}, "a ratio"),
        ({"expression": "a", "sign": 2}, "sign=2 is unknown"),
    ],
)
def test_contradictory_contrasts_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(sm.SpecError, match=f"Contrast 'C1': .*{message}"):
        sm.Contrast("C1", **arguments)


def test_what_a_fit_does_not_have(fit: sm.Fit, grouped: sm.Fit) -> None:
    for contrast, message in (
        (sm.Contrast("x", "a - d"), "'d' in 'a - d' is neither a label"),
        (sm.Contrast("x", source="PV", target="EDS"), "No path leads from 'PV' to 'EDS'"),
        (sm.Contrast("x", source="ESD", target="PV"), "Did you mean 'EDS'"),
        (sm.Contrast("x", source="EDS", target="PV", effect="indirect"), "no mediator"),
        (sm.Contrast("x", source="tenure", target="BI"), "no direct path"),
        (sm.Contrast("x", source="EDS", target="BI", effect="indirect", via="tenure"), "passes through"),
        (sm.Contrast("x", "a", group="active"), "is no group of the fit"),
    ):
        with pytest.raises(sm.SpecError, match=message):
            fit.contrast(contrast)
    for contrast, message in (
        (sm.Contrast("x", "a", group="actve"), "Did you mean 'active'"),
        (sm.Contrast("x", source="EDS", target="PV"), "needs group="),
        (sm.Contrast("x", "a.inactive", group="active"), r"of the model in group active"),
    ):
        with pytest.raises(sm.SpecError, match=message):
            grouped.contrast(contrast)


def test_an_object_that_stays() -> None:
    contrast = sm.Contrast("C1.PV", "a - b", "A title", "std_all", sign=1)
    assert sm.Contrast(**as_dict(contrast)) == contrast
    with pytest.raises(FrozenInstanceError):
        contrast.sign = -1  # type: ignore[misc]
