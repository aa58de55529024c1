"""Hand-made result frames, so that charts are tested without an engine."""

from __future__ import annotations

import pandas as pd
import pytest

PATHS = [
    ("PV", "EDS", 0.67, 0.41),
    ("PV", "OPS", 0.05, 0.20),
    ("SAT", "EDS", 0.61, 0.40),
    ("SAT", "PV", 0.19, 0.30),
    ("BI", "SAT", 0.70, 0.55),
]


def _row(lhs: str, op: str, rhs: str, est: float, half: float, group: str) -> dict[str, object]:
    return {
        "lhs": lhs,
        "op": op,
        "rhs": rhs,
        "group": group,
        "est_std": est,
        "se": half / 1.96,
        "pvalue": 0.01,
        "ci_lower": est - half,
        "ci_upper": est + half,
    }


def _model(group: str, column: int) -> list[dict[str, object]]:
    rows = []
    for construct, size in {"EDS": 3, "OPS": 3, "PV": 2, "SAT": 3, "BI": 2}.items():
        names = [f"{construct.lower()}{i + 1}" for i in range(size)]
        rows += [_row(construct, "=~", n, 0.6 + 0.05 * i, 0.1, group) for i, n in enumerate(names)]
    rows += [_row(p[0], "~", p[1], float(p[column]), 0.15, group) for p in PATHS]
    rows += [_row(c, "~~", c, 0.4, 0.1, group) for c in ("PV", "SAT", "BI")]
    return [*rows, _row("EDS", "~~", "OPS", 0.75, 0.08, group)]


@pytest.fixture
def standardized() -> pd.DataFrame:
    """One group."""
    return pd.DataFrame(_model("", 2))


@pytest.fixture
def grouped() -> pd.DataFrame:
    """Two groups."""
    return pd.DataFrame([*_model("active", 2), *_model("inactive", 3)])


@pytest.fixture
def differences() -> pd.DataFrame:
    """Path differences active minus inactive; only EDS → PV excludes 0."""
    rows = [
        {
            "lhs": lhs,
            "rhs": rhs,
            "group": "active",
            "reference_group": "inactive",
            "est": a - b,
            "ci_lower": a - b - 0.22,
            "ci_upper": a - b + 0.22,
            "pvalue": 0.02,
        }
        for lhs, rhs, a, b in PATHS
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def slope_lines() -> pd.DataFrame:
    """Lines of value on two predictors in two groups."""
    rows = [
        {"group": g, "predictor": p, "x": x, "y": 4 + b * x, "lower": 3.8 + b * x, "upper": 4.2 + b * x}
        for p in ("EDS", "OPS")
        for g, b in (("active", 0.6), ("inactive", 0.3))
        for x in (-2.0, -1.0, 0.0, 1.0, 2.0)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def comparisons() -> pd.DataFrame:
    """Scalar within the limits though rejected by the test, strict beyond."""
    return pd.DataFrame(
        {
            "level": ["metric", "scalar", "strict"],
            "against": ["configural", "metric", "scalar"],
            "chisq_diff": [9.81, 25.3, 61.2],
            "df_diff": [12, 12, 17],
            "pvalue": [0.63, 0.0134, 1e-6],
            "delta_cfi": [-0.001, -0.006, -0.022],
            "delta_rmsea": [-0.001, 0.004, 0.017],
        }
    )


@pytest.fixture
def levels() -> pd.DataFrame:
    """Fit of each invariance level."""
    return pd.DataFrame(
        {
            "level": ["configural", "metric", "scalar", "strict"],
            "cfi": [0.981, 0.980, 0.974, 0.952],
            "rmsea": [0.041, 0.040, 0.044, 0.061],
        }
    )
