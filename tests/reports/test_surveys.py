"""Real surveys, read in place: what the report says of them, and the traps in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sem_models.reports import Study

NBSP = "\N{NO-BREAK SPACE}"
# lavaan's standardized paths on this survey are known to two digits.
TWO_DIGITS = 0.0055
TELECOM = """
QUAL =~ qual_1 + qual_3 + qual_5 + qual_7
LIKE =~ like_1 + like_2 + like_3
LOYAL =~ cusl_1 + cusl_2 + cusl_3
LIKE ~ QUAL
LOYAL ~ LIKE + QUAL
"""


@pytest.fixture(scope="module")
def ecsi(shared_dir: Path) -> Study:
    return Study.open(shared_dir / "ecsi_mobile.sav", model="ecsi_mobile")


@pytest.mark.parametrize(
    ("predictor", "outcome", "lavaan"),
    [("EDS", "PV", 0.67), ("OPS", "PV", 0.05), ("EDS", "SAT", 0.61), ("OPS", "SAT", 0.24),
     ("PV", "SAT", 0.19), ("SAT", "BI", 0.70)],
)  # fmt: skip
def test_ecsi_paths_agree_with_lavaan(ecsi: Study, predictor: str, outcome: str, lavaan: float) -> None:
    scaled = ecsi.fit.standardized().set_index(["lhs", "op", "rhs"])["est_std"]
    assert scaled[outcome, "~", predictor] == pytest.approx(lavaan, abs=TWO_DIGITS)


def test_ecsi_fit_agrees_with_lavaan(ecsi: Study) -> None:
    measures = ecsi.fit.measures()
    assert measures["cfi_robust"] == pytest.approx(0.975, abs=5e-4)
    assert measures["rmsea_robust"] == pytest.approx(0.052, abs=5e-4)


def test_ecsi_srmr_agrees_with_lavaan_without_means(shared_dir: Path) -> None:
    # With FIML there is a mean structure, whose perfectly fitting means make the average residual smaller.
    listwise = Study.open(shared_dir / "ecsi_mobile.sav", model="ecsi_mobile", missing="listwise")
    assert listwise.fit.measures()["srmr"] == pytest.approx(0.038, abs=5e-4)


@pytest.mark.parametrize(
    "sentence",
    [
        "Higher employee-delivered service is associated with higher perceived value: .67 standardized "
        "(95 % interval [.43, .91]).",
        "No direct association of operational service with perceived value is detectable: .05 standardized "
        "(95 % interval [−.24, .33]).",
        "No direct association of perceived value with overall satisfaction is detectable: .18 standardized "
        "(95 % interval [−.002, .37]).",
        "Employee-delivered service and operational service correlate .75 (95 % interval [.61, .89]), so "
        "their separate weights carry the uncertainty shown in the intervals.",
        "Claim C1, on value: supported by these data. (employee-delivered service → perceived value) − "
        "(operational service → perceived value) = .62 standardized (95 % interval [.11, 1.13]).",
    ],
)
def test_ecsi_says(ecsi: Study, sentence: str) -> None:
    assert sentence in [s.replace(NBSP, " ") for s in ecsi.structure().sentences]


def test_ecsi_constructs_that_are_too_close_are_named(ecsi: Study) -> None:
    text = " ".join(ecsi.measurement().sentences)
    pair = r"employee-delivered service and overall satisfaction \(r \.\d+, HTMT2 \.9\d\)"
    pair = r"employee-delivered service and overall satisfaction \(r \.\d+, HTMT2 \.9\d\)"
    assert re.search(rf"Not distinct .*{pair}", text)
    assert "By Fornell–Larcker alone" in text


def test_telecom_near_duplicates_are_flagged(shared_dir: Path, tmp_path: Path) -> None:
    study = Study.open(
        shared_dir / "telecom_reputation.sav",
        model=TELECOM,
        schema="telecom_reputation",
        moderator="servicetype",
        reference_group="prepaid",
    )
    pairs = next(t for t in study.screening().tables if t.name == "near_duplicates").frame
    found = {frozenset(p) for p in zip(pairs["item_1"], pairs["item_2"], strict=True)}
    expected = [
        ("switch_1", "qual_6"),
        ("switch_2", "qual_7"),
        ("switch_3", "qual_5"),
        ("switch_4", "qual_6"),
    ]
    assert {frozenset(p) for p in expected} <= found
    assert any("qual_7 and switch_2 (.98)" in s for s in study.screening().key)
    written = study.write(tmp_path)
    page = written.report.read_text(encoding="utf-8")
    assert "Does it depend on kind of plan?" in page
    assert "contract 219, prepaid 125" in page
    assert set(study.group_moderation.differences()["reference_group"]) == {"prepaid"}


def test_telecom_items_used_twice_are_warned_of(shared_dir: Path) -> None:
    both = "Q =~ qual_5 + qual_6 + qual_7\nS =~ switch_1 + switch_2 + switch_3"
    study = Study.open(shared_dir / "telecom_reputation.sav", model=both, schema="telecom_reputation")
    assert "The model uses both of each pair: leave one out" in study.screening().key[0]
