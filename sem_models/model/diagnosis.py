"""What is wrong with a statement that the grammar refuses, and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.model.lines import OPERATORS, span_of, stray_problem
from sem_models.model.source import Problem, Span

if TYPE_CHECKING:
    from lark import Token

_JOINERS = {"PLUS", "MINUS", "STAR", "SLASH", "CARET", "QUERY", "COLON", "COMMA"}
_OPERANDS = {"NAME", "NUMBER", "STRING", "RPAR"}
_MEASURED = "Use =~ (is measured by) or ~ (is predicted by)."
_BAD_OPERATORS = {
    "=": f"{_MEASURED} An equality constraint is ==, a defined parameter :=.",
    "=-": f"Did you mean =~ (is measured by)? {_MEASURED}",
    "~=": "Did you mean =~ (is measured by)?",
    "->": "Write the outcome first: 'y ~ x', or 'f =~ x' for a factor and its item.",
    "~>": "Write the outcome first: 'y ~ x'.",
    "<-": "Use ~ (is predicted by): 'y ~ x'. For an inequality put a space: 'a < -b'.",
    "<->": "Use ~~ (covaries with).",
    "=>": "Use =~ (is measured by), or > for an inequality.",
    "=<": "Use < for an inequality: strict and weak are the same to an optimizer.",
    "<=": "Use < for an inequality: strict and weak are the same to an optimizer.",
    ">=": "Use > for an inequality: strict and weak are the same to an optimizer.",
    "<>": "There is no 'not equal' constraint.",
    "::": "A product has one colon: 'x:z'.",
    "||": "Use | (has the thresholds).",
}


def diagnose(tokens: list[Token], refused: Token | None) -> Problem:
    """The likeliest mistake in `tokens`, of which the grammar refused one (None: it ended too early)."""
    for token in tokens:
        if token.type == "BAD_OP":
            return _bad_operator(token)
        if token.type == "STRAY":
            return stray_problem(token)
    unbalanced = _unbalanced(tokens)
    operators = [t for t in tokens if t.type in OPERATORS]
    if len(operators) > 1:
        return _second_operator(tokens, operators, unbalanced)
    if tokens[0] is operators[0]:
        return Problem(
            span_of(tokens[0]),
            f"Nothing stands left of '{tokens[0]}'.",
            "A variable must come before the operator.",
        )
    if unbalanced:
        return unbalanced
    if refused is None:
        return _nothing_after(tokens[-1])
    at = next(i for i, t in enumerate(tokens) if t is refused)
    if at == 0 and refused.type in _JOINERS:
        hint = f"Put the '{refused}' at the end of the line above if this line goes on with it."
        return Problem(span_of(refused), f"A statement cannot start with '{refused}'.", hint)
    return _unexpected(tokens[at - 1] if at else None, refused)


def _bad_operator(token: Token) -> Problem:
    text = str(token)
    hint = _BAD_OPERATORS.get(text)
    if hint is None:
        near = "==" if text.startswith("==") else "=~" if text.startswith("=") else "~~"
        hint = f"Did you mean {near}?"
    return Problem(span_of(token), f"'{text}' is not an operator.", hint)


def _unbalanced(tokens: list[Token]) -> Problem | None:
    opened: list[Token] = []
    for token in tokens:
        if token.type in OPERATORS and opened:
            break
        if token.type == "LPAR":
            opened.append(token)
        elif token.type == "RPAR":
            if not opened:
                return Problem(
                    span_of(token), "This ')' closes nothing.", "Remove it, or add the '(' it belongs to."
                )
            opened.pop()
    if opened:
        return Problem(span_of(opened[-1]), "This '(' is never closed.", "Add the ')' it belongs to.")
    return None


def _second_operator(tokens: list[Token], operators: list[Token], unbalanced: Problem | None) -> Problem:
    first, second = operators[:2]
    between = tokens[tokens.index(first) + 1 : next(i for i, t in enumerate(tokens) if t is second)]
    if not between:
        span = span_of(first).to(span_of(second))
        text = f"'{first}' and '{second}' follow each other with nothing between."
        return Problem(span, text, f"Keep one of them, with a variable on either side. {_MEASURED}")
    if second.type == "CONSTRAINT_OP" and first.type == "CONSTRAINT_OP":
        hint = "Write two constraints: 'a > 0' and 'a < 1' rather than '0 < a < 1'."
    else:
        hint = "One statement has one operator: start a new line or put ';' before the next."
    if unbalanced and unbalanced.span.start < span_of(second).start:
        return unbalanced
    return Problem(span_of(second), f"'{second}' is a second operator in one statement.", hint)


def _nothing_after(last: Token) -> Problem:
    if last.type in OPERATORS:
        return Problem(
            span_of(last), f"Nothing stands right of '{last}'.", "Add the variables or remove the statement."
        )
    return Problem(span_of(last), f"A term is missing after '{last}'.", f"Add it, or remove the '{last}'.")


def _unexpected(before: Token | None, refused: Token) -> Problem:
    span, text = span_of(refused), str(refused)
    if before is not None and before.type in _JOINERS | {"LPAR", "FORMULA_OP", "CONSTRAINT_OP"}:
        if refused.type in _JOINERS | {"RPAR"}:
            both = Span(span_of(before).start, span.end, span_of(before).line, span_of(before).column)
            return Problem(
                both, f"A term is missing between '{before}' and '{text}'.", "Add it, or remove one of them."
            )
        if refused.type in OPERATORS:
            return Problem(
                span_of(before), f"A term is missing after '{before}'.", f"Add it, or remove the '{before}'."
            )
    if (
        before is not None
        and before.type in _OPERANDS
        and refused.type in {"NAME", "NUMBER", "STRING", "LPAR"}
    ):
        return Problem(
            span,
            f"An operator is missing between '{before}' and '{text}'.",
            "Put + between terms, * after a modifier, and a new line or ';' between statements.",
        )
    if refused.type == "COMMA":
        return Problem(
            span, "A comma has no place here.", "Put + between terms; commas only stand inside c(…)."
        )
    if refused.type == "COLON":
        return Problem(
            span, "A product 'x:z' joins two variable names.", "Remove ':' or what is not a name beside it."
        )
    return Problem(
        span, f"'{text}' is not expected here.", "See the model language for what may stand at this place."
    )
