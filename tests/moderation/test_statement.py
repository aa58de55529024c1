"""What a model text says of moderation, and what it may not say."""

from __future__ import annotations

import pytest

from sem_models.errors import SpecError
from sem_models.model.build_table import build_table
from sem_models.model.table import TableOptions
from sem_models.moderation.statement import check_factors, model_text, read_statement

ITEMS = "X =~ x1 + x2\nZ =~ z1 + z2\nY =~ y1 + y2\n"


def test_products_are_found_with_their_factors_and_outcomes() -> None:
    statement = read_statement(ITEMS + "Y ~ X + Z + X:Z + X:X + tenure:X\nZ ~ a:b")
    found = [(p.name, p.factors, p.outcomes, p.latent, p.quadratic) for p in statement.products]
    assert found == [
        ("X:Z", ("X", "Z"), ("Y",), ("X", "Z"), False),
        ("X:X", ("X", "X"), ("Y",), ("X",), True),
        ("tenure:X", ("tenure", "X"), ("Y",), ("X",), False),
        ("a:b", ("a", "b"), ("Z",), (), False),
    ]
    assert statement.names == ("X:Z", "X:X", "tenure:X")
    assert statement.items_of("X") == ("x1", "x2")


def test_one_product_has_one_name_however_it_is_written() -> None:
    statement = read_statement(ITEMS + "W =~ w1 + w2\nY ~ X:Z\nW ~ Z:X")
    assert [(p.name, p.outcomes) for p in statement.products] == [("X:Z", ("Y", "W"))]


def test_a_product_in_the_table_is_a_variable_without_mean_and_variance() -> None:
    statement = read_statement(ITEMS + "Y ~ X + Z + b*X:Z\nd := 2*b")
    options = TableOptions(meanstructure=True, int_lv_free=True, products=statement.names)
    table = build_table(statement.syntax, options)
    rows = {row.name: row.fixed for row in table.rows if "X:Z" in (row.lhs, row.rhs)}
    assert rows == {"Y~X:Z": None, "X:Z~~X:Z": 0.0, "X:Z~1": 0.0}
    assert table.variables.latent == ("X", "Z", "Y", "X:Z")
    assert table.variables.observed == ("x1", "x2", "z1", "z2", "y1", "y2")


def test_a_shipped_specification_states_its_moderations() -> None:
    products = read_statement(model_text("b2b_service_core")).products
    assert all(product.outcomes for product in products)


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        ("Y ~ X + Z", "states no moderation"),
        ("Y ~ X + X:Y", "moderate its own prediction"),
        ("Y ~ X + X:y1", "an item of the outcome"),
        ("Y ~ X + X:x2", "an item of 'X'"),
    ],
)
def test_what_cannot_be_a_moderation_is_one_clear_error(paths: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        read_statement(ITEMS + paths)


def test_an_unknown_factor_is_named_with_near_matches() -> None:
    statement = read_statement(ITEMS + "Y ~ X + X:tenure_year")
    with pytest.raises(SpecError, match="Did you mean 'tenure_years'"):
        check_factors(statement, ["x1", "tenure_years"])
