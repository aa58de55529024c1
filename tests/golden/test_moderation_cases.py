"""Every visible reference case of a moderation agrees; methods that are not built are refused by name.

Reference: modsem figures at 15 digits, estimated by lavaan (product indicators) or by modsem itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

from .reference import TOLERANCES, Gaps, _measures, _tests, load_case

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"

LATER: dict[str, tuple[str, ...]] = {}
"""Cases whose method is refused; a case leaves this list when its part is built."""

BY_ITSELF = TOLERANCES | {
    "est": 1e-2,
    "se": 1e-2,
    "std_est": 1e-2,
    "std_se": 3e-2,
    "vcov": 2e-2,
    "logl": 1e-3,
}
"""LMS and QML stop by their own rule: 1e-2 standard errors, log-likelihoods within 1e-3 and never lower.

The reference's errors of standardized values are standard deviations of random draws, off by 1 to 3 %: also
those of loadings that no product touches, for which the delta method is lavaan's.
"""

DIFFERENCED = {
    "v73_oneint_lms": ("se ('x1', '~~', 'x1')", "se ('x3', '~~', 'x3')", "vcov"),
    "v75_tpb_lms": ("se ('pbc1', '~~', 'pbc1')", "se ('pbc2', '~~', 'pbc2')", "vcov"),
}
"""Errors of residual variances that differ by 1.1 to 1.6 % (and what varies with them by 3 %).

The reference's information is made of one-sided differences; ours agrees with differences of fourth order to
1e-6, and the log-likelihoods with each other to 1e-10 (docs/latent-interactions.md).
"""

ENGINE = {"convergence.abs", "convergence.rel", "max.iter"}
"""Settings of modsem's own search, which have no counterpart."""


def _names() -> list[str]:
    if not GOLDEN.is_dir():
        return []
    found = []
    for path in sorted((GOLDEN / "cases").glob("*.json")):
        if json.loads(path.read_text(encoding="utf-8"))["kind"] == "modsem":
            found.append(path.stem)
    return found


@pytest.mark.parametrize(
    "name", _names() or [pytest.param("", marks=pytest.mark.skip("reference figures are not here"))]
)
def test_moderation_case(name: str, golden_dir: Path) -> None:
    case, result = load_case(golden_dir, name)
    later = any(name in names for names in LATER.values())
    try:
        ours = run(case, golden_dir)
    except sm.SpecError as refusal:
        assert " yet" in str(refusal), refusal
        assert later, f"{name} was refused: {refusal}"
        return
    assert not later, f"{name} is no longer refused: take it off the list"
    gaps = gaps_of(case)
    compare(ours, case, result, gaps)
    print(f"\n{name}: " + ", ".join(f"{k} {v:.1e}" for k, v in sorted(gaps.worst.items())), end="")
    failures = unexplained(name, gaps)
    assert not failures, "\n".join(failures[:20])
    assert max(gaps.worst["se"], gaps.worst["vcov"] / 2) < 2e-2


def gaps_of(case: dict[str, Any]) -> Gaps:
    """An empty record with the tolerances of the case's method."""
    return Gaps(tolerances=BY_ITSELF if case["method"] in ("lms", "qml") else TOLERANCES)


def unexplained(name: str, gaps: Gaps) -> list[str]:
    """What misses its tolerance and is not in `DIFFERENCED`."""
    return [f for f in gaps.failures if not f.startswith(DIFFERENCED.get(name, ("\0",)))]


def run(case: dict[str, Any], folder: Path) -> Any:
    options = {k.replace(".", "_"): v for k, v in case["options"].items() if k not in ENGINE}
    return sm.moderate(case["syntax"], pd.read_csv(folder / case["data"]), method=case["method"], **options)


def compare(ours: Any, case: dict[str, Any], result: dict[str, Any], gaps: Gaps) -> None:
    """All figures of a case: parameters, standardized ones, their covariances, fit and tests."""
    key = _keys(ours)
    _rows(_table(ours.estimates()), result["param_table"], key, gaps, "est", "se", "est")
    _rows(_table(ours.standardized()), result["standardized"], key, gaps, "std_est", "std_se", "est_std")
    _covariances(ours, result, key, gaps)
    if "fit_measures" in result:
        _measures(ours, result, gaps, "")
        _tests(ours, result, gaps, "")
    for reference in result["simple_slopes"]:
        _slopes(ours, reference, gaps)
    for reference in result["johnson_neyman"]:
        _johnson_neyman(ours, reference, gaps)
    if "logl" in result:
        gaps.add("logl", "", abs(ours.loglik - result["logl"]))
        assert ours.loglik > result["logl"] - 1e-6


def _keys(ours: Any) -> dict[str, str]:
    """The reference's names of products (XZ) by ours (X:Z)."""
    return {"".join(p.factors): p.name for p in ours.statement.products}


def _table(frame: pd.DataFrame) -> dict[tuple[str, str, str], Any]:
    out = {}
    for row in frame.itertuples(index=False):
        rhs = "" if row.op == ":=" else row.rhs
        out[row.lhs, row.op, rhs] = row
        if row.op == "~~":
            out[row.rhs, row.op, row.lhs] = row
    return out


