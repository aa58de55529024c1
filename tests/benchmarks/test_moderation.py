"""The benchmark of latent interactions: what is timed, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.moderation import ENTRIES, PLANNED_BEHAVIOR, Entry, main, runner, timed
from sem_models.moderation.statement import read_statement


def _data(folder: Path) -> None:
    rng = np.random.default_rng(1)
    statement = read_statement(PLANNED_BEHAVIOR)
    latent = {name: rng.normal(size=300) for name in statement.variables.latent}
    latent["BEH"] = 0.5 * latent["INT"] + 0.3 * latent["INT"] * latent["PBC"] + rng.normal(size=300)
    items = {i: v + 0.5 * rng.normal(size=300) for f, v in latent.items() for i in statement.items_of(f)}
    pd.DataFrame(items).to_csv(folder / "tpb.csv", index=False)


def test_an_entry_is_timed_with_its_errors(tmp_path: Path) -> None:
    _data(tmp_path)
    run = runner(Entry("planned behavior", PLANNED_BEHAVIOR, "tpb.csv", "dblcent", 1.0), tmp_path)
    assert run is not None
    assert timed(run) > 0
    assert np.isfinite(run().vcov().to_numpy()).all()


def test_what_cannot_be_timed_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(runner(entry, tmp_path) is None for entry in ENTRIES)
    assert main(["--data", str(tmp_path)]) == 1
    assert "reference data" in capsys.readouterr().out
    _data(tmp_path)
    refused = Entry("refused", PLANNED_BEHAVIOR, "tpb.csv", "lms", 1.0, {"se": "bootstrap"})  # not yet
    assert runner(refused, tmp_path) is None


def test_the_target_is_a_tenth() -> None:
    assert {e.method: e.target for e in ENTRIES if "N = 387" in e.name} == {
        "dblcent": pytest.approx(0.013), "lms": pytest.approx(0.05), "qml": pytest.approx(0.036),
    }  # fmt: skip
