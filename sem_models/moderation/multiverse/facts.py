"""What in the data makes methods of moderation differ, each with the methods that it touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sem_models.charts.text import listing, number
from sem_models.measurement.normality import mardia, skewness
from sem_models.measurement.reliability import alpha_of
from sem_models.model.ram import Array
from sem_models.moderation.statement import Statement
from sem_models.observed.sample import numeric_columns

if TYPE_CHECKING:
    import pandas as pd

SKEWED, REJECTED = 0.5, 0.001
"""Items count as skewed where one is beyond ±0.5 and Mardia's test of skewness rejects at .001."""
SMALL = 200
CATEGORIES = 5
INCOMPLETE = 0.05
WEAK = 0.7

COUNT_ON_NORMAL = ("lms", "qml", "ca", "rca")
"""Methods that take skewness of the predictors for an interaction (docs/moderation-simulation.md)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One property of the data: its name, its figure, whether it is a reason to differ, and the sentence."""

    name: str
    value: float
    matters: bool
    methods: tuple[str, ...]
    sentence: str


def facts_of(statement: Statement, frame: pd.DataFrame, methods: Sequence[str]) -> tuple[Fact, ...]:
    """The facts about the predictors' items, the sample and the factors' reliability."""
    factors = list(dict.fromkeys(f for p in statement.products for f in p.factors))
    items = {f: statement.items_of(f) or (f,) for f in factors}
    own = list(dict.fromkeys(i for parts in items.values() for i in parts))
    values = numeric_columns(frame, own)
    everything = [v for v in statement.variables.observed if v in frame.columns]
    whole = numeric_columns(frame, everything)
    out = [_shape(values[np.isfinite(values).all(axis=1)], own, methods), _size(whole)]
    answers = [k for k, name in enumerate(own) if name not in factors]
    out += [_categories(values[:, answers], [own[k] for k in answers])] if answers else []
    out.append(_missing(whole))
    latent = {f: items[f] for f in factors if f in statement.variables.latent and len(items[f]) > 1}
    if latent:
        out.append(_reliability(frame, latent, methods))
    return tuple(out)


def _shape(values: Array, items: Sequence[str], methods: Sequence[str]) -> Fact:
    touched = tuple(m for m in methods if m in COUNT_ON_NORMAL)
    largest, p = float("nan"), float("nan")
    if len(values) > len(items) + 1:
        each = np.array([skewness(column) for column in values.T])
        largest = float(each[np.nanargmax(np.abs(each))]) if np.isfinite(each).any() else largest
        try:
            p = mardia(values).pvalue_skewness
        except np.linalg.LinAlgError:
            p = float("nan")
    matters = bool(abs(largest) > SKEWED and p < REJECTED)
    name = listing(touched, 6) or "no method here"
    sentence = (
        f"The predictors' items are skewed (skewness up to {number(largest, bounded=False)}, Mardia's test "
        f"p {'< .001' if p < 0.001 else f'= {number(p, 3)}'}): {name} count{'' if len(touched) > 1 else 's'} "
        "on normal predictors and may read skewness as an interaction; the others do not."
        if matters
        else "The predictors' items give no reason to doubt methods that count on normal predictors."
    )
    return Fact("skewness", largest, matters, touched if matters else (), sentence)


def _size(values: Array) -> Fact:
    n = int(np.isfinite(values).any(axis=1).sum())
    matters = n < SMALL
    sentence = (
        f"N = {n} is small: methods differ by sampling alone, products of items most, and outlying estimates "
        "of single methods mean little."
        if matters
        else f"N = {n} is not small."
    )
    return Fact("customers", float(n), matters, (), sentence)


def _categories(values: Array, items: Sequence[str]) -> Fact:
    counts = [len(np.unique(column[np.isfinite(column)])) for column in values.T]
    fewest = int(min(counts))
    few = [i for i, count in zip(items, counts, strict=True) if count <= CATEGORIES]
    sentence = (
        f"{listing(few)} ha{'s' if len(few) == 1 else 've'} at most {CATEGORIES} answer categories: every "
        "method but lms with ordered= takes them as continuous, and coarse answers curve what they measure."
        if few
        else f"The predictors' items have at least {fewest} different answers."
    )
    return Fact("answer categories", float(fewest), bool(few), (), sentence)


def _missing(values: Array) -> Fact:
    share = float(1.0 - np.isfinite(values).all(axis=1).mean())
    matters = share > INCOMPLETE
    sentence = (
        f"{100 * share:.0f} % of the rows miss an answer: methods use different rows, and composites (rapi) "
        "and products of items lose more than sam, lms and qml."
        if matters
        else f"{100 * share:.0f} % of the rows miss an answer."
    )
    return Fact("incomplete rows", share, matters, (), sentence)


def _reliability(frame: pd.DataFrame, items: dict[str, tuple[str, ...]], methods: Sequence[str]) -> Fact:
    found = {}
    for factor, own in items.items():
        values = numeric_columns(frame, own)
        rows = values[np.isfinite(values).all(axis=1)]
        found[factor] = alpha_of(np.cov(rows, rowvar=False)) if len(rows) > len(own) else float("nan")
    weak = [f"{f} ({number(a)})" for f, a in found.items() if a < WEAK]
    lowest = float(np.nanmin(list(found.values())))
    sentence = (
        f"The alpha of {listing(weak)} is below {number(WEAK, 1)}: a product's reliability is about that of "
        "its factors multiplied, so that corrections for error are large and the methods' corrections differ."
        if weak
        else f"The factors' alphas are {number(lowest)} or more."
    )
    return Fact("alpha", lowest, bool(weak), tuple(methods) if weak else (), sentence)
