"""Covariates of a tree: how each is read, its codes, and the cuts that a node may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array, IntArray
from sem_models.moderation.tree.fluctuation import Scale
from sem_models.observed.patterns import BoolArray
from sem_models.observed.sample import tidy

if TYPE_CHECKING:
    import pandas as pd

FEW_VALUES = 10
"""Numbers of at most so many different values are tested as ordered categories."""

MOST_CATEGORIES = 12
ALL_PARTITIONS = 6
"""Categories up to which every partition in two is a cut; beyond, they are ordered by their mean score."""


@dataclass(frozen=True, slots=True)
class Covariate:
    """A column: codes (n,) of its sorted distinct values (−1 where missing), which are `values`."""

    name: str
    scale: Scale
    codes: IntArray
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """A division in two: the codes that go left, and the rule for either side."""

    left: BoolArray
    rule_left: str
    rule_right: str


def read_covariate(frame: pd.DataFrame, name: str, known: Sequence[str]) -> Covariate:
    """A column as a covariate. DataError for one that is not there, constant, or has too many categories."""
    import pandas as pd

    if name not in frame.columns:
        raise DataError(
            f"covariates=: '{name}' is not a column of the data. "
            f"{did_you_mean(name, frame.columns, noun='columns')}"
        )
    if name in known:
        raise SpecError(
            f"covariates=: '{name}' is a variable of the model, whose parameters would be split by what they "
            "explain. Use columns outside the model."
        )
    column = frame[name]
    missing = column.isna().to_numpy()
    ordered = isinstance(column.dtype, pd.CategoricalDtype) and bool(column.dtype.ordered)
    if ordered:
        categories = [c for c in column.cat.categories if (column == c).any()]
        place = {c: i for i, c in enumerate(categories)}
        codes = np.array([place.get(v, -1) for v in column], dtype=np.intp)
        values: tuple[object, ...] = tuple(categories)
    else:
        texts = [str(tidy(v)) for v in column[~missing]]
        numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        source = column[~missing].to_numpy(np.float64) if numeric else np.array(texts, dtype=object)
        distinct, inverse = np.unique(source, return_inverse=True)
        codes = np.full(len(column), -1, dtype=np.intp)
        codes[~missing] = inverse
        values = tuple(distinct.tolist())
        if not numeric and len(values) > MOST_CATEGORIES:
            raise DataError(
                f"covariates=: '{name}' has {len(values)} categories, which looks like names. Use at most "
                f"{MOST_CATEGORIES}, or numbers."
            )
        ordered = numeric and len(values) <= FEW_VALUES
        if numeric and not ordered:
            return Covariate(name, "continuous", codes, values)
    if len(values) < 2:
        raise DataError(f"covariates=: '{name}' has one value, so nothing can be split by it. Leave it out.")
    two_or_ordered = ordered or len(values) == 2
    return Covariate(name, "ordered" if two_or_ordered else "categorical", codes, values)


def cuts_of(covariate: Covariate, codes: IntArray, scores: Array, by_cut: Array, limit: int) -> list[Cut]:
    """The cuts that a node's likelihood is tried at, codes (n,) being its rows'.

    Of ordered values the `limit` cuts with the largest LM, by_cut (c,) over all values of the covariate; of
    categories every partition, or those along their mean score (n, k) where they are many.
    """
    c = len(covariate.values)
    present = np.bincount(codes, minlength=c) > 0
    if covariate.scale != "categorical":
        best = [k for k in np.argsort(-by_cut)[:limit] if np.isfinite(by_cut[k])]
        # a cut between two values that the node lacks divides as the one below does
        return [_ordered_cut(covariate, int(k), present) for k in sorted(best) if present[k]]
    here = [int(i) for i in np.flatnonzero(present)]
    if len(here) <= ALL_PARTITIONS:
        sides = [
            chosen for r in range(1, len(here)) for chosen in combinations(here, r) if here[0] in chosen
        ]  # fmt: skip
    else:
        sums = np.zeros((c, scores.shape[1]))
        np.add.at(sums, codes, scores)
        mean = sums[here] / np.bincount(codes, minlength=c)[here][:, None]
        along = mean @ np.linalg.svd(mean, full_matrices=False)[2][0]
        order = [here[int(i)] for i in np.argsort(along)]
        sides = [tuple(order[:r]) for r in range(1, len(order))]
    return [_category_cut(covariate, side, here) for side in sides]


def _ordered_cut(covariate: Covariate, k: int, present: BoolArray) -> Cut:
    left = np.arange(len(covariate.values)) <= k
    lower = covariate.values[k]
    above = next((covariate.values[j] for j in range(k + 1, len(covariate.values)) if present[j]), lower)
    if covariate.scale == "continuous":
        assert isinstance(lower, float)
        assert isinstance(above, float)
        at = _shortest(lower, above)
        return Cut(left, f"{covariate.name} ≤ {at}", f"{covariate.name} > {at}")
    if len(covariate.values) == 2:
        first, second = (tidy(v) for v in covariate.values)
        return Cut(left, f"{covariate.name} = {first}", f"{covariate.name} = {second}")
    return Cut(left, f"{covariate.name} ≤ {tidy(lower)}", f"{covariate.name} ≥ {tidy(above)}")


def _shortest(lower: float, above: float) -> str:
    """The number of fewest digits from lower up to, but not at, the next value."""
    middle = 0.5 * (lower + above)
    for digits in range(1, 15):
        text = f"{middle:.{digits}g}"
        if lower <= float(text) < above:
            return text
    return repr(lower)


def _category_cut(covariate: Covariate, side: Sequence[int], here: Sequence[int]) -> Cut:
    left = np.isin(np.arange(len(covariate.values)), side)
    words = [", ".join(str(covariate.values[i]) for i in here if left[i] == which) for which in (True, False)]
    return Cut(left, f"{covariate.name}: {words[0]}", f"{covariate.name}: {words[1]}")
