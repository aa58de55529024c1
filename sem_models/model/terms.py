"""What the two sides of a formula mean: variables, products, intercepts and their modifiers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ast import Formula, Modifier, ModifierKind
from sem_models.model.expressions import FUNCTIONS, Binary, Call, Expression, Name, Number, Text, Unary
from sem_models.model.source import Span, SyntaxProblem

RESERVED = frozenset(
    "if else repeat while function for in next break TRUE FALSE NULL NA NaN Inf NA_integer_ NA_real_ "
    "NA_character_".split()
)
_NUMBER_KINDS: dict[str, ModifierKind] = {"start": "start", "lower": "lower", "upper": "upper"}
_TEXT_KINDS: dict[str, ModifierKind] = {
    "label": "label",
    "equal": "equal",
    "efa": "efa",
    "rv": "rv",
    "prior": "prior",
}
_MODIFIERS = (*_NUMBER_KINDS, *_TEXT_KINDS, "c")
_CONSTANTS = {"Inf": np.inf, "pi": np.pi}
_THRESHOLD = re.compile(r"t[1-9]\d*")
_Values = tuple[float | str | None, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A variable (or product, or "1", or "0") with what was multiplied on it."""

    name: str
    span: Span
    modifiers: tuple[Modifier, ...]


def place(node: Expression) -> Span:
    span = getattr(node, "span", None)
    return span if isinstance(span, Span) else Span(0, 0, 1, 1)


def rows(op: str, op_span: Span, lhs: Expression, rhs: Expression, block: int) -> Iterator[Formula]:
    """One Formula for each pair of a left and a right term, left terms outermost."""
    left = [_left(node, op) for node in _summands(lhs)]
    right = [_right(node, op) for node in _summands(rhs)]
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
            term.span, "A scaling factor belongs to one variable.", f"Write '{subject.name} ~*~ {subject.name}'."
        )
    return Formula(subject.name, op, name, modifiers, subject.span, op_span, term.span, block)  # type: ignore[arg-type]


def _left(node: Expression, op: str) -> Term:
    term = _term(node)
    if term.name in ("0", "1"):
        raise SyntaxProblem(term.span, f"A number cannot stand left of '{op}'.", "Put a variable there.")
    if ":" in term.name and op != "~~":
        raise SyntaxProblem(
            term.span,
            f"The product '{term.name}' cannot stand left of '{op}'.",
            "A product may only be a predictor; the outcome is one variable.",
        )
    for modifier in term.modifiers:
        if modifier.kind != "efa":
            raise SyntaxProblem(
                modifier.span, f"A modifier cannot stand left of '{op}'.", "Put it before a term on the right."
            )
    return term


def _right(node: Expression, op: str) -> Term:
    term = _term(node)
    if term.name == "1" and op != "~":
        raise SyntaxProblem(
            term.span, f"'1' cannot stand right of '{op}'.", "The 1 of an intercept goes with ~, as in 'x ~ 1'."
        )
    if term.name == "0" and op not in ("~", "=~"):
        raise SyntaxProblem(
            term.span, f"'0' cannot stand right of '{op}'.", "To fix a parameter at zero multiply: '0*x'."
        )
    if op == "|" and not _THRESHOLD.fullmatch(term.name):
        raise SyntaxProblem(
            term.span, f"'{term.name}' is not a threshold.", "Thresholds are t1, t2, … from the lowest category up."
        )
    if ":" in term.name and op in ("~*~", "<~"):
        raise SyntaxProblem(term.span, f"The product '{term.name}' cannot stand right of '{op}'.", "Use one variable.")
    return term


