"""Fixed covariates under MLM and WLS, which no reference case has: figures of lavaan 0.6-14."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import sem_models as sm

MODEL = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nvisual + textual ~ ageyr + sex"
FIGURES = {
    "MLM": ("chisq_scaled", 33.669872, "baseline_chisq_scaled", 635.833056,
            [0.05994224, 0.12186896, 0.05499274, 0.11975482]),
    "WLS": ("chisq", 28.97228921, "baseline_chisq", 238.49982124,
            [0.05548241, 0.11220325, 0.05254298, 0.11511476]),
}  # fmt: skip


@pytest.mark.parametrize("meanstructure", [False, True])
@pytest.mark.parametrize("estimator", FIGURES)
def test_covariates_do_not_vary(golden_dir: Path, estimator: str, meanstructure: bool) -> None:
    data = pd.read_csv(golden_dir / "data" / "hs.csv")
    fit = sm.fit(MODEL, data, estimator=estimator, meanstructure=meanstructure, fixed_x=True)
    test, value, baseline, of_baseline, errors = FIGURES[estimator]
    assert fit.measures()[test] == pytest.approx(value, rel=1e-6)
    assert fit.measures()[baseline] == pytest.approx(of_baseline, rel=1e-6)
    estimates = fit.estimates()
    assert estimates.loc[estimates["op"] == "~", "se"].tolist() == pytest.approx(errors, rel=1e-5)
