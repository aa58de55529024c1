"""Modifiers: what a formula multiplies on a term, and the arithmetic of constraints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ast import Modifier, ModifierKind
from sem_models.model.expressions import FUNCTIONS, Binary, Call, Expression, Name, Text
from sem_models.model.source import Span, SyntaxProblem

_CONTROL = ("if", "else", "repeat", "while", "function", "for", "in", "next", "break")
_VALUES = ("TRUE", "FALSE", "NULL", "NaN", "Inf", "NA", "NA_integer_", "NA_real_", "NA_character_")
RESERVED = frozenset(_CONTROL + _VALUES)
_NUMBER_KINDS: dict[str, ModifierKind] = {"start": "start", "lower": "lower", "upper": "upper"}
_TEXT_KINDS: dict[str, ModifierKind] = {
    "label": "label",
    "equal": "equal",
    "efa": "efa",
    "rv": "rv",
    "prior": "prior",
}
MODIFIERS = (*_NUMBER_KINDS, *_TEXT_KINDS, "c")
_CONSTANTS = {"Inf": np.inf, "pi": np.pi}
_Values = tuple[float | str | None, ...]


def place(node: Expression) -> Span:
    span = getattr(node, "span", None)
    return span if isinstance(span, Span) else Span(0, 0, 1, 1)


def modifiers(factors: Sequence[tuple[Expression, bool]], name: str) -> tuple[Modifier, ...]:
    """Modifiers of the term `name` from its factors, each with whether a `?` follows it."""
    found: list[Modifier] = []
    for node, is_start in factors:
        modifier = _modifier(node, name)
        if is_start:
            if modifier.kind != "fixed":
                hint = "Write '0.5?x'."
                raise SyntaxProblem(modifier.span, "Before '?' stands a number, the starting value.", hint)
            modifier = Modifier("start", modifier.values, modifier.span)
        same = next((m for m in found if m.kind == modifier.kind and m.kind in ("fixed", "label")), None)
        if same is None:
            found.append(modifier)
        elif modifier.kind == "label":
            hint = "A product of parameters belongs into a constraint or a := definition."
            raise SyntaxProblem(same.span.to(modifier.span), "One parameter cannot have two labels.", hint)
        else:
            found[found.index(same)] = _times(same, modifier)
    return tuple(found)


def _times(first: Modifier, second: Modifier) -> Modifier:
    a, b, span = first.values, second.values, first.span.to(second.span)
    if len(a) != 1 or len(b) != 1 or not isinstance(a[0], float) or not isinstance(b[0], float):
        raise SyntaxProblem(span, "One parameter cannot have two fixed values.", "Keep one of them.")
    return Modifier("fixed", (a[0] * b[0],), span)


def _modifier(node: Expression, name: str) -> Modifier:
    span = place(node)
    match node:
        case Name("NA"):
            return Modifier("fixed", (None,), span)
        case Name(id) if id not in _CONSTANTS:
            if id in RESERVED:
                raise SyntaxProblem(span, f"'{id}' is a reserved word.", "Choose another label.")
            return Modifier("label", (id,), span)
        case Text(text):
            return Modifier("label", (text or None,), span)
        case Call("c", args):
            return _vector(args, span)
        case Call(function, args) if function in _NUMBER_KINDS:
            return Modifier(_NUMBER_KINDS[function], _numbers(function, args, span), span)
        case Call(function, args) if function in _TEXT_KINDS:
            return Modifier(_TEXT_KINDS[function], _texts(function, args, span), span)
        case Call(function, _) if function not in FUNCTIONS:
            near = did_you_mean(function, (*MODIFIERS, *FUNCTIONS), noun="known", shown=9)
            raise SyntaxProblem(span, f"'{function}' is not a function of the model language.", near)
    value = _number(node, f"For a named parameter write its label alone: 'b*{name}'.")
    if not np.isfinite(value):
        raise SyntaxProblem(
            span, f"The value {node} is not a finite number.", "Fix a parameter at a finite number."
        )
    return Modifier("fixed", (value,), span)


def _vector(args: tuple[Expression, ...], span: Span) -> Modifier:
    args = _elements("c", args, span)
    values = tuple(_element(arg) for arg in args)
    if any(isinstance(v, str) for v in values):
        for arg, value in zip(args, values, strict=True):
            if isinstance(value, float):
                hint = "Give the labels and the values apart: 'c(NA,a)*x + c(0.5,NA)*x'."
                raise SyntaxProblem(place(arg), "Labels and numbers cannot mix in one c(…).", hint)
        return Modifier("label", tuple(v or None for v in values), span)
    return Modifier("fixed", values, span)


def _element(node: Expression) -> float | str | None:
    match node:
        case Name("NA"):
            return None
        case Name(id) if id not in _CONSTANTS:
            if id in RESERVED:
                raise SyntaxProblem(place(node), f"'{id}' is a reserved word.", "Choose another label.")
            return id
        case Text(text):
            return text
    return _number(node, "c(…) holds one number, NA or label for each group.")


def _elements(function: str, args: tuple[Expression, ...], span: Span) -> tuple[Expression, ...]:
    if len(args) == 1 and isinstance(args[0], Call) and args[0].function == "c":
        args = args[0].args
    if not args:
        raise SyntaxProblem(
            span, f"{function}(…) is empty.", "Put one value, or one for each group, between the parentheses."
        )
    return args


def _numbers(function: str, args: tuple[Expression, ...], span: Span) -> _Values:
    hint = f"{function}(…) takes one number, or c(…) with one for each group."
    if len(args) > 1:
        raise SyntaxProblem(span, f"{function}(…) takes one argument.", hint)
    return tuple(
        None if isinstance(arg, Name) and arg.id == "NA" else _number(arg, hint)
        for arg in _elements(function, args, span)
    )


def _texts(function: str, args: tuple[Expression, ...], span: Span) -> _Values:
    example = {"equal": 'equal("f=~x1")', "efa": 'efa("block1")'}.get(function, f'{function}("name")')
    if len(args) > 1:
        raise SyntaxProblem(
            span, f"{function}(…) takes one argument.", f"For several groups write {function}(c(…))."
        )
    return tuple(_quoted(arg, function, example) for arg in _elements(function, args, span))


def _quoted(node: Expression, function: str, example: str) -> str | None:
    match node:
        case Name("NA"):
            return None
        case Text(text):
            return text or None
        case Name(id) if function == "label":
            return id
    raise SyntaxProblem(place(node), f"{function}(…) takes a text in quotes.", f"As in {example}*x.")


def _number(node: Expression, hint: str) -> float:
    for leaf in node.walk():
        if isinstance(leaf, Text) or (isinstance(leaf, Name) and leaf.id not in _CONSTANTS):
            raise SyntaxProblem(place(node), f"'{node}' is not a number.", hint)
    check_calls(node)
    try:
        with np.errstate(all="ignore"):
            return float(node.evaluate(_CONSTANTS))
    except (SpecError, ZeroDivisionError, OverflowError) as problem:
        raise SyntaxProblem(place(node), f"'{node}' has no value.", hint) from problem


def arithmetic(node: Expression) -> Expression:
    """`node` as arithmetic of a constraint: known functions only, quoted names unquoted."""
    check_calls(node)
    for leaf in node.walk():
        if isinstance(leaf, Text):
            raise SyntaxProblem(
                place(leaf), "A quoted text has no place in arithmetic.", f"Write {leaf.text} without quotes."
            )
        if isinstance(leaf, Name) and leaf.id in RESERVED:
            raise SyntaxProblem(place(leaf), f"'{leaf.id}' is a reserved word.", "Use a label or a number.")
        if isinstance(leaf, Binary) and leaf.op in "?:":
            hint = (
                "A product of parameters is 'a*b'."
                if leaf.op == ":"
                else "A starting value goes into a formula."
            )
            raise SyntaxProblem(place(leaf), f"'{leaf.op}' has no place in a constraint.", hint)
    return node


def check_calls(node: Expression) -> None:
    """Every call names a known function with a fitting number of arguments."""
    for leaf in node.walk():
        if not isinstance(leaf, Call):
            continue
        if leaf.function not in FUNCTIONS:
            near = did_you_mean(leaf.function, FUNCTIONS, noun="functions", shown=len(FUNCTIONS))
            raise SyntaxProblem(
                place(leaf), f"'{leaf.function}' is not a function of the model language.", near
            )
        several = leaf.function in ("min", "max", "sum")
        if not leaf.args or (len(leaf.args) > 1 and not several):
            takes = "at least one argument" if several else "one argument"
            raise SyntaxProblem(
                place(leaf), f"{leaf.function}(…) takes {takes}.", f"It has {len(leaf.args)}."
            )
