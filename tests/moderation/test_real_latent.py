"""Real survey: image as a latent moderator of what satisfaction goes with, by three estimators."""

from __future__ import annotations

from pathlib import Path

import pytest

import data_schemas as ds
import sem_models as sm

MODEL = """
IMAG =~ IMAG1 + IMAG2 + IMAG3 + IMAG4 + IMAG5
SAT =~ CUSA1 + CUSA2 + CUSA3
BI =~ CUSL1 + CUSL3
BI ~ SAT + IMAG + SAT:IMAG
"""


@pytest.mark.parametrize("method", ["dblcent", "qml", "lms"])
def test_a_latent_moderator_on_a_real_survey(method: str, shared_dir: Path) -> None:
    survey = ds.load(shared_dir / "ecsi_mobile.sav", schema="ecsi_mobile", strict=False)
    result = sm.moderate(MODEL, survey, method=method, estimator="MLR")
    assert result.status.converged
    rows = result.estimates().set_index(["lhs", "op", "rhs"])
    row = rows.loc[("BI", "~", "SAT:IMAG")]
    assert row["se"] > 0
    slopes = result.simple_slopes("BI", "SAT", "IMAG")
    assert len(slopes) == 3
    regions = result.johnson_neyman("BI", "SAT", "IMAG").table()
    assert regions["share"].sum() == pytest.approx(1.0, abs=1e-9)
    chart = result.charts.johnson_neyman("BI", "SAT", "IMAG").to_dict()
    assert "slope of BI on SAT" in " ".join(chart["title"]["text"])
