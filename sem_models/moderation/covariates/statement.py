"""What a model text says of parameters that follow covariates, and the data's part in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.model.source import Span
from sem_models.model.syntax import Formula, Syntax, parse, point_at
from sem_models.model.table import ParameterTable

Link = Literal["identity", "log", "fisher"]
LINKS = {
    "identity": "a line in the covariates",
    "log": "times the exponential of a line in the covariates",
    "fisher": "the covariates move the correlation's Fisher z",
}
"""Links in words."""

EXAMPLE = "PV ~ b*EDS\n  b :~ tenure"


@dataclass(frozen=True, slots=True)
class Moderated:
    """A label that follows covariates: its rows of the table and their link."""

    label: str
    rows: tuple[int, ...]
    link: Link


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One `label :~ covariate`: which moderated label, which covariate, and what the text says of
    its value."""

    moderated: int
    covariate: int
    label: str
    fixed: float | None
    start: float
    formula: Formula


@dataclass(frozen=True, slots=True)
class CovariateStatement:
    """The model without its `:~` rows, the moderated labels, the covariates by name, and the coefficients."""

    syntax: Syntax
    moderated: tuple[Moderated, ...]
    covariates: tuple[str, ...]
    coefficients: tuple[Coefficient, ...]


def parsed(text: str) -> Syntax:
    """The model text. SpecError where no parameter follows a covariate."""
    syntax = parse(text)
    if not syntax.moderated:
        raise SpecError(
            "No parameter of the model follows a covariate, which method='mnlfa' is for.\n"
            f"  Label the parameter and say what it follows, as in\n  {EXAMPLE}"
        )
    if syntax.blocks:
        what = "method='mnlfa' takes no blocks: the groups are a covariate, coded 0 and 1."
        raise SpecError(point_at(syntax.source, syntax.blocks[0].span, what, "Remove the header."))
    return syntax


def read_covariates(syntax: Syntax, table: ParameterTable, frame: pd.DataFrame) -> CovariateStatement:
    """Match the `:~` rows with the table's labels and the data's columns. SpecError or DataError by place."""
    moderated: dict[str, Moderated] = {}
    covariates: dict[str, None] = {}
    coefficients = []
    for formula in syntax.moderated:
        if formula.lhs not in moderated:
            moderated[formula.lhs] = _moderated(formula, syntax, table)
        _check_covariate(formula, syntax, table, frame)
        covariates.setdefault(formula.rhs)
        coefficients.append(
            _coefficient(
                formula, list(moderated).index(formula.lhs), list(covariates).index(formula.rhs), syntax
            )
        )
    _check_coefficient_labels(coefficients, syntax, table)
    bare = replace(syntax, moderated=())
    return CovariateStatement(bare, tuple(moderated.values()), tuple(covariates), tuple(coefficients))


def covariate_values(frame: pd.DataFrame, names: tuple[str, ...]) -> Array:
    """The covariates' values (n, c), products multiplied out. DataError for columns that cannot be used."""
    columns: dict[str, Array] = {}
    for name in dict.fromkeys(part for whole in names for part in whole.split(":")):
        numeric = pd.to_numeric(frame[name], errors="coerce") if frame[name].dtype != "category" else None
        if numeric is None or (numeric.isna() & frame[name].notna()).any():
            raise DataError(
                f"The covariate '{name}' holds text or categories, and a parameter follows numbers. Code it: "
                "two groups as 0 and 1, more as one such column each."
            )
        values = np.asarray(numeric, dtype=np.float64)
        lacking = int((~np.isfinite(values)).sum())
        if lacking:
            raise DataError(
                f"The covariate '{name}' is missing in {lacking} of {len(values)} rows, and a customer "
                f"without it has no parameters. Drop them first: data.dropna(subset=['{name}'])."
            )
        if len(np.unique(values)) < 2:
            raise DataError(f"The covariate '{name}' has one value only: nothing can follow it.")
        columns[name] = values
    return np.column_stack([np.prod([columns[p] for p in name.split(":")], axis=0) for name in names])


