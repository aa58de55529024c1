"""One model with its items as ordered and as continuous; categories merged where a group lacks them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.findings.treatment import SAME, rated
from tests.inference.items import survey

MODEL = "F =~ u1 + u2 + u3\nG =~ u4 + y1 + y2\nG ~ F"


@pytest.fixture(scope="module")
def both() -> Any:
    return sm.compare_treatment(MODEL, survey())


@pytest.mark.filterwarnings("ignore:'u4' has two values only")
def test_both_fits_are_those_of_sm_fit(both: Any) -> None:
    assert both.items == ("u1", "u2", "u3", "u4")  # y1 and y2 have more values than categories may be
    ordered = sm.fit(MODEL, survey(), ordered=list(both.items), missing="pairwise").standardized()
    plain = sm.fit(MODEL, survey(), estimator="MLR", missing="fiml").standardized()
    table = both.table()
    path = table[table["op"] == "~"].iloc[0]
    for name, frame in (("ordered", ordered), ("continuous", plain)):
        row = frame[frame["op"] == "~"].iloc[0]
        assert path[f"est_{name}"] == pytest.approx(row["est_std"], abs=1e-9)
        assert path[f"se_{name}"] == pytest.approx(row["se"], abs=1e-9)
    assert path["difference"] == pytest.approx(path["est_ordered"] - path["est_continuous"])
    assert set(table["op"]) == {"=~", "~"}


def test_measures_reliability_and_words(both: Any) -> None:
    assert both.measures().loc["df"].tolist() == [8.0, 8.0]
    reliability = both.reliability().set_index("construct")
    assert reliability.loc["F", "ave_ordered"] > reliability.loc["F", "ave_continuous"]
    said = both.sentences()
    assert said[0].startswith("Seen as ordered, standardized loadings are larger by")
    assert "F → G" in said[1]
    assert "ordered" in repr(both)
    assert "<table" in both._repr_html_()


def test_another_conclusion_is_said() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1))
    answers = (0.8 * x + 0.6 * rng.normal(size=(120, 6)) > 1.0) + 1.0
    data = pd.DataFrame(answers, columns=["u1", "u2", "u3", "v1", "v2", "v3"])
    found = sm.compare_treatment("A =~ u1 + u2 + u3\nB =~ v1 + v2 + v3\nB ~ A", data)
    table = found.table()
    table.loc[table["op"] == "~", "pvalue_continuous"] = 0.2
    assert set(table["conclusion"]) == {SAME}
    found.__dict__["_table"] = table.assign(conclusion="detected as ordered only")
    assert "1 of 1 lead to another conclusion: A → B (detected as ordered only)" in found.sentences()[1]


def test_ordered_columns_become_numbers_in_the_other_fit() -> None:
    data = survey()
    typed = data.assign(
        u1=pd.Categorical(data["u1"], ordered=True),
        u2=pd.Categorical(
            data["u2"].map({1: "low", 2: "mid", 3: "high"}), ["low", "mid", "high"], ordered=True
        ),
    )
    same = sm.compare_treatment(MODEL, typed).table()
    assert same["est_continuous"].to_numpy() == pytest.approx(
        sm.compare_treatment(MODEL, data).table()["est_continuous"].to_numpy(), abs=1e-6
    )


def test_no_item_to_order_is_said() -> None:
    data = survey().assign(z=lambda d: d["y1"] + d["y2"])
    with pytest.raises(sm.SpecError, match="2 to 15 categories"):
        sm.compare_treatment("F =~ y1 + y2 + z", data)


def test_specifications_know_their_rated_items() -> None:
    spec = sm.load("b2b_service")
    assert set(spec.rated_items) == set(spec.items)
    content = {
        "id": "mixed", "title": "Mixed", "constructs": [
            {"id": "F", "items": [{"id": "u1"}, {"id": "u2"}, {"id": "y1", "scale": "continuous"}]}
        ],
    }  # fmt: skip
    mixed = sm.ModelSpec.from_dict(content)
    assert mixed.rated_items == ("u1", "u2")
    assert rated(mixed, survey()) == ("u1", "u2")
    assert rated(mixed, survey().assign(u2=lambda d: d["u2"] + 0.5)) == ("u1",)


def test_rare_categories_are_merged_in_all_groups_alike() -> None:
    data = pd.DataFrame(
        {
            "q": [1, 2, 3, 4, 5, 5, 2, 3, 3, 4, 5, np.nan],
            "r": [1, 1, 2, 2, 1, 2, 1, 1, 2, 2, 2, 1],
            "g": ["a"] * 6 + ["b"] * 6,
        }
    )
    merged = sm.merge_categories(data, ["q", "r"], group="g")
    assert merged.notes == ("q: 1 with 2",)
    assert merged.data["q"].dropna().tolist() == [2, 2, 3, 4, 5, 5, 2, 3, 3, 4, 5]
    assert merged.data["r"].equals(data["r"])
    assert data["q"].iloc[0] == 1
    twice = sm.merge_categories(data, ["q"], group="g", least=2)
    # a: 1 1 1 1 2, b: 0 1 2 1 1 by category
    counts = pd.crosstab(twice.data["q"], twice.data["g"])
    assert (counts >= 2).all(axis=None)
    assert twice.notes == ("q: 1 with 2 with 3, 4 with 5",)
    with pytest.raises(sm.DataError, match="one category"):
        sm.merge_categories(data.assign(q=[1] * 6 + [2] * 6), ["q"], group="g")
    with pytest.raises(sm.DataError, match="Did you mean 'q'"):
        sm.merge_categories(data, ["qq"], group="g")
    with pytest.raises(sm.SpecError, match="least"):
        sm.merge_categories(data, ["q"], least=0)
