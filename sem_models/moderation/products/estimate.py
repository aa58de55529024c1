"""From a model text with latent products and data to a fit with product indicators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.fit import fit
from sem_models.estimation.options import resolve
from sem_models.model.ram import Array
from sem_models.model.syntax import point_at
from sem_models.model.table import TableOptions
from sem_models.moderation.products.columns import Centering
from sem_models.moderation.products.frame import SCOPES, Scope, product_frame
from sem_models.moderation.products.model import ResidualCovariances, product_model, residual_covariances
from sem_models.moderation.products.pairs import Matching, Measured, matching, measured_products
from sem_models.moderation.products.parcels import Parcels, check_parcels, parceled
from sem_models.moderation.products.result import ProductModeration
from sem_models.moderation.statement import Statement, check_factors, labeled_text, read_statement
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.ordered_items import ordered_items
from sem_models.observed.preparation import chosen_groups, standardized_columns
from sem_models.observed.sample import group_labels, numeric_columns

if TYPE_CHECKING:
    import pandas as pd

METHODS: dict[str, Centering] = {"dblcent": "double", "uca": "items", "rca": "residual", "ca": "items"}
"""Methods, by what is done to the columns."""

OPTIONS = ("match", "match_recycle", "res_cov_method", "res_cov_across", "centering", "parcels")
"""Options of the product-indicator methods, beside those of `sm.fit`."""


def moderate_by_products(
    model: Any, data: Any, *, method: str, match: bool | Matching | None = None, match_recycle: bool = False,
    res_cov_method: ResidualCovariances | None = None, res_cov_across: bool = True,
    centering: Scope = "within", parcels: int | None = None, estimator: str = "ML", missing: str = "listwise",
    group: str | None = None, group_equal: str | Sequence[str] = (),
    group_partial: str | Sequence[str] = (), ordered: Sequence[str] | bool = (), engine: str = "native",
    seed: int | None = None, **options: Any,
) -> ProductModeration:  # fmt: skip
    """Estimate a moderation with products of items as indicators of the latent products.

    method "dblcent", "uca", "rca" or "ca". match True or "position" multiplies the items pair by pair,
    "loading" the strongest with the strongest, "all" every item of one factor with every item of the others
    (the default, but for "ca" position, whose constraints multiply). res_cov_method "simple", "equality" or
    "none" says which residual covariances are free, res_cov_across whether also those between products.
    centering of several groups is "within" each, or "overall". parcels: into how many means the items of each
    factor are gathered, which then stand for them, as numbers (see `parceled`); ordered items of a product's
    factors need it. Other options are those of `sm.fit`.

    Raises SpecError or DataError before the estimation starts.
    """
    frame = product_rows(data, options)
    if group is not None and options.get("group_label") is not None:
        frame = chosen_groups(frame, group, options["group_label"])
    labels = group_labels(frame, group)
    text = labeled_text(model, labels, group_equal, options)
    statement = read_statement(text)
    check_factors(statement, frame.columns)
    refuse_measured(statement)
    if centering not in SCOPES:
        raise SpecError(
            f"centering={centering!r} is unknown. {did_you_mean(str(centering), SCOPES, noun='choices')}"
        )
    gathered: Mapping[str, tuple[str, ...]] = {}
    if parcels is not None:
        found_parcels, ordered = _parceled(statement, frame, parcels, ordered, missing)
        text, frame, gathered = found_parcels.text, found_parcels.frame, found_parcels.of
        statement = read_statement(text)
    how = matching("position" if match is None and method == "ca" else match)
    freed = residual_covariances(res_cov_method)
    with_means = method in ("uca", "ca") or any(f.op == "~1" for f in statement.syntax.formulas)
    resolved = resolve(
        options, estimator=estimator, missing=missing, group=group, group_equal=group_equal,
        group_partial=group_partial, engine=engine, seed=seed, has_groups=len(labels) > 1,
        has_intercepts=with_means, has_sample_mean=False, items=ordered_beside(statement, frame, ordered),
    )  # fmt: skip
    if resolved.std_ov:
        frame = standardized_columns(frame, statement.variables.observed, group)
        options["std_ov"] = False
    strengths = _strengths(statement, frame, missing) if how == "loading" else ()
    strengths = tuple((item, abs(loading)) for item, loading in strengths)
    products, full = _built(
        text, method, how, bool(match_recycle), freed, bool(res_cov_across), resolved.table, labels, strengths
    )
    data = product_frame(
        frame, products, METHODS[method], group=group, labels=labels, scope=centering,
        sampling_weights=resolved.rows.sampling_weights,
    )  # fmt: skip
    found = fit(
        full, data.frame, estimator=estimator, missing=missing, group=group, group_equal=group_equal,
        group_partial=group_partial, ordered=ordered, engine=engine, seed=seed, **options,
    )  # fmt: skip
    settings = {
        "match": how, "match_recycle": bool(match_recycle), "res_cov_across": bool(res_cov_across),
        "res_cov_method": "ca" if method == "ca" else freed, "centering": centering,
        **({"parcels": dict(gathered)} if gathered else {}),
    }  # fmt: skip
    found = replace(found, spec_id=getattr(model, "id", None) or (model if is_name(model) else "custom"))
    return ProductModeration(
        found, statement, method if products else "sem", products, data.centers, data.shifts, settings
    )  # fmt: skip


def _parceled(
    statement: Statement, frame: pd.DataFrame, parcels: int, ordered: Any, missing: str
) -> tuple[Parcels, tuple[str, ...]]:
    """The model and data with parcels, and what stays ordered of the items beside them."""
    parcels = check_parcels(statement, parcels)
    items = ordered_items(frame, statement.without_products, ordered)
    factors = list(dict.fromkeys(f for p in statement.latent_products for f in p.latent))
    inside = {item for f in factors for item in statement.items_of(f)}
    numbers = frame.copy(deep=False)
    for name in sorted((inside & set(frame.columns)) - set(items.codes)):
        numbers[name] = numeric_columns(frame, [name])[:, 0]
    for name in inside & set(items.codes):
        labels = np.array(items.labels[name], dtype=object)
        scored = all(isinstance(v, int | float) for v in labels)
        numbers[name] = _as_numbers(items.codes[name], labels if scored else np.arange(1, len(labels) + 1))
    strengths = dict(_strengths(statement, numbers, missing))
    kept = tuple(name for name in items.codes if name not in inside)
    return parceled(statement, numbers, parcels, strengths), kept


def _as_numbers(codes: Array, values: Any) -> Array:
    """Category numbers from 0 (n,) as the values they stand for, NaN where missing."""
    seen = ~np.isnan(codes)
    out = np.full(len(codes), np.nan)
    out[seen] = np.asarray(values, dtype=np.float64)[codes[seen].astype(np.intp)]
    return out


def is_name(model: Any) -> bool:
    return isinstance(model, str) and not any(mark in model for mark in "~=<>|\n")


@lru_cache(maxsize=32)
def _built(
    text: str, method: str, how: Matching, recycle: bool, freed: ResidualCovariances, across: bool,
    options: TableOptions, labels: tuple[str, ...], strengths: tuple[tuple[str, float], ...],
) -> tuple[tuple[Measured, ...], str]:  # fmt: skip
    """The products with their indicators and the full model text, remembered."""
    statement = read_statement(text)
    products = measured_products(statement, how, recycle=recycle, strengths=dict(strengths))
    full = product_model(
        statement, products, method=method, res_cov=freed, across=across, options=options, groups=labels
    )
    return products, full


def _strengths(statement: Statement, frame: pd.DataFrame, missing: str) -> tuple[tuple[str, float], ...]:
    """Standardized loadings of the factors' items, with their signs, from their measurement model alone.

    Empty where two items of a single factor have none.
    """
    factors = list(dict.fromkeys(f for p in statement.latent_products for f in p.latent))
    items = {f: statement.items_of(f) for f in factors}
    if len(factors) == 1 and len(items[factors[0]]) < 3:
        return ()
    lines = [f"{f} =~ {' + '.join(items[f])}" for f in factors if items[f]]
    with warnings.catch_warnings():  # items are numbers here, whatever they are in the model
        warnings.simplefilter("ignore", UserWarning)
        found = fit("\n".join(lines), frame, missing=missing).estimates()
    loadings = found[found["op"] == "=~"]
    return tuple(zip(loadings["rhs"], loadings["std_all"], strict=True))


def ordered_beside(statement: Statement, frame: pd.DataFrame, ordered: Any) -> tuple[tuple[str, int], ...]:
    """The ordered items with their numbers of categories. SpecError where one is part of a product."""
    sizes = ordered_items(frame, statement.without_products, ordered).sizes
    for product in statement.latent_products:
        for factor in product.factors:
            found = {factor, *statement.items_of(factor)} & {name for name, _ in sizes}
            if found:
                raise SpecError(
                    f"'{min(found)}' is an ordered item, and products of ordered items cannot be indicators "
                    f"of '{product.name}': a product of categories has no thresholds of its own. Use method="
                    "'lms', which has the likelihood of the answers; or method='dblcent' with parcels=2 or "
                    f"more, means of the items of {' and '.join(product.factors)} as numbers; or treat "
                    "these as continuous (five or more categories, estimator='MLR'). Items of the outcome "
                    "may be ordered."
                )
    return sizes


def product_rows(data: Any, options: Mapping[str, Any]) -> pd.DataFrame:
    """The data frame. SpecError or DataError where there are moments or nothing in its place."""
    for name in ("sample_cov", "sample_mean", "sample_nobs"):
        if options.get(name) is not None:
            raise SpecError(
                f"Products of items need the rows of the data; {name}= has none. Pass data= instead."
            )
    return frame_with_rows(data, "Products of items need")


def refuse_measured(statement: Statement) -> None:
    """SpecError where the text measures a product by itself."""
    for formula in statement.syntax.formulas:
        if formula.op == "=~" and formula.lhs in statement.names:
            raise SpecError(
                point_at(
                    statement.syntax.source, formula.lhs_span,
                    f"'{formula.lhs}' is measured by products of items that are built here.",
                    "Remove the line, or use sm.fit with columns of your own.",
                )
            )  # fmt: skip
