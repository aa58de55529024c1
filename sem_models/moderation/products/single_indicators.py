"""`method="rapi"`: reliability-adjusted product indicators, one composite for each factor and product.

Hsiao, Kwok & Lai (2018, 2021); error variances are fixed from the composites' reliabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Any

import pandas as pd

from sem_models.errors import SpecError
from sem_models.estimation.fit import fit
from sem_models.model.syntax import Formula, to_text
from sem_models.moderation.products.composites import Coefficient, Composites, composites
from sem_models.moderation.products.estimate import (
    is_name,
    ordered_beside,
    product_rows,
    refuse_measured,
)
from sem_models.moderation.products.pairs import Indicator, Measured
from sem_models.moderation.products.result import ProductModeration
from sem_models.moderation.statement import Statement, check_factors, labeled_text, read_statement

OPTIONS = ("reliability",)
"""Options beside those of `sm.fit`."""


def moderate_by_composites(
    model: Any, data: Any, *, reliability: Coefficient | Mapping[str, float] = "omega",
    missing: str = "listwise", group: str | None = None, ordered: Any = (), **options: Any,
) -> ProductModeration:  # fmt: skip
    """Estimate a moderation with one composite for each factor of a product and one for each product.

    A factor is measured by the mean of its items, a product by the product of its factors' centered means,
    centered again. Their error variances are fixed: (1 − reliability) × variance, and for products that of
    Bohrnstedt & Marwell (1978). Other constructs keep their items. Effects are in units of the items' mean.
    Errors take the reliabilities as known. Raises SpecError or DataError before the estimation starts.
    """
    frame = product_rows(data, options)
    if group is not None:
        raise SpecError(
            "method='rapi' has no groups yet. Use method='dblcent' with group=, or fit each group by itself."
        )
    if options.get("std_lv"):
        raise SpecError("method='rapi' has composites in their own units: leave out std_lv=.")
    statement = read_statement(labeled_text(model, ("",), (), options))
    check_factors(statement, frame.columns)
    refuse_measured(statement)
    ordered_beside(statement, frame, ordered)
    items = _items(statement)
    found = composites(frame, items, reliability=reliability, missing=missing)
    names = {f: _free_name(f"{f}.mean", frame) for f in items if items[f] != (f,)}
    columns = {names[f]: found.values[:, k] + found.means[k] for k, f in enumerate(items) if f in names}
    products, error = _products(statement, found, names, frame)
    place = {f: k for k, f in enumerate(found.names)}
    for measured in products:
        one, two = (found.values[:, place[f]] for f in measured.product.factors)
        product = one * two
        columns[measured.indicators[0].name] = product - pd.Series(product).mean()
    added = pd.DataFrame(columns, index=frame.index)
    full = _text(statement, items, names, found, products, error)
    fitted = fit(
        full, pd.concat([frame, added], axis=1), missing=missing, ordered=ordered, **options
    )  # fmt: skip
    fitted = replace(fitted, spec_id=getattr(model, "id", None) or (model if is_name(model) else "custom"))
    centers = {f: (float(found.means[place[f]]),) for f in items if f not in names}
    settings = {
        "match": "composite",
        "reliability": {f: float(found.reliability[place[f]]) for f in names},
    }  # fmt: skip
    return ProductModeration(
        fitted, statement, "rapi" if products else "sem", products, centers, {}, settings
    )


def _items(statement: Statement) -> dict[str, tuple[str, ...]]:
    """The factors of latent products with their items. SpecError for what a composite cannot stand for."""
    out: dict[str, tuple[str, ...]] = {}
    for product in statement.latent_products:
        if len(product.factors) > 2:
            raise SpecError(
                f"'{product.name}' has {len(product.factors)} factors; method='rapi' knows the error of a "
                "product of two only. Use method='sam' or 'dblcent'."
            )
        for factor in product.factors:
            own = statement.items_of(factor) if factor in product.latent else (factor,)
            if not own:
                raise SpecError(
                    f"'{factor}' in the product '{product.name}' has no items of its own, so it has no "
                    "composite. Use a factor with items, or method='lms'."
                )
            out[factor] = own
    taken = {i for f, own in out.items() if own != (f,) for i in own}
    for formula in statement.syntax.formulas:
        used = {formula.lhs, formula.rhs} & taken
        if used and not (formula.op == "=~" and formula.lhs in out):
            raise SpecError(
                f"'{min(used)}' is part of a composite under method='rapi', so the line "
                f"{formula.lhs} {formula.op} {formula.rhs} cannot stand. Remove it, or use method='sam'."
            )
    return out


def _products(
    statement: Statement, found: Composites, names: Mapping[str, str], frame: pd.DataFrame
) -> tuple[tuple[Measured, ...], Any]:
    place = {f: k for k, f in enumerate(found.names)}
    out, pairs = [], []
    for product in statement.latent_products:
        parts = tuple(names.get(f, f) for f in product.factors)
        indicator = Indicator(_free_name(".x.".join(product.factors), frame), parts)
        exact = frozenset(f for f in product.factors if f not in names)
        out.append(Measured(product, (indicator,), tuple(dict.fromkeys(parts)), exact))
        pairs.append((place[product.factors[0]], place[product.factors[1]]))
    return tuple(out), found.error_covariances(pairs) if pairs else None


def _text(
    statement: Statement, items: Mapping[str, tuple[str, ...]], names: Mapping[str, str], found: Composites,
    products: tuple[Measured, ...], error: Any,
) -> str:  # fmt: skip
    """The model with composites in place of items, error variances fixed."""

    def replaced(formula: Formula) -> bool:
        return formula.op == "=~" and formula.lhs in names

    kept = tuple(f for f in statement.syntax.formulas if not replaced(f))
    lines = []
    for k, factor in enumerate(found.names):
        if factor in names:
            theta = found.observed[k, k] - found.true[k, k]
            lines += [f"{factor} =~ 1*{names[factor]}", f"{names[factor]} ~~ {theta:.17g}*{names[factor]}"]
    for measured in products:
        lines.append(f"{measured.name} =~ 1*{measured.indicators[0].name}")
    for i, j in combinations_with_replacement(range(len(products)), 2):
        first, second = (products[n].indicators[0].name for n in (i, j))
        if i == j or abs(error[i, j]) > 1e-14:
            lines.append(f"{first} ~~ {error[i, j]:.17g}*{second}")
    rest = to_text(replace(statement.syntax, formulas=kept))
    return "\n".join([*lines, rest])


def _free_name(wanted: str, frame: pd.DataFrame) -> str:
    taken = {str(c) for c in frame.columns}
    while wanted in taken:
        wanted += "."
    return wanted
