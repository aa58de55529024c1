"""Charts of conditional effects: they compile, say only what was tested, and hold no customer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import along, export, theme
from sem_models.charts.conditional_indirect import conditional_indirect_title
from sem_models.charts.johnson_neyman import johnson_neyman_title
from sem_models.charts.simple_slopes import simple_slopes_title
from sem_models.charts.surface import surface_title
from sem_models.charts.text import NBSP
from sem_models.errors import SpecError
from sem_models.moderation.probing.probe import Probe

NAMES = {"y": "Perceived value", "x": "Service", "z": "Activity", "w": "Calls"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 400
    x, z, w = rng.normal(1, 1, n), rng.normal(0, 1.5, n), rng.integers(1, 8, n).astype(float)
    y = 1 + 0.3 * x + 0.3 * z - 0.2 * w + 0.3 * x * z + 0.05 * x * w + rng.normal(size=n)
    m = 0.5 * x + 0.2 * z + 0.3 * x * z + rng.normal(size=n)
    v = 0.4 * m + 0.1 * x + rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": z, "w": w, "y": y, "m": m, "v": v})


@pytest.fixture(scope="module")
def probe(data: pd.DataFrame) -> Probe:
    return sm.probe(sm.fit("y ~ x + z + w + x:z + x:w", data))


@pytest.fixture(scope="module")
def drawn(probe: Probe, data: pd.DataFrame) -> dict[str, Any]:
    mediated = sm.probe(sm.fit("m ~ x + z + x:z\nv ~ m + x", data))
    curved = sm.probe(sm.fit("y ~ x + x:x", data))
    charts = probe.charts
    return {
        "simple slopes": charts.simple_slopes("y", "x", "z", names=NAMES),
        "johnson neyman": charts.johnson_neyman("y", "x", "z", names=NAMES),
        "surface of an effect": charts.surface("y", "x", names=NAMES),
        "surface of the outcome": charts.surface("y", "x", "z", names=NAMES),
        "indirect": mediated.charts.conditional_indirect("v", "x"),
        "curve": curved.charts.simple_slopes(),
    }


@pytest.fixture(scope="module")
def by_group(data: pd.DataFrame) -> dict[str, Any]:
    frame = data.assign(g=np.where(data["w"] > 3, "active", "inactive"))
    model = "F =~ x + m + v\ny ~ F + z"
    charts = sm.moderate(model, frame, method="groups", moderator="g", levels=("configural", "metric")).charts
    return {"paths": charts.paths(), "slopes": charts.slopes("y", ["F"]), "invariance": charts.invariance()}


@pytest.mark.parametrize("name", ["paths", "slopes", "invariance"])
def test_charts_of_a_comparison_of_groups(by_group: dict[str, Any], name: str) -> None:
    svg = export.svg(by_group[name])
    assert "N = 400 of 400" in svg
    assert "active" in svg or name == "invariance"


def test_lines_follow_one_moderator(probe: Probe, data: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="Lines can follow one moderator at a time"):
        probe.charts.simple_slopes("y", "x")
    far = export.svg(probe.charts.simple_slopes("y", "x", "z", values=(0, 50)))
    assert "50, beyond the data" in far
    bent = sm.probe(sm.fit("y ~ x + z + x:z + x:x", data))
    svg = export.svg(bent.charts.simple_slopes("y", "x"))
    assert svg.count("+1 SD") >= 1
    assert "x at" not in svg


def test_nothing_is_claimed_without_convergence(probe: Probe) -> None:
    terms = replace(probe.terms, header_line="ML · DID NOT CONVERGE: do not interpret")
    charts = Probe(terms).charts
    for chart in (charts.simple_slopes("y", "x", "z"), charts.johnson_neyman("y", "x", "z"),
                  charts.surface("y", "x")):  # fmt: skip
        words = export.svg(chart).replace(NBSP, " ")
        assert "No finding is stated here" in words
        assert "rises" not in words


def _titles(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}title")]


@pytest.mark.parametrize(
    "name",
    [
        "simple slopes",
        "johnson neyman",
        "surface of an effect",
        "surface of the outcome",
        "indirect",
        "curve",
    ],
)
def test_a_page_wide_picture_of_summaries(drawn: dict[str, Any], data: pd.DataFrame, name: str) -> None:
    svg = export.svg(drawn[name])
    assert 300 < float(ElementTree.fromstring(svg).attrib["width"]) <= theme.WIDTH + 60
    assert set(re.findall(r"\w+://[^\"' <]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert "N = 400 of 400" in svg
    titles = _titles(svg)
    assert titles
    assert not [t for t in titles if re.match(r"\w+: -?[\d.]+;", t)]
    # no value of a customer is in what is drawn
    numbers = set(re.findall(r"-?\d+\.\d{6,}", str(export.specification(drawn[name]))))
    own = {repr(v) for c in ("x", "z", "y") for v in np.sort(data[c])[5:-5]}
    assert not numbers & own


def test_the_regions_are_colored_and_their_shares_told(drawn: dict[str, Any], probe: Probe) -> None:
    svg = export.svg(drawn["johnson neyman"]).replace(NBSP, " ")
    found = probe.johnson_neyman("y", "x", "z")
    for region in found.regions:
        if region.sign and region.observed:
            assert f"{region.share:.0%} of customers" in svg
    assert theme.POSITIVE in svg
    assert theme.NEGATIVE in svg
    tips = "\n".join(_titles(svg))
    assert "positive" in tips
    assert "slope" in tips


def test_small_cells_are_joined(drawn: dict[str, Any], probe: Probe) -> None:
    histogram = probe.terms.support["z"].histogram()
    assert histogram is not None
    assert histogram.counts[histogram.counts > 0].min() >= 5


def test_bars_are_cut_where_the_state_changes() -> None:
    bars = along.colored_bars(
        np.array([0.0, 1.0, 2.0]), np.array([0.4, 0.6]), [(0.0, 0.5, "negative"), (0.5, 2.0, "positive")], {}
    )
    assert bars["left"].tolist() == [0.0, 0.5, 1.0]
    assert bars["state"].tolist() == ["negative", "positive", "positive"]
    assert bars["height"].tolist() == [0.4, 0.4, 0.6]


# ---------------------------------------------------------------------- titles


def plain(title: str) -> str:
    return title.replace(NBSP, " ")


def _regions(**columns: Any) -> pd.DataFrame:
    n = len(columns["effect"])
    base = {
        "outcome": "y", "predictor": "x", "moderator": "z", "basis": "observed values", "level": 0.95,
        "band": "pointwise", "extrapolated": False, "lower": 0.0, "upper": 1.0, "share": 1.0,
    }  # fmt: skip
    return pd.DataFrame({k: columns.get(k, [v] * n) for k, v in base.items()} | {"effect": columns["effect"]})


def test_johnson_neyman_titles() -> None:
    inf = float("inf")
    three = _regions(
        effect=["negative", "not significant", "positive"], lower=[-inf, -1.0, 0.5], upper=[-1.0, 0.5, inf],
        share=[0.1, 0.6, 0.3],
    )  # fmt: skip
    assert plain(johnson_neyman_title(three, (-2, 2))) == (
        "The slope of y on x is negative for z below −1.00 (10% of customers) and positive for z above 0.50 "
        "(30% of customers); elsewhere its 95% interval covers 0"
    )
    # what lies beyond the data is not claimed
    beyond = three.assign(extrapolated=[True, False, False])
    assert "negative" not in johnson_neyman_title(beyond, (-0.5, 2))
    none = _regions(effect=["not significant"])
    assert plain(johnson_neyman_title(none, (-2, 2))) == (
        "The slope of y on x is not detectable at any observed value of z: its 95% interval covers 0 "
        "throughout"
    )
    everywhere = _regions(effect=["positive"], band=["simultaneous (Working–Hotelling)"])
    assert plain(johnson_neyman_title(everywhere, (-2, 2), names=NAMES)) == (
        "The slope of Perceived value on Service is positive at every observed value of Activity "
        "(95% simultaneous band)"
    )
    tiny = three.assign(share=[0.002, 0.0, 0.998])
    assert "below 1% of customers" in johnson_neyman_title(tiny, (-2, 2))
    assert "over 99% of customers" in johnson_neyman_title(tiny, (-2, 2))


def _slopes() -> pd.DataFrame:
    return pd.DataFrame(
        {"outcome": "y", "predictor": "x", "moderator": "z", "position": ["-1 SD", "+1 SD"],
         "est": [0.1, 0.5], "ci_lower": [-0.1, 0.3], "ci_upper": [0.3, 0.7]}
    )  # fmt: skip


def test_simple_slopes_titles() -> None:
    clear = pd.Series({"est": 0.4, "ci_lower": 0.1, "ci_upper": 0.7})
    assert plain(simple_slopes_title(_slopes(), clear)) == (
        "The slope of y on x rises with z: from 0.10 [−0.10, 0.30] at −1 SD to 0.50 [0.30, 0.70] at +1 SD "
        "(difference 0.40 [0.10, 0.70])"
    )
    open_ = pd.Series({"est": 0.4, "ci_lower": -0.1, "ci_upper": 0.9})
    assert plain(simple_slopes_title(_slopes(), open_)).startswith("No detectable change of the slope")
    assert plain(simple_slopes_title(_slopes())) == (
        "The slope of y on x: 0.10 [−0.10, 0.30] at −1 SD and 0.50 [0.30, 0.70] at +1 SD"
    )


def test_surface_titles() -> None:
    shares = {"negative": 0.0, "not significant": 0.35, "positive": 0.65}
    title = plain(surface_title("y", "x", "z", "w", of_effect=True, shares=shares))
    assert title == (
        "By z and w the slope of y on x is positive for 65% of customers; for 35% its interval covers 0"
    )
    nothing = {"negative": 0.0, "not significant": 1.0, "positive": 0.0}
    assert "hardly any" in surface_title("y", "x", "z", "w", of_effect=True, shares=nothing)
    assert surface_title("y", "x", "x", "z", of_effect=False) == "Expected y over x and z"


def test_indirect_titles() -> None:
    path = "x → m → v"
    index = pd.DataFrame(
        {"outcome": ["v"], "predictor": ["x"], "path": [path], "moderator": ["z"], "est": [0.1],
         "ci_lower": [0.05], "ci_upper": [0.15]}
    )  # fmt: skip
    assert plain(conditional_indirect_title(index, path=path)) == (
        "The indirect effect x → m → v rises with z (index of moderated mediation 0.10 [0.05, 0.15])"
    )
    assert "does not detectably change" in conditional_indirect_title(index.assign(ci_lower=-0.01), path=path)
    bent = index.assign(est=np.nan, ci_lower=np.nan, ci_upper=np.nan)
    assert conditional_indirect_title(bent, path=path) == "The indirect effect x → m → v along z"
    change = index.assign(first=-1.0, second=1.0)
    assert "difference between z −1.00 and 1.00" in plain(
        conditional_indirect_title(bent, path=path, difference=change)
    )
