"""Text → AST → text → AST is the identity on whatever the language can say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sem_models.errors import SpecError
from sem_models.model.modifiers import RESERVED
from sem_models.model.syntax import parse, parse_expression, to_text

SETTINGS = settings(max_examples=50, deadline=None, derandomize=True)

names = st.from_regex(r"[a-zA-Zäß][a-zA-Z0-9_.ü]{0,5}", fullmatch=True).filter(
    lambda n: n not in RESERVED and n not in {"pi"}
)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 6) or 0.0).map(repr)


@st.composite
def vectors(draw: st.DrawFn) -> str:
    element = draw(st.sampled_from([numbers, names]))
    parts = draw(st.lists(st.one_of(st.just("NA"), element), min_size=1, max_size=3))
    return f"c({', '.join(parts)})"


quoted = names.map(lambda n: f'"{n}"')
modifiers = st.one_of(
    numbers.map(lambda v: f"{v}*"),
    names.map(lambda n: f"{n}*"),
    quoted.map(lambda q: f"{q}*"),
    vectors().map(lambda v: f"{v}*"),
    st.just("NA*"),
    st.builds("{}({})*".format, st.sampled_from(["start", "lower", "upper"]), numbers),
    st.builds("{}({})*".format, st.sampled_from(["equal", "rv", "prior", "label"]), quoted),
    numbers.map(lambda v: f"({v})?"),
    st.just(""),
)


@st.composite
def formulas(draw: st.DrawFn) -> str:
    op = draw(st.sampled_from(["=~", "~", "~~", "<~", "|"]))
    space = draw(st.sampled_from(["", " ", "  ", " \t"]))
    plus = draw(st.sampled_from(["+", " + ", "\n   + ", " + # why\n", " +\n\n"]))
    left = draw(st.lists(names, min_size=1, max_size=2, unique=True))
    target = {"|": st.integers(1, 6).map(lambda k: f"t{k}")}.get(op, names)
    if op == "~":
        target = st.one_of(names, st.just("1"), st.tuples(names, names).map(":".join))
    right = draw(
        st.lists(st.tuples(modifiers, target.filter(lambda n: n not in left)), min_size=1, max_size=3)
    )
    return " + ".join(left) + space + op + space + plus.join(m + t for m, t in right)


expressions = st.recursive(
    st.one_of(names, st.integers(0, 9).map(str)),
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from("+-*/^"), inner),
        inner.map("({})".format),
        inner.map("-{}".format),
        st.builds("{}({})".format, st.sampled_from(["exp", "sqrt", "min"]), inner),
    ),
    max_leaves=6,
)
constraints = st.builds("{} {} {}".format, expressions, st.sampled_from(["==", "<", ">"]), expressions)
blocks = st.sampled_from(["group: 1", "level: within", "group: Grant-White"])
texts = st.lists(st.one_of(formulas(), constraints, blocks), min_size=1, max_size=6).map("\n".join)


@SETTINGS
@given(texts)
def test_round_trip(text: str) -> None:
    if not any(op in text for op in ("~", "|", "==", "<", ">")):
        return
    first = parse(text)
    again = parse(to_text(first))
    assert again == first
    assert to_text(again) == to_text(first)


@SETTINGS
@given(expressions)
def test_expression_round_trip(text: str) -> None:
    first = parse_expression(text.replace("value", "v"))
    assert parse_expression(str(first)) == first


@SETTINGS
@given(texts.filter(lambda t: "~" in t))
def test_spans_cover_the_names(text: str) -> None:
    for formula in parse(text).formulas:
        assert text[formula.lhs_span.start : formula.lhs_span.end] == formula.lhs
        assert text[formula.rhs_span.start : formula.rhs_span.end] == (formula.rhs or "1")
        assert text.count("\n", 0, formula.rhs_span.start) == formula.rhs_span.line - 1


@SETTINGS
@given(st.text(alphabet="fx1 =~+*:|<>()c,\n;#\"'?-^._ä$", max_size=30))
def test_any_text_gives_a_model_or_a_located_error(text: str) -> None:
    try:
        syntax = parse(text)
    except SpecError as error:
        message = str(error)
    else:
        message = ""
        assert parse(to_text(syntax)) == syntax
    assert not message or "\n  line " in message or "no statement" in message
