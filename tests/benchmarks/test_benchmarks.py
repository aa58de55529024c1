"""The benchmark's adapters reach one objective, and the scoring sees when one does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.adapters import lavaan, native, semopy_default, semopy_tight
from benchmarks.cases import Case, load_cases
from benchmarks.scoring import Run, Score, result_table

SAME = 1e-9
"""ML discrepancy; at the tolerances set, optimizers end 1e-11 apart."""


@pytest.fixture(scope="module", params=["ml", "mlr"])
def case(request: pytest.FixtureRequest) -> Case:
    """On the data simulated by the benchmark itself, so that the test needs nothing beside the repository."""
    return load_cases((request.param,), folder=Path("absent"))[0]


@pytest.fixture(scope="module")
def score(case: Case) -> Score:
    return Score(case)


def test_native_is_at_the_optimum(case: Case, score: Score) -> None:
    run = native.run(case, 2)
    assert len(run.seconds) == 2
    assert score(run.estimates) == pytest.approx(score.solved.fmin * 2, abs=1e-12)
    assert score(native.run_with_tables(case, 1).estimates) == score(run.estimates)


def test_semopy_reaches_the_same_objective_only_at_a_tight_tolerance() -> None:
    """Under ML only: MLR has the same estimates, and semopy's sandwich takes most of a second."""
    case = load_cases(("ml",), folder=Path("absent"))[0]
    score = Score(case)
    best = score(native.run(case, 1).estimates)
    tight, default = (score(adapter.run(case, 1).estimates) for adapter in (semopy_tight, semopy_default))
    assert tight - best == pytest.approx(0, abs=SAME)
    assert default - best > 10 * SAME


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_lavaan_reaches_the_same_objective(case: Case, score: Score) -> None:
    run = lavaan.run(case, 1)
    if not run.estimates:
        pytest.skip(run.note)
    assert score(run.estimates) - score(native.run(case, 1).estimates) == pytest.approx(0, abs=SAME)


def test_missing_answers() -> None:
    fiml = load_cases(("fiml",), folder=Path("absent"))[0]
    assert fiml.data.isna().to_numpy().mean() == pytest.approx(0.14, abs=0.01)
    assert semopy_tight.run(fiml, 1).seconds == ()
    assert Score(fiml)(native.run(fiml, 1).estimates) > 0


def test_a_worse_point_and_a_missing_estimate_show(case: Case, score: Score) -> None:
    good = native.run(case, 1)
    worse = {**good.estimates, ("PV", "~", "EDS"): good.estimates[("PV", "~", "EDS")] + 0.05}
    runs = {"a": [good], "b": [Run((1.0,), worse)], "c": [Run((), {}, "is not installed")]}
    table = result_table(runs, score, "a")
    assert table.loc["a", "objective_gap"] == 0
    assert table.loc["b", "objective_gap"] > 1e-4
    assert table["objective_gap"].isna().tolist() == [False, False, True]
    assert table.loc["c", "note"] == "is not installed"
    assert np.isnan(score({key: value for key, value in good.estimates.items() if key[1] != "~"}))


def test_rivals_that_are_absent_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lavaan.shutil, "which", lambda _: None)
    assert main(["ml", "--rounds", "1", "--fits", "1"]) == 0
    printed = capsys.readouterr().out
    assert "Rscript is not installed" in printed
    assert "simulated" in printed
    for rival in ("sem_models", "semopy, ftol 1e-14", "semopy, default", "lavaan"):
        assert rival in printed


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["mll"])
    assert "mll" in capsys.readouterr().err