def _moderated(formula: Formula, syntax: Syntax, table: ParameterTable) -> Moderated:
    label = formula.lhs
    rows = tuple(i for i, row in enumerate(table.rows) if row.label == label and not row.exogenous)
    if not rows:
        known = list(dict.fromkeys(row.label for row in table.rows if row.label and row.free))
        defined = label in dict(table.definitions)
        what = (
            f"'{label}' is computed from parameters and follows them."
            if defined
            else f"'{label}' is no label of a parameter of the model."
        )
        hint = (
            "Let the parameters that it is made of follow the covariate."
            if defined
            else f"Label the parameter first, as in PV ~ {label}*EDS. "
            f"{did_you_mean(label, known, noun='labels')}"
        )
        raise SpecError(point_at(syntax.source, formula.lhs_span, what, hint))
    links = {_link(table, i) for i in rows}
    if len(links) > 1:
        what = f"'{label}' names parameters of different kinds, which follow covariates in different ways."
        raise SpecError(point_at(syntax.source, formula.lhs_span, what, "Give each kind its own label."))
    link = links.pop()
    fixed = [value for i in rows if (value := table.rows[i].fixed) is not None]
    if link == "log" and any(value <= 0 for value in fixed):
        what = f"'{label}' is a variance fixed at 0, which no factor can change."
        raise SpecError(
            point_at(syntax.source, formula.lhs_span, what, "Fix it at a positive value, or free it.")
        )
    if link == "fisher" and not all(table.rows[i].free for i in rows):
        what = f"'{label}' is a covariance fixed by the model and cannot follow a covariate."
        raise SpecError(point_at(syntax.source, formula.lhs_span, what, "Free the covariance: NA*."))
    return Moderated(label, rows, link)


def _link(table: ParameterTable, i: int) -> Link:
    row = table.rows[i]
    if row.op != "~~":
        return "identity"
    return "log" if row.lhs == row.rhs else "fisher"


def _check_covariate(formula: Formula, syntax: Syntax, table: ParameterTable, frame: pd.DataFrame) -> None:
    labels = {row.label for row in table.rows if row.label} | {f.lhs for f in syntax.moderated}
    latent = set(table.variables.latent)
    explained = {*table.variables.indicators, *table.variables.outcomes}

    def refuse(what: str, hint: str, span: Span = formula.rhs_span) -> SpecError:
        return SpecError(point_at(syntax.source, span, what, hint))

    for name in formula.rhs.split(":"):
        if name == formula.lhs or (name in labels and name not in frame.columns):
            raise refuse(
                f"'{name}' is a parameter of the model, so '{formula.lhs} :~ {formula.rhs}' goes in a "
                "circle.",
                "Right of ':~' stand columns of the data.",
            )
        if name in latent:
            raise refuse(
                f"'{name}' is a latent variable, and a parameter follows observed columns.",
                "Write the moderation as a product, as in PV ~ EDS + ACT + EDS:ACT, and use method='lms'.",
            )
        if name in explained:
            raise refuse(
                f"'{name}' is explained by the model, so a parameter that follows it goes in a circle.",
                "Let the parameter follow a column that the model does not explain.",
            )
        if name not in frame.columns:
            raise refuse(
                f"'{name}' is not a column of the data.",
                did_you_mean(name, [str(c) for c in frame.columns], noun="columns"),
            )


def _coefficient(formula: Formula, moderated: int, covariate: int, syntax: Syntax) -> Coefficient:
    label, fixed, start = "", None, 0.0
    for modifier in formula.modifiers:
        if len(modifier.values) != 1 or modifier.kind not in ("label", "fixed", "start"):
            what = f"The modifier {modifier.kind}() has no meaning right of ':~'."
            hint = "A label, a number or start() may stand there, as in b :~ c1*tenure."
            raise SpecError(point_at(syntax.source, modifier.span, what, hint))
        value: Any = modifier.values[0]
        if modifier.kind == "label":
            label = value or ""
        elif modifier.kind == "fixed":
            fixed = None if value is None else float(value)
        elif value is not None:
            start = float(value)
    return Coefficient(moderated, covariate, label, fixed, start, formula)


def _check_coefficient_labels(coefficients: list[Coefficient], syntax: Syntax, table: ParameterTable) -> None:
    taken = {row.label for row in table.rows if row.label}
    for c in coefficients:
        if c.label in taken and c.label:
            what = f"'{c.label}' is the label of another parameter."
            hint = "A coefficient right of ':~' takes a label of its own."
            raise SpecError(point_at(syntax.source, c.formula.rhs_span, what, hint))
