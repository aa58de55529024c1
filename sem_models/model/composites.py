"""Composites: `C <~ x1 + x2 + x3`, a weighted sum of observed variables that is nothing but that sum.

C stands as a latent variable with the weights as paths into it and no residual, so that C = Σ wᵢ xᵢ exactly
and its variance follows from the weights (lavaan 0.6's form of `<~`, and what lavaan 0.7's composites imply
where one composite predicts; docs/composites.md). The first weight is fixed to 1 for the scale. What does not
come down to this is refused: composites that are themselves explained, measured or made of others.
"""

from __future__ import annotations

from sem_models.errors import SpecError
from sem_models.model.ast import Formula, Syntax
from sem_models.model.source import point_at

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
    predicting = {f.rhs for f in syntax.formulas if f.op == "~"}
    for formula in syntax.formulas:
        problem = _problem(formula, names, latent, explained)
        if problem:
            raise SpecError(point_at(syntax.source, formula.op_span, *problem))
    for name in names - predicting:
        first = next(f for f in syntax.formulas if f.lhs == name and f.op == "<~")
        what = f"The composite {name} predicts nothing, so nothing tells its weights."
        raise SpecError(point_at(syntax.source, first.op_span, what, f"Add a path, as 'y ~ {name}'."))


def _problem(
    formula: Formula, names: set[str], latent: set[str], explained: set[str]
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
    if op == "~" and lhs in names:
        return (
            f"The composite {lhs} is explained by '{rhs}'; composite outcomes are not possible yet.",
            REMEDY,
        )
    if op == "=~" and lhs in names:
        return f"The composite {lhs} cannot be measured by '{rhs}' too.", REMEDY
    if op == "=~" and rhs in names:
        return (
            f"The composite {rhs} cannot be an item of {lhs}.",
            f"Use a path, '{rhs} ~ {lhs}' or the reverse.",
        )
    if op in ("~~", "~1") and names & {lhs, rhs}:
        name = lhs if lhs in names else rhs
        return f"The variance, covariances and mean of the composite {name} follow from its weights.", (
            "Remove the line."
        )
    return None
