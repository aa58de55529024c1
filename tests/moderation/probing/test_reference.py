"""Simple slopes, margins and Johnson–Neyman regions beside modsem, semTools and lavaan."""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.probing.probe import Probing

EST = 1e-3
"""Agreement of estimates and errors, in standard errors (design.md)."""

POINT = 2e-4
"""Agreement of a Johnson–Neyman point, in standard deviations of the moderator: what EST leaves open."""

CASES = (
    "v69_oneint_dblcent", "v70_oneint_uca", "v71_oneint_rca", "v72_oneint_ca", "v77_b2b_int_dblcent",
)  # fmt: skip
BY_HAND = "v69_oneint_dblcent by hand"
"""The same products as columns made here and fitted by sm.fit: what a user may do without sm.moderate."""


def _load(golden: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    read = [json.loads((golden / folder / f"{name}.json").read_text()) for folder in ("cases", "results")]
    return read[0], read[1]


@cache
def _probed(golden: Path, name: str) -> tuple[Probing, dict[str, Any]]:
    case, result = _load(golden, name.removesuffix(" by hand"))
    data = pd.read_csv(golden / case["data"])
    if name != BY_HAND:
        return sm.moderate(case["syntax"], data, method=case["method"], **case["options"]), result
    for x, z in product(("x1", "x2", "x3"), ("z1", "z2", "z3")):
        column = (data[x] - data[x].mean()) * (data[z] - data[z].mean())
        data[f"{x}{z}"] = column - column.mean()
    fit = sm.fit(result["lavaan_syntax"], data)
    return sm.probe(fit, products={"XZ": ("X", "Z")}), result


def _close(found: pd.Series, expected: list[float], se: list[float], what: str) -> None:
    scale = np.where(np.array(se) > 0, se, 1.0)
    np.testing.assert_allclose(found / scale, np.array(expected) / scale, rtol=0, atol=EST, err_msg=what)


@pytest.mark.parametrize("name", [*CASES, BY_HAND])
def test_simple_slopes_of_modsem(golden_dir: Path, name: str) -> None:
    probe, result = _probed(golden_dir, name)
    reference = pd.DataFrame(result["simple_slopes"][0]["slopes"])
    found = probe.simple_slopes()
    np.testing.assert_allclose(found["value"], reference["value.moderator"], atol=1e-4)
    found = probe.simple_slopes(values=reference["value.moderator"])
    se = reference["std.error"].tolist()
    _close(found["est"], reference["slope.predictor"].tolist(), se, "slope")
    _close(found["se"], se, se, "se")
    _close(found["ci_lower"], reference["ci.lower"].tolist(), se, "ci_lower")
    np.testing.assert_allclose(found["pvalue"], reference["p.value"], rtol=5e-2, atol=1e-12)
    span = result["simple_slopes"][0]["diff_min_max"][0]
    contrast = probe.contrast(span["min.z"], span["max.z"])
    _close(
        contrast[["est", "se"]].astype(float),
        [span["diff"], span["std.error"]],
        [span["std.error"]] * 2,
        "diff",
    )


@pytest.mark.parametrize("name", [*CASES, BY_HAND])
def test_margins_of_modsem(golden_dir: Path, name: str) -> None:
    probe, result = _probed(golden_dir, name)
    reference = pd.DataFrame(result["simple_slopes"][0]["margins"])
    x, z = reference["vals_x"].unique(), reference["vals_z"].unique()
    found = probe.margins(x=x, values=z)
    np.testing.assert_allclose(found["x"], reference["vals_x"])
    np.testing.assert_allclose(found["value"], reference["vals_z"])
    se = reference["std.error"].tolist()
    _close(found["est"], reference["predicted"].tolist(), se, "predicted")
    _close(found["se"], se, se, "se")
    _close(found["ci_upper"], reference["ci.upper"].tolist(), se, "ci_upper")
    assert found["extrapolated"].any()  # three standard deviations out


@pytest.mark.parametrize("name", [*CASES, BY_HAND])
def test_johnson_neyman_of_modsem(golden_dir: Path, name: str) -> None:
    probe, result = _probed(golden_dir, name)
    reference = result["johnson_neyman"][0]
    found = probe.johnson_neyman()
    sd = reference["sd_z"]
    np.testing.assert_allclose(np.array(found.points) / sd, np.array(reference["jn_points"]) / sd, atol=POINT)
    grid = pd.DataFrame(reference["grid"])
    band = found.band(grid["z"].to_numpy())
    se = band["se"].tolist()
    _close(band["est"], grid["slope"].tolist(), se, "slope")
    _close(band["ci_lower"], grid["lower"].tolist(), se, "lower")
    _close(band["ci_upper"], grid["upper"].tolist(), se, "upper")
    assert band["significant"].tolist() == grid["significant"].tolist()


def test_probe2way_of_semtools(golden_dir: Path) -> None:
    case, result = _load(golden_dir, "v79_b2b_indprod_probe")
    fit = sm.fit(case["syntax"], pd.read_csv(golden_dir / case["data"]), estimator="MLR", meanstructure=True)
    reference = result["semtools"]["probe"]
    found = sm.probe(fit, products={"EDSxACT": ("EDS", "ACT")}).simple_slopes(values=(-1, 0, 1))
    for name, columns in (("SimpleSlope", ("est", "se")), ("SimpleIntcept", ("intercept", "intercept_se"))):
        table = pd.DataFrame(reference[name]).astype(float)
        se = table["se"].tolist()
        _close(found[columns[0]], table["est"].tolist(), se, name)
        _close(found[columns[1]], se, se, f"{name} se")


def test_slopes_of_observed_products_are_lavaan_s_definitions(golden_dir: Path) -> None:
    case, result = _load(golden_dir, "v85_talor_obs_interaction")
    probe = sm.probe(sm.fit(case["syntax"], pd.read_csv(golden_dir / case["data"])))
    found = probe.simple_slopes(values=(2, 6))
    reference = pd.DataFrame(result["defined"])
    se = reference["se"].tolist()
    _close(found["est"], reference["est"].tolist(), se, "slope")
    _close(found["se"], se, se, "se")
    _close(found["ci_lower"], reference["ci.lower"].tolist(), se, "ci_lower")


@pytest.mark.parametrize("name", ["v74_oneint_qml", "v75_tpb_lms", "v76_tpb_qml", "v78_b2b_int_lms"])
def test_latent_methods_are_probed_as_modsem_does(golden_dir: Path, name: str) -> None:
    """Estimates within 1e-2 standard errors and errors within 1 %, as asked of the methods themselves."""
    case, result = _load(golden_dir, name)
    nodes = {"nodes": case["options"]["nodes"]} if "nodes" in case["options"] else {}
    found = sm.moderate(
        case["syntax"], pd.read_csv(golden_dir / case["data"]), method=case["method"], **nodes
    )
    slopes = pd.DataFrame(result["simple_slopes"][0]["slopes"])
    mine = found.simple_slopes(values=slopes["value.moderator"])
    gap = (mine["est"] - slopes["slope.predictor"]) / slopes["std.error"]
    np.testing.assert_allclose(gap, 0, atol=1e-2)
    np.testing.assert_allclose(mine["se"], slopes["std.error"], rtol=1e-2)
    np.testing.assert_allclose(found.simple_slopes()["value"], slopes["value.moderator"], atol=1e-5)
    margins = pd.DataFrame(result["simple_slopes"][0]["margins"])
    predicted = found.margins(x=margins["vals_x"].unique(), values=margins["vals_z"].unique())
    se = margins["std.error"].where(margins["std.error"] > 0, 1.0)
    np.testing.assert_allclose((predicted["est"] - margins["predicted"]) / se, 0, atol=1e-2)
    np.testing.assert_allclose(predicted["se"], margins["std.error"], rtol=1e-2, atol=1e-12)
    reference = result["johnson_neyman"][0]
    sd = reference["sd_z"]
    near = [i for i, p in enumerate(reference["jn_points"]) if abs(p) < 3 * sd]
    points = np.array(found.johnson_neyman().points)[near]
    np.testing.assert_allclose(points / sd, np.array(reference["jn_points"])[near] / sd, atol=1e-2)
