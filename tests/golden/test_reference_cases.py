"""Every visible reference case the engine covers agrees; the ones it refuses are refused by name.

Reference: lavaan 0.7 figures at 15 digits. The run prints the worst gap per quantity.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sem_models as sm

from .further import compare_difference_tests, compare_further, compare_score_tests
from .reference import Gaps, compare, gaps_for, load_case, run

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
KINDS = {"lavaan", "invariance", "lrt"}

LATER: dict[str, tuple[str, ...]] = {}
"""Cases whose options the engine refuses by name; a case leaves this list when its part is built."""

NOT_IDENTIFIED = {"v63_unidentified"}
TOO_FEW_ROWS = {"v84_b2b_n12_fail"}
NOT_CONVERGING = {"v31_hs_improper"}


def _names() -> list[str]:
    if not GOLDEN.is_dir():
        return []
    names = []
    for path in sorted((GOLDEN / "cases").glob("*.json")):
        if json.loads(path.read_text(encoding="utf-8"))["kind"] in KINDS:
            names.append(path.stem)
    return names


WORST: dict[str, tuple[float, str]] = {}
"""Worst gap per quantity over the cases run, and where."""


@pytest.fixture(scope="module", autouse=True)
def _print_worst() -> Any:
    yield
    for quantity, (gap, name) in sorted(WORST.items()):
        print(f"\nworst {quantity:14s} {gap:9.2e}  {name}", end="")


@pytest.mark.parametrize(
    "name", _names() or [pytest.param("", marks=pytest.mark.skip("reference figures are not here"))]
)
def test_reference_case(name: str, golden_dir: Path) -> None:
    case, result = load_case(golden_dir, name)
    gaps = gaps_for(result)
    try:
        measure(case, result, gaps, golden_dir)
    except sm.IdentificationError:
        assert name in NOT_IDENTIFIED
        return
    except sm.DataError:
        assert name in TOO_FEW_ROWS
        return
    except sm.SpecError as refusal:
        assert " yet" in str(refusal), refusal
        assert any(name in names for names in LATER.values()), f"{name} was refused: {refusal}"
        return
    assert name not in NOT_IDENTIFIED | TOO_FEW_ROWS
    assert not any(name in names for names in LATER.values()), (
        f"{name} is no longer refused: take it off the list"
    )
    if name in NOT_CONVERGING:
        return
    for quantity, gap in gaps.worst.items():
        if gap > WORST.get(quantity, (-1.0, ""))[0]:
            WORST[quantity] = (gap, name)
    assert not gaps.failures, "\n".join(gaps.failures[:20])


def measure(case: dict[str, Any], result: dict[str, Any], gaps: Gaps, folder: Path) -> None:
    if case["kind"] == "lavaan":
        fit = run(case, folder)
        if case["id"] in NOT_CONVERGING:
            assert not fit.status.converged
            return
        compare(fit, result, gaps)
        compare_further(fit, result, gaps, "")
        assert fit.status.admissible == result["post_check"], fit.status
        return
    if case["kind"] == "invariance":
        fits = {
            level["name"]: run(
                case, folder, syntax=level.get("syntax"),
                more={
                    **level.get("options", {}),
                    **{k: level[k] for k in ("group.equal", "group.partial") if k in level},
                },
            )
            for level in case["levels"]
        }  # fmt: skip
        references = result["levels"]
    else:
        fits = {
            m["name"]: run(case, folder, syntax=m["syntax"], more=m.get("options")) for m in case["models"]
        }
        references = result["models"]
    for label, fit in fits.items():
        compare(fit, references[label], gaps, f"{label} ")
    for pair in result["comparisons"]:
        less, more = pair["less_restricted"], pair["more_restricted"]
        compare_difference_tests(fits[less], fits[more], pair, gaps, f"{less} against {more}")
    for wald in result.get("wald", []):
        ours = fits[wald["model"]].wald(wald["constraints"])
        assert ours.df == wald["df"]
        assert ours.statistic == pytest.approx(wald["stat"], rel=1e-6)
    for score in result.get("score", []):
        compare_score_tests(
            fits[score["model"]], score["total"], score["uni"], gaps, score["model"], score["add"]
        )
