"""Replication of published figures: criteria worked out by hand, verdicts on true and false populations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.findings.replication import compare_estimates

MODEL = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ b*EDS"


def test_criteria_by_hand() -> None:
    """.5 (.1) and .3 (.15): prediction .3 ± 1.96 √.0325; power 1/3 at 1.53 errors of the original."""
    c = compare_estimates(0.5, 0.1, 0.3, 0.15)
    half = 1.959964 * np.sqrt(0.0325)
    assert (c.pi_lower, c.pi_upper) == pytest.approx((0.3 - half, 0.3 + half), rel=1e-6)
    assert c.original_in_prediction
    assert c.intervals_overlap
    assert c.z == pytest.approx(-0.2 / np.sqrt(0.0325))
    small = c.small_effect / 0.1
    from scipy.stats import norm

    assert norm.sf(1.959964 - small) + norm.cdf(-1.959964 - small) == pytest.approx(1 / 3, abs=1e-6)
    assert c.small_telescopes_p == pytest.approx(norm.cdf((0.3 - c.small_effect) / 0.15))
    assert c.small_telescopes_power == pytest.approx(norm.cdf(c.small_effect / 0.15 - 1.644854), rel=1e-5)
    ratio = 0.5 / 0.15
    assert c.power_at_original == pytest.approx(
        norm.sf(1.959964 - ratio) + norm.cdf(-1.959964 - ratio), rel=1e-5
    )
    assert c.verdict == "replicated"


@pytest.mark.parametrize(
    ("original", "new", "verdict"),
    [
        ((0.5, 0.1), (0.45, 0.05), "replicated"),
        ((-0.5, 0.1), (-0.45, 0.05), "replicated"),
        ((0.5, 0.1), (-0.3, 0.05), "not replicated"),
        ((-0.5, 0.1), (0.3, 0.05), "not replicated"),
        ((0.5, 0.2), (0.02, 0.05), "not replicated"),  # smaller than the original could have found
        ((0.5, 0.1), (0.2, 0.2), "undecided"),
        ((0.15, 0.1), (0.25, 0.05), "undecided"),  # the original is none
        ((0.5, 0.05), (0.25, 0.05), "undecided"),  # clear of 0, but half the size
    ],
)
def test_verdicts(original: tuple[float, float], new: tuple[float, float], verdict: str) -> None:
    assert compare_estimates(*original, *new).verdict == verdict


def test_signs_are_symmetric() -> None:
    one, two = compare_estimates(0.4, 0.1, 0.1, 0.1), compare_estimates(-0.4, 0.1, -0.1, 0.1)
    assert one.small_effect == -two.small_effect
    assert one.small_telescopes_p == pytest.approx(two.small_telescopes_p)
    assert one.verdict == two.verdict


def test_share_of_originals_in_the_prediction_interval() -> None:
    rng = np.random.default_rng(4)
    pairs = 0.3 + rng.normal(size=(4000, 2)) * [0.12, 0.07]
    inside = [compare_estimates(o, 0.12, r, 0.07).original_in_prediction for o, r in pairs]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


def _published(**changes: Any) -> dict[str, Any]:
    estimate: dict[str, Any] = {"claim": "H1", "expression": "b", "estimate": 0.6, "se": 0.08} | changes
    return {"study": "An invented study", "citation": "Invented for this test.", "estimates": [estimate]}


def test_against_a_fit(clients: pd.DataFrame, tmp_path: Path) -> None:
    fit = sm.fit(MODEL, clients)
    result = sm.replicate(fit, _published())
    row = result.table().iloc[0]
    here = fit.contrast("b", metric="std_all")
    assert row["replication"] == pytest.approx(here["est"])
    assert row["replication_se"] == pytest.approx(here["se"])
    assert row["verdict"] == "replicated"
    assert sm.replicate(fit, _published(estimate=-0.6)).table()["verdict"].tolist() == ["not replicated"]
    path = tmp_path / "published.yaml"
    path.write_text(
        "study: An invented study\ncitation: Invented for this test.\nestimates:\n"
        "  - {claim: H1, expression: b, estimate: 0.6, ci: [0.4432, 0.7568]}\n",
        encoding="utf-8",
    )
    from_file = sm.replicate(fit, path).table().iloc[0]
    assert from_file["original_se"] == pytest.approx(0.08, abs=1e-5)
    summary = result.summary().set_index("what")
    assert summary.loc["replicated", "claims"] == 1
    title = " ".join(export.specification(result.chart())["title"]["text"])
    assert title == "1 of 1 findings of An invented study replicates"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"se": None}, "give se or ci"),
        ({"se": -1}, "greater than 0"),
        ({"ci": [0.2, 0.1], "se": None}, "not below the upper"),
        ({"expression": "c"}, "neither a label nor a defined parameter"),
        ({"estimte": 1}, "Extra inputs"),
    ],
)
def test_refusals(clients: pd.DataFrame, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(sm.SpecError, match=words):
        sm.replicate(sm.fit(MODEL, clients), _published(**changes))


def test_files(tmp_path: Path, clients: pd.DataFrame) -> None:
    fit = sm.fit(MODEL, clients)
    with pytest.raises(sm.SpecError, match="There is no file"):
        sm.replicate(fit, tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("study: [", encoding="utf-8")
    with pytest.raises(sm.SpecError, match="not valid YAML"):
        sm.replicate(fit, bad)
