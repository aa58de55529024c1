"""Which variables of a model are ordered items, and their answers as category numbers from 0.

Ordered are the variables named by `ordered=`, columns of an ordered categorical type, and those whose
thresholds the model states. Every problem of the columns is found here, before anything long starts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.syntax import Syntax
from sem_models.model.variables import classify
from sem_models.observed.checks import quoted
from sem_models.observed.margins import Array
from sem_models.observed.patterns import BoolArray
from sem_models.observed.sample import numeric_columns

MOST = 15
"""Categories beyond which an item is not treated as ordered."""

KEEPING = "missing='pairwise', with estimator='MML' or method='lms' missing='fiml'"
"""What keeps the answers of incomplete rows."""

MANY = 12
"""Categories beyond which a warning says that treating it as continuous loses little."""


@dataclass(frozen=True, eq=False)
class Items:
    """The ordered items of a model, in its order: codes (n,) from 0, NaN where missing, and the answers
    (labels) that the categories stand for."""

    codes: Mapping[str, Array]
    labels: Mapping[str, tuple[object, ...]]

    def __bool__(self) -> bool:
        return bool(self.codes)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Names and numbers of categories."""
        return tuple((name, len(labels)) for name, labels in self.labels.items())


NO_ITEMS = Items({}, {})


def ordered_items(frame: pd.DataFrame | None, syntax: Syntax, ordered: Any) -> Items:
    """The ordered items among the endogenous variables of the model.

    Raises SpecError or DataError for names that are neither in the model nor in the data (other columns may
    stand among them), without data, and for columns that cannot be ordered items; warns of exogenous
    covariates, whose numbers are used as they are.
    """
    stated = {f.lhs for f in syntax.formulas if f.op == "|"}
    typed: set[str] = set()
    if frame is not None:
        ordinal = [is_ordered(dtype) for dtype in frame.dtypes.tolist()]
        typed = set(frame.columns[ordinal]) if any(ordinal) else set()
    if not (stated or typed) and isinstance(ordered, bool | tuple) and not ordered:
        return NO_ITEMS  # nearly every fit
    variables = classify(syntax)
    endogenous = variables.indicators + variables.outcomes + variables.others
    named = _named(ordered, endogenous, variables.exogenous)
    columns = () if frame is None else frame.columns
    unknown = named.difference(endogenous, variables.exogenous, columns)
    if unknown:
        first = min(unknown)
        known = list(dict.fromkeys([*endogenous, *columns]))
        raise SpecError(
            f"ordered=: '{first}' is neither in the model nor in the data. "
            f"{did_you_mean(first, known, noun='names')}"
        )
    wanted = [name for name in endogenous if name in named or name in typed or name in stated]
    if not wanted:
        return NO_ITEMS
    if frame is None:
        raise DataError(
            "Ordered items need the raw data; a covariance matrix does not tell their thresholds."
        )
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise DataError(
            f"{quoted(missing)} {'is not a column' if len(missing) == 1 else 'are not columns'} of the data. "
            f"{did_you_mean(missing[0], frame.columns, noun='columns')}"
        )
    found = {name: coded(frame[name], name) for name in wanted}
    _warn_many({name: len(labels) for name, (_, labels) in found.items()})
    return Items(
        {n: codes for n, (codes, _) in found.items()}, {n: labels for n, (_, labels) in found.items()}
    )


def _named(ordered: Any, endogenous: Sequence[str], exogenous: Sequence[str]) -> set[str]:
    if ordered is True:
        return set(endogenous)
    if ordered is None or ordered is False or (isinstance(ordered, str) and ordered == "default"):
        return set()
    names = (ordered,) if isinstance(ordered, str) or not isinstance(ordered, Iterable) else tuple(ordered)
    if not all(isinstance(name, str) for name in names):
        raise SpecError(f"ordered={ordered!r} must be names of items, or True for all of them.")
    covariates = [name for name in names if name in exogenous]
    if covariates:
        warnings.warn(
            f"{quoted(covariates)} in ordered=: exogenous covariates are conditioned on, so their numbers "
            "are used as they are. For categories without a scale use dummy variables.",
            UserWarning, stacklevel=5,
        )  # fmt: skip
    return set(names)


