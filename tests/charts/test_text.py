from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sem_models.charts import text


@pytest.mark.parametrize(
    ("value", "digits", "bounded", "shown"),
    [
        (0.674, 2, True, ".67"),
        (-0.05, 2, True, "−.05"),
        (-0.001, 2, True, ".00"),
        (1.0, 2, True, "1.00"),
        (0.5, 2, False, "0.50"),
        (-12.345, 1, False, "−12.3"),
        (math.nan, 2, True, "n/a"),
    ],
)
def test_number(value: float, digits: int, bounded: bool, shown: str) -> None:
    assert text.number(value, digits, bounded=bounded) == shown


def test_estimate_stays_on_one_line_and_drops_a_missing_interval() -> None:
    shown = text.estimate(0.67, 0.55, 0.79)
    assert shown.replace(text.NBSP, " ") == ".67 [.55, .79]"
    assert text.wrap(shown, 10_000, 11) == [shown]
    assert " " not in shown
    assert text.estimate(1.0, math.nan, math.nan) == "1.00"


@pytest.mark.parametrize(("p", "shown"), [(0.0004, "p < .001"), (0.0124, "p = .012"), (math.nan, "p n/a")])
def test_pvalue(p: float, shown: str) -> None:
    assert text.pvalue(p).replace(text.NBSP, " ") == shown


@pytest.mark.parametrize(
    ("lower", "upper", "covers"),
    [(0.1, 0.2, False), (-0.2, -0.1, False), (-0.1, 0.1, True), (0.0, 0.2, True), (math.nan, 1.0, True)],
)
def test_covers_zero(lower: float, upper: float, covers: bool) -> None:
    assert text.covers_zero(lower, upper) is covers


def test_text_width_follows_the_font_metrics() -> None:
    assert text.text_width("iii", 10) == pytest.approx(3 * 2.22)
    assert text.text_width("mm", 100) == pytest.approx(166.6)
    assert text.text_width("m", 10, bold=True) > text.text_width("m", 10)


@given(st.text(alphabet="abc mW-é", max_size=60), st.floats(20, 300))
def test_wrapped_lines_fit_and_lose_no_character(words: str, width: float) -> None:
    lines = text.wrap(words, width, 11)
    assert all(text.text_width(line, 11) <= width + 1e-9 for line in lines)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")


def test_wrap_breaks_after_hyphens_before_it_breaks_words() -> None:
    width = text.text_width("Employee-", 11) + 1
    assert text.wrap("Employee-delivered", width, 11) == ["Employee-", "delivered"]


def test_listing_counts_what_it_leaves_out() -> None:
    assert text.listing(["a"]) == "a"
    assert text.listing(["a", "b", "c"]) == "a, b and c"
    assert text.listing(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [(-0.0012, 0.37, "[−.001, .37]"), (0.0004, 0.2, "[.0004, .20]"), (0.0, 0.1, "[.00, .10]")],
)
def test_limits_show_their_side_of_zero(lower: float, upper: float, shown: str) -> None:
    assert text.interval(lower, upper).replace(text.NBSP, " ") == shown
