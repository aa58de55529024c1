"""What the two sides of a formula mean: variables, products, intercepts and their modifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from sem_models.errors import did_you_mean
from sem_models.model.ast import Formula, FormulaOp, Modifier
from sem_models.model.expressions import FUNCTIONS, Binary, Call, Expression, Name, Number, Text, Unary
from sem_models.model.modifiers import MODIFIERS, RESERVED, modifiers, place
from sem_models.model.source import Span, SyntaxProblem

_THRESHOLD = re.compile(r"t[1-9]\d*")


@dataclass(frozen=True, slots=True)
class Term:
    """A variable (or product, or "1", or "0") with what was multiplied on it."""

    name: str
    span: Span
    modifiers: tuple[Modifier, ...]


def rows(op: str, op_span: Span, lhs: Expression, rhs: Expression, block: int) -> Iterator[Formula]:
    """One Formula for each pair of a left and a right term, left terms outermost."""
    right = [_right(node, op) for node in _summands(rhs)]
    measured = op == "=~" or (op == "~" and all(term.name in ("0", "1") for term in right))
    left = [_left(node, op, products=measured) for node in _summands(lhs)]
    for subject in left:
        for term in right:
            yield _row(op, op_span, subject, term, block)


def _row(op: str, op_span: Span, subject: Term, term: Term, block: int) -> Formula:
    modifiers = subject.modifiers + term.modifiers
    name = term.name
    if name == "0":
        modifiers += (Modifier("fixed", (0.0,), term.span),)
        op, name = ("~1", "") if op == "~" else (op, subject.name)
    elif name == "1":
        op, name = "~1", ""
    elif name == subject.name and op in ("=~", "~", "<~"):
        verb = {"=~": "be measured by", "~": "be predicted by", "<~": "be composed of"}[op]
        hint = "For a variance write 'x ~~ x'; for a factor without items 'f =~ 0'."
        raise SyntaxProblem(term.span, f"'{name}' cannot {verb} itself.", hint)
    elif op == "~*~" and name != subject.name:
        raise SyntaxProblem(
            term.span,
            "A scaling factor belongs to one variable.",
            f"Write '{subject.name} ~*~ {subject.name}'.",
        )
    kind = cast("FormulaOp", op)
    return Formula(subject.name, kind, name, modifiers, subject.span, op_span, term.span, block)


def _left(node: Expression, op: str, *, products: bool) -> Term:
    """A term on the left; a product may be there where it is measured (`=~`) or has a mean (`~ 1`)."""
    term = _term(node)
    if term.name in ("0", "1"):
        raise SyntaxProblem(term.span, f"A number cannot stand left of '{op}'.", "Put a variable there.")
    if ":" in term.name and op != "~~" and not products:
        raise SyntaxProblem(
            term.span,
            f"The product '{term.name}' cannot stand left of '{op}'.",
            "A product may only be a predictor; the outcome is one variable.",
        )
    for modifier in term.modifiers:
        if modifier.kind != "efa":
            raise SyntaxProblem(
                modifier.span,
                f"A modifier cannot stand left of '{op}'.",
                "Put it before a term on the right.",
            )
    return term


def _right(node: Expression, op: str) -> Term:
    term = _term(node)
    if term.name == "1" and op != "~":
        raise SyntaxProblem(
            term.span,
            f"'1' cannot stand right of '{op}'.",
            "The 1 of an intercept goes with ~, as in 'x ~ 1'.",
        )
    if term.name == "0" and op not in ("~", "=~"):
        raise SyntaxProblem(
            term.span, f"'0' cannot stand right of '{op}'.", "To fix a parameter at zero multiply: '0*x'."
        )
    if op == "|" and not _THRESHOLD.fullmatch(term.name):
        raise SyntaxProblem(
            term.span,
            f"'{term.name}' is not a threshold.",
            "Thresholds are t1, t2, … from the lowest category up.",
        )
    if ":" in term.name and op in ("~*~", "<~"):
        raise SyntaxProblem(
            term.span, f"The product '{term.name}' cannot stand right of '{op}'.", "Use one variable."
        )
    return term


def _summands(node: Expression) -> Iterator[Expression]:
    if isinstance(node, Binary) and node.op in "+-" and not _parenthesized(node):
        if node.op == "-":
            raise SyntaxProblem(
                node.op_span or place(node),
                "A formula has no '-' between terms.",
                "Put +; to fix a term at -1 write '-1*x'.",
            )
        yield from _summands(node.left)
        yield node.right
    else:
        yield node


def _parenthesized(node: Binary) -> bool:
    return place(node).start < place(node.left).start


def _factors(node: Expression) -> Iterator[tuple[Expression, bool]]:
    """Factors left to right, each with whether a `?` follows it."""
    if isinstance(node, Binary) and node.op in "*?" and not _parenthesized(node):
        *before, (last, _) = _factors(node.left)
        yield from before
        yield last, node.op == "?"
        yield node.right, False
    else:
        yield node, False


def _term(node: Expression) -> Term:
    *before, (target, _) = _factors(node)
    name = _target_name(target, bool(before))
    return Term(name, place(target), modifiers(before, name))


def _target_name(node: Expression, modified: bool) -> str:
    span = place(node)
    match node:
        case Name(id):
            if id in RESERVED:
                hint = "Rename the variable." if id != "NA" else "NA frees a parameter: 'NA*x'."
                raise SyntaxProblem(span, f"'{id}' is a reserved word.", hint)
            return id
        case Binary(":", _, _):
            return ":".join(leaf.id for leaf in node.walk() if isinstance(leaf, Name))
        case Number(1.0):
            return "1"
        case Number(0.0) if not modified:
            return "0"
        case Number():
            hint = f"To fix a parameter multiply: '{node}*x'; an intercept is fixed by '{node}*1'."
            raise SyntaxProblem(span, f"The number {node} stands where a variable belongs.", hint)
        case Text(text):
            raise SyntaxProblem(
                span, "A quoted text stands where a variable belongs.", f"Write {text} without quotes."
            )
        case Call(function, _):
            hint = f"Did you forget '*x' after {function}(…)?"
            if function in FUNCTIONS:
                hint = f"Compute {function}(…) as a column of the data first."
            elif function not in MODIFIERS:
                hint = did_you_mean(function, MODIFIERS, noun="modifiers", shown=9)
            raise SyntaxProblem(span, f"{function}(…) stands where a variable belongs.", hint)
        case Unary("-", operand):
            raise SyntaxProblem(span, "A term cannot be negative.", f"To fix it at -1 write '-1*{operand}'.")
        case _:
            hint = "Write the terms out, joined by +; a modifier goes before with *."
            raise SyntaxProblem(span, f"'{node}' stands where a variable belongs.", hint)
