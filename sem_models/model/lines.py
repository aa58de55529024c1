"""From text to statements: tokens by Lark, lines joined where a statement goes on.

A line goes on with the statement above if it has no operator of its own and the join makes sense (the line
above ends in an operator, a parenthesis is open, or the line starts with `+` or the like). lavaan glues
every line without an operator to the one above, which turns a forgotten `+` into a new variable name;
here that is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar

from sem_models.errors import did_you_mean
from sem_models.model.source import Problem, Span

if TYPE_CHECKING:
    from lark import Lark, Token

OPERATORS = frozenset({"FORMULA_OP", "CONSTRAINT_OP", "BLOCK", "BAD_OP"})
_JOINERS = frozenset({"PLUS", "MINUS", "STAR", "SLASH", "CARET", "QUERY", "COLON", "COMMA"})
_OPEN_ENDED = _JOINERS | {"FORMULA_OP", "CONSTRAINT_OP", "LPAR", "BAD_OP"}

_STRAY = {
    "\u223c": "This is a look-alike of the tilde; type ~.",
    "\u02dc": "This is a look-alike of the tilde; type ~.",
    "\uff5e": "This is a look-alike of the tilde; type ~.",
    "\u2212": "This is a typographic minus; type -.",
    "\u2013": "This is a dash; type -.",
    "—": "This is a dash; type -.",
    "\u00d7": "Type * for 'times'.",
    "“": 'These are typographic quotes; type ".',
    "”": 'These are typographic quotes; type ".',
    "\u2018": "These are typographic quotes; type '.",
    "\u2019": "These are typographic quotes; type '.",
    '"': "This quote is never closed on its line.",
    "'": "This quote is never closed on its line.",
    "`": "Names take no backquotes: letters, digits, '.' and '_' only.",
    "[": "Use parentheses.",
    "]": "Use parentheses.",
    "{": "Use parentheses.",
    "}": "Use parentheses.",
    "%": "lavaan's % operator is not part of the language here.",
    "\\": "Names hold letters, digits, '.' and '_' only.",
}


class _KeepAll:
    """Tells Lark to keep the tokens that the grammar of a single statement never sees."""

    always_accept: ClassVar[tuple[str, ...]] = ("BREAK", "BAD_OP", "STRAY")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def parser(build: Callable[[], Any]) -> Lark:
    """The compiled grammar, its tree callbacks made by `build`; Lark is imported on first use."""
    from lark import Lark

    text = resources.files("sem_models.model").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="basic", postlex=_KeepAll(), transformer=build())


def span_of(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0, token.line or 1, token.column or 1)


def statements(tokens: Iterator[Token]) -> tuple[list[list[Token]], list[Problem]]:
    """Tokens of each statement, and what is wrong with how lines follow each other."""
    found: list[list[Token]] = []
    problems: list[Problem] = []
    for line in _physical_lines(tokens):
        if any(token.type in OPERATORS for token in line):
            found.append(line)
        elif found and _goes_on(found[-1], line[0]):
            found[-1].extend(line)
        else:
            problems.append(_line_without_operator(line, bool(found)))
    return found, problems


def _physical_lines(tokens: Iterator[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    for token in tokens:
        if token.type != "BREAK":
            line.append(token)
        elif line:
            yield line
            line = []
    if line:
        yield line


def _goes_on(statement: list[Token], first: Token) -> bool:
    if statement[-1].type == "BLOCK":
        return False
    if statement[-1].type in _OPEN_ENDED or first.type in _JOINERS or first.type == "RPAR":
        return True
    return sum((t.type == "LPAR") - (t.type == "RPAR") for t in statement) > 0


def _line_without_operator(line: list[Token], has_statement: bool) -> Problem:
    stray = next((token for token in line if token.type == "STRAY"), None)
    if stray is not None:
        return stray_problem(stray)
    span = span_of(line[0]).to(span_of(line[-1]))
    head = str(line[0])
    if len(line) > 1 and line[0].type == "NAME" and line[1].type == "COLON":
        near = did_you_mean(head, ("group", "level", "class", "block"), noun="block headers")
        return Problem(span_of(line[0]), f"'{head}:' is not a block header.", near)
    if len(line) == 1:
        message = f"'{head}' alone is not a statement: it has no operator."
    else:
        message = "This line has no operator."
    hint = "Use =~ (is measured by), ~ (is predicted by), ~~ (covaries with) or :=."
    if has_statement:
        hint = f"To continue the line above, start this one with +. {hint}"
    return Problem(span, message, hint)


def stray_problem(token: Token) -> Problem:
    """A character that belongs to no token."""
    text = str(token)
    if text[0].isdigit():
        return Problem(
            span_of(token), f"'{text}' is neither a number nor a name.", "A name starts with a letter."
        )
    if text[0] == "_":
        hint = f"A name starts with a letter: '{text.lstrip('_') or 'x'}'."
        return Problem(span_of(token), f"'{text}' is not a name.", hint)
    hint = _STRAY.get(text, "Names hold letters, digits, '.' and '_' only; a comment starts with #.")
    return Problem(span_of(token), f"'{text}' has no meaning here.", hint)
