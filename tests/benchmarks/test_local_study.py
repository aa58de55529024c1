"""The study of continuous moderators: its populations, its tables, and a sample of it run afresh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import skew

from benchmarks.local_sem import main as seconds
from benchmarks.local_study.__main__ import main
from benchmarks.local_study.design import CHANGE, SLOPE, TREND, Cell, cells, draw, slope
from benchmarks.local_study.judge import METHODS, Found, judge
from benchmarks.local_study.page import page, study_table
from benchmarks.log import stored

SEED = 11


def test_every_shape_under_every_moderator_and_size() -> None:
    assert len(cells()) == len({cell.name for cell in cells()}) == 12


def test_samples_have_the_moments_the_page_states() -> None:
    data = draw(Cell(200_000, "skewed", "line"), 0, SEED)
    assert skew(data["m"]) == pytest.approx(2.0, abs=0.1)
    assert np.polyfit(data["m"], data["x1"], 1)[0] == pytest.approx(TREND, abs=0.01)
    flat = data.assign(x1=data["x1"] - TREND * data["m"], y1=data["y1"] - TREND * data["m"])
    high = flat[flat["m"].between(0.9, 1.1)]
    cov = high[["x1", "x2", "y1"]].cov()
    assert cov.loc["x1", "x1"] == pytest.approx(1 / 0.7, abs=0.06)
    assert cov.loc["x1", "y1"] == pytest.approx(SLOPE + CHANGE, abs=0.06)


def test_slopes_are_those_stated() -> None:
    m = np.array([-1.0, 0.0, 2.0])
    assert slope("constant", m) == pytest.approx([SLOPE] * 3)
    assert slope("line", m) == pytest.approx(SLOPE + CHANGE * m)
    assert slope("bend", m)[1] == pytest.approx(SLOPE)
    assert draw(cells()[0], 3, SEED).equals(draw(cells()[0], 3, SEED))


def test_the_table_counts_coverage_and_rejections() -> None:
    cell = cells()[0]
    one = Found(cell.name, 0, "lsem 1.1", 1.0, 1.0, 0.02, 0.01, 0.2, 0.0)
    found = [one, replace(one, number=1, pointwise=0.5, simultaneous=0.0, bias=0.0, p=0.3, p_all=0.05),
             replace(one, number=2, pointwise=np.nan, simultaneous=np.nan)]  # fmt: skip
    row = study_table(found, cells()).iloc[0]
    assert (row["samples"], row["solved"]) == (3, pytest.approx(2 / 3))
    assert row["pointwise"] == 0.75
    assert row["simultaneous"] == 0.5
    assert row["bias"] == pytest.approx(0.01)
    assert (row["rejected"], row["rejected_all"]) == (0.5, 0.5)
    text = page(study_table(found, cells()), SEED)
    assert "| normal | 387 | lsem 1.1 | 0.667 |" in text
    assert all(len(line) <= 110 or line.startswith("|") for line in text.splitlines())


def test_one_sample_by_every_method() -> None:
    found = judge(Cell(387, "normal", "line"), 0, SEED)
    assert [f.method for f in found] == list(METHODS)
    assert all(0.0 <= f.pointwise <= 1.0 for f in found)
    assert all(np.isnan(f.p) == f.method.endswith("bootstrap") for f in found)


def test_an_interrupted_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.jsonl"
    arguments = ["--samples", "1", "--seed", "3", "--methods", "mnlfa", "--log", str(log)]
    main(arguments)
    first = stored(log, Found)
    main([*arguments, "--page", str(tmp_path / "page.md")])
    assert stored(log, Found) == first
    assert len(first) == 12
    assert "## The slope bends" in (tmp_path / "page.md").read_text(encoding="utf-8")
    capsys.readouterr()


def test_seconds_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert seconds(["--points", "3", "--draws", "20"]) == 0
    assert "0 of 60 refits failed" in capsys.readouterr().out
