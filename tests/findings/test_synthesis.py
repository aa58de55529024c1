"""Synthesis against published output of R's metafor on the BCG trials, and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.findings.synthesis import dersimonian_laird, reml, synthesis

# Trials of the BCG vaccine (Colditz et al., 1994): tuberculosis yes, no of vaccinated; yes, no of others.
BCG = np.array([
    [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619], [33, 5036, 47, 5761],
    [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892], [29, 7470, 45, 7232],
    [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338], [27, 16886, 29, 17825.0],
])  # fmt: skip
A, B, C, D = BCG.T
LOG_RISK = np.log(A / (A + B)) - np.log(C / (C + D))
ERROR = np.sqrt(1 / A - 1 / (A + B) + 1 / C - 1 / (C + D))


def test_metafor_on_the_bcg_trials() -> None:
    """rma(measure="RR", method="REML") as printed in vignettes of RoBMA: tau^2 0.3132, I^2 92.22 %,
    Q(12) = 152.2330, estimate -0.7145, se 0.1798, z -3.9744, interval -1.0669 to -0.3622."""
    s = synthesis(LOG_RISK, ERROR, test="z")
    printed = {
        "tau2": 0.3132, "q": 152.2330, "estimate": -0.7145, "se": 0.1798, "statistic": -3.9744,
        "ci_lower": -1.0669, "ci_upper": -0.3622,
    }  # fmt: skip
    for name, value in printed.items():
        assert getattr(s, name) == pytest.approx(value, abs=5.1e-5), name
    assert s.i2 == pytest.approx(92.22, abs=5.1e-3)
    assert s.q_df == 12


def test_q_profile_of_metafor() -> None:
    """Log odds ratios of these trials: confint() of rma gives 0.1302 to 1.1812 (metafor-project.org,
    analyses:vanhouwelingen2002)."""
    y = np.log(A * D / (B * C))
    s = synthesis(y, np.sqrt(1 / A + 1 / B + 1 / C + 1 / D))
    assert (s.tau2_lower, s.tau2_upper) == pytest.approx((0.1302, 1.1812), abs=5.1e-5)


def test_by_hand() -> None:
    """y = 0, 4 with variances 1: mean 2, Q = 8, τ² = (8 − 1)/(2 − 1) = 7, of REML too (balanced)."""
    y, v = np.array([0.0, 4.0]), np.ones(2)
    assert dersimonian_laird(y, v) == pytest.approx(7)
    assert reml(y, v) == pytest.approx(7)
    s = synthesis(y, np.sqrt(v), test="z")
    assert (s.estimate, s.q, s.i2) == pytest.approx((2, 8, 87.5))
    assert s.se == pytest.approx(2)  # √((1 + 7)/2)
    refined = synthesis(y, np.sqrt(v))
    assert refined.se == pytest.approx(2)  # Σ(y − μ)²/(k(k − 1)) where all weights are equal
    assert refined.ci_upper == pytest.approx(2 + 12.7062047 * 2, rel=1e-6)
    assert np.isnan(refined.pi_lower)
    fixed = synthesis(y, np.sqrt(v), method="fixed")
    assert (fixed.se, fixed.i2) == pytest.approx((np.sqrt(0.5), 87.5))


def test_prediction_interval_by_hand() -> None:
    y = np.array([0.0, 1.0, 2.0, 5.0])
    s = synthesis(y, np.full(4, 0.1))
    assert s.pi_upper - s.estimate == pytest.approx(4.30265273 * np.sqrt(s.tau2 + s.se**2), rel=1e-7)


def test_level_of_hksj_with_few_studies() -> None:
    """Five studies of similar size that truly differ: t intervals hold the mean 95 % of the time."""
    rng = np.random.default_rng(2)
    se = np.array([0.08, 0.09, 0.10, 0.11, 0.12])
    draws, held, plain = 1500, 0, 0
    for _ in range(draws):
        y = 0.3 + rng.normal(size=5) * np.sqrt(0.15**2 + se**2)
        s, z = synthesis(y, se), synthesis(y, se, test="z")
        held += s.ci_lower <= 0.3 <= s.ci_upper
        plain += z.ci_lower <= 0.3 <= z.ci_upper
    assert held / draws == pytest.approx(0.95, abs=0.02)
    assert plain / draws < 0.91


def test_studies_from_a_table_and_from_fits(clients: pd.DataFrame) -> None:
    frame = pd.DataFrame({"study": ["a", "b", "c"], "estimate": [0.1, 0.3, 0.4], "se": [0.1, 0.1, 0.1]})
    table = sm.synthesize(frame).table()
    assert table["study"].tolist() == ["a", "b", "c", "pooled"]
    assert table["weight"].tolist() == pytest.approx([100 / 3] * 3 + [100])
    text = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nPV ~ b*EDS"
    fits = {str(g): sm.fit(text, d) for g, d in clients.groupby("active")}
    result = sm.synthesize(fits, "b", method="DL")
    expected = [f.contrast("b", metric="std_all")["est"] for f in fits.values()]
    assert result.table()["est"].tolist()[:2] == pytest.approx(expected)
    assert result.summary()["method"] == "DL"


def test_forest_chart() -> None:
    frame = pd.DataFrame({"study": list("abc"), "estimate": [0.1, 0.3, 0.9], "se": [0.05, 0.05, 0.05]})
    spec = export.specification(sm.synthesize(frame, title="EDS → PV").chart())
    title = " ".join(spec["title"]["text"])
    assert "leaves its sign open" in title
    assert "the studies differ" in title


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "RMEL"}, "Did you mean 'REML'"),
        ({"test": "t"}, "test='t' is unknown"),
        ({"level": 95}, "between 0 and 1"),
        ({"se": [0.1, 0.0]}, "standard error above 0"),
        ({"se": [0.1]}, "as many standard errors"),
    ],
)
def test_refusals(change: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {"estimate": [0.1, 0.2], "se": [0.1, 0.1]} | change
    with pytest.raises(sm.SEMError, match=words):
        synthesis(**arguments)  # type: ignore[arg-type]
    with pytest.raises(sm.SpecError, match="Name what is pooled"):
        sm.synthesize({})
