"""The study of latent interactions: its populations, its tables, and (slow) a part of it run afresh."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from benchmarks.log import stored
from benchmarks.moderation_study.__main__ import main
from benchmarks.moderation_study.design import CORRELATION, EFFECT, Cell, cells, draw
from benchmarks.moderation_study.judge import Found, judge
from benchmarks.moderation_study.page import page, study_table

SEED = 11


def test_every_size_and_distribution_with_and_without_an_interaction() -> None:
    assert len(cells()) == len({cell.name for cell in cells()}) == 12


def test_samples_have_the_moments_the_page_states() -> None:
    data = draw(Cell(400_000, "skewed", 0.0), 0, SEED)
    cov = data.cov(ddof=0)
    assert cov.loc["x1", "z1"] == pytest.approx(CORRELATION, abs=0.01)
    assert cov.loc["x1", "x2"] == pytest.approx(0.9, abs=0.015)
    assert cov.loc["y1", "y2"] == pytest.approx(0.9, abs=0.015)
    noise = 0.3 / 0.7
    share = (1.0 / (1.0 + noise)) ** 1.5  # normal errors dilute third moments
    assert skew(data["x1"]) == pytest.approx(1.5 * share, abs=0.03)
    assert kurtosis(data["x1"]) == pytest.approx(3.5 / (1.0 + noise) ** 2, abs=0.15)
    normal = draw(Cell(400_000, "normal", EFFECT), 0, SEED)
    assert abs(skew(normal["x1"])) < 0.02
    assert normal["y1"].mean() == pytest.approx(0.0, abs=0.01)


def test_a_sample_is_the_same_whatever_else_is_drawn() -> None:
    cell = cells()[0]
    assert draw(cell, 3, SEED).equals(draw(cell, 3, SEED))
    assert not draw(cell, 3, SEED).equals(draw(cell, 4, SEED))


def test_the_table_counts_bias_coverage_and_rejections() -> None:
    cell = Cell(100, "normal", EFFECT)
    one = Found(cell.name, 0, "qml", True, True, EFFECT, 0.05, 0.05, 0.001)
    found = [
        one,
        replace(one, number=1, estimate=EFFECT + 0.3, se=0.1, robust_se=0.1, lr_p=0.2),
        replace(one, number=2, converged=False, estimate=9.0),
        replace(one, number=3, estimate=0.0, se=0.2, robust_se=0.05),
    ]
    row = study_table(found, cells()).iloc[0]
    assert row["converged"] == 0.75
    assert row["bias"] == pytest.approx(0.1 / 3)
    assert row["bias_error"] == pytest.approx(np.std([0.2, 0.5, 0.0], ddof=1) / sqrt(3))
    assert row["coverage"] == pytest.approx(2 / 3)
    assert row["robust_coverage"] == pytest.approx(1 / 3)
    assert row["wald"] == pytest.approx(2 / 3)
    assert row["lr"] == pytest.approx(2 / 3)


def test_the_program_goes_on_from_its_log_and_writes_a_page(tmp_path: Path) -> None:
    log, where = tmp_path / "log.jsonl", tmp_path / "page.md"
    arguments = ["--samples", "2", "--methods", "dblcent", "--seed", str(SEED), "--log", str(log)]
    assert main([*arguments, "--page", str(where)]) == 0
    first = where.read_text(encoding="utf-8")
    assert "| 1,000 | dblcent | 1.000 |" in first
    assert len(stored(log, Found)) == 24
    assert main([*arguments, "--page", str(where)]) == 0
    assert len(stored(log, Found)) == 24
    assert where.read_text(encoding="utf-8") == first
    assert page(study_table(stored(log, Found), cells()), SEED) == first


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lms", "qml", "dblcent"])
def test_methods_recover_the_interaction_of_normal_predictors(method: str) -> None:
    """200 samples of N = 387: no bias beyond three Monte Carlo errors, intervals that cover."""
    table = {}
    for effect in (EFFECT, 0.0):
        cell = Cell(387, "normal", effect)
        found = [f for number in range(200) for f in judge(cell, number, SEED, (method,))]
        table[effect] = study_table(found, (cell,)).iloc[0]
    for row in table.values():
        assert row["converged"] > 0.98
        assert abs(row["bias"]) < 3.0 * row["bias_error"], row
        assert 0.90 <= row["coverage"] <= 0.99, row  # three Monte Carlo errors of .95 are .046
        assert row["se"] == pytest.approx(row["sd"], rel=0.2)
    assert table[0.0]["lr"] < 0.10
    assert table[EFFECT]["lr"] > 0.9
