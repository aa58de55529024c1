"""From a model text with latent products and data to what a distribution-analytic likelihood is built on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.estimation.data_options import missing_method
from sem_models.estimation.fit import solve
from sem_models.estimation.information import Information
from sem_models.estimation.kernels import implied
from sem_models.estimation.options import Options, resolve
from sem_models.estimation.ordinal_starts import ordinal_start
from sem_models.estimation.units import row_units, variable_units
from sem_models.inference.solved import Solved
from sem_models.inference.standardized import row_values
from sem_models.model.build_table import build_table
from sem_models.model.constraints import restrictions
from sem_models.model.ram import Array, RamModel, build_ram
from sem_models.model.syntax import Formula, Syntax, point_at
from sem_models.model.table import ParameterTable, TableOptions
from sem_models.moderation.statement import Product, Statement, check_factors, labeled_text, read_statement
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.ordered_items import Items, ordered_items
from sem_models.observed.ordered_sample import sample_of_items
from sem_models.observed.patterns import discrepancy
from sem_models.observed.preparation import chosen_groups, standardized_columns
from sem_models.observed.sample import Sample, group_labels, sample_from_data

PRODUCT_INDICATORS = "method='dblcent'"
"""The way out that refusals name."""

SMALL = 0.02
"""Share of its variable's variance at which a negative residual variance starts."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A moderation to be estimated by the distribution of the data itself.

    ram has a variable without items, mean or variance (a phantom) for each of `products`; linear is the model
    without them at its maximum likelihood estimates, whose log-likelihood is that of `ram` with all product
    paths at 0. start (k,) are those estimates as parameters of `ram`, product paths at their start() values
    or 0, negative variances at a small positive value; units (k,) sizes of the parameters; moved (k,) tells
    the parameters that move a product's path.
    """

    statement: Statement
    products: tuple[Product, ...]
    table: ParameterTable
    ram: RamModel
    sample: Sample
    options: Options
    linear: Solved
    start: Array
    units: Array
    moved: Array
    text: str

    @property
    def n_moved(self) -> int:
        """Parameters of the products' paths: the degrees of freedom of the test against the linear model."""
        return self.ram.n_params - self.linear.ram.n_params

    @cached_property
    def covariate_logl(self) -> float:
        """Log-likelihood of the fixed covariates by themselves: a conditional ℓ is without it."""
        sample, x = self.sample, self.ram.exogenous
        if not len(x):
            return 0.0
        at_x = discrepancy(sample.cov[:, x[:, None], x], sample.mean[:, x], sample.patterns.only(x))
        seen = sample.patterns.seen[:, x].sum(axis=1)
        return float(-0.5 * (sample.patterns.size * (at_x.value + seen * np.log(2 * np.pi))).sum())

    @property
    def starts_linear(self) -> bool:
        """Whether the start is the linear model's optimum, so that its log-likelihood is known."""
        negative = any(
            row.op == "~~" and row.lhs == row.rhs and row.free and value < 0
            for row, value in zip(self.linear.table.rows, self.linear.rows.value, strict=True)
        )
        return self.nested and not negative and not self.start[self.moved].any()

    @property
    def nested(self) -> bool:
        """Whether the linear model is this one with its product paths at 0 and nothing else."""
        return _mixed_constraint(self.table, self.products) is None


def latent_problem(
    model: Any,
    data: Any,
    *,
    method: str,
    estimator: str = "ML",
    missing: str = "listwise",
    group: str | None = None,
    group_equal: str | Sequence[str] = (),
    group_partial: str | Sequence[str] = (),
    ordered: Sequence[str] | bool = (),
    seed: int | None = None,
    **options: Any,
) -> Problem:
    """Read the model, check the data, and fit the linear part. Options are those of `sm.fit`.

    Raises SpecError or DataError before anything long starts.
    """
    _refuse_options(method, estimator, missing, options)
    frame = frame_with_rows(data, "Latent interactions need")
    if group is not None and options.get("group_label") is not None:
        frame = chosen_groups(frame, group, options["group_label"])
    labels = group_labels(frame, group)
    text = labeled_text(model, labels, group_equal, options)
    statement = read_statement(text)
    _refuse_statement(method, statement)
    check_factors(statement, frame.columns)
    items = _items(frame, statement, ordered, method)
    given = {**options, "meanstructure": True}
    if items:
        given, estimator = _of_answers(given, estimator)
    resolved = resolve(
        given, estimator=estimator, missing=missing, group=group,
        group_equal=group_equal, group_partial=group_partial, engine="native", seed=seed,
        has_groups=len(labels) > 1, has_intercepts=True, has_sample_mean=False, items=items.sizes,
    )  # fmt: skip
    table = _table(text, replace(resolved.table, products=statement.names), labels)
    observed = table.variables.observed
    _need_main_effects(statement, observed)
    exogenous = table.variables.exogenous if resolved.table.fixed_x else ()
    if resolved.std_ov:
        frame = standardized_columns(frame, [v for v in observed if v not in exogenous], group)
    if items:
        sample = sample_of_items(
            frame, observed, items, missing=resolved.missing, group=group, exogenous=exogenous
        ).with_whole_rows()
        resolved = replace(resolved, information="observed", test_information=Information("observed"))
        plain = replace(
            resolved, estimator="WLSMV", discrepancy="DWLS", se="robust.sem",
            test=("standard", "scaled.shifted"), information="expected",
        )  # fmt: skip
    else:
        sample = sample_from_data(
            frame, observed, missing=resolved.missing, group=group, exogenous=exogenous, has_means=True
        )
        plain = replace(resolved, se="standard", test=("standard",), information="observed")
    linear = solve(_linear_table(text, resolved.table, labels), sample, plain)
    ram = build_ram(table, sample.cov, sample.mean)
    if restrictions(table, np.full(ram.n_free, -np.inf), np.full(ram.n_free, np.inf)):
        raise SpecError(
            f"method='{method}' cannot hold inequalities and nonlinear equalities yet. Remove them, or use "
            f"{PRODUCT_INDICATORS}."
        )
    moved = np.abs(ram.reduction[_product_rows(table, ram)]).sum(axis=0) > 1e-12
    return Problem(
        statement, statement.latent_products, table, ram, sample, resolved, linear,
        _start(table, ram, linear, _values(linear)), _units(table, ram, sample), moved, text,
    )  # fmt: skip