def is_ordered(dtype: Any) -> bool:
    return isinstance(dtype, pd.CategoricalDtype) and bool(dtype.ordered)


def refuse_ordered_columns(frame: pd.DataFrame, variables: Sequence[str], method: str) -> None:
    """SpecError for columns of an ordered type: they are ordered items, not numbers to be taken silently."""
    types = dict(zip(frame.columns, frame.dtypes.tolist(), strict=True))
    items = [name for name in variables if is_ordered(types.get(name))]
    if items:
        raise SpecError(
            f"'{items[0]}' is of an ordered type, and method='{method}' cannot treat ordered items yet: its "
            "likelihood is that of continuous ones. To treat its five or more categories as continuous "
            "(estimator='MLR'), turn the column into numbers first."
        )


def coded(column: Any, name: str) -> tuple[Array, tuple[object, ...]]:
    """Category numbers from 0 and the answers they stand for; categories without any answer do not count."""
    if isinstance(column, pd.DataFrame):
        raise DataError(f"Column '{name}' is there more than once. Keep one copy of each column.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        if not column.cat.ordered and not pd.api.types.is_numeric_dtype(column.cat.categories.dtype):
            raise DataError(
                f"Column '{name}' holds categories without an order. Use an ordered categorical type "
                "(pd.Categorical(…, ordered=True)), or numbers."
            )
        labels = column.cat.categories if column.cat.ordered else sorted(column.cat.categories)
        position = pd.Categorical(column, categories=list(labels), ordered=True).codes.astype(np.float64)
        position[position < 0] = np.nan
        every: Sequence[object] = list(labels)
    else:
        position, every = _numbers(column, name)
    seen = position[~np.isnan(position)].astype(np.intp)
    counts = np.bincount(seen, minlength=len(every))
    used = np.flatnonzero(counts)
    if len(used) < 2:
        answers = "no answers" if not len(used) else "one category only"
        raise DataError(
            f"'{name}' has {answers}, so it cannot be an ordered item. Leave it out of the model."
        )
    if len(used) > MOST:
        raise DataError(
            f"'{name}' has {len(used)} categories; ordered items may have up to {MOST}. Leave it out of "
            "ordered= to treat it as continuous, or merge categories."
        )
    number = np.full(len(every) + 1, np.nan)
    number[used] = np.arange(len(used), dtype=np.float64)
    codes = number[np.where(np.isnan(position), len(every), position).astype(np.intp)]
    return codes, tuple(every[k] for k in used.tolist())


def _numbers(column: pd.Series, name: str) -> tuple[Array, list[object]]:
    values = _as_numbers(column, name)
    answered = values[~np.isnan(values)]
    if np.isinf(answered).any():
        row = int(np.flatnonzero(np.isinf(values))[0]) + 1
        raise DataError(f"'{name}' holds an infinite value in row {row}. Make it missing.")
    if (answered != np.rint(answered)).any():
        rows = np.flatnonzero(~np.isnan(values) & (values != np.round(values)))[:3] + 1
        raise DataError(
            f"'{name}' is ordered but has codes that are no whole numbers: row{'s' if len(rows) > 1 else ''} "
            f"{', '.join(map(str, rows))} (counted from 1). Recode its categories as 1, 2, …, or leave it "
            "out of ordered= to treat it as continuous."
        )
    every, position = np.unique(answered, return_inverse=True)
    out = np.full(len(values), np.nan)
    out[~np.isnan(values)] = position
    return out, [int(v) for v in every]


def _as_numbers(column: pd.Series, name: str) -> Array:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
        return column.to_numpy(dtype=np.float64)
    numeric = pd.to_numeric(column, errors="coerce")
    bad = numeric.isna() & column.notna()
    if bad.any():
        raise DataError(
            f"'{name}' is ordered but holds text in {int(bad.sum())} rows. Use an ordered categorical type, "
            "whose order is known, or numbers."
        )
    return numeric.to_numpy(dtype=np.float64, na_value=np.nan)


def _warn_many(sizes: Mapping[str, int]) -> None:
    many = [name for name, size in sizes.items() if size > MANY]
    if many:
        warnings.warn(
            f"{quoted(many)} {'has' if len(many) == 1 else 'have'} more than {MANY} categories: with so "
            "many, "
            "treating them as continuous with estimator='MLR' loses little and needs fewer rows.",
            UserWarning, stacklevel=5,
        )  # fmt: skip


def warn_two_values(values: Sequence[Array], variables: Sequence[str], explained: Sequence[str]) -> None:
    """Warn of variables of two values that a model explains as if they were continuous.

    values (n, p) by group. A linear model of a yes/no answer has wrong standard errors and a wrong test.
    """
    two = []
    several = np.any([_several(block[:FEW]) for block in values], axis=0)
    for j in np.flatnonzero(~several):
        name = variables[int(j)]
        if name not in explained:
            continue
        column = np.concatenate([block[:, j] for block in values])
        if len(np.unique(column[~np.isnan(column)])) == 2:
            two.append(name)
    if two:
        has, it = ("has", "it") if len(two) == 1 else ("have", "them")
        warnings.warn(
            f"{quoted(two)} {has} two values only, treated as continuous. Add ordered={two!r}, which takes "
            f"{it} as categories.",
            UserWarning, stacklevel=4,
        )  # fmt: skip


FEW = 50
"""Rows looked at first: nearly every variable shows more than two values in them."""


def _several(rows: Array) -> BoolArray:
    """Which columns (n, p) have more than two values, (p,)."""
    low, high = np.fmin.reduce(rows, initial=np.inf), np.fmax.reduce(rows, initial=-np.inf)
    return np.asarray(((rows > low) & (rows < high)).any(axis=0))


def check_categories(
    codes: Array, names: Sequence[str], labels: Mapping[str, tuple[object, ...]], where: str,
    dropped: int = 0,
) -> None:  # fmt: skip
    """DataError for categories of items (n, o) that none of these rows has chosen.

    dropped counts the rows that were left out because an answer is missing.
    """
    problems = []
    for j, name in enumerate(names):
        seen = codes[~np.isnan(codes[:, j]), j].astype(np.intp)
        absent = np.flatnonzero(np.bincount(seen, minlength=len(labels[name])) == 0)
        if len(absent):
            shown = ", ".join(str(labels[name][k]) for k in absent[:4])
            problems.append(f"'{name}' (category {shown})")
    if problems:
        more = f" and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise DataError(
            f"No one{where} chose some categories: {'; '.join(problems[:4])}{more}. Their thresholds have no "
            "estimates. Merge these categories with their neighbors"
            + (", in all groups alike (sm.merge_categories does)." if where else " (sm.merge_categories).")
            + (
                f" {dropped} rows with a missing answer were left out; to keep their others: {KEEPING}."
                if dropped
                else ""
            )
        )


def recoded(data: pd.DataFrame, variables: Sequence[str], labels: Mapping[str, tuple[object, ...]]) -> Array:
    """Columns of another frame (n, p), answers of items as numbers of these categories.

    DataError for answers that the fitted rows did not have.
    """
    others = [name for name in variables if name not in labels]
    numbers = dict(zip(others, numeric_columns(data, others).T, strict=True)) if others else {}
    missing = [name for name in variables if name not in data.columns]
    if missing:
        raise DataError(
            f"{quoted(missing)} {'is not a column' if len(missing) == 1 else 'are not columns'} of the data. "
            f"{did_you_mean(missing[0], data.columns, noun='columns')}"
        )
    out = []
    for name in variables:
        if name not in labels:
            out.append(numbers[name])
            continue
        known = {label: float(k) for k, label in enumerate(labels[name])}
        codes = np.array([known.get(value, -1.0) if not pd.isna(value) else np.nan for value in data[name]])
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0]) + 1
            raise DataError(
                f"'{name}' has an answer in row {row} (counted from 1) that no row of the fitted data had."
            )
        out.append(codes)
    return np.column_stack(out)
