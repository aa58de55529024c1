"""Category-probability curves as a picture."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import sem_models as sm
from sem_models.charts import export
from sem_models.charts.categories import category_curves, category_title
from tests.inference.items import ITEMS, survey


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    fit = sm.fit("F =~ u1 + u2 + u3 + u4", survey(), ordered=ITEMS, group="g")
    return fit.category_curves()


def test_a_panel_an_item_within_the_page(curves: pd.DataFrame) -> None:
    svg = export.svg(category_curves(curves, names={"u1": "On time", "F": "Service"}))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"On time", "u2", "u3", "u4", "a", "b"} <= set(texts)
    assert any(t.startswith("Service (standard deviations") for t in texts)
    width = float(re.findall(r'width="([\d.]+)"', svg)[0])
    assert width < 700


def test_the_title_counts(curves: pd.DataFrame) -> None:
    rows = [
        ("F", "i", k, str(k), x, p)
        for x, chances in ((-1.0, (0.6, 0.3, 0.1)), (1.0, (0.1, 0.3, 0.6)))
        for k, p in enumerate(chances, start=1)
    ]
    frame = pd.DataFrame(rows, columns=["construct", "item", "category", "answer", "value", "probability"])
    assert category_title(frame) == (
        "2 of the 3 answers to i are the most likely one somewhere between −1 and 1 standard deviations of F"
    )
    more = pd.concat([frame, frame.assign(item="j")])
    assert category_title(more).startswith("In 0 of 2 items each answer")


def test_different_answers_are_numbered(curves: pd.DataFrame) -> None:
    other = curves.assign(answer=curves["answer"].where(curves["item"] != "u2", "w" + curves["answer"]))
    assert "no. 1" in export.svg(category_curves(other))
    assert "no. 1" not in export.svg(category_curves(curves))


def test_a_table_without_rows_is_refused(curves: pd.DataFrame) -> None:
    with pytest.raises(sm.DataError, match="no rows"):
        category_curves(curves.iloc[:0])
