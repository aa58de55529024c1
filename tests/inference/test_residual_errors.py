"""Standardized, normalized and casewise residuals against R lavaan 0.6-14 and simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

from .simulated import MODEL, clustered_survey, with_holes

TWO = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"

LAVAAN = [
    # estimator, missing, z of (x2 x1, x3 x1, x3 x2, x4 x1, x4 x2), normalized of (x2 x1, x3 x1, x3 x2)
    ("ML", "listwise", [-3.2360591177, -0.2238302135, 2.940762906, 2.6529309191, -0.3814834343],
     [-0.63198980225, -0.02411115943, 1.557076274]),
    ("MLM", "listwise", [-3.264198903, -0.192071035, 2.706717053, 2.466589062, -0.3365842716],
     [-0.60500082232, -0.02526253122, 1.534578011]),
    ("GLS", "listwise", [-1.897220233, 1.501259264, 3.213180912, 2.284276240, -0.5805876537],
     [-0.4957263269, 0.3548161854, 1.7142953631]),
    ("ML", "fiml", [-0.4981360194, -0.3859963333, 2.05222421870, 2.1561970246, -1.13287990693],
     [-0.12870170579, -0.09644160269, 1.40576102613]),
    ("MLR", "fiml", [-0.4719774576, -0.3403380929, 1.89589073537, 2.0741148817, -0.97375979838],
     [-0.1237000271, -0.1010974783, 1.45851127703]),
]  # fmt: skip
CELLS = [("x2", "x1"), ("x3", "x1"), ("x3", "x2"), ("x4", "x1"), ("x4", "x2")]


@pytest.mark.parametrize(("estimator", "missing", "z", "normalized"), LAVAAN)
def test_against_lavaan(
    golden_dir: Path, estimator: str, missing: str, z: list[float], normalized: list[float]
) -> None:
    """residuals(cfa(TWO, estimator, missing), type = "standardized" and "normalized"); R stops at 1e-5."""
    data = pd.read_csv(golden_dir / "data" / ("hs_mar.csv" if missing == "fiml" else "hs.csv"))
    fit = sm.fit(TWO, data, estimator=estimator, missing=missing, model_type="cfa")
    ours = fit.residuals("standardized")[""]
    np.testing.assert_allclose([ours["cov"].loc[c] for c in CELLS], z, atol=1e-4)
    raw = fit.residuals("raw")[""]["cov"]
    assert raw.loc["x2", "x1"] / ours["cov_se"].loc["x2", "x1"] == pytest.approx(ours["cov"].loc["x2", "x1"])
    other = fit.residuals("normalized")[""]["cov"]
    np.testing.assert_allclose([other.loc[c] for c in CELLS[:3]], normalized, atol=1e-4)


def test_fixed_covariates_and_groups_against_lavaan(golden_dir: Path) -> None:
    """A covariate (fixed.x), and MLR in two groups that share nothing."""
    data = pd.read_csv(golden_dir / "data/hs.csv")
    fit = sm.fit(f"{TWO}\nvisual ~ sex\ntextual ~ visual", data)
    ours = fit.residuals("standardized")[""]["cov"]
    np.testing.assert_allclose(ours.loc["sex", ["x1", "x2"]], [1.2045420124, -1.097298491], atol=1e-4)
    np.testing.assert_allclose(ours.loc["x4", ["x1", "sex"]], [3.1771157761, 3.595010872], atol=1e-4)
    assert ours.loc["sex", "sex"] == 0.0
    schools = sm.fit(TWO, data, estimator="MLR", group="school", model_type="cfa").residuals("standardized")
    np.testing.assert_allclose(
        schools["Pasteur"]["cov"].loc["x2", ["x1", "x3"]], [-0.90167705527, 2.486407812], atol=1e-4
    )


def test_z_is_standard_normal_where_groups_share_loadings() -> None:
    """Over 300 samples from the model: what is shared with the other group counts."""
    rng = np.random.default_rng(12)
    found = []
    for _ in range(300):
        n = 240
        factor = rng.normal(size=n)
        data = pd.DataFrame(
            {f"y{i}": a * factor + rng.normal(size=n) for i, a in enumerate((1, 0.8, 1.2, 0.9))}
        )
        data["g"] = np.repeat(["a", "b"], [80, 160])
        fit = sm.fit("f =~ y0 + y1 + y2 + y3", data, group="g", group_equal=["loadings", "intercepts"])
        z = fit.residuals("standardized")["a"]
        found.append([z["cov"].loc["y1", "y0"], z["mean"]["y2"], z["cov"].loc["y3", "y2"]])
    spread = np.array(found).std(axis=0)
    np.testing.assert_allclose(spread, 1.0, atol=0.13)  # three standard errors of a spread from 300


def test_casewise_against_lavaan(golden_dir: Path) -> None:
    """residuals(cfa(TWO), type = "casewise"); with a covariate its own column is left out."""
    data = pd.read_csv(golden_dir / "data/hs.csv")
    rows = sm.fit(TWO, data, model_type="cfa").residuals("casewise")
    assert list(rows.index) == list(data.index)
    expected = [-0.7119909291, 2.1596788013, -1.24503220569, -0.5749169032, 1.5790667542, -0.75859077961]
    np.testing.assert_allclose(rows.iloc[0], expected, atol=2e-5)
    rows = sm.fit(f"{TWO}\nvisual ~ sex\ntextual ~ visual", data).residuals("casewise")
    assert list(rows.columns) == ["x1", "x2", "x3", "x4", "x5", "x6"]
    expected = [0.5658346178, -0.736359717, 0.003598575423, -0.3515406664, -0.1799591669, 0.06671709541]
    np.testing.assert_allclose(rows.iloc[1], expected, atol=2e-5)


def test_casewise_residuals_need_the_answer(golden_dir: Path) -> None:
    data = pd.read_csv(golden_dir / "data/hs_mar.csv")
    rows = sm.fit(TWO, data, missing="fiml", model_type="cfa").residuals("casewise")
    items = ["x1", "x2", "x3", "x4", "x5", "x6"]
    assert (rows.isna() == data.loc[rows.index, items].isna()).all(axis=None)


def test_unknown_types_are_refused(clients: pd.DataFrame) -> None:
    fit = sm.fit("E =~ e1 + e2 + e3", clients)
    with pytest.raises(sm.SpecError, match="Did you mean 'normalized'"):
        fit.residuals("normalised")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("estimator", "z"),
    [
        ("MLF", [0.014930, 0.239274, 0.094314, -0.482398, -1.033720]),
        ("WLS", [-0.028875, -0.415794, 0.407565, -0.254774, -0.422338]),
    ],
)
def test_errors_of_the_estimators_own_kind(estimator: str, z: list[float]) -> None:
    """MLF takes the scores' products on both sides, WLS the moments' own covariance; lavaan 0.6-14."""
    fit = sm.fit(MODEL, clustered_survey(), estimator=estimator, model_type="cfa")
    ours = fit.residuals("standardized")[""]["cov"]
    np.testing.assert_allclose(ours.iloc[0, 1:], z, atol=2e-5)


def test_covariates_beside_missing_answers() -> None:
    """What varies given the covariates is a part of all moments; lavaan 0.6-14 with em.h1.tol = 1e-11."""
    fit = sm.fit("g =~ y1 + y2 + y3\ng ~ x1", with_holes(), missing="fiml", estimator="MLR")
    ours = fit.residuals("standardized")[""]["cov"]
    np.testing.assert_allclose(ours.iloc[0], [2.327132, 1.019618, -0.031895, 1.141793], atol=2e-5)


def test_names_of_lavaan_are_understood() -> None:
    fit = sm.fit(MODEL, clustered_survey())
    pd.testing.assert_frame_equal(
        fit.residuals("cor.bentler")[""]["cov"],  # type: ignore[arg-type]
        fit.residuals("cor_bentler")[""]["cov"],
    )
