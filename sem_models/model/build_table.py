"""The parameter table of parsed syntax: what the user wrote, and every default.

The defaults are those that lavaan documents for `sem()`, `cfa()`, `growth()` and `lavaan()`
(Rosseel, 2012, Journal of Statistical Software 48(2), sections 3–5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from sem_models.errors import SpecError, did_you_mean
from sem_models.model.composites import carrying, check_composites, weight_constraints
from sem_models.model.effect_coding import sum_constraints
from sem_models.model.equal_rows import across_groups, check_families, equal_modifiers, settle_labels
from sem_models.model.ordinal_rows import check_complete, check_ordinal_rows
from sem_models.model.syntax import Formula, Modifier, Syntax, point_at
from sem_models.model.table import ParameterTable, Row, TableOptions
from sem_models.model.variables import Variables, classify


def build_table(syntax: Syntax, options: TableOptions, groups: Sequence[str] = ("",)) -> ParameterTable:
    """Expand parsed syntax into the parameter table of all groups.

    Raises SpecError for what the engine cannot estimate, by name and place, and for modifiers that
    contradict one another or the number of groups.
    """
    _refuse_unsupported(syntax, options.products)
    check_ordinal_rows(syntax, options)
    check_families(options)
    check_composites(syntax, std_lv=options.std_lv)
    variables = classify(syntax, options.products)
    rows: list[Row] = []
    for block in range(1, len(groups) + 1):
        user = [
            _user_row(f, block, len(groups), syntax.source) for f in syntax.formulas if f.block in (0, block)
        ]
        user = _markers(user, variables, options)
        user += [
            Row(lhs, op, rhs, block, fixed=fixed, hidden=True)
            for lhs, op, rhs, fixed in carrying(user, variables.emergent)
        ]
        rows += user + _defaults(user, variables, options, block)
    rows = equal_modifiers(rows, syntax)
    rows = across_groups(rows, variables, options)
    rows = settle_labels(rows)
    definitions = tuple((str(c.lhs), c.rhs) for c in syntax.constraints if c.op == ":=")
    table = ParameterTable(
        tuple(rows), variables, tuple(groups), definitions,
        (
            *(c for c in syntax.constraints if c.op == "=="),
            *sum_constraints(rows, options.effect_coding), *weight_constraints(rows, variables.emergent),
        ),
        tuple(c for c in syntax.constraints if c.op in ("<", ">")), options,
    )  # fmt: skip
    check_complete(table)
    _check_expressions(table, syntax)
    return table


def _refuse_unsupported(syntax: Syntax, products: tuple[str, ...]) -> None:
    if syntax.moderated:
        what = f"'{syntax.moderated[0].lhs}' follows a covariate here, which is not one value to estimate."
        hint = "Use sm.moderate(model, data, method='mnlfa'), or remove the line."
        raise SpecError(point_at(syntax.source, syntax.moderated[0].op_span, what, hint))
    for formula in syntax.formulas:
        for modifier in formula.modifiers:
            if modifier.kind in ("efa", "rv", "prior"):
                what = f"The engine cannot use the modifier {modifier.kind}() yet."
                raise SpecError(point_at(syntax.source, modifier.span, what, "Remove the modifier."))
    for block in syntax.blocks:
        if block.kind != "group":
            what = f"The engine cannot estimate '{block.kind}:' blocks yet."
            raise SpecError(point_at(syntax.source, block.span, what, "Use group= for groups of customers."))
    latent = {f.lhs for f in syntax.formulas if f.op == "=~"}
    for formula in syntax.formulas:
        stands = formula.rhs in products or formula.rhs in latent
        parts = formula.rhs.split(":") if ":" in formula.rhs and not stands else []
        if any(part in latent for part in parts):
            what = f"'{formula.rhs}' is a product with a latent variable, which is not an ordinary path."
            raise SpecError(
                point_at(
                    syntax.source,
                    formula.rhs_span,
                    what,
                    "Use sm.moderate(model, data) for latent interactions.",
                )
            )


def _per_group(modifier: Modifier, block: int, n_groups: int, source: str) -> float | str | None:
    if len(modifier.values) == 1:
        return modifier.values[0]
    if len(modifier.values) != n_groups:
        what = (
            f"c() has {len(modifier.values)} values, but there "
            f"{'is 1 group' if n_groups == 1 else f'are {n_groups} groups'}."
        )
        raise SpecError(
            point_at(
                source, modifier.span, what, "Give one value per group, in the order of group appearance."
            )
        )
    return modifier.values[block - 1]


_FREED = float("nan")


def _user_row(formula: Formula, block: int, n_groups: int, source: str) -> Row:
    """A row the model states itself; a NaN in `fixed` marks `NA*`, which overrides every default."""
    row = Row(formula.lhs, formula.op, formula.rhs, block, user=True)
    for modifier in formula.modifiers:
        value = _per_group(modifier, block, n_groups, source)
        if modifier.kind == "fixed":
            row = replace(row, fixed=_FREED if value is None else float(value))
        elif modifier.kind == "start" and value is not None:
            row = replace(row, start=float(value))
        elif modifier.kind == "label" and value is not None:
            row = replace(row, label=str(value))
        elif modifier.kind == "equal" and value is not None:
            row = replace(row, label=f"={value}")
        elif modifier.kind == "lower" and value is not None:
            row = replace(row, lower=float(value))
        elif modifier.kind == "upper" and value is not None:
            row = replace(row, upper=float(value))
    if row.lower is not None and row.upper is not None and row.lower > row.upper:
        raise SpecError(f"{row.name} cannot be above {row.lower:g} and below {row.upper:g} at once.")
    return row


def _markers(rows: list[Row], variables: Variables, options: TableOptions) -> list[Row]:
    """Fix the first loading of each latent variable to 1 unless the text or `std_lv` says otherwise.

    So for the first weight of a composite, if the text fixes none of its weights.
    """
    seen: set[str] = set()
    scaled = {row.lhs for row in rows if row.op == "<~" and row.fixed}
    out: list[Row] = []
    for row in rows:
        if row.op == "=~" and row.lhs not in seen:
            seen.add(row.lhs)
            marked = options.auto_fix_first and "loadings" not in options.effect_coding
            if row.fixed is None and marked and not options.std_lv:
                row = replace(row, fixed=1.0)
        if row.op == "<~" and row.lhs not in seen | scaled:
            seen.add(row.lhs)
            if row.fixed is None and options.auto_fix_first:
                row = replace(row, fixed=1.0)
        out.append(row)
    return [replace(r, fixed=None) if r.fixed is not None and r.fixed != r.fixed else r for r in out]


def _defaults(user: list[Row], variables: Variables, options: TableOptions, block: int) -> list[Row]:
    """Variances, covariances and intercepts the text leaves unsaid, in lavaan's order."""
    stated = {row.key for row in user} | {(r.rhs, r.op, r.lhs) for r in user if r.op == "~~"}
    rows: list[Row] = []
    categories = options.categories

    def add(lhs: str, op: str, rhs: str, *, fixed: float | None = None, exogenous: bool = False) -> None:
        if (lhs, op, rhs) not in stated:
            stated.update({(lhs, op, rhs), (rhs, op, lhs)} if op == "~~" else {(lhs, op, rhs)})
            rows.append(Row(lhs, op, rhs, block, fixed=fixed, exogenous=exogenous))

    nonexogenous = variables.indicators + variables.outcomes + variables.others
    exogenous = variables.exogenous
    loadings: dict[str, list[str]] = {}
    for row in user:
        if row.op == "=~":
            loadings.setdefault(row.lhs, []).append(row.rhs)
    coded_means = "intercepts" in options.effect_coding
    if options.auto_fix_single:
        for items in loadings.values():
            if (
                len(items) == 1
                and sum(items[0] in other for other in loadings.values()) == 1
                and items[0] in variables.indicators
            ):
                add(items[0], "~~", items[0], fixed=0.0)
    if options.auto_var:
        for name in nonexogenous:
            add(name, "~~", name, fixed=1.0 if name in categories else None)
        for name in variables.latent:
            if name not in variables.products + variables.composites:
                add(name, "~~", name, fixed=1.0 if options.std_lv else None)
    for name in variables.products + variables.composites:
        add(name, "~~", name, fixed=0.0)
    order = {name: i for i, name in enumerate(nonexogenous + variables.latent)}
    rows.sort(key=lambda row: order.get(row.lhs, len(order)))
    variances, rows = rows, []
    if options.auto_th:
        for name in nonexogenous:
            for number in range(1, categories.get(name, 1)):
                add(name, "|", f"t{number}")
    rows += variances
    if options.auto_cov_lv_x:
        for lhs, rhs in combinations(variables.latent_exogenous, 2):
            add(lhs, "~~", rhs, fixed=0.0 if options.orthogonal or options.orthogonal_x else None)
    if options.auto_cov_y:
        for lhs, rhs in combinations(variables.terminal, 2):
            add(lhs, "~~", rhs, fixed=0.0 if options.orthogonal_y else None)
    for i, lhs in enumerate(exogenous):
        for rhs in exogenous[i:]:
            add(lhs, "~~", rhs, exogenous=options.fixed_x)
    if options.auto_delta:
        for name in nonexogenous:
            if name in categories:
                add(name, "~*~", name, fixed=1.0)
    if options.meanstructure:
        for name in nonexogenous:
            free = options.int_ov_free and name not in categories
            add(name, "~1", "", fixed=None if free else 0.0)
        for name in exogenous:
            add(name, "~1", "", exogenous=options.fixed_x)
        for name in variables.latent:
            own = name not in variables.products + variables.composites
            free = options.int_lv_free or (coded_means and ":" not in name)  # a product is not coded
            add(name, "~1", "", fixed=None if free and own else 0.0)
    return rows


def _check_expressions(table: ParameterTable, syntax: Syntax) -> None:
    known = {row.label for row in table.rows if row.label} | {table.plabel(i) for i in range(len(table.rows))}
    for constraint in syntax.constraints:
        sides = [constraint.rhs] if constraint.op == ":=" else [constraint.lhs, constraint.rhs]
        for name in (n for side in sides for n in side.names):
            if name not in known:
                shown = sorted(k for k in known if not k.startswith(".p"))
                what = f"'{name}' is neither a label nor a parameter defined above."
                raise SpecError(
                    point_at(syntax.source, constraint.span, what, did_you_mean(name, shown, noun="labels"))
                )
        if constraint.op == ":=":
            known.add(str(constraint.lhs))
