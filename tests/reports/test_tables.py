"""Tables: figures in the style of the sentences, words for ids, intervals beside estimates."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from sem_models.reports.tables import LIMITS, Table, figure

NAN = float("nan")


def cells(table: Table) -> list[list[str]]:
    """Headings and body of the table as text."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table.html())
    return [[unescape(c) for c in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("pvalue", 0.0004, "< .001"),
        ("pvalue", 0.001, ".001"),
        ("lrt_pvalue", 0.0284, ".028"),
        ("df", 157.0, "157"),
        ("df", 357.74, "357.7"),
        ("n", 387.0, "387"),
        ("missing_pct", 9.302, "9.3"),
        ("chisq_scaled", 181.46, "181.5"),
        ("delta_cfi", -0.0102, "−.010"),
        ("rmsea_ci_lower_robust", 0.0, ".000"),
        ("est_std", -0.034, "−.03"),
        ("est_std", -0.001, ".00"),
        ("est", 0.54, "0.54"),
        ("mean", 4.774, "4.77"),
        ("ave", 0.642, ".64"),
        ("skew", -0.186, "−0.19"),
        ("statistic", 1456.4, "1456"),
    ],
)
def test_a_figure_has_the_digits_of_its_kind(column: str, value: float, shown: str) -> None:
    assert figure(column, value) == shown


def test_an_interval_stands_beside_its_estimate() -> None:
    frame = pd.DataFrame(
        {"lhs": ["PV"], "est": [0.5], "se": [0.2], "ci_lower": [-0.002], "ci_upper": [1.0],
         "est_std": [0.4], "ci_lower_std": [0.1], "ci_upper_std": [0.7]}
    )  # fmt: skip
    head, row = cells(Table("t", "Paths", frame))
    assert head == ["Outcome", "Estimate [95 %]", "SE", "Standardized [95 %]"]
    assert row == ["PV", "0.50 [−0.002,\xa01.00]".replace(" [", "\xa0["), "0.20", ".40\xa0[.10,\xa0.70]"]


def test_a_fixed_parameter_has_no_interval() -> None:
    frame = pd.DataFrame({"item": ["x1"], "est": [1.0], "se": [0.0], "ci_lower": [1.0], "ci_upper": [1.0]})
    assert cells(Table("t", "Loadings", frame))[1] == ["x1", "1.00", "fixed"]


def test_ids_become_names_and_repeated_names_are_left_blank() -> None:
    frame = pd.DataFrame({"lhs": ["PV", "PV", "BI"], "rhs": ["EDS", "OPS", "PV"], "r": [0.1, 0.2, 0.3]})
    body = cells(Table("t", "c", frame, names={"PV": "Perceived value", "EDS": "Staff"}))[1:]
    assert [row[:2] for row in body] == [
        ["Perceived value", "Staff"],
        ["", "OPS"],
        ["BI", "Perceived value"],
    ]


def test_repeated_numbers_are_not_left_blank() -> None:
    body = cells(Table("t", "c", pd.DataFrame({"n": [5, 5], "r": [0.1, 0.2]})))[1:]
    assert [row[0] for row in body] == ["5", "5"]


def test_empty_columns_are_dropped_and_empty_cells_are_blank() -> None:
    frame = pd.DataFrame({"item": ["a", "b"], "note": ["", ""], "mean": [1.0, NAN], "sd": [NAN, NAN]})
    assert cells(Table("t", "c", frame)) == [["Item", "Mean"], ["a", "1.00"], ["b", ""]]


def test_truth_values_are_words() -> None:
    frame = pd.DataFrame({"level": ["metric"], "converged": [np.True_]})
    assert cells(Table("t", "c", frame))[1] == ["metric", "yes"]


def test_values_of_a_measure_have_the_digits_of_the_measure() -> None:
    frame = pd.DataFrame({"measure": ["chisq", "cfi", "pvalue"], "value": [87.94, 0.9747, 0.0001]})
    assert [row[1] for row in cells(Table("t", "c", frame))[1:]] == ["87.9", ".975", "< .001"]


def test_shown_columns_come_in_their_order_and_own_headings_win() -> None:
    frame = pd.DataFrame({"b": [1], "a": [2], "c": [3]})
    assert cells(Table("t", "c", frame, shown=("c", "a", "zz"), headings={"a": "First"})) == [
        ["C", "First"],
        ["3", "2"],
    ]


def test_a_folded_table_stands_behind_its_caption_with_its_header() -> None:
    html = Table("t", "Each path", pd.DataFrame({"a": [1, 2]}), folded=True).html("MLR, N = 5 of 7")
    assert re.search(r"<summary>Each path .*\(2 rows\)", html)
    assert "MLR, N = 5 of 7" in html.split("</summary>")[1]


def test_words_from_data_cannot_become_markup() -> None:
    frame = pd.DataFrame({"<i>": ["<script>x</script>"]})
    html = Table("t", "<b>", frame, note="<u>").html("<s>")
    assert not re.search(r"<(script|b|u|i|s)>", html)


def test_every_limit_belongs_to_an_estimate() -> None:
    frame = pd.DataFrame({column: [0.1] for column in LIMITS})
    assert cells(Table("t", "c", frame)) == [[], []]
