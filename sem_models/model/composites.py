"""Composites: `C <~ x1 + x2 + x3`, a weighted sum of observed variables that is nothing but that sum.

Where composites only predict, C stands as a latent variable with the weights as paths into it and no
residual (lavaan 0.6's form of `<~`). Where one is explained or covaries with something, all are *emergent*
(Schamberger, Schuberth, Henseler & Rosseel, 2025): the parts covary with everything else through C alone,
x = λ C + ε with wᵀε = 0 and ε of any other covariance. That is linear with one part as pseudo-indicator
(Rose, Wagner, Mayer & Nagengast, 2019; Henseler et al., 2025): x₁ = (C − Σ wₖ xₖ)/w₁ exactly, and
xₖ = λₖ C + εₖ for the others. The first weight is fixed to 1 for the scale (docs/composites.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from sem_models.errors import SpecError
from sem_models.model.ast import Constraint, Formula, Syntax
from sem_models.model.expressions import Binary, Name, Number
from sem_models.model.source import Span, point_at
from sem_models.model.variables import emergent_composites

if TYPE_CHECKING:
    from sem_models.model.table import Row

REMEDY = "A construct with causes and a residual is written 'C =~ y1 + y2' with 'C ~ x1 + x2' (MIMIC)."


def composites_of(syntax: Syntax) -> tuple[str, ...]:
    """Names left of `<~`, in order of appearance."""
    return tuple(dict.fromkeys(f.lhs for f in syntax.formulas if f.op == "<~"))


def check_composites(syntax: Syntax, *, std_lv: bool) -> None:
    """SpecError for what cannot be estimated with a composite, at the place in the text."""
    names = set(composites_of(syntax))
    if not names:
        return
    if std_lv:
        raise SpecError(
            "std_lv=True cannot set the variance of a composite yet: it follows from its weights. Leave the "
            "option out; the columns std_lv and std_all of the estimates have composites of variance 1."
        )
    latent = {f.lhs for f in syntax.formulas if f.op == "=~"} | names
    explained = {f.lhs for f in syntax.formulas if f.op == "~"}
    explained |= {f.rhs for f in syntax.formulas if f.op == "=~"}
    emergent = bool(emergent_composites(syntax))
    connected = {n for f in syntax.formulas if f.op == "~" for n in (f.lhs, f.rhs)}
    connected |= {n for f in syntax.formulas if f.op == "~~" and f.lhs != f.rhs for n in (f.lhs, f.rhs)}
    for formula in syntax.formulas:
        problem = _problem(formula, names, latent, explained, emergent)
        if problem:
            raise SpecError(point_at(syntax.source, formula.op_span, *problem))
    for name in () if emergent else names - connected:
        first = next(f for f in syntax.formulas if f.lhs == name and f.op == "<~")
        what = f"The composite {name} has nothing to do with anything else, so nothing tells its weights."
        raise SpecError(point_at(syntax.source, first.op_span, what, f"Add a path, as 'y ~ {name}'."))


def _problem(
    formula: Formula, names: set[str], latent: set[str], explained: set[str], emergent: bool
) -> tuple[str, str] | None:
    """What is wrong with a line, and what to do."""
    lhs, op, rhs = formula.lhs, formula.op, formula.rhs
    if op == "<~" and rhs in latent:
        return (
            f"'{rhs}', a part of the composite {lhs}, is not an observed variable; that is not possible yet.",
            (f"Compose {lhs} of observed variables."),
        )
    if op == "<~" and rhs in explained:
        return f"'{rhs}', a part of the composite {lhs}, is itself explained; that is not possible yet.", (
            f"Use '{lhs} ~ {rhs}' with items of {lhs}, or leave the path to '{rhs}' out."
        )
    if op == "=~" and lhs in names:
        return f"The composite {lhs} cannot be measured by '{rhs}' too.", REMEDY
    if op == "=~" and rhs in names:
        return (
            f"The composite {rhs} cannot be an item of {lhs}.",
            f"Use a path, '{rhs} ~ {lhs}' or the reverse.",
        )
    if op == "~~" and emergent and lhs != rhs:
        return None
    if op in ("~~", "~1") and names & {lhs, rhs}:
        name = lhs if lhs in names else rhs
        return f"The variance, covariances and mean of the composite {name} follow from its weights.", (
            "Remove the line."
        )
    return None


Parts = tuple[str, str, str, float | None]
"""lhs, op, rhs and fixed value of a row."""


def carrying(rows: Sequence[Row], emergent: Sequence[str]) -> Iterator[Parts]:
    """The rows by which emergent composites carry their parts, of one group's rows with the weights."""
    for name in emergent:
        weights = [row for row in rows if row.op == "<~" and row.lhs == name]
        pivot = _pivot(weights)
        others = [row for row in weights if row is not pivot]
        scale = pivot.fixed or 1.0
        yield pivot.rhs, "~", name, 1.0 / scale
        yield pivot.rhs, "~~", pivot.rhs, 0.0
        for row in others:
            yield pivot.rhs, "~", row.rhs, None if row.fixed is None else -row.fixed / scale
            yield row.rhs, "~", name, None
        for first, second in combinations_with_replacement(others, 2):
            yield first.rhs, "~~", second.rhs, None


def weight_constraints(rows: Sequence[Row], emergent: Sequence[str]) -> list[Constraint]:
    """The paths of the pseudo-indicators are the free weights, −wₖ / w₁."""
    out = []
    paths = {(r.lhs, r.rhs, r.block): i for i, r in enumerate(rows) if r.hidden and r.op == "~"}
    for name in emergent:
        for block in dict.fromkeys(row.block for row in rows):
            weights = [row for row in rows if row.op == "<~" and (row.lhs, row.block) == (name, block)]
            pivot = _pivot(weights)
            for i, row in enumerate(rows):
                if row.op == "<~" and (row.lhs, row.block) == (name, block) and row.free:
                    path = Name(f".p{paths[pivot.rhs, row.rhs, block] + 1}.")
                    weight = Binary("*", Number(-1.0 / (pivot.fixed or 1.0)), Name(f".p{i + 1}."))
                    out.append(Constraint("==", path, weight, Span(0, 0, 1, 1), 0))
    return out


def _pivot(weights: Sequence[Row]) -> Row:
    """The part whose weight is fixed, which sets the scale. SpecError where none is."""
    for row in weights:
        if row.fixed:
            return row
    raise SpecError(
        f"No weight of the composite {weights[0].lhs} is fixed to a number other than zero, which its scale "
        f"needs in this model. Write '{weights[0].lhs} <~ 1*{weights[0].rhs}'."
    )
