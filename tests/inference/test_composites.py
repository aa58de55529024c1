"""Composites (`<~`): figures of lavaan 0.6-14, equivalent models, and what is refused.

The figures are those of `sem(model, data, …)` in lavaan 0.6-14 on the data of simulated.py, with the first
weight written as `1*x1`, which we fix by default.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

from .simulated import clustered_survey, with_holes

LATENT = "C <~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ C"
OBSERVED = "C <~ x1 + x2 + x3\ny1 ~ C\ny2 ~ C + y1\ny3 ~ C"
TWO = "C <~ x1 + x2\nD <~ x3 + y3\ny1 ~ C + D\ny2 ~ C + D"
COVARIATE = "C <~ x1 + x3\ng =~ y1 + y2 + y3\ng ~ C + x2"

Case = tuple[str, dict[str, Any], list[float], list[float], list[float], list[float]]
CASES: list[Case] = [  # first free estimates and errors, standardized first rows, npar df chisq srmr logl
    (LATENT, {}, [1.18444105, 0.78281221, 1.15426141], [0.87739095, 0.73584766, 0.16739101],
     [0.46491851, 0.43539480, 0.29506078, 0.61437986], [9, 6, 3.48787516, 0.02169657, -635.04157082]),
    (LATENT, {"fixed_x": False}, [1.18444091, 0.78281264, 1.15426143], [0.87739095, 0.73584786, 0.16739101],
     [0.46491847, 0.43539471, 0.29506092, 0.61437985], [15, 6, 3.48787516, 0.02169657, -1227.34675443]),
    (LATENT, {"estimator": "MLR", "meanstructure": True},
     [1.18444187, 0.78281486, 1.15426100], [0.83860204, 0.74614274, 0.21483658],
     [0.46491803, 0.43539466, 0.29506149, 0.61438003], [12, 6, 3.48787516, 0.01913459, -635.04157082]),
    (LATENT, {"group": "grp", "group_equal": "loadings"},
     [1.96988119, 1.31802001, 1.11569488], [2.42669973, 1.87133853, 0.12780915],
     [0.32387171, 0.53667172, 0.33265865, 0.54968379], [22, 14, 17.41835959, 0.04175515, -623.37768765]),
    (COVARIATE, {"missing": "fiml"},
     [1.18049842, 1.58517629, 0.99410890], [0.98145431, 0.44421330, 0.24773887],
     [0.58845444, 0.53781559, 0.45578066, 0.99846560], [12, 6, 1.50638465, 0.01655059, -492.56844772]),
    (TWO, {}, [1.10617773, 3.86408317, 0.11974234], [1.05854395, 2.39953275, 0.08070741],
     [0.60142633, 0.52601763, 0.21499258, 0.93463641], [9, 2, 1.79605204, 0.01378670, -413.79944285]),
    (OBSERVED, {}, [1.14742058, 0.71051701, 0.17867759], [0.75541099, 0.62162805, 0.07874735],
     [0.48027299, 0.43571625, 0.27665576, 0.31740246], [10, 5, 26.01407617, 0.08776167, -646.30467133]),
]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return clustered_survey()


@pytest.mark.parametrize(("model", "options", "estimates", "errors", "standardized", "measures"), CASES)
def test_beside_lavaan(
    data: pd.DataFrame, model: str, options: dict[str, Any], estimates: list[float], errors: list[float],
    standardized: list[float], measures: list[float],
) -> None:  # fmt: skip
    fit = sm.fit(model, with_holes() if "missing" in options else data, **options)
    table = fit.estimates()
    free = table[table["se"] > 0].iloc[:3]
    assert np.abs((free["est"] - estimates) / errors).max() < 1e-5  # lavaan stops a little short
    np.testing.assert_allclose(free["se"], errors, rtol=1e-4)
    np.testing.assert_allclose(table["std_all"].iloc[:4], standardized, atol=5e-6)
    found = fit.measures()[["npar", "df", "chisq", "srmr", "logl"]]
    np.testing.assert_allclose(found, measures, rtol=1e-6, atol=3e-6)  # SRMR hangs on lavaan's EM moments


def test_a_composite_is_the_weighted_sum(data: pd.DataFrame) -> None:
    fit = sm.fit(LATENT, data)
    weights = fit.estimates().query("op == '<~'")["est"].to_numpy()
    variance = weights @ np.cov(data[["x1", "x2", "x3"]].T, bias=True) @ weights
    place = list(fit.solved.ram.variables).index("C")
    assert fit.solved.point.at.cov_all[0, place, place] == pytest.approx(variance, rel=1e-12)
    scores = fit.factor_scores()["C"]
    by_hand = data[["x1", "x2", "x3"]].to_numpy() @ weights
    np.testing.assert_allclose(scores - scores.mean(), by_hand - by_hand.mean(), atol=1e-9)
    assert "Composites:" in str(fit)


def test_one_composite_of_one_outcome_is_a_regression(data: pd.DataFrame) -> None:
    """The same model in other words: fit, and modification indices, which lavaan 0.6-14 has wrong here."""
    composite, mimic = sm.fit(LATENT, data), sm.fit("g =~ y1 + y2 + y3\ng ~ x1 + x2 + x3", data)
    assert composite.measures()["chisq"] == pytest.approx(mimic.measures()["chisq"], rel=1e-9)
    one, other = composite.modification_indices(), mimic.modification_indices()
    np.testing.assert_allclose(one["mi"], other["mi"], atol=1e-6)
    table = composite.estimates().set_index("op")["est"]
    np.testing.assert_allclose(
        table["<~"] * table["~"], mimic.estimates().query("op == '~'")["est"], rtol=1e-5
    )


def test_the_scale_may_stand_elsewhere(data: pd.DataFrame) -> None:
    """Another fixed weight, or a free first one with a fixed path, is the same model."""
    base = sm.fit(LATENT, data)
    for text in (
        LATENT.replace("x1 + x2", "x1 + 1*x2"),
        LATENT.replace("<~ x1", "<~ NA*x1").replace("g ~ C", "g ~ 1*C"),
    ):
        fit = sm.fit(text, data)
        assert fit.measures()["chisq"] == pytest.approx(base.measures()["chisq"], rel=1e-8)
        np.testing.assert_allclose(fit.estimates()["std_all"], base.estimates()["std_all"], atol=1e-6)


def test_bootstrap_and_saved_forms(data: pd.DataFrame, tmp_path: Any) -> None:
    fit = sm.fit(OBSERVED, data)
    drawn = fit.bootstrap(20, seed=1)
    assert drawn.n_used >= 15
    again = sm.load_fit(fit.save(tmp_path / "fit.zip"))
    pd.testing.assert_frame_equal(again.estimates(), fit.estimates())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("C <~ NA*x1 + x2\nC ~ x3", {}, "No weight of the composite C is fixed"),
        ("C <~ x1 + x2\nC ~ x3\nC ~~ C", {}, "follow from its weights"),
        ("C <~ x1 + x2\nC =~ y1 + y2", {}, "cannot be measured"),
        ("C <~ x1 + x2\ng =~ y1 + C", {}, "cannot be an item"),
        ("C <~ x1 + x2\ny1 ~ C\nC ~~ C", {}, "follow from its weights"),
        ("C <~ x1 + x2\ny1 ~ C\nC ~ 1", {}, "follow from its weights"),
        ("C <~ x1 + x2", {}, "nothing to do with anything else"),
        ("g =~ y1 + y2 + y3\nC <~ x1 + g\nx2 ~ C", {}, "not an observed variable"),
        ("C <~ x1 + x2\nx2 ~ x3\ny1 ~ C", {}, "is itself explained"),
        ("C <~ x1 + x2\ny1 ~ C", {"std_lv": True}, "follows from its weights"),
    ],
)
def test_what_is_refused(data: pd.DataFrame, model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(sm.SpecError, match=message):
        sm.fit(model, data, **options)


def test_weights_that_nothing_tells(data: pd.DataFrame) -> None:
    with pytest.raises(sm.IdentificationError, match="C<~"):
        sm.fit("C <~ x1 + x2\ny1 ~ C + x2", data)


# ------------------------------------------------------------------ emergent composites


def _canonical(data: pd.DataFrame, first: list[str], second: list[str]) -> tuple[float, np.ndarray]:
    """First canonical correlation of two sets and the weights of the first, its first part 1 (Hotelling)."""
    cov = np.cov(data[first + second].T, bias=True)
    p = len(first)
    inside = np.linalg.solve(cov[:p, :p], cov[:p, p:] @ np.linalg.solve(cov[p:, p:], cov[p:, :p]))
    values, vectors = np.linalg.eig(inside)
    k = int(np.argmax(values.real))
    return float(np.sqrt(values.real[k])), np.asarray(vectors[:, k].real / vectors[0, k].real)


def test_two_composites_are_a_canonical_correlation(data: pd.DataFrame) -> None:
    fit = sm.fit("A <~ x1 + x2 + x3\nB <~ y1 + y2 + y3\nA ~~ B", data)
    correlation, weights = _canonical(data, ["x1", "x2", "x3"], ["y1", "y2", "y3"])
    table = fit.estimates().set_index(["lhs", "op", "rhs"])
    assert table.loc[("A", "~~", "B"), "std_all"] == pytest.approx(correlation, abs=1e-7)
    np.testing.assert_allclose(
        table.loc[[("A", "<~", f"x{k}") for k in (1, 2, 3)], "est"], weights, rtol=1e-5
    )
    assert fit.measures()["df"] == 4  # a rank of one among 3 by 3 covariances
    lower = np.linalg.slogdet(fit.implied()[""]["cov"])[1] - np.linalg.slogdet(data[["x1", "x2", "x3", "y1",
        "y2", "y3"]].cov(ddof=0))[1]  # fmt: skip
    assert fit.measures()["chisq"] == pytest.approx(len(data) * lower, rel=1e-6)


def test_turning_the_only_path_around_changes_nothing(data: pd.DataFrame) -> None:
    """g ~ C with C a sum of covariates, and C ~ g with C emergent, imply the same for the data."""
    plain, turned = sm.fit(LATENT, data), sm.fit(LATENT.replace("g ~ C", "C ~ g"), data)
    assert turned.measures()["chisq"] == pytest.approx(plain.measures()["chisq"], rel=1e-8)
    assert turned.measures()["df"] == plain.measures()["df"]
    one, other = (f.estimates().query("op == '<~'") for f in (plain, turned))
    np.testing.assert_allclose(other["est"], one["est"], rtol=1e-4)
    np.testing.assert_allclose(other["std_all"], one["std_all"], atol=1e-5)
    path = [f.estimates().query("op == '~'")["std_all"].item() for f in (plain, turned)]
    assert path[0] == pytest.approx(path[1], abs=1e-6)


def test_an_emergent_composite_is_the_weighted_sum(data: pd.DataFrame) -> None:
    fit = sm.fit("C <~ x1 + x2 + x3\ng =~ y1 + y2 + y3\nC ~ g", data, meanstructure=True)
    shown = fit.estimates()
    assert not shown.duplicated(["lhs", "op", "rhs"]).any()
    assert not shown.query("op == '~' and lhs in ['x1', 'x2', 'x3']").shape[0]  # what carries it is hidden
    assert not any(name.startswith("x1~x") for name in fit.vcov().index)
    weights = shown.query("op == '<~'")["est"].to_numpy()
    for method in ("regression", "bartlett"):
        scores = fit.factor_scores(method)["C"]  # type: ignore[arg-type]
        by_hand = data[["x1", "x2", "x3"]].to_numpy() @ weights
        np.testing.assert_allclose(scores - scores.mean(), by_hand - by_hand.mean(), atol=1e-8)
    effects = fit.effects()
    assert set(effects["source"]) == {"g"}
    assert "x1" not in fit.r_squared()
    drawn = fit.bootstrap(30, seed=2).estimates().query("op == '<~' and rhs != 'x1'")
    assert (drawn["se"] > 0).all()
    assert not fit.modification_indices()["rhs"].isin(["x1", "x2", "x3"]).any()
    again = sm.fit("C <~ x1 + x2 + x3\ng =~ y1 + y2 + y3\nC ~ g", data, missing="fiml")
    np.testing.assert_allclose(again.estimates()["est"], shown["est"], atol=1e-6)


def test_weights_may_be_fixed_shared_and_named(data: pd.DataFrame) -> None:
    fit = sm.fit("C <~ 0.5*x1 + w*x2 + w*x3\ng =~ y1 + y2 + y3\nC ~ g\ntwice := 2*w", data)
    table = fit.estimates()
    first, second, third = table.query("op == '<~'")["est"]
    assert (first, second) == (0.5, third)
    assert table.query("op == ':='")["est"].item() == pytest.approx(2 * second)
    fixed = sm.fit(f"C <~ 0.5*x1 + {second}*x2 + {third}*x3\ng =~ y1 + y2 + y3\nC ~ g", data)
    assert fixed.measures()["chisq"] == pytest.approx(fit.measures()["chisq"], rel=1e-8)
    assert fixed.measures()["df"] == fit.measures()["df"] + 1


def test_a_published_log_likelihood(golden_dir: Any) -> None:
    """The documentation of the R package modsem (article "composites") has −26391.61 for these simulated
    data. Its block covariances are the sample's, ours the most likely ones; both round to the same."""
    text = """
        SN =~ sn1 + sn2
        PBC =~ pbc1 + pbc2 + pbc3
        INT =~ int1 + int2 + int3
        ATT <~ att1 + att2 + att3 + att4 + att5
        BEH <~ b1 + b2
        INT ~ ATT + SN + PBC
        BEH ~ INT + PBC"""
    fit = sm.fit(text, pd.read_csv(golden_dir / "data" / "tpb.csv"))
    assert fit.measures()["logl"] == pytest.approx(-26391.61, abs=0.005)


def test_score_tests_of_emergent_composites_are_refused(data: pd.DataFrame) -> None:
    fit = sm.fit("C <~ x1 + x2 + x3\ng =~ y1 + y2 + y3\nC ~ g", data)
    with pytest.raises(sm.SpecError, match="modification_indices"):
        fit.score_tests()
