"""lavaan's model language: `parse` reads a model text, `to_text` writes one.

What is read is the whole language (`=~ ~ ~~ ~1 | ~*~ <~ := == < >`, modifiers, products, block headers) and
our own `label :~ covariate`, by which a parameter follows a column of the data;
whether an engine can estimate it is for later stages to say. Rows that a text repeats are merged, their
modifiers appended, so `f =~ NA*x + a*x` is one free and labelled loading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from sem_models.errors import SpecError
from sem_models.model.ast import Block, BlockKind, Constraint, ConstraintOp, Formula, Modifier, Syntax
from sem_models.model.diagnosis import diagnose
from sem_models.model.expressions import (
    Binary,
    Call,
    Expression,
    Name,
    Number,
    Text,
    Unary,
    is_name,
    number_text,
)
from sem_models.model.lines import parser, span_of, statements
from sem_models.model.modifiers import arithmetic, place
from sem_models.model.source import Problem, Span, SyntaxProblem, point_at, problems_text
from sem_models.model.terms import rows

if TYPE_CHECKING:
    from lark import Token

__all__ = [
    "Block",
    "Constraint",
    "Formula",
    "Modifier",
    "Span",
    "Syntax",
    "parse",
    "parse_expression",
    "point_at",
    "to_text",
]

_Statement = tuple[str, Any, Any, Any]


def parse(text: str) -> Syntax:
    """Read a model text; SpecError lists every faulty statement with line, column and remedy."""
    if not isinstance(text, str):
        raise SpecError(f"A model text is a str, not {type(text).__name__}.")
    return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> Syntax:
    reader = _Reader(text)
    tokens, problems = statements(parser(_callbacks).lex(text))
    reader.problems.extend(problems)
    for statement in tokens:
        reader.read(statement)
    if reader.problems:
        raise SpecError(problems_text(text, reader.problems))
    if not (reader.formulas or reader.constraints or reader.moderated):
        raise SpecError(
            "The model text holds no statement.\n  Write at least one, such as 'f =~ x1 + x2 + x3'."
        )
    return Syntax(
        text, tuple(reader.formulas.values()), tuple(reader.constraints), tuple(reader.blocks),
        tuple(reader.moderated.values()),
    )  # fmt: skip


def parse_expression(text: str) -> Expression:
    """Read one arithmetic expression over parameter names, as on the right of `:=`."""
    head = "value := "
    try:
        parsed = parse(head + text)
    except SpecError as error:
        raise SpecError(f"'{text}' is not an expression over parameter names.\n{error}") from error
    if len(parsed.constraints) != 1 or parsed.formulas or parsed.blocks:
        raise SpecError(f"'{text}' is not one expression over parameter names.")
    return parsed.constraints[0].rhs


class _Reader:
    """Collects what the statements of one text say."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.formulas: dict[tuple[int, str, str, str], Formula] = {}
        self.moderated: dict[tuple[int, str, str, str], Formula] = {}
        self.constraints: list[Constraint] = []
        self.blocks: list[Block] = []
        self.problems: list[Problem] = []
        self._defined: set[str] = set()

    def read(self, tokens: list[Token]) -> None:
        from lark.exceptions import UnexpectedToken

        stepper = parser(_callbacks).parse_interactive()
        try:
            for token in tokens:
                stepper.feed_token(token)
            kind, *parts = stepper.feed_eof(tokens[-1])  # type: ignore[no-untyped-call]
        except UnexpectedToken as error:
            refused = error.token if error.token.type != "$END" else None
            self.problems.append(diagnose(tokens, refused))
            return
        try:
            getattr(self, f"_{kind}")(*parts)
        except SyntaxProblem as error:
            self.problems.append(error.problem)

    def _formula(self, lhs: Expression, op: Token, rhs: Expression) -> None:
        for row in rows(str(op), span_of(op), lhs, rhs, len(self.blocks)):
            key = (row.block, row.lhs, row.op, row.rhs)
            mirrored = (row.block, row.rhs, row.op, row.lhs)
            if row.op == "~~" and mirrored in self.formulas:
                key = mirrored
            into = self.moderated if row.op == ":~" else self.formulas
            known = into.get(key)
            into[key] = replace(known, modifiers=known.modifiers + row.modifiers) if known else row

    def _constraint(self, lhs: Expression, op: Token, rhs: Expression) -> None:
        left, right = arithmetic(lhs), arithmetic(rhs)
        if str(op) == ":=":
            span = place(lhs)
            if not isinstance(left, Name):
                raise SyntaxProblem(span, "Left of ':=' stands one new name.", "As in 'indirect := a*b'.")
            if left.id in self._defined:
                raise SyntaxProblem(span, f"'{left.id}' is defined twice.", "Give the second another name.")
            if left.id in right.names:
                raise SyntaxProblem(span, f"'{left.id}' is defined by itself.", "Give it a name of its own.")
            self._defined.add(left.id)
        span = place(lhs).to(place(rhs))
        kind = cast("ConstraintOp", str(op))
        self.constraints.append(Constraint(kind, left, right, span, len(self.blocks)))

    def _block(self, token: Token) -> None:
        kind, _, label = (part.strip() for part in str(token).partition(":"))
        lead = len(token) - len(token.lstrip())
        start = span_of(token)
        span = Span(start.start + lead, start.start + len(token.rstrip()), start.line, start.column + lead)
        label = label.strip("\"'")
        if not label:
            raise SyntaxProblem(span, f"'{kind}:' has no label.", f"As in '{kind}: 1'.")
        if any(mark in label for mark in ("~", "=", "<", ">")):
            raise SyntaxProblem(
                span, "A block header stands alone on its line.", "Start the statement on a new line."
            )
        self.blocks.append(Block(cast("BlockKind", kind.lower()), label, span))


