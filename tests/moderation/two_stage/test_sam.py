"""`method="sam"`: local SAM without products, consistent with them, errors of both stages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from benchmarks.moderation_study.design import MODEL, Cell, draw
from sem_models.model.syntax import parse
from sem_models.model.variables import classify
from sem_models.moderation.statement import Statement
from sem_models.moderation.two_stage.estimate import moderate_two_stage, options_of, two_stage
from sem_models.moderation.two_stage.result import TwoStageModeration

LINEAR = "EDS =~ e1 + e2 + e3\nPV =~ p1 + p2 + p3\nBI =~ b1 + b2 + b3\nPV ~ EDS\nBI ~ PV"
LAVAAN = {
    ("PV", "~", "EDS"): 0.522829677105, ("BI", "~", "PV"): 0.581139271821,
    ("EDS", "~~", "EDS"): 0.936755247971, ("PV", "~~", "PV"): 0.470692912611,
    ("BI", "~~", "BI"): 0.370150192409,
}  # fmt: skip
"""lavaan 0.6-14, sam(model, data = clients): local SAM with its defaults; the paths skip EDS → BI."""
SAME = 1e-6
"""Both search to about 1e-7."""

ITEMS = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\n"


def path(result: Any, rhs: str = "X:Z") -> pd.Series:
    table = result.estimates()
    return table[(table["op"] == "~") & (table["rhs"] == rhs)].iloc[0]


@pytest.fixture(scope="module")
def result() -> TwoStageModeration:
    return moderate_two_stage(MODEL, draw(Cell(300, "normal", 0.2), 0, 5))


def test_without_products_it_is_local_sam(clients: pd.DataFrame) -> None:
    syntax = parse(LINEAR)
    found = two_stage(
        Statement(syntax, classify(syntax), ()), clients, options_of("listwise", None, {}), text=LINEAR
    ).fit.estimates()
    for (lhs, op, rhs), value in LAVAAN.items():
        row = found[(found["lhs"] == lhs) & (found["op"] == op) & (found["rhs"] == rhs)].iloc[0]
        assert row["est"] == pytest.approx(value, abs=SAME)


def test_measurement_rows_are_those_of_the_blocks(result: TwoStageModeration) -> None:
    """Estimates of the block alone, errors its sandwich with the observed information."""
    data = draw(Cell(300, "normal", 0.2), 0, 5)
    block = sm.fit("X =~ x1 + x2 + x3", data, estimator="MLR", meanstructure=True).estimates()
    ours = result.estimates()
    for lhs, op, rhs in (("X", "=~", "x2"), ("x1", "~~", "x1"), ("x3", "~1", "")):
        both = [t[(t["lhs"] == lhs) & (t["op"] == op) & (t["rhs"] == rhs)].iloc[0] for t in (block, ours)]
        assert both[1]["est"] == pytest.approx(both[0]["est"], abs=SAME)
        assert both[1]["se"] == pytest.approx(both[0]["se"], rel=1e-5)


def test_twice_the_same_customers_halve_the_variances(result: TwoStageModeration) -> None:
    data = draw(Cell(300, "normal", 0.2), 0, 5)
    twice = moderate_two_stage(MODEL, pd.concat([data, data], ignore_index=True))
    assert path(twice)["est"] == pytest.approx(path(result)["est"], rel=1e-8)
    assert path(twice)["se"] == pytest.approx(path(result)["se"] / np.sqrt(2), rel=1e-6)


@pytest.mark.slow
def test_errors_are_those_of_leaving_customers_out() -> None:
    """The sandwich is the first-order jackknife; at N = 150 they differ by what is of second order."""
    data = draw(Cell(150, "normal", 0.2), 3, 5)
    whole = path(moderate_two_stage(MODEL, data))
    left = [path(moderate_two_stage(MODEL, data.drop(index=i)))["est"] for i in range(len(data))]
    n = len(data)
    jackknife = np.sqrt((n - 1) / n * ((np.array(left) - np.mean(left)) ** 2).sum())
    assert whole["se"] == pytest.approx(jackknife, rel=0.1)


@pytest.mark.parametrize("predictors", ["normal", "skewed"])
def test_a_large_sample_gives_the_interaction_back(predictors: Any) -> None:
    data = draw(Cell(20_000, predictors, 0.2), 0, 5)
    for text, extra in ((MODEL, {}), (MODEL + " + X:X + Z:Z", {"X:X": 0.0, "Z:Z": 0.0})):
        found = moderate_two_stage(text, data)
        for rhs, truth in {"X": 0.4, "Z": 0.4, "X:Z": 0.2, **extra}.items():
            row = path(found, rhs)
            assert abs(row["est"] - truth) < 4 * row["se"]
            assert row["se"] < 0.02


def test_missing_answers_keep_customers() -> None:
    data = draw(Cell(2_000, "normal", 0.2), 0, 5)
    rng = np.random.default_rng(1)
    holes = data.mask(rng.random(data.shape) < 0.12)
    found = moderate_two_stage(MODEL, holes, missing="fiml")
    full = path(moderate_two_stage(MODEL, data))
    assert abs(path(found)["est"] - full["est"]) < 2 * path(found)["se"]
    assert path(found)["se"] < 1.4 * full["se"]
    assert found.header.n_used == 2_000
    assert len(holes.dropna()) < 1_000


def test_a_column_moderates_and_three_ways_run() -> None:
    data = draw(Cell(500, "normal", 0.2), 0, 5).assign(
        w=lambda d: np.random.default_rng(2).normal(5, 2, len(d))
    )
    text = MODEL.replace("Y ~ X + Z + X:Z", "Y ~ X + Z + w + X:Z + X:w + X:Z:w")
    found, other = (sm.moderate(text, data, method=m) for m in ("sam", "dblcent"))
    for rhs in ("X:w", "X:Z:w", "w"):
        assert abs(path(found, rhs)["est"] - path(other, rhs)["est"]) < 2 * path(found, rhs)["se"]
    slopes = found.simple_slopes(outcome="Y", predictor="X", moderator="w")
    at_mean = slopes[slopes["position"] == "mean"]["est"].iloc[0]
    assert at_mean == pytest.approx(path(found, "X")["est"])
    means = found.fit.implied()[""]["mean"]
    assert means["y1"] == pytest.approx(data["y1"].mean())
    assert means["w"] == pytest.approx(data["w"].mean())


def test_a_mediator_may_be_moderated() -> None:
    """The product M:A has an endogenous factor; the index of moderated mediation follows."""
    rng = np.random.default_rng(2)
    n = 20_000
    x, a = rng.multivariate_normal([0, 0], [[1.0, 0.3], [0.3, 1.0]], n).T
    m = 0.5 * x + 0.3 * a + 0.2 * (x * a - 0.3) + 0.7 * rng.normal(size=n)
    b = 0.5 * m + 0.2 * a + 0.25 * m * a + 0.1 * x + 0.7 * rng.normal(size=n)
    data = pd.DataFrame(
        {f"{s}{i}": load * v + 0.5 * rng.normal(size=n)
         for s, v in (("x", x), ("a", a), ("m", m), ("b", b)) for i, load in ((1, 1.0), (2, 0.9), (3, 0.8))}
    )  # fmt: skip
    text = "".join(f"{s.upper()} =~ {s}1 + {s}2 + {s}3\n" for s in "xamb")
    found = moderate_two_stage(text + "M ~ X + A + X:A\nB ~ M + A + M:A + X", data)
    table = found.estimates()
    for lhs, rhs, truth in (("M", "X:A", 0.2), ("B", "M:A", 0.25), ("B", "M", 0.5), ("B", "X", 0.1)):
        row = table[(table["lhs"] == lhs) & (table["op"] == "~") & (table["rhs"] == rhs)].iloc[0]
        assert abs(row["est"] - truth) < 4 * row["se"]
    assert ((table["lhs"] == "M") & (table["op"] == "~~") & (table["rhs"] == "M:A")).sum() == 0
    assert len(found.conditional_indirect("B", "X", through="M").curve()) > 0


FORMS = {
    "construct without a path": ("W =~ w1 + w2 + w3", "Y ~ X + Z + X:Z"),
    "covariance stated": ("X ~~ Z", "Y ~ X + Z + t + X:Z\nX ~~ t"),
    "covariance fixed": ("X ~~ 0*Z", "Y ~ X + Z + X:Z"),
    "labels": ("low := b - c", "Y ~ b*X + Z + c*X:Z"),
    "equal paths": ("", "Y ~ b*X + b*Z + X:Z"),
    "observed outcome": ("", "Y ~ X\nt ~ X + Z + X:Z"),
    "residuals correlate": ("x1 ~~ z1", "Y ~ X + Z + X:Z"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_models_of_many_forms_agree_with_product_indicators(form: str) -> None:
    first, second = FORMS[form]
    rng = np.random.default_rng(4)
    data = draw(Cell(600, "normal", 0.2), 2, 5).assign(t=rng.normal(3, 1, 600))
    data[["w1", "w2", "w3"]] = rng.normal(size=(600, 1)) + rng.normal(size=(600, 3))
    text = f"{ITEMS}{first}\n{second}"
    found, other = (sm.moderate(text, data, method=m, match=True) if m == "dblcent" else
                    sm.moderate(text, data, method=m) for m in ("sam", "dblcent"))  # fmt: skip
    ours, theirs = path(found), path(other)
    assert abs(ours["est"] - theirs["est"]) < 1.5 * ours["se"]
    assert found.status.ok
    known = set(zip(other.estimates()["lhs"], other.estimates()["op"], strict=True))
    assert ("low", ":=") in known or form != "labels"
    free = found.estimates()
    fixed = free[(free["lhs"] == "X") & (free["op"] == "~~") & (free["rhs"] == "Z")]["est"].iloc[0]
    assert (fixed == 0.0) == (form == "covariance fixed")
    str(found.summary())


def test_tables_charts_and_tests_are_there(result: TwoStageModeration) -> None:
    test = result.interaction_test().iloc[0]
    assert test["wald"] == pytest.approx(path(result)["z"] ** 2)
    assert np.isnan(test["chisq_diff"])
    scaled = result.standardized()
    row = scaled[(scaled["op"] == "~") & (scaled["rhs"] == "X:Z")].iloc[0]
    cov = result.fit.latent_moments()[""]["cov"]
    expected = path(result)["est"] * np.sqrt(cov.loc["X", "X"] * cov.loc["Z", "Z"] / cov.loc["Y", "Y"])
    assert row["est_std"] == pytest.approx(expected)
    assert {"X", "Z", "Y"} <= set(result.blocks()["block"])
    assert "X:Z" in str(result.summary())
    assert "Measurement blocks" in str(result.summary())
    assert result.johnson_neyman().table()["effect"].isin(["positive", "not significant", "negative"]).all()
    assert result.charts.simple_slopes().to_dict()
    assert result.measures()["measurement_df"] == 0
    assert result.vcov().shape[0] == (result.estimates()["se"] > 0).sum()


def test_an_impossible_correction_is_given_back_in_part_and_said() -> None:
    """Where the scores are mostly error, the corrected matrix may have no distribution."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        base = rng.normal(size=(40, 1))
        frame = pd.DataFrame(
            0.45 * base + rng.normal(size=(40, 9)), columns=[f"{s}{i}" for s in "xzy" for i in (1, 2, 3)]
        )
        try:
            found = moderate_two_stage(MODEL, frame)
        except sm.SEMError:
            continue
        if found.settings["share"] < 1.0:
            assert not found.status.admissible
            assert "% of the correction" in " ".join(found.status.reasons)
            return
    pytest.fail("no sample needed it")


BAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "group": (MODEL, {"group": "g"}, ["has no groups yet", "dblcent"]),
    "ordered": (MODEL, {"ordered": ["x1"]}, ["cannot treat ordered items yet"]),
    "missing": (MODEL, {"missing": "pairwise"}, ["missing='pairwise'", "fiml"]),
    "estimator": (MODEL, {"estimator": "GLS"}, ["estimator='GLS'"]),
    "option": (MODEL, {"std_lv": True}, ["std_lv=True", "Leave it out"]),
    "second order": (ITEMS + "G =~ X + Z\nY ~ G + G:X", {}, ["construct of constructs", "line 4"]),
    "item path": (MODEL + "\nx1 ~ w", {}, ["'x1' is an item", "dblcent"]),
    "unit": (MODEL + "\nX ~~ 1*X", {}, ["unit of 'X'"]),
    "label": (
        "X =~ x1 + a*x2 + x3\nZ =~ z1 + z2 + z3\nY =~ y1 + y2 + y3\nY ~ a*X + Z + X:Z", {}, ["label 'a'"]
    ),
    "main effect": (ITEMS + "Y ~ X + X:w", {}, ["'w'", "no variable of the model"]),
    "observed": ("y1 ~ x1 + w + x1:w", {}, ["No product has a latent factor", "sm.fit"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str) -> None:
    text, options, says = BAD[case]
    data = draw(Cell(100, "normal", 0.2), 0, 5).assign(w=1.0, g="a")
    with pytest.raises(sm.SpecError) as caught:
        sm.moderate(text, data, method="sam", **options)
    for part in says:
        assert part in str(caught.value)


def test_collinear_scores_are_told() -> None:
    """A column that is a construct's only item beside its twin: their scores are one."""
    data = draw(Cell(100, "normal", 0.2), 0, 5)
    text = MODEL.replace("Y ~ X + Z + X:Z", "Y ~ X + Z + v + w + X:Z + X:v + X:w")
    twin = np.random.default_rng(1).normal(size=100)
    with pytest.raises(sm.DataError, match=r"collinear|not positive definite"):
        moderate_two_stage(text, data.assign(v=twin, w=2.0 * twin))
