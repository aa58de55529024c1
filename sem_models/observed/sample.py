"""From a data frame to the moments that estimation works on.

Every check of the data happens here, before anything long starts, and all problems of one kind are
reported together. Divisor n throughout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array, IntArray
from sem_models.observed.checks import (
    PAIRWISE,
    TYPING,
    check_answered,
    check_columns,
    check_group_sizes,
    check_not_collinear,
    check_positive_definite,
    quoted,
    where_is,
)
from sem_models.observed.design import (
    cluster_column,
    clusters_of_group,
    normalized_weights,
    weight_column,
)
from sem_models.observed.ordinal_moments import OrdinalMoments
from sem_models.observed.pairwise import never_together, pairwise_of, refuse_apart
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import BoolArray, Patterns, complete_patterns, sum_by_group
from sem_models.observed.rows import Rows, pieces
from sem_models.observed.saturated import NoMaximum, settled_moments

SMALL = 1_000_000
"""Cells of a data frame up to which all of it is turned into numbers at once, not column by column."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What estimation sees of the data.

    variables (p,) in the order of the moments; groups the labels in order of first appearance; cov
    (g, p, p) and mean (g, p) saturated maximum likelihood moments; rows None for covariance input; gamma
    (g, r, r) the asymptotic covariance of √n_g (vech S, x̄) where it does not follow from complete rows
    (pairwise and two-stage moments), with `missing` the treatment behind it. `saturated` is False where the
    incomplete data have no saturated estimates; cov and mean are then rough. index holds the data frame's row
    labels, for results by row; ordinal the thresholds and correlations of a sample with ordered items.
    """

    variables: tuple[str, ...]
    groups: tuple[str, ...]
    patterns: Patterns
    cov: Array
    mean: Array
    has_means: bool
    rows: tuple[Rows, ...] | None
    n_available: int
    dropped: dict[str, int]
    digest: str = ""
    unbiased: bool = False
    gamma: Array | None = None
    weighted: bool = False
    clustered: bool = False
    sizes: tuple[int, ...] = ()
    saturated: bool = True
    index: Any = None
    ordinal: OrdinalMoments | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the values used, their names and groups; of our own copy, and only when asked for."""
        return self.digest or _digest(self)

    @property
    def n_by_group(self) -> Array:
        """Rows by group as the likelihood counts them: n, or n − 1 with unbiased moments."""
        return sum_by_group(self.patterns.size, self.patterns.group, len(self.groups), -1)

    @property
    def n(self) -> float:
        """The multiplier of the discrepancy in χ²: N, or N − groups with unbiased moments."""
        return float(self.patterns.size.sum())

    @property
    def n_used(self) -> int:
        """Rows used."""
        return self.n_available - sum(self.dropped.values())

    @property
    def rows_by_group(self) -> Array:
        """Rows used in each group; the sum of their weights where they are weighted."""
        return self.n_by_group + (1.0 if self.unbiased else 0.0)

    @property
    def n_total(self) -> float:
        """N of log-likelihood and information criteria: rows used, or the sum of their weights."""
        return float(self.rows_by_group.sum())

    @property
    def counts(self) -> tuple[int, ...]:
        """Rows used in each group, whatever their weights."""
        return self.sizes or tuple(round(n) for n in self.rows_by_group)

    @property
    def share(self) -> Array:
        """Each group's share of the rows, (g,)."""
        return np.asarray(self.rows_by_group / self.rows_by_group.sum())

    def with_whole_rows(self) -> Sample:
        """Of ordered items, counted as n rows where least squares count n − 1."""
        patterns = complete_patterns(self.rows_by_group, self.mean, self.cov)
        return replace(self, patterns=patterns, unbiased=False)

    def with_unbiased_moments(self) -> Sample:
        """The same complete data with divisor n − 1, counted as n − 1 rows (Wishart, least squares)."""
        n = self.n_by_group
        cov = self.cov * (n / (n - 1.0))[:, None, None]
        return replace(self, patterns=complete_patterns(n - 1.0, self.mean, cov), cov=cov, unbiased=True)

    @property
    def complete(self) -> bool:
        return self.patterns.complete