def _items(frame: pd.DataFrame, statement: Statement, ordered: Any, method: str) -> Items:
    """The ordered items, if any; SpecError for a method that has no likelihood of them."""
    items = ordered_items(frame, statement.without_products, ordered)
    if items and method != "lms":
        raise SpecError(
            f"'{next(iter(items.codes))}' is ordered, and method='{method}' approximates the density of "
            "continuous items. Use method='lms', which has the likelihood of the answers themselves, or take "
            "items with five or more categories as continuous: numbers in place of an ordered type, without "
            "ordered=, and estimator='MLR'."
        )
    return items


def _of_answers(options: Mapping[str, Any], estimator: str) -> tuple[dict[str, Any], str]:
    """Options and estimator with ordered items: marginal likelihood, responses with unit residuals."""
    asked = options.get("parameterization", "theta")
    if asked not in (None, "default", "theta"):
        raise SpecError(
            f"parameterization={asked!r} fixes the variances of the responses, which products make a "
            "polynomial of the other parameters: method='lms' with ordered items has 'theta' only. Leave it "
            "out; standardized() is the same under both."
        )
    out = {**options, "parameterization": "theta"}
    if str(estimator).upper() == "MLR" and out.get("se") in (None, "default"):
        out["se"] = "robust.huber.white"
    return out, "MML"


def _refuse_options(method: str, estimator: str, missing: str, options: Mapping[str, Any]) -> None:
    if str(estimator).upper() not in ("ML", "MLR"):
        raise SpecError(
            f"estimator='{estimator}' has no casewise likelihood, which method='{method}' is made of. "
            "Use 'ML', or 'MLR' for robust errors."
        )
    if missing_method(missing) not in ("listwise", "fiml", "fiml.x"):
        raise SpecError(
            f"missing='{missing}' does not go with method='{method}', which is full information maximum "
            "likelihood. Use missing='fiml'."
        )
    for name in ("cluster", "sampling_weights", "aux"):
        if options.get(name):
            raise SpecError(
                f"method='{method}' cannot use {name}= yet. Leave it out, or use {PRODUCT_INDICATORS}."
            )
    if options.get("meanstructure") is False:
        raise SpecError(f"method='{method}' needs the mean structure. Leave out meanstructure=False.")
    for name, neutral in (("bounds", ("none", None, False)), ("likelihood", ("normal", None, "default"))):
        if options.get(name, neutral[0]) not in neutral:
            raise SpecError(f"method='{method}' cannot honor {name}={options[name]!r} yet. Leave it out.")
    se = options.get("se")
    if se not in (None, "default", "standard", "robust", "robust.huber.white", "none"):
        raise SpecError(
            f"method='{method}' has no se='{se}' yet. Leave it out, or use estimator='MLR' for robust errors."
        )


def _refuse_statement(method: str, statement: Statement) -> None:
    if not statement.latent_products:
        names = ", ".join(p.name for p in statement.products)
        raise SpecError(
            f"No product has a latent factor ({names}): there is nothing to integrate over. Products of "
            "observed columns are ordinary predictors: use sm.fit(model, data)."
        )
    latent = set(statement.names)
    for formula in statement.syntax.formulas:
        if (formula.rhs in latent and formula.op != "~") or formula.lhs in latent:
            product = formula.rhs if formula.rhs in latent else formula.lhs
            what = f"The variance, covariances and mean of '{product}' follow from those of its factors."
            raise SpecError(
                point_at(
                    statement.syntax.source, formula.op_span, what,
                    f"Remove the line: method='{method}' takes products as predictors only.",
                )
            )  # fmt: skip


