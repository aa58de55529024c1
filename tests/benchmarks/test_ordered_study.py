"""The simulation of ordered items: its populations, one sample, its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.log import stored
from benchmarks.ordered_study import __main__ as study
from benchmarks.ordered_study.design import CORRELATION, ITEMS, LOADING, Cell, cells, draw
from benchmarks.ordered_study.judge import Found, judge
from benchmarks.ordered_study.page import page, study_table


def test_samples_follow_the_population() -> None:
    cell = Cell("skewed", 4, 60_000)
    data = draw(cell, 0, 1)
    from scipy.special import ndtr

    below = [(data.to_numpy() <= k).mean(axis=0) for k in (1, 2, 3)]
    # four standard errors of a share of 60,000 rows
    assert np.array(below) == pytest.approx(np.tile(ndtr(cell.tau)[:, None], len(ITEMS)), abs=0.0085)
    assert draw(Cell("skewed", 4, 50), 3, 1).equals(draw(Cell("skewed", 4, 50), 3, 1))
    assert len({c.name for c in cells()}) == 24


def test_one_sample_both_ways() -> None:
    wlsmv, mlr = judge(Cell("symmetric", 3, 1_000), 0, 1)
    assert (wlsmv.method, mlr.method) == ("WLSMV", "MLR")
    assert np.abs(np.array(wlsmv.loadings) - LOADING).max() < 0.12  # four standard deviations of a loading
    assert np.mean(mlr.loadings) < np.mean(wlsmv.loadings)


def test_the_table_counts_what_was_used() -> None:
    cell = Cell("symmetric", 2, 200)
    every = [
        Found(
            cell.name,
            k,
            "MLR",
            True,
            k != 2,
            [0.6 + 0.1 * k] * 10,
            [0.1] * 10,
            CORRELATION + 0.01 * k,
            0.1,
            0.04 + k,
        )
        for k in range(3)
    ]
    row = study_table(every, [cell]).iloc[0]
    assert (row["samples"], row["used"]) == (3, 2)
    assert row["loading_bias"] == pytest.approx(0.65 / LOADING - 1)
    assert row["rejected"] == 0.5
    assert row["loading_coverage"] == 1.0


def test_a_run_goes_on_from_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = (Cell("symmetric", 2, 200),)
    monkeypatch.setattr("benchmarks.ordered_study.design.cells", lambda: few)
    log, out = tmp_path / "log.jsonl", tmp_path / "page.md"
    arguments = ["--log", str(log), "--page", str(out), "--samples"]
    assert study.main([*arguments, "2"]) == 0
    first = log.read_text(encoding="utf-8")
    assert len(first.splitlines()) == 4
    assert study.main([*arguments, "3"]) == 0
    assert log.read_text(encoding="utf-8").startswith(first)
    table = study_table(stored(log, Found), few)
    assert set(table["samples"]) == {3}
    assert out.read_text(encoding="utf-8") == page(table, 2004)