def group_labels(data: pd.DataFrame, group: str | None) -> tuple[str, ...]:
    """Labels of the groups in order of first appearance; ("",) without groups."""
    if group is None:
        return ("",)
    if not isinstance(group, str):
        raise SpecError(f"group={group!r} must be the name of one column.")
    if group not in data.columns:
        raise DataError(
            f"group='{group}' is not a column of the data. "
            f"{did_you_mean(group, data.columns, noun='columns')}"
        )
    labels = tuple(str(tidy(value)) for value in data[group].dropna().unique())
    if len(labels) < 2:
        raise DataError(
            f"group='{group}' has {len(labels)} distinct value{'' if len(labels) == 1 else 's'}; a "
            "comparison needs two. "
            "Leave out group= or choose another column."
        )
    if len(labels) > 50:
        raise DataError(
            f"group='{group}' has {len(labels)} distinct values, which looks like a measurement, not groups. "
            "Cut it into a few bands first."
        )
    return labels


def membership_of(column: pd.Series, labels: Sequence[str]) -> IntArray:
    """Number of each row's group, −1 where it has none or another."""
    codes = {label: i for i, label in enumerate(labels)}
    return np.array([codes.get(str(tidy(v)), -1) if not pd.isna(v) else -1 for v in column], dtype=np.intp)


