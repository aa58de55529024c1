"""`sm.tree`: the right covariate at the right cut, nothing where there is nothing, leaves as asked."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.moderation.tree.covariates import cuts_of, read_covariate
from sem_models.moderation.tree.result import SemTree

MODEL = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X"
COVARIATES = ("tenure", "size", "region", "noise")


def customers(seed: int, n: int = 400, *, gap: float = 0.7, by: str = "tenure") -> pd.DataFrame:
    """The path falls by `gap` where tenure is above 6, or in the north and the south."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "tenure": rng.gamma(2.0, 3.0, n), "size": rng.integers(1, 6, n),
            "region": rng.choice(["north", "south", "east", "west"], n), "noise": rng.normal(size=n),
        }
    )  # fmt: skip
    low = frame["tenure"] > 6 if by == "tenure" else frame["region"].isin(["north", "south"])
    x = rng.normal(size=n)
    y = (0.8 - gap * low.to_numpy()) * x + 0.6 * rng.normal(size=n)
    for stem, score in (("x", x), ("y", y)):
        for i, loading in enumerate((1.0, 0.9, 0.8), start=1):
            frame[f"{stem}{i}"] = loading * score + 0.5 * rng.normal(size=n)
    return frame


@pytest.fixture(scope="module")
def grown() -> SemTree:
    return sm.tree(MODEL, customers(1), covariates=COVARIATES)


def test_the_covariate_that_matters_splits_near_where_it_does(grown: SemTree) -> None:
    root = grown.nodes[0]
    assert root.split_by == "tenure"
    cut = float(grown.nodes[1].rule.split("≤ ")[1])
    assert 5.0 < cut < 7.5
    paths = grown.parameters()
    low, high = paths["est"].iloc[0], paths["est"].iloc[-1]
    assert low - high > 0.4
    assert paths["lhs"].eq("Y").all()


def test_leaves_hold_all_customers_and_their_fits(grown: SemTree) -> None:
    data = customers(1)
    where = grown.membership()
    assert len(where) == len(data)
    assert sorted(where.index) == list(data.index)
    for leaf in grown.leaves:
        assert (where == leaf.number).sum() == leaf.n >= grown.min_leaf
        alone = sm.fit(MODEL, data.loc[where.index[where == leaf.number]])
        assert leaf.fit.solved.logl == pytest.approx(alone.solved.logl, abs=1e-6)
    first = grown.nodes[0]
    children = [n for n in grown.nodes if n.parent == 1]
    gain = 2 * (sum(c.fit.solved.logl for c in children) - first.fit.solved.logl)
    assert first.gain == pytest.approx(gain)


def test_categories_are_parted_as_they_differ() -> None:
    found = sm.tree(MODEL, customers(2, by="region"), covariates=COVARIATES, max_depth=1)
    assert found.nodes[0].split_by == "region"
    assert {n.rule for n in found.nodes[1:]} == {"region: east, west", "region: north, south"}


def test_nothing_is_split_where_nothing_differs() -> None:
    found = sm.tree(MODEL, customers(3, gap=0.0), covariates=COVARIATES)
    assert len(found.nodes) == 1
    assert found.leaves == found.nodes
    assert "No covariate splits the 400 customers" in found.sentence()
    assert len(found.tests()) == 4
    export.svg(found.charts.tree())


def test_a_covariate_that_cannot_be_tested_is_told() -> None:
    frame = customers(3, gap=0.0)
    found = sm.tree(MODEL, frame.assign(rare=np.arange(400) < 20), covariates=["tenure", "rare"])
    assert found.untested == ("rare",)
    assert "Not tested: rare" in str(found)
    assert "Not tested" in found._repr_html_()


def test_the_tests_are_bonferroni_and_in_the_table(grown: SemTree) -> None:
    tests = grown.tests()
    of_root = tests[tests["node"] == 1]
    assert of_root["pvalue_adjusted"].to_numpy() == pytest.approx(np.minimum(1.0, 4 * of_root["pvalue"]))
    assert of_root.set_index("covariate")["scale"].to_dict() == {
        "tenure": "continuous", "size": "ordered", "region": "categorical", "noise": "continuous",
    }  # fmt: skip
    table = grown.table()
    assert table["split_by"].iloc[0] == "tenure"
    assert table["leaf"].sum() == len(grown.leaves)


