"""The model language: text → rows."""

from __future__ import annotations

import pytest

from sem_models.model.syntax import Formula, Modifier, parse, to_text


def row(formula: Formula) -> tuple[object, ...]:
    return (formula.lhs, formula.op, formula.rhs, *((m.kind, *m.values) for m in formula.modifiers))


def rows(text: str) -> list[tuple[object, ...]]:
    return [row(f) for f in parse(text).formulas]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f =~ x1 + x2", [("f", "=~", "x1"), ("f", "=~", "x2")]),
        ("f + g ~ x + y", [("f", "~", "x"), ("f", "~", "y"), ("g", "~", "x"), ("g", "~", "y")]),
        ("f =~ 0.5*x", [("f", "=~", "x", ("fixed", 0.5))]),
        ("f =~ .5*x", [("f", "=~", "x", ("fixed", 0.5))]),
        ("f =~ 1e-3*x", [("f", "=~", "x", ("fixed", 0.001))]),
        ("f =~ 1/4*x", [("f", "=~", "x", ("fixed", 0.25))]),
        ("f =~ -1*x", [("f", "=~", "x", ("fixed", -1.0))]),
        ("f =~ -2^2*x", [("f", "=~", "x", ("fixed", -4.0))]),
        ("f =~ 2**3*x", [("f", "=~", "x", ("fixed", 8.0))]),
        ("f =~ sqrt(4)*x", [("f", "=~", "x", ("fixed", 2.0))]),
        ("f =~ (1+2)*x", [("f", "=~", "x", ("fixed", 3.0))]),
        ("f =~ 2*3*x", [("f", "=~", "x", ("fixed", 6.0))]),
        ("f =~ NA*x", [("f", "=~", "x", ("fixed", None))]),
        ("f =~ a.1*x", [("f", "=~", "x", ("label", "a.1"))]),
        ('f =~ "a b"*x', [("f", "=~", "x", ("label", "a b"))]),
        ("f =~ 'a'*x", [("f", "=~", "x", ("label", "a"))]),
        ("f =~ c(1,NA,-.5)*x", [("f", "=~", "x", ("fixed", 1.0, None, -0.5))]),
        ("f =~ c(a,NA)*x", [("f", "=~", "x", ("label", "a", None))]),
        ("f =~ c(\"a\", '')*x", [("f", "=~", "x", ("label", "a", None))]),
        ("f =~ c(NA,NA)*x", [("f", "=~", "x", ("fixed", None, None))]),
        ("f =~ c(\n a,\n b)*x", [("f", "=~", "x", ("label", "a", "b"))]),
        ("f =~ start(0.8)*x", [("f", "=~", "x", ("start", 0.8))]),
        ("f =~ start(c(1.1,1.2))*x", [("f", "=~", "x", ("start", 1.1, 1.2))]),
        ("f =~ start(c(1.1,NA))*x", [("f", "=~", "x", ("start", 1.1, None))]),
        ("f =~ 0.5?x", [("f", "=~", "x", ("start", 0.5))]),
        ("f =~ (-0.5)?x", [("f", "=~", "x", ("start", -0.5))]),
        ("f =~ 0.5?a*x", [("f", "=~", "x", ("start", 0.5), ("label", "a"))]),
        ("f =~ equal('g=~y')*x", [("f", "=~", "x", ("equal", "g=~y"))]),
        ("f =~ equal(c('g=~y','g=~z'))*x", [("f", "=~", "x", ("equal", "g=~y", "g=~z"))]),
        ('f =~ label("a")*x', [("f", "=~", "x", ("label", "a"))]),
        ("f =~ label(c('a','b'))*x", [("f", "=~", "x", ("label", "a", "b"))]),
        ("f =~ lower(0)*x", [("f", "=~", "x", ("lower", 0.0))]),
        ("f =~ upper(c(1,NA))*x", [("f", "=~", "x", ("upper", 1.0, None))]),
        ("f =~ lower(-Inf)*x", [("f", "=~", "x", ("lower", float("-inf")))]),
        ('f =~ rv("s")*x', [("f", "=~", "x", ("rv", "s"))]),
        ('f =~ prior("normal(0,1)")*x', [("f", "=~", "x", ("prior", "normal(0,1)"))]),
        ("f =~ start(1.2)*c8*x8", [("f", "=~", "x8", ("start", 1.2), ("label", "c8"))]),
        ("f =~ NA*x + c(a,b)*x", [("f", "=~", "x", ("fixed", None), ("label", "a", "b"))]),
        (
            'efa("b")*f + efa("b")*g =~ x',
            [("f", "=~", "x", ("efa", "b")), ("g", "=~", "x", ("efa", "b"))],
        ),
        ("x ~ 1", [("x", "~1", "")]),
        ("x + y ~ 1", [("x", "~1", ""), ("y", "~1", "")]),
        ("x ~ a*1 + z", [("x", "~1", "", ("label", "a")), ("x", "~", "z")]),
        ("x ~ 0*1", [("x", "~1", "", ("fixed", 0.0))]),
        ("x ~ 0 + z", [("x", "~1", "", ("fixed", 0.0)), ("x", "~", "z")]),
        ("x ~ 1*z", [("x", "~", "z", ("fixed", 1.0))]),
        ("f =~ 0", [("f", "=~", "f", ("fixed", 0.0))]),
        ("PV ~ EDS:ACT + a*EDS:EDS", [("PV", "~", "EDS:ACT"), ("PV", "~", "EDS:EDS", ("label", "a"))]),
        ("u | a*t1 + t2", [("u", "|", "t1", ("label", "a")), ("u", "|", "t2")]),
        ("u ~*~ 1*u", [("u", "~*~", "u", ("fixed", 1.0))]),
        ("f <~ x + 2*y", [("f", "<~", "x"), ("f", "<~", "y", ("fixed", 2.0))]),
        ("x ~~ 0*y", [("x", "~~", "y", ("fixed", 0.0))]),
        ("größe_1 =~ .x + x.2", [("größe_1", "=~", ".x"), ("größe_1", "=~", "x.2")]),
        ("f =~ a*(x)", [("f", "=~", "x", ("label", "a"))]),
        ("y~-1*x", [("y", "~", "x", ("fixed", -1.0))]),
    ],
)
def test_formula_rows(text: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(text) == expected
    assert rows(to_text(parse(text))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f =~ x + y",
        "f=~x+y",
        "f =~ x +\n  y",
        "f =~ x\n  + y",
        "f =~\n   x\n + y",
        "f =~\n + x\n + y",
        "f =~ x + # one\n\n   ! two\n   y",
        "# head\nf =~ x\n# between\n+ y",
        "; f =~ x + y ;",
        "f =~ x + y # z ~ w",
        "f =~ x + y ! z ~ w; a",
        "\ufefff\u00a0=~ x + y\r\n",
        "f =~ x; f =~ y",
    ],
)
def test_layout_does_not_matter(text: str) -> None:
    assert rows(text) == [("f", "=~", "x"), ("f", "=~", "y")]


