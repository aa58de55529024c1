"""The simulation of missing answers: its mechanisms, and the page of one small run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import ordered_missing as study


def test_answers_are_missing_as_said() -> None:
    rng = np.random.default_rng(1)
    apart = [study.draw(rng, "completely at random") for _ in range(20)]
    assert np.mean([d["d"].isna().mean() for d in apart]) == pytest.approx(study.SHARE, abs=0.02)
    follows = study.draw(rng, "at random")
    level = follows[list(study.SEEN)].mean(axis=1)
    assert level[follows["d"].isna()].mean() < level[follows["d"].notna()].mean() - 0.4
    assert follows[list(study.SEEN)].notna().all(axis=None)


def test_a_run_writes_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: study.METHODS[name] for name in ("WLSMV, pairwise", "MLR, FIML (as continuous)")}
    monkeypatch.setattr(study, "METHODS", few)
    page = tmp_path / "page.md"
    assert study.main(["--samples", "3", "--page", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("\n| completely at random |") == 2
    assert text.count("\n| at random |") == 2
    assert "| – |" in text  # items as continuous have no thresholds