def _named(row: dict[str, Any], key: dict[str, str]) -> tuple[str, str, str]:
    lhs, rhs = key.get(row["lhs"], row["lhs"]), key.get(row["rhs"], row["rhs"])
    return lhs, row["op"], "" if row["op"] in ("~1", ":=") else rhs


def _rows(
    ours: dict[tuple[str, str, str], Any], theirs: list[dict[str, Any]], key: dict[str, str], gaps: Gaps,
    est: str, se: str, column: str,
) -> None:  # fmt: skip
    for row in theirs:
        if row["op"] in ("==", "<", ">"):
            continue
        name, error = _named(row, key), row["std.error"]
        if name not in ours:
            # what is fixed to zero need not be a row
            if abs(row["est"]) > 1e-7:
                gaps.failures.append(f"no row {name}")
            continue
        unit = error or 1e-2 * max(1.0, abs(row["est"]))  # some that vary are given without an error
        gaps.add(est, f"{name}", abs(getattr(ours[name], column) - row["est"]) / unit)
        if error:
            gaps.add(se, f"{name}", abs(ours[name].se - error) / error)


def _covariances(ours: Any, result: dict[str, Any], key: dict[str, str], gaps: Gaps) -> None:
    names = result["vcov"]["names"]
    theirs = np.zeros((len(names), len(names)))
    for i, line in enumerate(result["vcov"]["lower"]):
        theirs[i, : len(line)] = line
        theirs[: len(line), i] = line
    of_label = {row["label"]: row for row in result["param_table"] if row.get("label")}
    of_name = {f"{row['lhs']}{row['op']}{row['rhs']}": row for row in result["param_table"]}
    mine = ours.vcov()
    order, kept = [], []
    for i, name in enumerate(names):
        lhs, op, rhs = _named(of_label.get(name) or of_name[name], key)
        found = next((n for n in (f"{lhs}{op}{rhs}", f"{rhs}{op}{lhs}") if n in mine.index), None)
        if found is None:
            assert theirs[i, i] < 1e-20, f"{name} has no covariance here"
            continue
        order.append(found)
        kept.append(i)
    theirs = theirs[np.ix_(kept, kept)]
    unit = np.sqrt(np.diagonal(theirs))
    gaps.add(
        "vcov", "", float(np.abs((mine.loc[order, order] - theirs) / np.outer(unit, unit)).to_numpy().max())
    )


def _slopes(ours: Any, reference: dict[str, Any], gaps: Gaps) -> None:
    """Slopes, expected outcomes and the slopes' difference, in their standard errors."""
    names = (reference["y"], reference["x"], reference["z"])
    theirs = pd.DataFrame(reference["slopes"])
    found = ours.simple_slopes(*names, values=theirs["value.moderator"].to_numpy())
    _figures(found, theirs, "slope.predictor", gaps, "slope")
    theirs = pd.DataFrame(reference["margins"])
    x, z = theirs["vals_x"].unique(), theirs["vals_z"].unique()
    found = ours.margins(*names, x=x, values=z)
    assert found["x"].to_numpy() == pytest.approx(theirs["vals_x"].to_numpy())
    _figures(found, theirs, "predicted", gaps, "margin")
    span = reference["diff_min_max"][0]
    contrast = ours.contrast(span["min.z"], span["max.z"], *names)
    gaps.add("est", "difference of slopes", abs(contrast["est"] - span["diff"]) / span["std.error"])
    gaps.add("se", "difference of slopes", abs(contrast["se"] / span["std.error"] - 1))


def _figures(found: pd.DataFrame, theirs: pd.DataFrame, est: str, gaps: Gaps, what: str) -> None:
    unit = theirs["std.error"].to_numpy()
    unit = np.where(unit > 0, unit, 1.0)
    gaps.add("est", what, float((np.abs(found["est"].to_numpy() - theirs[est].to_numpy()) / unit).max()))
    gaps.add("se", what, float((np.abs(found["se"] - theirs["std.error"]) / unit).max()))


def _johnson_neyman(ours: Any, reference: dict[str, Any], gaps: Gaps) -> None:
    """Points in standard deviations of the moderator, the band in its own standard errors."""
    found = ours.johnson_neyman(reference["y"], reference["x"], reference["z"])
    points = np.array(reference["jn_points"], dtype=float)
    assert len(found.points) == len(points)
    gaps.add(
        "est", "Johnson–Neyman", float(np.abs(np.array(found.points) - points).max() / reference["sd_z"])
    )
    grid = pd.DataFrame(reference["grid"])
    band = found.band(grid["z"].to_numpy())
    for column, theirs in (("est", "slope"), ("ci_lower", "lower"), ("ci_upper", "upper")):
        gap = np.abs(band[column].to_numpy() - grid[theirs].to_numpy()) / band["se"].to_numpy()
        gaps.add("est", f"band {column}", float(gap.max()))
    assert band["significant"].tolist() == grid["significant"].tolist()
