"""Methods that follow an observed moderator, beside those of products."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import sem_models as sm
from sem_models.moderation.multiverse.followed import by_covariates
from sem_models.moderation.statement import read_statement

MODEL = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + tenure + X:tenure"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x, tenure = rng.normal(size=400), rng.normal(3, 1.5, size=400)
    y = 0.4 * x + 0.2 * tenure + 0.2 * x * (tenure - 3) + 0.7 * rng.normal(size=400)
    items = {f"{n}{k}": v + 0.6 * rng.normal(size=400) for n, v in (("x", x), ("y", y)) for k in (1, 2, 3)}
    return pd.DataFrame({**items, "tenure": tenure})


def test_a_path_that_follows_a_column_is_the_product_by_its_likelihood(data: pd.DataFrame) -> None:
    """Given the moderator both have the normal likelihood of one model: no figure may differ."""
    found = sm.multiverse(MODEL, data, methods=("lms", "mnlfa"), nodes=8)
    table = found.table().set_index("method")
    lms, line = table.loc["lms"], table.loc["mnlfa"]
    assert found.results["mnlfa"].found.loglik == pytest.approx(found.results["lms"].loglik, abs=1e-7)
    assert line["estimate"] == pytest.approx(lms["estimate"], rel=1e-5)
    assert line["se"] == pytest.approx(lms["se"], rel=1e-4)
    assert line["std_estimate"] == pytest.approx(lms["std_estimate"], rel=0.02)
    assert line["term"] == "Y ~ X:tenure"


def test_local_models_give_their_trend(data: pd.DataFrame) -> None:
    found = sm.multiverse(MODEL, data, methods=("mnlfa", "lsem"), h=2.0)
    table = found.table().set_index("method")
    assert bool(table.loc["lsem", "usable"])
    assert table.loc["lsem", "std_ci_lower"] < table.loc["mnlfa", "std_estimate"]
    assert table.loc["lsem", "std_ci_upper"] > table.loc["mnlfa", "std_estimate"]


def test_a_label_of_the_model_is_kept_and_two_moderators_share_a_path(data: pd.DataFrame) -> None:
    frame = data.assign(size=np.random.default_rng(2).normal(size=len(data)))
    text = MODEL.replace("Y ~ X", "Y ~ b*X") + "\nY ~ size + X:size"
    found = by_covariates(read_statement(text), frame, {"estimator": "ML"})
    assert found.estimates()["rhs"].tolist() == ["X:tenure", "X:size"]
    rows = found.found.estimates().query("op == ':~'")
    assert rows["lhs"].tolist() == ["b", "b"]
    alone = sm.multiverse(text, frame, methods=("lsem",)).table()
    assert "one moderator" in alone["reason"].iloc[0]


def test_products_that_no_column_can_stand_for_are_told(data: pd.DataFrame) -> None:
    table = sm.multiverse(MODEL.replace("tenure + X:tenure", "X:X"), data, methods=("mnlfa",))
    assert "observed moderator" in table.table()["reason"].iloc[0]
    explained = sm.multiverse(MODEL + "\ntenure ~ x1", data, methods=("mnlfa",)).table()
    assert "explained by the model" in explained["reason"].iloc[0]
    lacking = sm.multiverse(MODEL.replace("Y ~ X + tenure", "Y ~ tenure"), data, methods=("mnlfa",)).table()
    assert "lacks the path" in lacking["reason"].iloc[0]