def test_repeated_rows_merge_whatever_their_side() -> None:
    assert rows("x ~~ y\ny ~~ a*x\nx ~~ 0.2?y") == [("x", "~~", "y", ("label", "a"), ("start", 0.2))]
    assert rows("y ~ x\nx ~ y") == [("y", "~", "x"), ("x", "~", "y")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ind := a*b", "ind := a*b"),
        ("b2 == b1^2", "b2 == b1^2"),
        ("b2 == (b1 + 1)**2", "b2 == (b1 + 1)^2"),
        ("l2 > 0.8", "l2 > 0.8"),
        ("a<-1", "a < -1"),
        ("a < - b", "a < -b"),
        ("a == +\n b", "a == b"),
        ("d := a -\n b", "d := a - b"),
        ("d := a\n - b", "d := a - b"),
        (".p1. == .p2.", ".p1. == .p2."),
        ("m := max(a, b, 0)/sum(a, b)", "m := max(a, b, 0)/sum(a, b)"),
    ],
)
def test_constraints(text: str, expected: str) -> None:
    (constraint,) = parse(text).constraints
    assert f"{constraint.lhs} {constraint.op} {constraint.rhs}" == expected


def test_blocks_number_the_rows_below_them() -> None:
    syntax = parse("z =~ a\nGroup: Grant-White # label\nf =~ x\nd := b\nlevel: 2; f =~ x")
    assert [(b.kind, b.label) for b in syntax.blocks] == [("group", "Grant-White"), ("level", "2")]
    assert [f.block for f in syntax.formulas] == [0, 1, 2]
    assert syntax.constraints[0].block == 1
    assert parse(to_text(syntax)) == syntax


def test_group_and_level_stay_usable_as_variable_names() -> None:
    assert rows("y ~ level + group:x\n + x:level") == [
        ("y", "~", "level"),
        ("y", "~", "group:x"),
        ("y", "~", "x:level"),
    ]


def test_a_product_may_be_measured_and_have_a_mean() -> None:
    text = "X:Z =~ x1z1 + x2z2\nX:Z ~ 1\ny ~ X:Z"
    assert rows(text) == [
        ("X:Z", "=~", "x1z1"), ("X:Z", "=~", "x2z2"), ("X:Z", "~1", ""), ("y", "~", "X:Z"),
    ]  # fmt: skip
    assert parse(to_text(parse(text))) == parse(text)


def test_spans_are_the_very_characters() -> None:
    text = "f =~ x1 +\n  start(1)*a*x2; y ~ 1"
    syntax = parse(text)
    second, intercept = syntax.formulas[1:]
    cut = lambda span: text[span.start : span.end]  # noqa: E731
    assert [cut(second.lhs_span), cut(second.op_span), cut(second.rhs_span)] == ["f", "=~", "x2"]
    assert [cut(m.span) for m in second.modifiers] == ["start(1)", "a"]
    assert (second.rhs_span.line, second.rhs_span.column) == (2, 14)
    assert cut(intercept.rhs_span) == "1"
    definition = parse("d := a +\n b").constraints[0]
    assert (definition.span.start, definition.span.end) == (0, 11)


def test_equality_ignores_the_writing() -> None:
    assert parse("f=~x;y~a*f") == parse("# model\nf =~ x\ny ~ a*f")
    assert parse("f =~ x") != parse("f =~ y")


def test_values_are_immutable() -> None:
    modifier = parse("f =~ a*x").formulas[0].modifiers[0]
    assert isinstance(modifier, Modifier)
    with pytest.raises(AttributeError):
        modifier.kind = "fixed"  # type: ignore[misc]
