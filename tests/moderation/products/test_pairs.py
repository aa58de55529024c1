"""Which items are multiplied, in which order, under which names."""

from __future__ import annotations

import pytest

from sem_models.errors import SpecError
from sem_models.moderation.products.pairs import Measured, matching, measured_products
from sem_models.moderation.statement import read_statement

ITEMS = "X =~ x1 + x2 + x3\nZ =~ z1 + z2\nY =~ y1 + y2\n"


def products(paths: str, how: str = "all", *, recycle: bool = False, **strengths: float) -> list[Measured]:
    statement = read_statement(ITEMS + paths)
    return list(measured_products(statement, how, recycle=recycle, strengths=strengths))  # type: ignore[arg-type]


def names(*args: str, recycle: bool = False, **more: float) -> list[list[str]]:
    return [[i.name for i in m.indicators] for m in products(*args, recycle=recycle, **more)]


def test_all_pairs_run_through_the_first_factor_fastest() -> None:
    assert names("Y ~ X + Z + X:Z") == [["x1z1", "x2z1", "x3z1", "x1z2", "x2z2", "x3z2"]]


def test_a_square_has_each_pair_once() -> None:
    assert names("Y ~ X + X:X") == [["x1x1", "x2x1", "x3x1", "x2x2", "x3x2", "x3x3"]]
    assert names("Y ~ X + X:X", "position") == [["x1x1", "x2x2", "x3x3"]]


def test_matched_pairs_leave_items_over_or_begin_anew() -> None:
    assert names("Y ~ X + X:Z", "position") == [["x1z1", "x2z2"]]
    assert names("Y ~ X + X:Z", "position", recycle=True) == [["x1z1", "x2z2", "x3z1"]]


def test_the_strongest_go_together() -> None:
    found = names("Y ~ X + X:Z", "loading", x1=0.5, x2=0.9, x3=0.7, z1=0.6, z2=0.8)
    assert found == [["x2z2", "x3z1"]]


def test_a_column_goes_with_every_item() -> None:
    (measured,) = products("Y ~ X + t + X:t", "position")
    assert [i.items for i in measured.indicators] == [("x1", "t"), ("x2", "t"), ("x3", "t")]
    assert measured.exact == {"t"}
    assert measured.items == ("x1", "x2", "x3", "t")


def test_three_factors() -> None:
    (measured,) = products("Y ~ X:Z:t")
    assert len(measured.indicators) == 6
    assert measured.indicators[1].items == ("x2", "z1", "t")


def test_names_do_not_collide() -> None:
    text = "X =~ a + ab\nZ =~ bc + c\nY =~ y1 + y2\nY ~ X:Z"
    (measured,) = measured_products(read_statement(text), "all", recycle=False, strengths={})
    assert [i.name for i in measured.indicators] == ["abc", "abbc", "ac", "ab_x_c"]


@pytest.mark.parametrize(("given", "means"), [(None, "all"), (False, "all"), (True, "position")])
def test_switches(given: bool | None, means: str) -> None:
    assert matching(given) == means


def test_an_unknown_strategy_is_refused_with_near_matches() -> None:
    with pytest.raises(SpecError, match="Did you mean 'loading'"):
        matching("loadings")


def test_an_item_of_both_factors_is_refused() -> None:
    text = "X =~ x1 + x2 + x3\nZ =~ z1 + z2 + x3\nY =~ y1 + y2\nY ~ X + Z + X:Z"
    with pytest.raises(SpecError, match="multiplied with itself"):
        measured_products(read_statement(text), "all", recycle=False, strengths={})


def test_a_factor_without_items_is_refused() -> None:
    text = "X =~ x1 + x2\nW =~ w1 + w2\nH =~ X + W\nY =~ y1 + y2\nY ~ H + X + H:X"
    with pytest.raises(SpecError, match="no items of its own"):
        measured_products(read_statement(text), "all", recycle=False, strengths={})