def _summands(node: Expression) -> Iterator[Expression]:
    if isinstance(node, Binary) and node.op in "+-" and not _parenthesized(node):
        if node.op == "-":
            between = place(node.left).to(place(node.right))
            raise SyntaxProblem(between, "A formula has no '-' between terms.", "Put +; to fix a term at -1 write '-1*x'.")
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
    return Term(name, place(target), tuple(_modifiers(before, name)))


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
        case Number(value):
            hint = f"To fix a parameter multiply: '{node}*x'; an intercept is fixed by '{node}*1'."
            raise SyntaxProblem(span, f"The number {node} stands where a variable belongs.", hint)
        case Text(text):
            raise SyntaxProblem(span, "A quoted text stands where a variable belongs.", f"Write {text} without quotes.")
        case Call(function, _):
            hint = f"Did you forget '*x' after {function}(…)?"
            if function not in _MODIFIERS:
                hint = f"Compute {function}(…) as a column of the data first. {did_you_mean(function, _MODIFIERS, noun='modifiers')}"
            raise SyntaxProblem(span, f"{function}(…) stands where a variable belongs.", hint)
        case Unary("-", operand):
            raise SyntaxProblem(span, "A term cannot be negative.", f"To fix it at -1 write '-1*{operand}'.")
        case _:
            hint = "Write the terms out, joined by +; a modifier goes before with *."
            raise SyntaxProblem(span, f"'{node}' stands where a variable belongs.", hint)


def _modifiers(factors: list[tuple[Expression, bool]], name: str) -> Iterator[Modifier]:
    number: Modifier | None = None
    label: Modifier | None = None
    for node, is_start in factors:
        modifier = _modifier(node, name)
        if is_start:
            if modifier.kind != "fixed":
                raise SyntaxProblem(modifier.span, "Before '?' stands a number, the starting value.", "Write '0.5?x'.")
            modifier = Modifier("start", modifier.values, modifier.span)
        if modifier.kind == "label" and label is not None:
            raise SyntaxProblem(
                label.span.to(modifier.span),
                "One parameter cannot have two labels.",
                "A product of parameters belongs into a constraint or a := definition.",
            )
        if modifier.kind == "fixed":
            if number is not None:
                number = _times(number, modifier)
                continue
            number = modifier
            continue
        label = modifier if modifier.kind == "label" else label
        if number is not None:
            yield number
            number = None
        yield modifier
    if number is not None:
        yield number


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
            near = did_you_mean(function, (*_MODIFIERS, *FUNCTIONS), noun="known", shown=9)
            raise SyntaxProblem(span, f"'{function}' is not a function of the model language.", near)
    value = _number(node, f"For a named parameter write its label alone: 'b*{name}'.")
    if not np.isfinite(value):
        raise SyntaxProblem(span, f"The value {node} is not a finite number.", "Fix a parameter at a finite number.")
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
        raise SyntaxProblem(span, f"{function}(…) is empty.", "Put one value, or one for each group, between the parentheses.")
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
    example = {"equal": "equal(\"f=~x1\")", "efa": 'efa("block1")'}.get(function, f'{function}("name")')
    if len(args) > 1:
        raise SyntaxProblem(span, f"{function}(…) takes one argument.", f"For several groups write {function}(c(…)).")
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
            raise SyntaxProblem(place(leaf), "A quoted text has no place in arithmetic.", f"Write {leaf.text} without quotes.")
        if isinstance(leaf, Name) and leaf.id in RESERVED:
            raise SyntaxProblem(place(leaf), f"'{leaf.id}' is a reserved word.", "Use a label or a number.")
        if isinstance(leaf, Binary) and leaf.op in "?:":
            hint = "A product of parameters is 'a*b'." if leaf.op == ":" else "A starting value goes into a formula."
            raise SyntaxProblem(place(leaf), f"'{leaf.op}' has no place in a constraint.", hint)
    return node


def check_calls(node: Expression) -> None:
    """Every call names a known function with a fitting number of arguments."""
    for leaf in node.walk():
        if not isinstance(leaf, Call):
            continue
        if leaf.function not in FUNCTIONS:
            near = did_you_mean(leaf.function, FUNCTIONS, noun="functions", shown=len(FUNCTIONS))
            raise SyntaxProblem(place(leaf), f"'{leaf.function}' is not a function of the model language.", near)
        several = leaf.function in ("min", "max", "sum")
        if not leaf.args or (len(leaf.args) > 1 and not several):
            takes = "at least one argument" if several else "one argument"
            raise SyntaxProblem(place(leaf), f"{leaf.function}(…) takes {takes}.", f"It has {len(leaf.args)}.")
