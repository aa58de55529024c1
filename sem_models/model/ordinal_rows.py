"""Rows of ordered items in the parameter table: which are allowed, and which equal thresholds set free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.source import point_at
from sem_models.model.syntax import Syntax

if TYPE_CHECKING:
    from sem_models.model.table import ParameterTable, TableOptions


def check_ordinal_rows(syntax: Syntax, options: TableOptions) -> None:
    """Raise SpecError for thresholds and scalings of variables that are not ordered, or beyond the
    categories, and for free parameters that the parameterization derives from others."""
    categories = options.categories
    theta = options.parameterization == "theta"
    for f in syntax.formulas:
        if f.op == "<~" and categories:
            what = "The engine cannot combine composites ('<~') with ordered items yet."
            remedy = "Leave ordered= out to treat the items as continuous."
            raise SpecError(point_at(syntax.source, f.op_span, what, remedy))
        if f.op == "~*~" and f.lhs != f.rhs:
            what = f"A response scale belongs to one item: write '{f.lhs} ~*~ {f.lhs}'."
            raise SpecError(point_at(syntax.source, f.rhs_span, what))
        if f.op in ("|", "~*~") and f.lhs not in categories:
            what = f"'{f.lhs}' has no {'thresholds' if f.op == '|' else 'response scale'}: it is not ordered."
            raise SpecError(
                point_at(syntax.source, f.lhs_span, what, f"Add ordered=['{f.lhs}'] or remove the line.")
            )
        if f.op == "|":
            known = [f"t{k}" for k in range(1, categories[f.lhs])]
            if f.rhs not in known:
                what = f"'{f.lhs}' has {categories[f.lhs]} categories, so there is no threshold {f.rhs}."
                raise SpecError(
                    point_at(syntax.source, f.rhs_span, what, did_you_mean(f.rhs, known, noun="thresholds"))
                )
        freed = any(m.kind == "fixed" and None in m.values for m in f.modifiers)
        if f.op == "~*~" and theta and freed:
            what = (
                f"The scaling of '{f.lhs}' follows from its residual variance under theta and cannot be free."
            )
            raise SpecError(
                point_at(
                    syntax.source, f.op_span, what, "Use parameterization='delta', or free the variance."
                )
            )
        own_variance = f.op == "~~" and f.lhs == f.rhs and f.lhs in categories
        if own_variance and not theta and freed:
            what = (
                f"The residual variance of '{f.lhs}' follows from its scaling under delta and cannot be free."
            )
            raise SpecError(
                point_at(syntax.source, f.op_span, what, "Use parameterization='theta', or free the scaling.")
            )
    if categories and "residuals" in options.group_equal and not theta:
        raise SpecError(
            "Equal residuals (group_equal='residuals', the level 'strict') need parameterization='theta': "
            "under delta the residual variances of ordered items are not parameters."
        )


def freed_by_thresholds(lhs: str, op: str, rhs: str, options: TableOptions) -> bool:
    """Whether a row of a later group, fixed by default, is free because thresholds are equal over groups.

    Equal thresholds fix origin and scale of the latent responses, so that intercepts and scalings (under
    theta residual variances) of the other groups can be estimated (Wu & Estabrook, 2016, Psychometrika 81).
    One threshold fixes the origin only: the scale of a two-category item stays fixed until the intercepts are
    equal too.
    """
    size = options.categories.get(lhs, 0)
    equal = set(options.group_equal)
    if not size or "thresholds" not in equal:
        return False
    if op == "~1":
        return "intercepts" not in equal
    scaled = size > 2 or "intercepts" in equal
    if op == "~*~":
        return options.parameterization == "delta" and scaled
    own_variance = op == "~~" and lhs == rhs
    return own_variance and options.parameterization == "theta" and scaled and "residuals" not in equal


def check_complete(table: ParameterTable) -> None:
    """Raise SpecError where an ordered item lacks a threshold (possible without auto_th)."""
    if table.options.auto_th or not table.options.ordered:
        return
    present = {(row.lhs, row.rhs) for row in table.rows if row.op == "|"}
    for name, size in table.options.ordered:
        missing = [f"t{k}" for k in range(1, size) if (name, f"t{k}") not in present]
        if missing:
            raise SpecError(
                f"'{name}' has {size} categories but the model states no threshold {missing[0]}. Write "
                f"'{name} | {' + '.join(missing)}', or use auto_th=True."
            )