def _callbacks() -> object:
    """Grammar rule → node. One instance serves the cached parser."""
    from lark import Transformer, v_args

    @v_args(inline=True)
    class Nodes(Transformer["Token", Any]):
        def start(self, statement: _Statement) -> _Statement:
            return statement

        def formula(self, lhs: Expression, op: Token, *rhs: Any) -> tuple[Any, ...]:
            return "formula", lhs, op, rhs[-1]

        def constraint(self, lhs: Expression, op: Token, *rhs: Any) -> tuple[Any, ...]:
            return "constraint", lhs, op, rhs[-1]

        def block(self, token: Token) -> tuple[Any, ...]:
            return "block", token

        def number(self, token: Token) -> Expression:
            return Number(float(token), span_of(token))

        def name(self, token: Token) -> Expression:
            return Name(str(token), span_of(token))

        def text(self, token: Token) -> Expression:
            return Text(str(token)[1:-1], span_of(token))

        def interaction(self, first: Token, *rest: Token) -> Expression:
            node: Expression = self.name(first)
            for token in rest[1::2]:
                node = Binary(":", node, self.name(token), span_of(first).to(span_of(token)))
            return node

        def negative(self, minus: Token, operand: Expression) -> Expression:
            return Unary("-", operand, span_of(minus).to(place(operand)))

        def binary(self, left: Expression, op: Token, right: Expression) -> Expression:
            sign: Any = "^" if op.type == "CARET" else str(op)
            return Binary(sign, left, right, place(left).to(place(right)), span_of(op))

        def call(self, name: Token, *rest: Any) -> Expression:
            args = tuple(arg for arg in rest if isinstance(arg, Expression))
            return Call(str(name), args, span_of(name).to(span_of(rest[-1])))

        def group(self, left: Token, inner: Any, right: Token) -> Expression:
            return replace(inner, span=span_of(left).to(span_of(right)))

    return Nodes()


def to_text(syntax: Syntax) -> str:
    """Canonical model text, one row a line, blocks under their headers; `parse` gives it back."""
    return "\n".join(_lines(syntax)) + "\n"


def _lines(syntax: Syntax) -> Iterator[str]:
    for number in range(len(syntax.blocks) + 1):
        if number:
            header = syntax.blocks[number - 1]
            yield f"{header.kind}: {header.label}"
        yield from (_row_text(row) for row in syntax.formulas if row.block == number)
        yield from (_row_text(row) for row in syntax.moderated if row.block == number)
        yield from (f"{c.lhs} {c.op} {c.rhs}" for c in syntax.constraints if c.block == number)


def _row_text(row: Formula) -> str:
    op, target = ("~", "1") if row.op == "~1" else (row.op, row.rhs)
    left = [m for m in row.modifiers if m.kind == "efa"]
    right = [m for m in row.modifiers if m.kind != "efa"]
    if row.op == "=~" and row.rhs == row.lhs:
        return f"{row.lhs} =~ 0"
    head = "".join(f"{_modifier_text(m)}*" for m in left) + row.lhs
    return f"{head} {op} " + (" + ".join(f"{_modifier_text(m)}*{target}" for m in right) or target)


def _modifier_text(modifier: Modifier) -> str:
    values = [_value_text(v, modifier.kind) for v in modifier.values]
    inner = values[0] if len(values) == 1 else f"c({','.join(values)})"
    if modifier.kind == "label" and modifier.values == (None,):
        return '""'
    return inner if modifier.kind in ("fixed", "label") else f"{modifier.kind}({inner})"


def _value_text(value: float | str | None, kind: str) -> str:
    if value is None:
        return '""' if kind == "label" else "NA"
    if isinstance(value, str):
        if kind == "label" and is_name(value):
            return value
        return f"'{value}'" if '"' in value else f'"{value}"'
    return {float("inf"): "Inf", float("-inf"): "-Inf"}.get(value) or number_text(value)
