"""Rows of the parameter table that share a value: `equal()`, equality across groups, labels of fixed rows."""

from __future__ import annotations

from dataclasses import replace

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.ordinal_rows import freed_by_thresholds
from sem_models.model.syntax import Syntax
from sem_models.model.table import Row, TableOptions
from sem_models.model.variables import Variables

FAMILIES = (
    "loadings", "intercepts", "means", "regressions", "residuals",
    "residual_covariances", "lv_variances", "lv_covariances", "thresholds",
)  # fmt: skip


def check_families(options: TableOptions) -> None:
    """Raise SpecError for a word in group_equal that is no family."""
    for family in options.group_equal:
        if family not in FAMILIES:
            raise SpecError(
                f"group_equal: '{family}' is not a family of parameters. "
                f"{did_you_mean(family, FAMILIES, noun='families')}"
            )


def equal_modifiers(rows: list[Row], syntax: Syntax) -> list[Row]:
    """Resolve `equal("f=~x2")`: the row takes the label of the row it names."""
    out = list(rows)
    for i, row in enumerate(out):
        if not row.label.startswith("="):
            continue
        target = row.label[1:].replace(" ", "")
        for k, other in enumerate(out):
            if (
                target in (other.label, other.name)
                and other.block == (row.block if target == other.name else other.block)
                and k != i
            ):
                label = other.label if other.label and not other.label.startswith("=") else f".p{k + 1}."
                out[k] = replace(other, label=label)
                out[i] = replace(row, label=label)
                break
        else:
            names = [r.name for r in out if r.user]
            raise SpecError(
                f'equal("{target}") names no parameter. {did_you_mean(target, names, noun="parameters")}'
            )
    return out


def family_of(row: Row, variables: Variables) -> str | None:
    """The family of `group_equal` that a row belongs to; moments of covariates belong to none."""
    latent = set(variables.latent)
    if row.hidden:
        return None
    if row.op in ("~~", "~1") and {row.lhs, row.rhs or row.lhs} <= set(variables.exogenous):
        return None
    if row.op == "=~":
        return "loadings"
    if row.op == "~":
        return "regressions"
    if row.op == "|":
        return "thresholds"
    if row.op == "~1":
        return "means" if row.lhs in latent else "intercepts"
    if row.op == "~~":
        is_latent = row.lhs in latent
        if row.lhs == row.rhs:
            return "lv_variances" if is_latent else "residuals"
        return "lv_covariances" if is_latent else "residual_covariances"
    return None


def across_groups(rows: list[Row], variables: Variables, options: TableOptions) -> list[Row]:
    """Equality over groups by family, and the latent scale and origin that it then leaves free."""
    if not options.group_equal:
        return rows
    partial = {p.replace(" ", "") for p in options.group_partial}
    known = {r.name for r in rows} | {r.label for r in rows if r.label}
    for name in partial - known:
        raise SpecError(
            f"group_partial: '{name}' is no parameter of the model. "
            f"{did_you_mean(name, sorted(known), noun='parameters')}"
        )
    equal = set(options.group_equal)
    first = {row.key: (i, row) for i, row in enumerate(rows) if row.block == 1}
    out = list(rows)
    for i, row in enumerate(rows):
        if row.block == 1:
            continue
        family = family_of(row, variables)
        if not row.user and row.lhs in variables.latent and row.lhs not in variables.products:
            frees_scale = (
                options.std_lv and "loadings" in equal and family == "lv_variances" and family not in equal
            )
            frees_origin = "intercepts" in equal and family == "means" and family not in equal
            if frees_scale or frees_origin:
                out[i] = replace(row, fixed=None)
                continue
        if not row.user and freed_by_thresholds(row.lhs, row.op, row.rhs, options):
            out[i] = replace(row, fixed=None)
            continue
        if family not in equal or row.exogenous or row.name in partial or row.key not in first:
            continue
        k, reference = first[row.key]
        reference = out[k]
        if reference.label in partial or not (row.free and reference.free):
            continue
        if row.label and reference.label and row.label != reference.label:
            continue  # the text itself tells the groups apart
        label = reference.label or f".p{k + 1}."
        out[k] = replace(reference, label=label)
        out[i] = replace(row, label=label)
    return out


def settle_labels(rows: list[Row]) -> list[Row]:
    """A label shared with a fixed parameter fixes the others to the same value."""
    fixed: dict[str, float] = {}
    for row in rows:
        if not row.label or row.fixed is None:
            continue
        if fixed.setdefault(row.label, row.fixed) != row.fixed:
            raise SpecError(
                f"The label '{row.label}' is on parameters fixed to {fixed[row.label]:g} and to "
                f"{row.fixed:g}. Give them different labels or the same value."
            )
    return [
        replace(r, fixed=fixed[r.label]) if r.label in fixed and r.label and not r.exogenous else r
        for r in rows
    ]
