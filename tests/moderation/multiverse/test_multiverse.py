"""`sm.multiverse`: one table for all methods, failures kept apart, disagreement by the stated rule."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from benchmarks.moderation_study.design import MODEL, Cell, draw
from sem_models.charts import export
from sem_models.charts.multiverse import multiverse_title
from sem_models.moderation import moderate as dispatch
from sem_models.moderation.multiverse.agreement import RULE, agreement_table
from sem_models.moderation.multiverse.facts import facts_of
from sem_models.moderation.multiverse.result import COLUMNS, Multiverse
from sem_models.moderation.multiverse.run import OBSERVED
from sem_models.moderation.statement import read_statement


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return draw(Cell(300, "normal", 0.2), 4, 5)


@pytest.fixture(scope="module")
def found(data: pd.DataFrame) -> Multiverse:
    return sm.multiverse(MODEL, data, match=True)


def test_every_method_has_its_row_on_the_common_metric(found: Multiverse, data: pd.DataFrame) -> None:
    table = found.table()
    assert list(table.columns) == COLUMNS
    assert table["method"].tolist() == [*dispatch.SIDE_BY_SIDE, "groups"]
    assert table.set_index("method").loc[["mnlfa", "lsem"], "reason"].str.contains("observed moderator").all()
    assert set(found.results) == set(dispatch.SIDE_BY_SIDE) - {"mnlfa", "lsem"}
    assert set(dispatch.METHODS) == set(table["method"])
    assert "median" in table["reason"].iloc[-1]
    alone = sm.moderate(MODEL, data, method="dblcent", estimator="MLR", match=True)
    row, own = table.iloc[0], alone.standardized()
    own = own[(own["op"] == "~") & (own["rhs"] == "X:Z")].iloc[0]
    assert row["std_estimate"] == pytest.approx(own["est_std"])
    assert row["std_ci_lower"] == pytest.approx(own["ci_lower"], rel=1e-6)
    assert row["term"] == "Y ~ X:Z"
    usable = table[table["usable"]]
    assert len(usable) == 8
    assert usable["std_estimate"].std() < 0.5 * usable["std_se"].median()
    assert (usable["seconds"] > 0).all()


def test_the_level_moves_the_intervals_only(found: Multiverse) -> None:
    narrow, wide = found.table(level=0.5).iloc[0], found.table().iloc[0]
    assert narrow["std_estimate"] == wide["std_estimate"]
    assert narrow["std_ci_lower"] > wide["std_ci_lower"]
    assert narrow["ci_upper"] < wide["ci_upper"]


def test_one_failure_loses_no_other(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise FloatingPointError("no luck")

    monkeypatch.setattr(dispatch, "moderate_latent", broken)
    found = sm.multiverse(MODEL, data, methods=("sam", "lms", "rapi"))
    assert set(found.results) == {"sam", "rapi"}
    assert found.table().set_index("method").loc["lms", "reason"] == "no luck"
    assert "Without a result: lms" in " ".join(found.sentences())


def test_groups_have_rows_of_their_own_where_a_method_has_groups(data: pd.DataFrame) -> None:
    frame = data.assign(g=np.where(np.arange(len(data)) % 2, "a", "b"))
    found = sm.multiverse(MODEL, frame, methods=("dblcent", "sam"), group="g", match=True)
    assert found.table()["group"].tolist()[:2] == ["b", "a"]
    assert "no groups yet" in found.table().set_index("method").loc["sam", "reason"]
    assert len(found.agreement()) == 2


def test_ordered_items_bring_what_goes_with_them(data: pd.DataFrame) -> None:
    items = [c for c in data.columns if c[0] in "xzy"]
    answers = data[items].apply(lambda c: pd.cut(c, [-np.inf, -1.0, 0.0, 1.0, np.inf], labels=False) + 1)
    found = sm.multiverse(MODEL, answers, methods=("dblcent", "rapi", "sam"), ordered=["y1", "y2", "y3"])
    assert set(found.results) == {"dblcent", "rapi"}
    for result in found.results.values():
        assert (result.options["estimator"], result.options["missing"]) == ("WLSMV", "pairwise")
    assert "WLSMV" in found.line
    whole = sm.multiverse(MODEL, answers, methods=("dblcent", "lms"), ordered=True, parcels=2)
    assert whole.results["dblcent"].options["estimator"] == "WLSMV"
    assert whole.results["lms"].header.missing == "fiml"
    named = sm.multiverse(MODEL, answers, methods=("dblcent",), ordered=["y1"], estimator="DWLS")
    assert named.results["dblcent"].options["estimator"] == "DWLS"
    assert "one method alone" in named.sentences()[0]
    assert multiverse_title(named.agreement(), "Y ~ X:Z").startswith("One method alone")


def test_products_of_columns_are_one_regression(data: pd.DataFrame) -> None:
    found = sm.multiverse("y1 ~ x1 + z1 + x1:z1", data)
    assert set(found.results) == {OBSERVED}
    assert "is latent" in found.table().set_index("method").loc["lms", "reason"]


def methods_table(values: dict[str, tuple[float, float]], *, usable: bool = True) -> pd.DataFrame:
    rows = [
        {"term": "Y ~ X:Z", "group": "", "method": m, "std_estimate": b, "std_se": se, "usable": usable,
         "std_ci_lower": b - 1.96 * se, "std_ci_upper": b + 1.96 * se}
        for m, (b, se) in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_rule_by_hand() -> None:
    same = agreement_table(methods_table({"a": (0.30, 0.1), "b": (0.32, 0.1), "c": (0.28, 0.1)})).iloc[0]
    assert same["agree"]
    assert same["spread_in_se"] == pytest.approx(0.4)
    out = agreement_table(methods_table({"a": (0.30, 0.1), "b": (0.32, 0.1), "c": (0.45, 0.1)})).iloc[0]
    assert (out["stand_out"], out["agree"], out["positive"]) == ("c", False, 3)
    split = agreement_table(methods_table({"a": (0.20, 0.1), "b": (0.19, 0.1)})).iloc[0]
    assert (split["stand_out"], split["agree"], split["undecided"]) == ("", False, 1)
    assert "size" not in multiverse_title(pd.DataFrame([split]), "Y ~ X:Z")
    assert multiverse_title(pd.DataFrame([out]), "Y ~ X:Z").startswith(
        "3 methods disagree on the size of X × Z"
    )
    none = agreement_table(methods_table({"a": (0.2, 0.1)}, usable=False)).iloc[0]
    assert none["methods"] == 0
    assert "No method has" in multiverse_title(pd.DataFrame([none]), "Y ~ X:Z")


def test_the_data_say_what_matters() -> None:
    statement = read_statement(MODEL)
    skewed = draw(Cell(400, "skewed", 0.2), 0, 5)
    facts = {f.name: f for f in facts_of(statement, skewed, ("dblcent", "lms", "rca"))}
    assert facts["skewness"].matters
    assert facts["skewness"].methods == ("lms", "rca")
    assert not facts["customers"].matters
    small = skewed.head(80).assign(x1=lambda d: (d["x1"] > 0).astype(float))
    small.loc[small.index[:20], "z1"] = np.nan
    facts = {f.name: f for f in facts_of(statement, small, ("lms",))}
    for name in ("customers", "answer categories", "incomplete rows"):
        assert facts[name].matters
    assert facts["incomplete rows"].value == pytest.approx(0.25)
    noise = skewed + 2.0 * np.random.default_rng(1).normal(size=skewed.shape)
    facts = {f.name: f for f in facts_of(statement, noise, ("lms",))}
    assert facts["alpha"].matters
    assert not facts["skewness"].matters


def test_a_column_of_few_values_is_no_coarse_item() -> None:
    frame = draw(Cell(300, "normal", 0.2), 4, 5).assign(w=np.arange(300) % 2)
    statement = read_statement(MODEL.replace("Y ~ X + Z + X:Z", "Y ~ X + w + X:w"))
    facts = {f.name: f for f in facts_of(statement, frame, ("dblcent",))}
    assert not facts["answer categories"].matters


def test_texts_and_the_forest(found: Multiverse) -> None:
    assert found.sentences()[0].startswith("Y ~ X:Z: 8 methods")
    assert found.rule == RULE
    assert "Y ~ X:Z" in str(found)
    assert "8 of 11 methods" in repr(found)
    assert "<table" in found._repr_html_()
    assert {"skewness", "customers", "alpha"} <= set(found.data_facts()["fact"])
    picture = export.svg(found.charts.forest())
    words = " ".join(ElementTree.fromstring(picture).itertext())
    for expected in ("8 methods", "rapi", "sd(x)·sd(z)/sd(y)"):
        assert expected in words
    with pytest.raises(sm.SpecError, match="is no path of a product"):
        found.charts.forest("Y ~ X:Q")


BAD: dict[str, tuple[str, dict[str, Any], type[Exception], str]] = {
    "method": (MODEL, {"methods": ("lmz",)}, sm.SpecError, "Did you mean 'lms'"),
    "none": (MODEL, {"methods": ()}, sm.SpecError, "methods= is empty"),
    "option": (MODEL, {"estimatr": 1}, sm.SpecError, "no option 'estimatr'"),
    "column": (MODEL.replace("x3", "x9"), {}, sm.DataError, "'x9' is not a column"),
    "no product": (MODEL.replace(" + X:Z", ""), {}, sm.SpecError, "states no moderation"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_for_all_is_said_at_once(data: pd.DataFrame, case: str) -> None:
    text, options, kind, says = BAD[case]
    with pytest.raises(kind, match=says):
        sm.multiverse(text, data, **options)


def test_no_data() -> None:
    with pytest.raises(sm.DataError, match="pass data="):
        sm.multiverse(MODEL)