def test_other_parameters_are_nuisance() -> None:
    """A mean that differs splits by focus='all', not by the paths."""
    frame = customers(4, gap=0.0)
    frame.loc[frame["size"] > 3, ["x1", "x2", "x3"]] += 1.5
    assert len(sm.tree(MODEL, frame, covariates=COVARIATES).nodes) == 1
    everything = sm.tree(MODEL, frame, covariates=COVARIATES, focus="all", max_depth=1, meanstructure=True)
    assert everything.nodes[0].split_by == "size"


def test_missing_answers_and_covariates() -> None:
    frame = customers(5, 500)
    holes = frame.mask(np.random.default_rng(1).random(frame.shape) < 0.04)
    found = sm.tree(MODEL, holes, covariates=["tenure", "size"], missing="fiml", max_depth=1, estimator="MLR")
    assert found.nodes[0].split_by == "tenure"
    lacking = int(holes[["tenure", "size"]].isna().any(axis=1).sum())
    assert found.left_out == lacking
    assert found.nodes[0].n == 500 - lacking


def test_covariates_are_read_by_their_kind() -> None:
    frame = pd.DataFrame(
        {
            "steps": pd.Categorical(["lo", "hi", "mid", "lo"], categories=["lo", "mid", "hi"], ordered=True),
            "yes": [True, False, None, True], "few": [1.0, 2.0, 2.0, 3.0], "many": [0.1, 0.2, 0.3, 0.4],
        }
    )  # fmt: skip
    steps = read_covariate(frame, "steps", ())
    assert (steps.scale, steps.codes.tolist()) == ("ordered", [0, 2, 1, 0])
    assert read_covariate(frame, "yes", ()).codes.tolist() == [1, 0, -1, 1]
    cut = cuts_of(steps, steps.codes, np.zeros((4, 1)), np.array([1.0, 2.0]), 1)
    assert [(c.rule_left, c.rule_right) for c in cut] == [("steps ≤ mid", "steps ≥ hi")]


def test_the_picture_shows_rules_and_paths_and_no_customer(grown: SemTree) -> None:
    words = " ".join(ElementTree.fromstring(export.svg(grown.charts.tree())).itertext())
    for expected in (
        "tenure",
        "p < .001".replace(" ", "\N{NO-BREAK SPACE}"),
        "X → Y",
        f"n = {grown.leaves[0].n}",
    ):
        assert expected in words
    text = str(grown)
    assert "1. all customers (n = 400" in text
    assert "members" not in repr(grown.nodes[0])
    assert grown.way(grown.leaves[0].number).startswith("tenure ≤ ")


@pytest.mark.slow
def test_type_i_error_and_power() -> None:
    wrong, right = [], []
    for seed in range(100):
        wrong.append(len(sm.tree(MODEL, customers(seed, 200, gap=0.0), covariates=COVARIATES).nodes) > 1)
        right.append(
            sm.tree(MODEL, customers(seed, 300), covariates=COVARIATES).nodes[0].split_by == "tenure"
        )
    assert np.mean(wrong) < 0.05 + 3.0 * np.sqrt(0.05 * 0.95 / 100)
    assert np.mean(right) > 0.9


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "none": ({"covariates": []}, sm.SpecError, "covariates= is empty"),
    "unknown": ({"covariates": ["tenur"]}, sm.DataError, "Did you mean 'tenure'"),
    "of the model": ({"covariates": ["x1"]}, sm.SpecError, "variable of the model"),
    "constant": ({"covariates": ["same"]}, sm.DataError, "has one value"),
    "names": ({"covariates": ["name"]}, sm.DataError, "looks like names"),
    "alpha": ({"alpha": 2.0}, sm.SpecError, "between 0 and 1"),
    "leaf": ({"min_leaf": 3}, sm.SpecError, "Take at least 7"),
    "too few": ({"min_leaf": 300}, sm.DataError, "cannot be split into leaves"),
    "focus": ({"focus": ["Y~Z"]}, sm.SpecError, "no free parameter"),
    "depth": ({"max_depth": 0}, sm.SpecError, "at least one level"),
    "group": ({"group": "region"}, sm.SpecError, "as a covariate"),
    "estimator": ({"estimator": "GLS"}, sm.SpecError, "casewise scores"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(case: str) -> None:
    options, kind, says = BAD[case]
    frame = customers(1).assign(same=1.0, name=[f"c{i}" for i in range(400)])
    with pytest.raises(kind, match=says):
        sm.tree(MODEL, frame, **{"covariates": ["tenure"], **options})
