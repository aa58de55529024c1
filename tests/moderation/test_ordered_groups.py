"""Moderation with ordered items: the ladder through thresholds, what is compared on it, and what is "
"refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm

ITEMS = [f"{c}{i}" for c in "xzy" for i in (1, 2, 3)]
MEASURES = "\n".join(f"{c.upper()} =~ {c}1 + {c}2 + {c}3" for c in "xzy")
MODEL = f"{MEASURES}\nY ~ X + Z"
PRODUCT = f"{MODEL} + X:Z"
TAU = np.array([-1.2, -0.3, 0.5, 1.2])


def simulate(n: int = 1_500, *, threshold: float = 0.0, shift: float = 0.0, seed: int = 3) -> pd.DataFrame:
    """Two groups; Y ~ X is .6 and .2. The second group's z3 has its inner thresholds moved by `threshold`
    and X a mean higher by `shift`."""
    rng = np.random.default_rng(seed)
    frames = []
    for label, path in (("few", 0.6), ("many", 0.2)):
        x = rng.normal(size=n) + (shift if label == "many" else 0.0)
        z = 0.3 * x + np.sqrt(0.91) * rng.normal(size=n)
        y = path * x + 0.3 * z + 0.7 * rng.normal(size=n)
        data: dict[str, Any] = {}
        for stem, score in (("x", x), ("z", z), ("y", y)):
            for i in (1, 2, 3):
                moved = threshold if label == "many" and (stem, i) == ("z", 3) else 0.0
                cuts = TAU + moved * np.array([0, -1, 1, 0])
                data[f"{stem}{i}"] = np.searchsorted(cuts, 0.8 * score + 0.6 * rng.normal(size=n)) + 1.0
        frames.append(pd.DataFrame(data).assign(group=label))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return simulate(shift=0.5)


@pytest.fixture(scope="module")
def found(data: pd.DataFrame) -> Any:
    return sm.moderate(MODEL, data, method="groups", moderator="group", ordered=True)


def test_the_ladder_goes_through_thresholds(found: Any) -> None:
    table = found.invariance.comparisons()
    assert list(table["level"]) == ["thresholds", "metric", "scalar"]
    # thresholds: 4 equal less an intercept and a scale freed, of 9 items; metric: 6 loadings; scalar: 9
    # intercepts less 3 means
    assert list(table["df_diff"]) == [18, 6, 6]
    assert table["retained"].all()
    assert (table["pvalue"] > 0.001).all()
    assert found.fit is found.invariance.fits["metric"]
    equal = set(found.fit.solved.table.options.group_equal)
    assert equal == {"thresholds", "loadings"}


def test_paths_differ_by_scaled_tests(found: Any) -> None:
    row = found.differences().query("rhs == 'X'").iloc[0]
    assert (row["group"], row["reference_group"]) == ("many", "few")
    # four standard errors around the population's −.4, in units of the marker's response (.8 in both)
    assert abs(row["est"] + 0.4) < 4 * row["se"]
    tests = found.tests().set_index("rhs")
    assert tests.loc["X", "lrt_pvalue"] < 1e-4
    assert tests.loc["Z", "lrt_pvalue"] > 0.001
    assert abs(np.log(tests.loc["X", "lrt"] / tests.loc["X", "wald"])) < 0.25


def test_latent_means_and_the_same_service(found: Any) -> None:
    means = found.latent_means().set_index("variable")
    assert abs(means.loc["X", "d"] - 0.5) < 0.15
    gap = found.same_service(["Y"]).iloc[0]
    assert abs(gap["est"]) < abs(means.loc["Y", "est"]) + 4 * gap["se"]
    assert len(found.slope_lines("Y", ["X"])) > 0


def test_thresholds_that_differ_are_found_and_given_up() -> None:
    ladder = sm.invariance(
        "Z =~ z1 + z2 + z3", simulate(threshold=0.45), group="group", ordered=True, partial=True,
        levels=("configural", "thresholds", "metric"),
    )  # fmt: skip
    table = ladder.comparisons().set_index("level")
    assert not table.loc["thresholds", "retained"]
    assert table.loc["partial thresholds", "retained"]
    assert table.loc["metric", "against"] == "partial thresholds"
    released = ladder.released().query("level == 'partial thresholds'")
    assert set(released["lhs"]) == {"z3"}
    assert set(released["op"]) == {"|"}
    # two of z3's four thresholds stay, which set its origin and unit
    assert len(released) == 2


def test_strict_is_for_theta(data: pd.DataFrame) -> None:
    ladder = sm.invariance(MODEL, data, group="group", ordered=ITEMS, parameterization="theta")
    assert list(ladder.fits) == ["configural", "thresholds", "metric", "scalar", "strict"]
    assert ladder.comparisons()["df_diff"].iloc[-1] == 9
    with pytest.raises(sm.SpecError, match="theta"):
        sm.invariance(MODEL, data, group="group", ordered=True, levels=("configural", "strict"))


def test_a_level_may_be_given(data: pd.DataFrame) -> None:
    own = {"name": "one free", "group_equal": ("thresholds", "loadings"), "group_partial": ("Z=~z3",)}
    ladder = sm.invariance(MODEL, data, group="group", ordered=True, levels=("thresholds", own))
    assert ladder.comparisons()["df_diff"].to_list() == [5]
    with pytest.raises(sm.SpecError, match="ordered="):
        sm.invariance(MODEL, data, group="group", levels=("configural", "thresholds"))


def test_ordered_columns_and_thresholds_in_the_model_make_the_ladder_too(data: pd.DataFrame) -> None:
    typed = data.copy()
    for name in ITEMS:
        typed[name] = pd.Categorical(typed[name], ordered=True)
    levels = ("configural", "metric")
    for ladder in (
        sm.invariance(MODEL, typed, group="group", levels=levels),
        sm.invariance(f"{MODEL}\nx1 | t1", data, group="group", levels=levels),
    ):
        assert "thresholds" in ladder.fits["metric"].solved.table.options.group_equal
    plain = sm.invariance(MODEL, data, group="group", ordered=(), levels=levels)
    assert plain.fits["metric"].solved.table.options.group_equal == ("loadings",)


@pytest.mark.parametrize("method", ["dblcent", "uca", "rca", "ca", "qml"])
def test_products_of_ordered_items_are_refused_with_the_remedy(data: pd.DataFrame, method: str) -> None:
    typed = data.copy()
    typed["x1"] = pd.Categorical(typed["x1"], ordered=True)
    for frame, options in ((data, {"ordered": True}), (data, {"ordered": ["x1"]}), (typed, {})):
        with pytest.raises(sm.SpecError, match="continuous"):
            sm.moderate(PRODUCT, frame, method=method, **options)


def test_every_other_way_refuses_ordered_items_too(data: pd.DataFrame) -> None:
    typed = data.assign(age=np.arange(len(data)) % 50)
    typed["x1"] = pd.Categorical(typed["x1"], ordered=True)
    follows = MODEL.replace("Y ~ X", "Y ~ b*X") + "\nb :~ age"
    ways = {
        "mnlfa": lambda: sm.moderate(follows, typed, method="mnlfa"),
        "lsem": lambda: sm.moderate(MODEL, typed, method="lsem", moderator="age"),
        "alignment": lambda: sm.alignment("X =~ x1 + x2 + x3", typed, group="group"),
        "tree": lambda: sm.tree(MODEL, typed, covariates=["age"]),
    }
    for way in ways.values():
        with pytest.raises(sm.SpecError, match=r"[Oo]rdered"):
            way()
    table = sm.multiverse(PRODUCT, typed, methods=["dblcent", "qml"]).table()
    assert table["estimate"].isna().all()
    assert table["reason"].iloc[:2].str.contains("ordered").all()


def test_the_outcome_of_a_product_may_be_ordered(data: pd.DataFrame) -> None:
    result = sm.moderate(PRODUCT, data, method="dblcent", ordered=["y1", "y2", "y3"])
    row = result.estimates().query("rhs == 'X:Z' and op == '~'").iloc[0]
    assert abs(row["est"]) < 4 * row["se"]


def test_waves_and_priorities_refuse_and_the_trade_off_says_its_unit(data: pd.DataFrame) -> None:
    with pytest.raises(sm.SpecError, match="ordered="):
        sm.waves(data, {"X": (["x1", "x2"], ["z1", "z2"])}, ordered=True)
    typed = data.assign(x1=pd.Categorical(data["x1"], ordered=True))
    with pytest.raises(sm.SpecError, match="ordered="):
        sm.waves(typed, {"X": (["x1", "x2"], ["z1", "z2"])})
    fit = sm.fit(MODEL, data, ordered=True)
    with pytest.raises(sm.SpecError, match="continuous"):
        sm.priorities(fit, "Y", scale=(1, 5))
    rates = sm.trade_off(fit, outcome="Y", takes="X", gives="Z").rates().set_index("scale")
    assert "latent response" in rates.loc["points", "note"]
    assert rates.loc["sd", "note"] == ""
