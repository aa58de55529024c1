"""Marginal maximum likelihood of ordered items: the integral, derivatives, agreement, missing answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.estimation.marginal_likelihood import MarginalLikelihood
from sem_models.model.ordinal import layout_of
from sem_models.observed.answer_patterns import AnswerPatterns, answered, grid
from sem_models.observed.bivariate_normal import corners
from tests.inference.items import ITEMS, survey

MODEL = "F =~ u1 + u2 + u3 + u4"
OTHER_GRID = 1e-3
"""Of estimates and errors, in standard errors: lavaan integrates over 21 Gauss–Hermite nodes."""

# lavaan 0.6-14: cfa(model, d, ordered = …, estimator = "MML", link = "probit", std.lv = TRUE)
LAVAAN = [
    1.3662933804, 1.1157768764, 0.9225029439, 1.0158319327, -1.7099685115, 0.0041164338, 1.4413171207,
    -0.7725215626, 0.9188043438, -2.0836997348, -0.9070587923, 0.9249617313, 2.2868799011, 0.2703437304,
]  # fmt: skip
LAVAAN_ERRORS = [
    0.22868950, 0.17229581, 0.13642982, 0.17918011, 0.23009138, 0.13668667, 0.20544700, 0.13732799,
    0.14363005, 0.20085810, 0.12897974, 0.12968438, 0.22096771, 0.11802005,
]  # fmt: skip


def with_holes() -> pd.DataFrame:
    data = survey().astype(dict.fromkeys(ITEMS, float))
    data.loc[[2, 16, 89], "u1"] = np.nan
    data.loc[[4, 16, 199, 200], "u3"] = np.nan
    return data


@pytest.fixture(scope="module")
def incomplete() -> sm.Fit:
    return sm.fit(MODEL, with_holes(), ordered=ITEMS, estimator="MML", missing="fiml")


@pytest.mark.parametrize("factors", [1, 2])
def test_pairs_have_the_bivariate_normal_probability(factors: int) -> None:
    layout = layout_of([3, 4], 0)
    tau = np.array([-0.7, 0.4, -1.1, 0.1, 0.9])
    b = np.array([[0.7], [0.6]]) if factors == 1 else np.array([[0.7, 0.2], [0.5, -0.4]])
    values = np.array([[i, j] for i in range(3) for j in range(4)] + [[1, np.nan]], dtype=float)
    rho = np.array([float(b[0] @ b[1])])
    edges = [np.concatenate([[-np.inf], t, [np.inf]])[None] for t in (tau[:2], tau[2:])]
    cells = np.diff(np.diff(corners(*edges, rho)[0], axis=0), axis=1)
    for row in values:
        patterns = AnswerPatterns.of(row[None], layout)
        found = answered(patterns, tau, b, grid(factors))
        assert found is not None
        truth = cells[int(row[0])].sum() if np.isnan(row[1]) else cells[int(row[0]), int(row[1])]
        assert np.exp(found.value) == pytest.approx(truth, abs=1e-7)


def test_gradient_against_central_differences(incomplete: sm.Fit) -> None:
    objective, params = incomplete.solved.objective, np.asarray(incomplete.solved.point.params)
    assert isinstance(objective, MarginalLikelihood)
    away = params + 0.05 * np.cos(np.arange(len(params)))
    at = objective.at(away)
    assert at is not None
    slope = []
    for i in range(len(params)):
        ends = [objective.at(away + step * np.eye(len(params))[i]) for step in (1e-5, -1e-5)]
        assert ends[0] is not None
        assert ends[1] is not None
        slope.append((float(ends[0].value) - float(ends[1].value)) / 2e-5)
    assert objective.gradient(at) == pytest.approx(np.array(slope), abs=1e-8)
    assert np.abs(objective.gradient(incomplete.solved.point)).max() < 1e-7  # type: ignore[arg-type]


def test_agrees_with_lavaan() -> None:
    fit = sm.fit(MODEL, survey(), ordered=ITEMS, estimator="MML", parameterization="theta", std_lv=True)
    rows = fit.estimates()
    rows = rows[rows["se"] > 0]
    assert (rows["est"].to_numpy() - LAVAAN) / rows["se"].to_numpy() == pytest.approx(0.0, abs=OTHER_GRID)
    # lavaan counts N − 1 rows in the errors of ordered items, a likelihood has N
    assert rows["se"].to_numpy() * np.sqrt(240 / 239) / LAVAAN_ERRORS == pytest.approx(1.0, abs=OTHER_GRID)


def test_delta_and_theta_have_one_likelihood() -> None:
    both = [
        sm.fit(MODEL, survey(), ordered=ITEMS, estimator="MML", parameterization=p).measures()["logl"]
        for p in ("delta", "theta")
    ]
    assert both[0] == pytest.approx(both[1], abs=1e-8)


def test_every_answer_counts_and_what_has_none_is_dropped(incomplete: sm.Fit) -> None:
    assert incomplete.header.n_used == 240
    more = with_holes()
    more.loc[0, ITEMS] = np.nan
    fewer = sm.fit(MODEL, more, ordered=ITEMS, estimator="MML", missing="fiml")
    assert fewer.header.n_used == 239
    robust = sm.fit(MODEL, with_holes(), ordered=ITEMS, estimator="MML", missing="fiml", se="robust")
    free = incomplete.solved.ram.row_of_free
    ratio = robust.estimates()["se"].to_numpy()[free] / incomplete.estimates()["se"].to_numpy()[free]
    assert ratio == pytest.approx(1.0, abs=0.25)
    assert (ratio != 1.0).any()


def test_measures_without_a_meaning_say_why_and_nested_models_are_compared(incomplete: sm.Fit) -> None:
    measures = incomplete.measures()
    assert measures["aic"] == pytest.approx(-2 * measures["logl"] + 2 * 14)
    assert np.isnan(measures["chisq"])
    assert np.isnan(incomplete.tests()["stat"].iloc[0])
    assert "MML" in str(incomplete.summary())
    assert "combinations of answers" in incomplete.why("chisq")
    equal = sm.fit("F =~ u1 + k*u2 + k*u3 + u4", with_holes(), ordered=ITEMS, estimator="MML", missing="fiml")
    row = incomplete.compare(equal).iloc[-1]
    assert row["chisq_diff"] == pytest.approx(2 * (measures["logl"] - equal.measures()["logl"]), abs=1e-6)
    assert row["df_diff"] == 1


@pytest.mark.parametrize("model", ["F =~ u1 + u2\nG =~ u3 + u4", MODEL])
def test_two_factors_or_groups(model: str) -> None:
    options = {"group": "g", "group_equal": ["loadings"]} if model == MODEL else {}
    fit = sm.fit(model, survey(), ordered=ITEMS, estimator="MML", **options)
    other = sm.fit(model, survey(), ordered=ITEMS, **options)
    both = [f.estimates().query("op == '=~' and se > 0")["est"].to_numpy() for f in (fit, other)]
    errors = other.estimates().query("op == '=~' and se > 0")["se"].to_numpy()
    assert (both[0] - both[1]) / errors == pytest.approx(0.0, abs=0.5)
    assert fit.status.converged
    assert len(fit.factor_scores()) == 240
    assert fit.standardized()["se"].notna().all()


def test_what_it_is_not_built_for_is_refused(incomplete: sm.Fit, tmp_path: Path) -> None:
    data = survey()
    cases = {
        "continuous variable": ("F =~ u1 + u2 + y1", {}),
        "covariates": ("F =~ u1 + u2 + u3\nF ~ x", {}),
        "residual": (f"{MODEL}\nu1 ~~ u2", {}),
        "one or two factors": ("F =~ u1 + u2\nG =~ u3 + u4\nH =~ F + G", {}),
        "uses every answer": (MODEL, {"missing": "pairwise"}),
        "cluster=": (MODEL, {"cluster": "g"}),
        "no test": (MODEL, {"test": "satorra.bentler"}),
    }
    for words, (model, options) in cases.items():
        items = [i for i in ITEMS if i in model]
        with pytest.raises(sm.SpecError, match=words):
            sm.fit(model, data, ordered=items, estimator="MML", check_identification=False, **options)
    with pytest.raises(sm.SpecError, match="MML"):
        sm.fit(MODEL, data, ordered=ITEMS, missing="fiml")
    with pytest.raises(sm.SpecError, match="yet"):
        incomplete.modification_indices()
    with pytest.raises(sm.DataError, match="fewer than 5"):
        incomplete.save(tmp_path / "mml")
    loaded = sm.load_fit(incomplete.save(tmp_path / "mml", include_rows=True))
    pd.testing.assert_frame_equal(loaded.estimates(), incomplete.estimates())


@pytest.mark.slow
def test_answers_missing_at_random_do_not_bias_it() -> None:
    rng = np.random.default_rng(7)
    found = {"MML": [], "PML": []}  # type: ignore[var-annotated]
    covered = []
    for _ in range(40):
        responses = 0.7 * rng.normal(size=(500, 1)) + np.sqrt(0.51) * rng.normal(size=(500, 6))
        data = pd.DataFrame(np.digitize(responses, [-1.2, -0.3, 0.6]).astype(float), columns=list("abcdef"))
        chance = 1 / (1 + np.exp(-1.6 * (1.2 - data[["a", "b", "c"]].mean(axis=1).to_numpy())))
        holes = rng.uniform(size=(500, 3)) < chance[:, None]
        data[["d", "e", "f"]] = data[["d", "e", "f"]].mask(holes)
        model = "F =~ a + b + c + d + e + f"
        for name, missing in (("MML", "fiml"), ("PML", "available.cases")):
            fit = sm.fit(model, data, ordered=True, estimator=name, missing=missing, std_lv=True)
            rows = fit.standardized().query("op == '=~' and rhs in ['d', 'e', 'f']")
            found[name].append(rows["est_std"].mean())
            if name == "MML":
                covered.append(((rows["ci_lower"] < 0.7) & (rows["ci_upper"] > 0.7)).mean())
    # three standard errors of a mean of 40
    error = 3 * np.std(found["MML"]) / np.sqrt(40)
    assert abs(np.mean(found["MML"]) - 0.7) < error
    assert np.mean(found["PML"]) < 0.7 - error
    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)