def tidy(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sample_from_data(
    data: pd.DataFrame,
    variables: Sequence[str],
    *,
    missing: str,
    group: str | None = None,
    exogenous: Sequence[str] = (),
    has_means: bool = True,
    sampling_weights: str | None = None,
    normalization: str = "group",
    cluster: str | None = None,
) -> Sample:
    """Check the columns, drop what must be dropped, and compute moments by group and missing pattern.

    missing "listwise" keeps rows without any missing value; the others keep every row with at least one
    observed variable, all but "fiml.x" not those with a missing exogenous covariate, which the model
    conditions on.
    """
    labels = group_labels(data, group)
    weights = None if sampling_weights is None else weight_column(data, sampling_weights)
    clusters = None if cluster is None else cluster_column(data, cluster)
    values = numeric_columns(data, variables)
    membership, keep, dropped = used_rows(
        data, values, labels, missing=missing, group=group, variables=variables, exogenous=exogenous,
        clusters=clusters,
    )  # fmt: skip
    lost = missing == "listwise" and not keep.all()
    check_group_sizes(labels, membership, keep, len(variables), group, dropped=lost)
    if len(labels) == 1 and keep.all():
        blocks, values_of = [np.arange(len(values), dtype=np.intp)], [values]
    else:
        blocks = [np.flatnonzero(keep & (membership == g)) for g in range(len(labels))]
        values_of = [values[rows] for rows in blocks]
    del values
    for label, block in zip(labels, values_of, strict=True):
        check_columns(block, variables, label, group)
    weights_of: list[Array] | list[None] = [None] * len(labels)
    if weights is not None:
        weights_of = normalized_weights(weights, blocks, normalization, labels, group)
    settled = True
    patterns, pattern_of = group_patterns(values_of, weights_of)
    rows = []
    for g, label in enumerate(labels):
        members = None
        if clusters is not None:
            assert cluster is not None
            members = clusters_of_group(clusters[blocks[g]], label, group, cluster)
        rows.append(Rows(values_of[g], blocks[g], pattern_of[g], weights_of[g], members))
    apart = not patterns.complete and never_together(patterns, len(labels)).any()
    if apart and not (missing == "fiml" or (missing == "fiml.x" and not exogenous)):
        refuse_apart(patterns, variables, [where_is(label, group) for label in labels])
    if missing == "pairwise" and not patterns.complete:
        center = [patterns.mean[patterns.group == g].mean(axis=0) for g in range(len(labels))]
        found = [pairwise_of(block, near) for block, near in zip(rows, center, strict=True)]
        cov, mean = np.stack([c for c, _ in found]), np.stack([m for _, m in found])
        patterns = complete_patterns(np.array([float(len(block)) for block in values_of]), mean, cov)
    else:
        cov, mean, settled = settled_moments(patterns, len(labels))
        if not settled:
            _check_dependencies(values_of, variables, exogenous, [where_is(label, group) for label in labels])
        settled = settled and not apart  # any value of such a covariance is as likely as another
        if not settled and missing == "fiml.x" and exogenous:
            raise NoMaximum(cov, mean)  # the covariates' moments would be part of the model
    for g, label in enumerate(labels):
        remedy = PAIRWISE if missing == "pairwise" else TYPING
        check_positive_definite(cov[g], variables, where=where_is(label, group), remedy=remedy)
    return Sample(
        tuple(variables), labels, patterns, cov, mean, has_means, tuple(rows), len(data), dropped,
        weighted=weights is not None, clustered=clusters is not None,
        sizes=tuple(len(block) for block in blocks), saturated=settled, index=data.index,
    )  # fmt: skip


def _check_dependencies(
    values_of: Sequence[Array], variables: Sequence[str], exogenous: Sequence[str], where: Sequence[str]
) -> None:
    """DataError where moments have no estimates because variables, of the covariates first, are collinear."""
    fixed = [i for i, name in enumerate(variables) if name in set(exogenous)]
    for block, here in zip(values_of, where, strict=True):
        check_not_collinear(block[:, fixed], [variables[i] for i in fixed], where=here)
        check_not_collinear(block, variables, where=here)


def used_rows(
    data: pd.DataFrame,
    values: Array,
    labels: tuple[str, ...],
    *,
    missing: str,
    group: str | None,
    variables: Sequence[str],
    exogenous: Sequence[str],
    clusters: IntArray | None = None,
) -> tuple[IntArray, BoolArray, dict[str, int]]:
    """Each row's group, whether it is used, and how many are dropped for what reason."""
    membership = np.zeros(len(values), dtype=np.intp)
    dropped: dict[str, int] = {}
    keep = np.ones(len(values), dtype=bool)
    if group is not None:
        membership = membership_of(data[group], labels)
        keep &= membership >= 0
        _count(dropped, "no group", int((membership < 0).sum()))
    if clusters is not None:
        _count(dropped, "no cluster", int((keep & (clusters < 0)).sum()))
        keep &= clusters >= 0
    if not np.isnan(values.sum()):  # nothing is missing: the sum is a pass without a copy
        return membership, keep, dropped
    seen = ~np.isnan(values)
    check_answered(labels, membership, seen, variables, group)
    complete, some = seen.all(axis=1), seen.any(axis=1)
    if missing == "listwise":
        _count(dropped, "incomplete answers", int((keep & ~complete).sum()))
        keep &= complete
        return membership, keep, dropped
    _count(dropped, "no answers", int((keep & ~some).sum()))
    keep &= some
    if missing != "fiml.x":
        fixed = [i for i, name in enumerate(variables) if name in set(exogenous)]
        known = seen[:, fixed].all(axis=1)
        _count(dropped, "missing covariate", int((keep & ~known).sum()))
        keep &= known
    return membership, keep, dropped


def _digest(sample: Sample) -> str:
    assert sample.rows is not None
    position = np.concatenate([rows.position for rows in sample.rows])
    member = np.repeat(np.arange(len(sample.rows)), [len(rows.position) for rows in sample.rows])
    within = np.concatenate([np.arange(len(rows.position)) for rows in sample.rows])
    order = np.argsort(position)
    out = hashlib.sha256()
    for piece in pieces(len(order)):
        chosen = order[piece]
        part = np.empty((len(chosen), len(sample.variables)))
        for g, rows in enumerate(sample.rows):
            here = member[chosen] == g
            part[here] = rows.values[within[chosen][here]]
        out.update(part.tobytes())
    out.update("\0".join([*sample.variables, *sample.groups]).encode())
    out.update(member[order].astype("<i8").tobytes())
    for rows in sample.rows:
        for beside in (rows.weight, rows.cluster):
            if beside is not None:
                out.update(np.asarray(beside, dtype="<f8").tobytes())
    return out.hexdigest()


def _count(dropped: dict[str, int], reason: str, rows: int) -> None:
    if rows:
        dropped[reason] = rows


def numeric_columns(data: pd.DataFrame, variables: Sequence[str]) -> Array:
    """The variables as float64 (n, p); observed products `a:b` are computed from their columns."""
    if len(data) == 0:
        raise DataError("The data have no rows.")
    repeated: Any = data.columns[data.columns.duplicated()] if not data.columns.is_unique else []
    duplicated = sorted({str(c) for c in repeated if c in set(variables)})
    if duplicated:
        raise DataError(f"Column {quoted(duplicated)} is there more than once. Keep one copy of each column.")
    if not variables:
        return np.empty((len(data), 0))
    known = {name: i for i, name in enumerate(data.columns.tolist())}
    if all(name in known for name in variables):
        if len(data) * len(known) <= SMALL and all(map(_plain, data.dtypes.tolist())):
            whole = data.to_numpy(dtype=np.float64)
            values = np.ascontiguousarray(whole[:, [known[name] for name in variables]])
            if np.isfinite(values.sum()) or not np.isinf(values).any():
                return values
        plain = [data[name] for name in variables]
        if all(_plain(c.dtype) for c in plain):
            values = _side_by_side([c.to_numpy() for c in plain])
            if np.isfinite(values.sum()) or not np.isinf(values).any():
                return values
    parts_of = {name: [name] if name in known else name.split(":") for name in variables}
    unknown = [v for v in dict.fromkeys(chain.from_iterable(parts_of.values())) if v not in known]
    if unknown:
        hints = did_you_mean(unknown[0], data.columns, noun="columns")
        verb = "is not a column" if len(unknown) == 1 else "are not columns"
        raise DataError(f"{quoted(unknown)} {verb} of the data. {hints}")
    columns = []
    for name in variables:
        parts = [_as_float(data[part], part) for part in parts_of[name]]
        columns.append(parts[0] if len(parts) == 1 else np.prod(parts, axis=0))
    return np.column_stack(columns)


def _plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub"


def _side_by_side(columns: Sequence[Array]) -> Array:
    """A row-major float64 copy (n, p), made in pieces that fit the cache; always our own."""
    values = np.empty((len(columns[0]), len(columns)))
    for piece in pieces(len(values)):
        for j, column in enumerate(columns):
            values[piece, j] = column[piece]
    return values


def _as_float(column: pd.Series, name: str) -> Array:
    if _plain(column.dtype):
        return _finite(column.to_numpy(dtype=np.float64), name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if not isinstance(column.dtype, pd.StringDtype) and column.dtype.kind in "mMc":
        raise DataError(
            f"Column '{name}' holds {column.dtype} values, not numbers. Turn them into numbers first."
        )
    numeric = pd.to_numeric(column, errors="coerce")
    bad = numeric.isna() & column.notna()
    if bad.any():
        rows = [int(i) + 1 for i in np.flatnonzero(bad.to_numpy())[:3]]
        more = f" and {int(bad.sum()) - 3} more" if bad.sum() > 3 else ""
        raise DataError(
            f"Column '{name}' holds text where a number is needed: row{'s' if bad.sum() > 1 else ''} "
            f"{', '.join(map(str, rows))}{more} (counted from 1). Recode the answers as numbers or "
            "leave them empty."
        )
    return _finite(numeric.to_numpy(dtype=np.float64, na_value=np.nan), name)


def _finite(values: Array, name: str) -> Array:
    if not np.isfinite(values).all() and np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0]) + 1
        raise DataError(f"Column '{name}' holds an infinite value in row {row}. Make it missing.")
    return values
