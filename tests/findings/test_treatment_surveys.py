"""The two real surveys as ordered and as continuous, read in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ordered_surveys import RARE, SURVEYS, Survey, analyses, part, read

# lavaan 0.6-14, WLSMV: standardized paths, their errors; scaled χ², CFI, RMSEA and SRMR
PATHS = {
    ("PV", "EDS"): (0.683, 0.083), ("PV", "OPS"): (0.049, 0.092), ("SAT", "EDS"): (0.570, 0.077),
    ("SAT", "OPS"): (0.264, 0.063), ("SAT", "PV"): (0.185, 0.046), ("BI", "PV"): (0.218, 0.105),
    ("BI", "SAT"): (0.659, 0.101),
}  # fmt: skip
THREE_DIGITS = 5.1e-4


def test_ordered_paths_of_the_first_survey_are_lavaans(shared_dir: Path) -> None:
    every, _ = analyses(read(shared_dir, SURVEYS[0]), SURVEYS[0])
    table = every.table().query("op == '~'").set_index(["lhs", "rhs"])
    for key, (estimate, error) in PATHS.items():
        assert table.loc[key, "est_ordered"] == pytest.approx(estimate, abs=THREE_DIGITS)
        assert table.loc[key, "se_ordered"] == pytest.approx(error, abs=THREE_DIGITS)
    measures = every.measures()["ordered"]
    found = [measures[name] for name in ("chisq_scaled", "cfi_scaled", "rmsea_scaled", "srmr")]
    assert found == pytest.approx([181.738, 0.976, 0.094, 0.038], abs=THREE_DIGITS)


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda s: s.file)
def test_both_surveys_both_ways(shared_dir: Path, survey: Survey) -> None:
    data = read(shared_dir, survey)
    every, merged = analyses(data, survey)
    for one in (every, merged):
        assert one.ordered.status.ok
        assert one.continuous.status.ok
    loadings = every.table().query("op == '=~'")
    assert loadings["difference"].median() > 0.01
    counts = [merged.ordered.solved.sample.rows[0].values[:, j] for j in range(len(every.items))]  # type: ignore[index]
    assert min(int((c == k).sum()) for c in counts for k in set(c[c == c])) >= RARE
    text = part(survey, data, draws=20)
    assert text.count("\n| ") > len(loadings)
    assert "bootstrap replicates used" in text
