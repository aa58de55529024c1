"""Constraints that bend, inequalities and bounds, against lavaan 0.6-14 and against equivalent models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models import examples
from sem_models.estimation.bounds import parameter_bounds

MODEL = """
visual =~ x1 + l2*x2 + l3*x3
textual =~ x4 + l5*x5 + l6*x6
speed =~ x7 + x8 + x9
speed ~ b1*visual + b2*textual
ab := b1*b2
"""
GROUPS = """
visual =~ x1 + c(a1,a2)*x2 + x3
textual =~ x4 + x5 + x6
textual ~ c(b1,b2)*visual
b1*b2 == 0.2
"""
SQUARES = """
visual =~ NA*x1 + l1*x1 + l2*x2 + l3*x3
textual =~ x4 + x5 + x6
l1^2 + l2^2 + l3^2 == 3
"""
# lavaan 0.6-14, sem(model, data, …): χ², df, parameters, (label, estimate, standard error) of two of them
LAVAAN = [
    (MODEL + "ab == 0.05", "hs", {}, 90.00794, 25, 20, [("b1", 0.337, 0.084), ("b2", 0.149, 0.037)]),
    (
        MODEL + "b1*b2 == 0.05\nl2 > 0.7", "hs_mar", {"missing": "fiml"}, 90.20119, 25, 29,
        [("l3", 0.850, 0.137), ("b2", 0.127, 0.032), ("l2", 0.7, 0.0), ("ab", 0.05, 0.0)],
    ),
    (GROUPS, "hs", {"group": "school"}, 29.84440, 17, 37, [("a2", 0.778, 0.162), ("b2", 0.611, 0.121)]),
    (
        GROUPS, "hs", {"group": "school", "estimator": "MLR"}, 29.84440, 17, 37,
        [("a2", 0.778, 0.185), ("b2", 0.611, 0.124)],
    ),
    (MODEL + "l5 + l6 < 1.9", "hs", {}, 87.23363, 24, 21, [("l5", 1.037, 0.029), ("l6", 0.863, 0.029)]),
    (SQUARES, "hs", {}, 24.36130, 8, 13, [("l1", 1.286, 0.087), ("l3", 0.911, 0.099)]),
    (SQUARES, "hs", {"estimator": "GLS"}, 22.15719, 8, 13, [("l1", 1.288, 0.088), ("l3", 0.898, 0.097)]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "data", "options", "chisq", "df", "npar", "rows"), LAVAAN)
def test_agrees_with_lavaan(
    model: str, data: str, options: dict[str, str], chisq: float, df: int, npar: int,
    rows: list[tuple[str, float, float]], golden_dir: Path,
) -> None:  # fmt: skip
    fit = sm.fit(model, pd.read_csv(golden_dir / "data" / f"{data}.csv"), **options)  # type: ignore[arg-type]
    measures = fit.measures()
    assert fit.status.converged
    assert measures["chisq"] == pytest.approx(chisq, abs=2e-5)  # lavaan stops at a relative 1e-14 of its own
    assert (measures["df"], measures["npar"]) == (df, npar)
    table = fit.estimates().set_index("label")
    for label, est, se in rows:
        assert table.loc[label, "est"] == pytest.approx(est, abs=6e-4)
        assert table.loc[label, "se"] == pytest.approx(se, abs=6e-4)


CORE = """
EDS =~ eds1 + l2*eds2 + l3*eds3 + eds4
PV =~ pv1 + pv2 + pv3
PV ~ b*EDS
"""


@pytest.fixture(scope="module")
def survey() -> pd.DataFrame:
    return pd.read_csv(examples.path()).dropna(subset=["eds1", "eds2", "eds3", "eds4", "pv1", "pv2", "pv3"])


def test_an_inequality_that_does_not_bind_changes_nothing(survey: pd.DataFrame) -> None:
    free, held = sm.fit(CORE, survey), sm.fit(CORE + "b > 0", survey)
    pd.testing.assert_frame_equal(held.estimates(), free.estimates(), rtol=1e-7)
    assert held.measures()["df"] == free.measures()["df"]


def test_one_that_binds_is_the_value_fixed_there(survey: pd.DataFrame) -> None:
    held = sm.fit(CORE + "b > 2", survey)
    fixed = sm.fit(CORE.replace("b*EDS", "2*EDS"), survey)
    assert held.measures()["chisq"] == pytest.approx(fixed.measures()["chisq"], rel=1e-10)
    assert held.measures()["df"] == fixed.measures()["df"] - 1  # lavaan does not count an active inequality
    ours = held.estimates().set_index(["lhs", "op", "rhs"])["se"]
    theirs = fixed.estimates().set_index(["lhs", "op", "rhs"])["se"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_constraints_may_come_apart_from_the_model(survey: pd.DataFrame) -> None:
    apart, within = sm.fit(CORE, survey, constraints="b > 2"), sm.fit(CORE + "b > 2", survey)
    pd.testing.assert_frame_equal(apart.estimates(), within.estimates())


def test_modifiers_of_the_model_language(survey: pd.DataFrame) -> None:
    table = sm.fit("EDS =~ eds1 + lower(2)*eds2 + upper(0.1)*eds3 + eds4", survey).estimates()
    assert table["est"].tolist()[1:3] == pytest.approx([2.0, 0.1])
    assert table["se"].tolist()[1:3] == [0.0, 0.0]


def test_a_model_identified_by_its_curved_constraint(survey: pd.DataFrame) -> None:
    marker = sm.fit(CORE, survey).measures()
    free = CORE.replace("eds1 + l2", "NA*eds1 + l1*eds1 + l2")
    assert sm.fit(free + "l1^2 + l2^2 == 2", survey).measures()["chisq"] == pytest.approx(marker["chisq"])
    with pytest.raises(sm.IdentificationError, match="l1, l2, l3"):
        sm.fit(free, survey)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("b > 1\nb < 0.5", "No values satisfy the constraints of the model together: 'b > 1', 'b < 0.5'"),
        ("b^2 == -1", "No values that satisfy 'b\\^2 == -1' were found"),
        ("b + l2 == 1\nb + l2 == 2", "contradict one another"),
    ],
)
def test_contradictions_are_named(extra: str, message: str, survey: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match=message):
        sm.fit(CORE + extra, survey)


def test_bounds_that_cross_are_named(survey: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="EDS=~eds2 cannot be above 2 and below 1"):
        sm.fit("EDS =~ eds1 + lower(2)*upper(1)*eds2 + eds3", survey)


def test_unknown_bounds_offer_the_known(survey: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match=r"pos\.var"):
        sm.fit(CORE, survey, bounds="pos.vars")


# lavaan 0.6-14, parTable(sem(m, d, bounds = kind)), with visual and textual exogenous and speed explained
HS = "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9\nspeed ~ visual"
RANGES = {
    "standard": {
        "visual=~x2": (-3.1894150749, 3.1894150749), "x1~~x1": (0.0, 1.2225328610),
        "x2~~x2": (0.0, 1.3817838655), "visual~~visual": (0.1358369846, 1.3583698455),
        "speed~~speed": (0.005, 1.1831394643),
        "visual~~textual": (-1.3518026742, 1.3518026742), "speed=~x8": (-2.939, 2.939),
    },
    "wide": {
        "visual=~x2": (-3.827, 3.827), "x1~~x1": (-0.061, 1.467), "x2~~x2": (-0.069, 1.658),
        "visual~~visual": (0.136, 1.725), "speed~~speed": (0.005, 1.537), "visual~~textual": (-1.720, 1.720),
    },
    "pos.lv.var": {"x1~~x1": (-np.inf, np.inf), "speed~~speed": (0.0, np.inf)},
    "pos.ov.var": {"x1~~x1": (0.0, np.inf), "speed~~speed": (-np.inf, np.inf)},
}  # fmt: skip


@pytest.mark.parametrize("kind", RANGES)
def test_ranges_of_the_data_driven_bounds(kind: str, golden_dir: Path) -> None:
    solved = sm.fit(HS, pd.read_csv(golden_dir / "data" / "hs.csv")).solved
    lower, upper = parameter_bounds(solved.table, kind, solved.sample.cov)
    names = [solved.table.rows[i].name for i in solved.table.free_rows]
    for name, (low, high) in RANGES[kind].items():
        found = (lower[names.index(name)], upper[names.index(name)])
        assert found == pytest.approx((low, high), abs=6e-4)


def test_effect_coding_is_the_same_model_in_other_units(survey: pd.DataFrame) -> None:
    marker = sm.fit(CORE, survey, meanstructure=True)
    coded = sm.fit(CORE, survey, meanstructure=True, effect_coding=True)
    assert coded.measures()["chisq"] == pytest.approx(marker.measures()["chisq"], rel=1e-9)
    table = coded.estimates()
    loadings = table[(table.op == "=~") & (table.lhs == "EDS")]["est"]
    assert loadings.sum() == pytest.approx(4.0)
    mean = table[(table.op == "~1") & (table.lhs == "EDS")]["est"].item()
    assert mean == pytest.approx(survey[["eds1", "eds2", "eds3", "eds4"]].mean().mean(), rel=1e-6)
    with pytest.raises(sm.SpecError, match="std_lv"):
        sm.fit(CORE, survey, effect_coding=True, std_lv=True)