def _need_main_effects(statement: Statement, observed: tuple[str, ...]) -> None:
    for product in statement.latent_products:
        for factor in product.factors:
            if factor not in product.latent and factor not in observed:
                raise SpecError(
                    f"'{factor}' in the product '{product.name}' is a column, but no variable of the model. "
                    f"Add its own effect: {product.outcomes[0]} ~ {factor} + {product.name}."
                )


@lru_cache(maxsize=32)
def _table(text: str, options: TableOptions, labels: tuple[str, ...]) -> ParameterTable:
    return build_table(read_statement(text).syntax, options, labels)


@lru_cache(maxsize=32)
def _linear_table(text: str, options: TableOptions, labels: tuple[str, ...]) -> ParameterTable:
    """The same model without its latent products, and without what constrains or uses only their paths."""
    statement = read_statement(text)
    names = set(statement.names)
    kept = tuple(f for f in statement.syntax.formulas if f.rhs not in names)
    gone = _labels(f for f in statement.syntax.formulas if f.rhs in names) - _labels(kept)
    constraints, defined = [], set(gone)
    for constraint in statement.syntax.constraints:
        used = set(constraint.rhs.names) | (set(constraint.lhs.names) if constraint.op != ":=" else set())
        if used & defined:
            if constraint.op == ":=":
                defined.add(str(constraint.lhs))
            continue
        constraints.append(constraint)
    syntax: Syntax = replace(statement.syntax, formulas=kept, constraints=tuple(constraints))
    partial = tuple(n for n in options.group_partial if not any(p in n for p in names) and n not in gone)
    return build_table(syntax, replace(options, group_partial=partial), labels)


def _labels(formulas: Any) -> set[str]:
    found: set[str] = set()
    formula: Formula
    for formula in formulas:
        for modifier in formula.modifiers:
            if modifier.kind == "label":
                found |= {str(v) for v in modifier.values if v is not None}
    return found


def _mixed_constraint(table: ParameterTable, products: Sequence[Product]) -> str | None:
    """An equality that ties a product's path to a parameter of the linear model, or None."""
    names = {p.name for p in products}
    of_product = {row.label for row in table.rows if row.label and row.rhs in names}
    others = {row.label for row in table.rows if row.label and row.rhs not in names}
    shared = of_product & others
    if shared:
        return sorted(shared)[0]
    for constraint in table.equalities:
        used = set(constraint.lhs.names) | set(constraint.rhs.names)
        if used & of_product and used - of_product:
            return f"{constraint.lhs} == {constraint.rhs}"
    return None


def _product_rows(table: ParameterTable, ram: RamModel) -> Array:
    """Which free rows (q,) are paths of products."""
    products = set(table.options.products)
    return np.array([table.rows[n].rhs in products for n in ram.row_of_free], dtype=bool)


def _values(linear: Solved) -> Array:
    """Values of the linear model's rows to begin from: its estimates, of ordered items where they are proper.

    WLSMV of answers with many gaps may end far from anything; its own start is then a better one.
    """
    if linear.ram.ordinal is None or (linear.status.converged and linear.status.admissible):
        return linear.rows.value
    ram = linear.ram
    free = ram.free_values(ordinal_start(linear.table, ram, linear.sample))
    at = implied(*ram.matrices(free), ram.n_observed, ram.places.sources)
    return row_values(linear.table, ram, free, at).value


def _start(table: ParameterTable, ram: RamModel, linear: Solved, values: Array) -> Array:
    sizes = row_units(table, variable_units(table, linear.sample.cov))
    known: dict[Any, float] = {}
    for row, value in zip(linear.table.rows, values, strict=True):
        known[(row.key, row.block)] = float(value)
    free = np.zeros(ram.n_free)
    for x, number in enumerate(ram.row_of_free):
        row = table.rows[number]
        free[x] = known.get((row.key, row.block), row.start or 0.0)
        if row.op == "~~" and row.lhs == row.rhs and free[x] < 0:
            free[x] = SMALL * sizes[number]
    return np.asarray(np.linalg.lstsq(ram.reduction, free - ram.offset, rcond=None)[0])


def _units(table: ParameterTable, ram: RamModel, sample: Sample) -> Array:
    """A size for each parameter (k,); a product's unit is the product of its factors'."""
    unit = variable_units(table, sample.cov)
    place = {name: i for i, name in enumerate(ram.variables)}
    for name in table.variables.products:
        unit[:, place[name]] = np.prod([unit[:, place[f]] for f in name.split(":")], axis=0)
    weight = np.abs(ram.reduction)
    by_row = row_units(table, unit)[ram.row_of_free]
    return np.asarray(by_row @ weight / weight.sum(axis=0))
