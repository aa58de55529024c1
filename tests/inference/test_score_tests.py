"""Score tests: identities, robust versions, and figures from R lavaan 0.6-14."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

EQUAL = "E =~ e1 + a*e2 + a*e3\nP =~ p1 + b*p2 + c*p3\nP ~ E\nb == c"
TWO = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6"


@pytest.fixture(scope="module")
def school(golden_dir: Path) -> pd.DataFrame:
    return pd.read_csv(golden_dir / "data/hs.csv")


def test_adding_one_parameter_is_its_modification_index(clients: pd.DataFrame) -> None:
    fit = sm.fit(EQUAL, clients)
    table = fit.modification_indices().set_index(["lhs", "op", "rhs"])
    tests = fit.score_tests(add="e1 ~~ p1\nE =~ p2")
    for row, key in zip(tests.univariate.itertuples(), (("e1", "~~", "p1"), ("E", "=~", "p2")), strict=True):
        assert row.stat == pytest.approx(table.mi[key], rel=1e-9)
    assert tests.df == 2
    assert tests.statistic == pytest.approx(tests.cumulative.stat.iloc[-1], rel=1e-12)


def test_the_total_foretells_the_refit(clients: pd.DataFrame) -> None:
    fit = sm.fit(EQUAL, clients)
    free = sm.fit(
        EQUAL.replace("a*", "").replace("b*", "").replace("c*", "").replace("\nb == c", ""), clients
    )
    tests = fit.score_tests()
    assert list(tests.univariate.lhs) == ["b", ".p2."]
    assert tests.statistic == pytest.approx(fit.measures()["chisq"] - free.measures()["chisq"], rel=0.1)
    values = free.estimates().set_index(["lhs", "op", "rhs"])
    for row in tests.changes.itertuples():
        if row.op == "=~":
            key = (row.lhs, row.op, row.rhs)
            assert abs(row.epv - values.est[key]) < 0.3 * values.se[key]


def test_releasing_some_keeps_the_others(clients: pd.DataFrame) -> None:
    fit = sm.fit(EQUAL, clients)
    one = fit.score_tests(release=[2])
    assert one.df == 1
    assert one.statistic == pytest.approx(fit.score_tests().univariate.stat[1], rel=1e-12)


def test_robust_versions_agree_where_the_data_are_normal() -> None:
    """With one constraint all robust versions are the same; with normal data and N large, near the plain."""
    rng = np.random.default_rng(4)
    factor = rng.normal(size=20_000)
    data = pd.DataFrame({f"y{i}": 0.8 * factor + 0.6 * rng.normal(size=20_000) for i in range(1, 5)})
    tests = sm.fit("f =~ y1 + a*y2 + a*y3 + y4", data, estimator="MLR").score_tests()
    total = tests.total.set_index("test").stat
    assert total["score.scaled"] == pytest.approx(total["score.robust"], rel=1e-9)
    assert total["score.scaled"] == pytest.approx(total["score"], rel=0.05)
    assert tests.univariate.stat_scaled[0] == pytest.approx(total["score.scaled"], rel=1e-9)


def test_moment_based_errors_use_the_moments_spread(clients: pd.DataFrame) -> None:
    """Complete data with a free mean structure: cross-products of centered scores are JᵀWΓWJ."""
    moments = sm.fit(EQUAL, clients, estimator="MLM", meanstructure=True).score_tests().total.stat
    scores = sm.fit(EQUAL, clients, estimator="MLR", meanstructure=True).score_tests().total.stat
    np.testing.assert_allclose(moments, scores, rtol=0.05)
    assert moments[0] == pytest.approx(scores[0], rel=1e-9)


def test_refusals(clients: pd.DataFrame) -> None:
    plain = sm.fit("E =~ e1 + e2 + e3\nP =~ p1 + p2 + p3", clients)
    with pytest.raises(sm.SpecError, match="no equality constraints"):
        plain.score_tests()
    with pytest.raises(sm.SpecError, match="'q9' is not a variable"):
        plain.score_tests(add="e1 ~~ q9")
    with pytest.raises(sm.SpecError, match="free in the model already"):
        plain.score_tests(add="E ~~ P")
    with pytest.raises(sm.SpecError, match="names no parameter"):
        plain.score_tests(add="a == b")
    equal = sm.fit(EQUAL, clients)
    with pytest.raises(sm.SpecError, match="not both"):
        equal.score_tests(release=[1], add="e1 ~~ p1")
    with pytest.raises(sm.SpecError, match=r"1 \(b == c\), 2 \(\.p2\. == \.p3\.\)"):
        equal.score_tests(release=[3])


def test_groups_against_lavaan(school: pd.DataFrame) -> None:
    """R lavaan 0.6-14: lavTestScore(cfa(TWO, group = "school", group.equal = c("loadings", "intercepts")),
    cumulative = TRUE, epc = TRUE); its optimizer stops at about 1e-5. All released, the model is not
    identified, which a generalized inverse bears."""
    fit = sm.fit(TWO, school, group="school", group_equal=["loadings", "intercepts"], model_type="cfa")
    tests = fit.score_tests()
    assert tests.statistic == pytest.approx(34.09238004, rel=1e-5)
    assert tests.df == 10
    expected = [0.27903026754, 2.90336683840, 3.27014341883, 3.00028015531, 5.60506398757,
                7.61956132177, 19.42173305403, 2.21813153153, 1.59837541788, 0.04050160045]  # fmt: skip
    np.testing.assert_allclose(tests.univariate.stat, expected, rtol=3e-5)
    assert list(tests.univariate.lhs[:2]) == [".p2.", ".p3."]
    assert list(tests.univariate.rhs[:2]) == [".p25.", ".p26."]
    np.testing.assert_allclose(
        tests.cumulative.stat[:4], [19.42173305, 22.16700760, 22.16700760, 25.43715102], rtol=1e-5
    )
    first = tests.changes.iloc[0]
    np.testing.assert_allclose(
        [first.est, first.epc, first.epv, first.sepc_lv, first.sepc_all],
        [0.6104467652, -0.168538031173, 0.4419087340, -0.145907872961, -0.116777556147], rtol=1e-4,
    )  # fmt: skip
    added = fit.score_tests(add="x1 ~~ x4\nx2 ~~ x5")
    assert list(added.univariate.lhs) == ["x1~~x4", "x2~~x5", "x1~~x4.g2", "x2~~x5.g2"]
    np.testing.assert_allclose(
        added.univariate.stat, [4.1225578661531, 0.0009300106621, 0.0221965092444, 0.7427655939451],
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip
    assert added.statistic == pytest.approx(4.952910782, rel=1e-5)


def test_mixed_constraints_against_lavaan(school: pd.DataFrame) -> None:
    """R lavaan 0.6-14: lavTestScore() of a model with `==` and shared labels; digits as printed."""
    model = (
        "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + b*x5 + cc*x6\nspeed =~ x7 + e*x8 + e*x9\nb == cc\na == e"
    )
    fit = sm.fit(model, school, model_type="cfa")
    tests = fit.score_tests()
    np.testing.assert_allclose(tests.univariate.stat, [9.148, 7.878, 0.166, 0.027], atol=6e-4)
    assert list(tests.univariate.lhs) == ["b", "a", ".p2.", ".p8."]
    np.testing.assert_allclose(tests.cumulative.stat, [9.148, 17.027, 20.191, 20.988], atol=6e-4)
    assert fit.score_tests(release=[2, 3]).statistic == pytest.approx(11.043, abs=6e-4)
    added = fit.score_tests(add="x1 ~~ x4\nvisual =~ x9")
    assert added.statistic == pytest.approx(26.96, abs=6e-3)
    np.testing.assert_allclose(added.changes.epc.iloc[-2:], [0.086, 0.430], atol=6e-4)
    np.testing.assert_allclose(added.changes.sepc_all.iloc[-2:], [0.161, 0.316], atol=6e-4)


def test_least_squares_and_missing_answers_against_lavaan(school: pd.DataFrame, golden_dir: Path) -> None:
    """R lavaan 0.6-14: lavTestScore() with estimator = "GLS", and with missing = "ml"."""
    model = "visual =~ x1 + a*x2 + a*x3\ntextual =~ x4 + b*x5 + b*x6"
    gls = sm.fit(model, school, estimator="GLS", model_type="cfa").score_tests()
    assert gls.statistic == pytest.approx(8.544323897, rel=1e-6)
    np.testing.assert_allclose(gls.univariate.stat, [2.311982094, 6.581469648], rtol=2e-6)
    holes = pd.read_csv(golden_dir / "data/hs_mar.csv")
    fiml = sm.fit(model, holes, missing="fiml", model_type="cfa").score_tests()
    assert fiml.statistic == pytest.approx(5.73932877, rel=1e-6)
    np.testing.assert_allclose(fiml.univariate.stat, [1.675652466, 4.065406303], rtol=5e-6)
