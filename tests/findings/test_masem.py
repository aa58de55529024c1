"""Meta-analytic SEM against published output: Hunter (1983) and Becker & Schram (1994) as analyzed in
M. W.-L. Cheung, Meta-Analysis: A Structural Equation Modeling Approach (Wiley, 2015), ch. 7; metaSEM's output
of the book's code (repository mikewlcheung/metaSEM-book, metaSEMbook.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

PRINTED = 1e-6  # one in the last of six printed decimals
OPENMX = 3e-6  # where the source's optimizer stopped; a tau² at its lower bound of 1e-10 there is 0 here

HUNTER = ["Ability", "Knowledge", "Work", "Supervisor"]
# By study: the lower triangle by rows (2,1), (3,1), (3,2), (4,1), …; NaN where a variable is absent.
_NA = float("nan")
HUNTER_R = [
    (0.65, 0.48, 0.52, 0.33, 0.40, 0.23), (0.53, 0.50, 0.49, 0.03, 0.04, 0.18),
    (0.54, 0.49, 0.41, 0.23, 0.19, 0.30), (0.55, 0.36, 0.34, 0.29, 0.44, 0.29),
    (0.54, 0.36, 0.50, 0.06, 0.21, 0.13), (0.44, 0.32, 0.49, 0.15, 0.20, 0.19),
    (0.36, 0.39, 0.64, 0.10, 0.30, 0.25), (0.47, 0.35, 0.49, 0.15, 0.27, 0.19),
    (0.39, _NA, _NA, 0.28, 0.39, _NA), (0.33, _NA, _NA, 0.29, 0.25, _NA),
    (_NA, 0.51, _NA, 0.29, _NA, 0.27), (_NA, 0.69, _NA, 0.40, _NA, 0.38),
    (_NA, _NA, 0.72, _NA, 0.05, 0.32), (0.62, 0.50, 0.62, _NA, _NA, _NA),
]  # fmt: skip
HUNTER_N = [443, 186, 292, 233, 368, 360, 380, 366, 456, 78, 384, 59, 160, 210]
BECKER = ["Math", "Spatial", "Verbal"]
BECKER_R = [
    (0.47, -0.21, -0.15), (0.28, 0.19, 0.18), (0.48, 0.41, 0.26), (0.37, 0.40, 0.27), (0.42, 0.48, 0.23),
    (0.41, 0.74, 0.44), (0.26, 0.72, 0.36), (0.32, 0.52, 0.10), (0.58, 0.64, 0.40), (0.34, 0.28, -0.03),
]  # fmt: skip
BECKER_N = [74, 153, 48, 55, 51, 18, 27, 43, 35, 34]
HUNTER_MODEL = """
    Knowledge ~ A2J*Ability
    Work ~ A2W*Ability + J2W*Knowledge
    Supervisor ~ J2S*Knowledge + W2S*Work
    ind := A2J*J2S + A2J*J2W*W2S + A2W*W2S
