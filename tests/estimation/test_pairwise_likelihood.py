"""Pairwise likelihood of ordered items: derivatives, agreement with lavaan, missing answers, tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.model.ordinal import layout_of
from sem_models.observed.ordinal_moments import group_moments
from sem_models.observed.pair_tables import (
    PairTables,
    cross_products,
    curvature,
    independent,
    pair_point,
    saturated,
    score,
)
from sem_models.observed.rows import Rows
from tests.inference.items import ITEMS, survey

MODEL = "F =~ u1 + u2 + u3 + u4"
DERIVATIVE = 1e-6
"""Of the largest entry: central differences of a log-likelihood of some thousands."""
LAVAAN = 2e-6
"""Relative, of errors: lavaan stops its search near 1e-7."""

# lavaan 0.6-14: cfa(model, d, ordered = …, estimator = "PML", missing = …): estimates and errors of the free
# parameters in order of the table, χ²
REFERENCE = {
    "listwise": (
        [
            0.924018071, 0.843505741, 0.894433289, -1.006196904, 0.001440723, 0.846657742, -0.512643178,
            0.611089215, -1.534141854, -0.662648792, 0.675894472, 1.685055304, 0.189232788, 0.648751231,
        ],
        [
            0.08723958, 0.08612088, 0.10093097, 0.09718572, 0.08029934, 0.09170650, 0.08474524, 0.08645264,
            0.12598097, 0.08744630, 0.08767081, 0.13884000, 0.08128912, 0.07778162,
        ],
        0.4890265,
    ),
    "pairwise": (
        [
            0.938155194, 0.852763734, 0.926347729, -1.009347461, -0.002224764, 0.860961540, -0.508255991,
            0.627472409, -1.535288157, -0.651489356, 0.671012432, 1.674824472, 0.182191495, 0.629058787,
        ],
        [
            0.09142045, 0.08883245, 0.10295403, 0.09814092, 0.08087005, 0.09252835, 0.08505476, 0.08728879,
            0.12629849, 0.08779505, 0.08848916, 0.13950557, 0.08160626, 0.07791382,
        ],
        0.3122452,
    ),
    # its errors leave the scores of single answers out of the sandwich; ours have them, see the docs
    "available.cases": (
        [
            0.9376477406, 0.8528051784, 0.9256400689, -1.0106692106, 0.0001222514, 0.8571434309,
            -0.5055785975, 0.6295040677, -1.5258289317, -0.6501488781, 0.6746075008, 1.6768993605,
            0.1883342158, 0.6298224486,
        ],
        None,
        0.3120515,
    ),
}  # fmt: skip


def with_holes() -> pd.DataFrame:
    data = survey().astype(dict.fromkeys(ITEMS, float))
    data.loc[[2, 16, 89], "u1"] = np.nan
    data.loc[[4, 16, 199, 200], "u3"] = np.nan
    data.loc[[16, 32], "u2"] = np.nan
    return data


@pytest.mark.parametrize("missing", REFERENCE)
def test_agrees_with_lavaan(missing: str) -> None:
    estimates, errors, statistic = REFERENCE[missing]
    data = survey() if missing == "listwise" else with_holes()
    fit = sm.fit(MODEL, data, ordered=ITEMS, estimator="PML", missing=missing)
    rows = fit.estimates()
    rows = rows[rows["se"] > 0]
    assert (rows["est"].to_numpy() - estimates) / rows["se"].to_numpy() == pytest.approx(0.0, abs=1e-5)
    if errors is not None:
        assert rows["se"].to_numpy() / errors == pytest.approx(1.0, abs=LAVAAN)
    assert fit.measures()["chisq"] == pytest.approx(statistic, abs=5e-6)
    assert np.isnan(fit.measures()["pvalue"])
    assert 0 < fit.measures()["pvalue_scaled"] < 1


def test_the_test_of_independence_agrees_with_lavaan() -> None:
    measures = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="PML").measures()
    found = [measures[f"baseline_{name}"] for name in ("chisq", "chisq_scaled", "df_scaled")]
    assert found == pytest.approx([310.413, 167.421, 2.825], abs=6e-4)


@pytest.mark.parametrize("available", [False, True])
def test_derivatives_against_central_differences(available: bool) -> None:
    values = with_holes()[ITEMS].to_numpy() - 1
    layout = layout_of([4, 3, 5, 2], 0)
    rows = Rows(values, np.arange(240), np.zeros(240, dtype=np.intp))
    tables = PairTables.of(rows, layout, available=available)
    x = group_moments(values, layout).statistics + 0.05 * np.sin(np.arange(layout.size))
    at = pair_point(tables, x)
    assert at is not None
    slope, bend = np.empty(layout.size), np.empty((layout.size,) * 2)
    for i in range(layout.size):
        ends = [pair_point(tables, x + step * np.eye(layout.size)[i]) for step in (1e-6, -1e-6)]
        assert ends[0] is not None
        assert ends[1] is not None
        slope[i] = (ends[0].value - ends[1].value) / 2e-6
        bend[i] = -(score(tables, ends[0]) - score(tables, ends[1])) / 2e-6
    assert np.abs(score(tables, at) - slope).max() < DERIVATIVE * np.abs(slope).max()
    assert np.abs(curvature(tables, at, observed=True) - bend).max() < DERIVATIVE * np.abs(bend).max()


def test_rows_scores_add_up_and_their_products_know_weights() -> None:
    values = with_holes()[ITEMS].to_numpy() - 1
    layout = layout_of([4, 3, 5, 2], 0)
    n = np.arange(240)
    rows = Rows(values, n, np.zeros(240, dtype=np.intp), None, np.zeros(240, dtype=np.intp) + (n >= 120))
    tables = PairTables.of(rows, layout, available=True)
    top, value = saturated(tables, group_moments(values, layout).statistics)
    at = pair_point(tables, top)
    assert at is not None
    assert np.abs(score(tables, at)).max() < 1e-4
    # two clusters whose scores add up to zero: one is minus the other, Σ s sᵀ has rank one
    products = cross_products(tables, at, rows, available=True)
    assert np.linalg.matrix_rank(products, tol=1e-3 * np.abs(products).max()) == 1
    assert independent(tables, top)[1] < value


def test_theta_is_the_same_model() -> None:
    delta = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="PML")
    theta = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="PML", parameterization="theta")
    assert theta.measures()["chisq"] == pytest.approx(delta.measures()["chisq"], abs=1e-6)
    both = [f.standardized().query("op == '=~'") for f in (delta, theta)]
    assert both[0]["est_std"].to_numpy() == pytest.approx(both[1]["est_std"].to_numpy(), abs=1e-6)
    assert both[0]["se"].to_numpy() == pytest.approx(both[1]["se"].to_numpy(), rel=1e-4)


def test_groups_are_fitted_apart_and_together() -> None:
    data = survey()
    apart = sm.fit(MODEL, data, ordered=ITEMS, estimator="PML", group="g")
    alone = [sm.fit(MODEL, data[data["g"] == g], ordered=ITEMS, estimator="PML") for g in ("a", "b")]
    assert apart.measures()["chisq"] == pytest.approx(sum(f.measures()["chisq"] for f in alone), abs=1e-5)
    equal = sm.fit(MODEL, data, ordered=ITEMS, estimator="PML", group="g", group_equal=["loadings"])
    table = apart.compare(equal)
    assert table["df_diff"].iloc[-1] == 3
    assert 0 < table["pvalue"].iloc[-1] < 1


def test_indices_and_scores_see_what_is_left_out() -> None:
    data = survey()
    data["u5"] = np.where(np.arange(240) % 3 == 0, np.roll(data["u1"], 1), data["u1"])
    fit = sm.fit(f"{MODEL} + u5", data, ordered=[*ITEMS, "u5"], estimator="PML")
    index = fit.modification_indices(sort=True).iloc[0]
    assert {index["lhs"], index["rhs"]} == {"u1", "u5"}
    test = fit.score_tests(add="u1 ~~ u5")
    assert test.pvalue < 0.001
    assert fit.factor_scores().shape == (240, 1)


def test_weights_and_clusters() -> None:
    data = survey().assign(w=1 + np.arange(240) % 3, c=np.arange(240))
    repeated = data.loc[np.repeat(data.index, data["w"])].reset_index(drop=True)
    options = {"ordered": ITEMS, "estimator": "PML"}
    ours = sm.fit(MODEL, data, sampling_weights="w", sampling_weights_normalization="none", **options)
    theirs = sm.fit(MODEL, repeated, cluster="c", **options)
    assert ours.estimates()["est"].to_numpy() == pytest.approx(theirs.estimates()["est"].to_numpy(), abs=1e-6)
    assert np.diag(theirs.vcov()) / np.diag(ours.vcov()) == pytest.approx(240 / 239, abs=1e-4)


def test_what_it_is_not_built_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sm.SpecError, match="continuous variable"):
        sm.fit("F =~ u1 + u2 + y1", survey(), ordered=ITEMS[:2], estimator="PML")
    with pytest.raises(sm.SpecError, match="covariates"):
        sm.fit("F =~ u1 + u2 + u3\nF ~ x", survey(), ordered=ITEMS[:3], estimator="PML")
    with pytest.raises(sm.SpecError, match="ordered items"):
        sm.fit("F =~ y1 + y2 + x", survey(), estimator="PML")
    fit = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="PML")
    with pytest.raises(sm.DataError, match="fewer than 5"):
        fit.save(tmp_path / "pml")
    loaded = sm.load_fit(fit.save(tmp_path / "pml", include_rows=True))
    pd.testing.assert_frame_equal(loaded.estimates(), fit.estimates())


@pytest.mark.slow
def test_the_adjusted_test_holds_its_level_and_intervals_cover() -> None:
    rng = np.random.default_rng(17)
    rejected, covered, n = 0, [], 300
    for _ in range(n):
        factor = rng.normal(size=(300, 1))
        responses = 0.7 * factor + np.sqrt(0.51) * rng.normal(size=(300, 5))
        data = pd.DataFrame(np.digitize(responses, [-0.9, 0.4]).astype(float), columns=list("abcde"))
        data = data.mask(rng.uniform(size=data.shape) < 0.15)
        fit = sm.fit(
            "F =~ a + b + c + d + e",
            data,
            ordered=True,
            estimator="PML",
            missing="available.cases",
            std_lv=True,
        )
        rejected += fit.measures()["pvalue_scaled"] < 0.05
        loadings = fit.estimates().query("op == '=~'")
        covered.append(((loadings["ci_lower"] < 0.7) & (loadings["ci_upper"] > 0.7)).mean())
    # three binomial standard errors of 300 samples
    assert 0.012 <= rejected / n <= 0.09
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)