"""


def _studies(
    names: list[str], triangles: list[tuple[float, ...]], sizes: list[int]
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    matrices = {}
    for k, triangle in enumerate(triangles):
        values = np.eye(len(names))
        rows, columns = np.tril_indices(len(names), -1)
        values[rows, columns] = values[columns, rows] = triangle
        matrices[f"study {k + 1}"] = pd.DataFrame(values, names, names)
    return matrices, dict(zip(matrices, sizes, strict=True))


@pytest.fixture(scope="module")
def hunter() -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    return _studies(HUNTER, HUNTER_R, HUNTER_N)


@pytest.fixture(scope="module")
def becker() -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    return _studies(BECKER, BECKER_R, BECKER_N)


def test_fixed_effects_of_hunter(hunter: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    pooled = sm.pool_correlations(*hunter, method="fixed")
    table = pooled.table()
    assert pooled.n == 3975
    assert table["studies"].tolist() == [11, 11, 12, 10, 11, 11]
    assert table["est"].tolist() == pytest.approx(
        [0.510465, 0.426990, 0.207680, 0.522926, 0.284622, 0.243199], abs=PRINTED
    )
    assert table["se"].tolist() == pytest.approx(
        [0.012723, 0.014106, 0.015958, 0.013133, 0.015794, 0.016294], abs=1.5e-6
    )
    assert pooled.homogeneity().tolist()[:2] == pytest.approx([263.3389, 60], abs=6e-5)


def test_fixed_effects_of_becker(becker: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    pooled = sm.pool_correlations(*becker, method="fixed")
    assert pooled.table()["est"].tolist() == pytest.approx([0.379639, 0.332256, 0.175640], abs=PRINTED)
    assert pooled.table()["se"].tolist() == pytest.approx([0.037484, 0.040384, 0.042743], abs=PRINTED)
    assert pooled.homogeneity().tolist()[:2] == pytest.approx([62.4983, 27], abs=6e-5)


def test_random_effects_of_hunter(hunter: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    table = sm.pool_correlations(*hunter, acov="individual").table()
    assert table["est"].tolist() == pytest.approx(
        [0.5058793, 0.4469469, 0.2122289, 0.5306544, 0.2591491, 0.2410393], abs=OPENMX
    )
    assert table["se"].tolist() == pytest.approx(
        [2.7894e-2, 2.4711e-2, 2.5239e-2, 3.4725e-2, 3.9510e-2, 1.6894e-2], rel=1e-4
    )
    assert table["tau2"].tolist() == pytest.approx(
        [6.3696e-3, 4.4140e-3, 4.3124e-3, 1.0233e-2, 1.3872e-2, 1.3212e-5], abs=1e-6
    )


def test_second_stage_of_hunter(hunter: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    result = sm.masem(HUNTER_MODEL, sm.pool_correlations(*hunter, acov="individual"))
    table = result.estimates()
    by_label = table[table["label"] != ""].set_index("label")
    expected = {"A2J": 0.516375, "A2W": 0.246136, "J2W": 0.396550, "J2S": 0.231425, "W2S": 0.121406}
    for label, value in expected.items():
        assert by_label.loc[label, "est"] == pytest.approx(value, abs=OPENMX), label
    assert by_label.loc["ind", "est"] == pytest.approx(0.1742445, abs=OPENMX)
    errors = table[(table["op"] == "~~") & (table["lhs"] == table["rhs"])].set_index("lhs")["est"]
    assert errors["Knowledge"] == pytest.approx(0.733357, abs=OPENMX)
    assert errors["Work"] == pytest.approx(0.681363, abs=OPENMX)
    assert errors["Supervisor"] == pytest.approx(0.902278, abs=OPENMX)
    measures = result.measures()
    printed = {
        "chisq": 3.8132, "df": 1, "pvalue": 0.0508, "baseline_chisq": 938.2304, "rmsea": 0.0266,
        "srmr": 0.0220, "tli": 0.9819, "cfi": 0.9970,
    }  # fmt: skip
    for name, value in printed.items():
        assert measures[name] == pytest.approx(value, abs=2e-2 if name == "baseline_chisq" else 1e-4), name
    # likelihood-based limits are printed there; the normal ones lie within 4 % of an interval's width of them
    assert by_label.loc["A2J", "ci_lower"] == pytest.approx(0.462890, abs=0.004)
    assert by_label.loc["W2S", "ci_upper"] == pytest.approx(0.182965, abs=0.006)


def test_second_stage_of_becker(becker: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    """Saturated; the source keeps a variance between studies at 1e-10 among the parameters of its errors."""
    result = sm.masem("Math ~ s*Spatial + v*Verbal", sm.pool_correlations(*becker, acov="individual"))
    table = result.estimates().set_index("label")
    assert table.loc["s", "est"] == pytest.approx(0.295350, abs=OPENMX)
    assert table.loc["v", "est"] == pytest.approx(0.371664, abs=OPENMX)
    assert table.loc["v", "se"] == pytest.approx(0.080550, rel=1e-3)
    assert (result.df, round(result.chisq, 8)) == (0, 0.0)


def test_saturated_regression_by_hand() -> None:
    """Two equal studies: pooled is the matrix itself; b = R⁻¹r, and χ² is 0."""
    r = pd.DataFrame([[1, 0.5, 0.4], [0.5, 1, 0.3], [0.4, 0.3, 1]], list("yab"), list("yab"))
    pooled = sm.pool_correlations({"one": r, "two": 4 * r}, {"one": 200, "two": 100}, method="fixed")
    assert pooled.matrix.to_numpy() == pytest.approx(r.to_numpy(), abs=1e-8)
    assert pooled.homogeneity()["q"] == pytest.approx(0, abs=1e-8)
    # the variance of a correlation: (1 − r²)² / (n − 1), over both studies
    assert pooled.table()["se"].tolist()[0] == pytest.approx(0.75 / np.sqrt(298), rel=1e-5)
    b = np.linalg.solve(r.loc[["a", "b"], ["a", "b"]], r.loc[["a", "b"], "y"])
    table = sm.masem("y ~ a + b", pooled).estimates()
    assert table.query("op == '~'")["est"].tolist() == pytest.approx(b.tolist(), abs=1e-7)


def test_factor_model_recovers_its_loadings() -> None:
    loadings = np.array([0.8, 0.7, 0.6, 0.5])
    r = np.outer(loadings, loadings)
    np.fill_diagonal(r, 1)
    frame = pd.DataFrame(r, list("abcd"), list("abcd"))
    pooled = sm.pool_correlations(
        {"m": frame, "n": frame.loc[list("abc"), list("abc")]}, {"m": 150, "n": 150}
    )
    result = sm.masem("F =~ NA*a + b + c + d\nF ~~ 1*F", pooled)
    assert result.estimates()["est"].tolist()[:4] == pytest.approx(loadings.tolist(), abs=1e-6)
    assert result.df == 2


def test_model_of_some_of_the_variables(hunter: tuple[dict[str, pd.DataFrame], dict[str, int]]) -> None:
    pooled = sm.pool_correlations(*hunter, method="fixed")
    table = sm.masem("Knowledge ~ Ability", pooled).estimates()
    assert table["est"].iloc[0] == pytest.approx(0.510465, abs=PRINTED)
    assert table["se"].iloc[0] == pytest.approx(0.012723, abs=1.5e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "randm"}, "Did you mean 'random'"),
        ({"n": {"one": 50}}, "no size for two"),
        ({"n": {"one": 50, "two": 3}}, "too small"),
    ],
)
def test_refusals(change: dict[str, object], words: str) -> None:
    r = pd.DataFrame([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]], list("yab"), list("yab"))
    arguments: dict[str, object] = {"matrices": {"one": r, "two": r}, "n": {"one": 50, "two": 50}} | change
    with pytest.raises(sm.SEMError, match=words):
        sm.pool_correlations(**arguments)  # type: ignore[arg-type]


def test_bad_matrices() -> None:
    r = pd.DataFrame([[1, 0.5], [0.5, 1]], list("ya"), list("ya"))
    other = r.set_axis(list("yb"), axis=0).set_axis(list("yb"), axis=1)
    sizes = {"one": 50, "two": 50}
    with pytest.raises(sm.DataError, match="No study has both"):
        sm.pool_correlations({"one": r, "two": other}, sizes)
    with pytest.raises(sm.DataError, match="not positive definite"):
        sm.pool_correlations({"one": r, "two": r.replace(0.5, 1.5)}, sizes)
    with pytest.raises(sm.DataError, match="at least two studies"):
        sm.pool_correlations({"one": r}, sizes)
