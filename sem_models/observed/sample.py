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
from sem_models.observed.patterns import BoolArray, Patterns, complete_patterns
from sem_models.observed.saturated import saturated_moments

LARGEST = 1e30
"""Magnitude beyond which squares of products of answers leave the range of floating-point numbers."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The used rows of one group: values (n, p) with NaN where missing, position (n,) in the data."""

    values: Array
    position: IntArray
    pattern: IntArray


@dataclass(frozen=True, slots=True)
class Sample:
    """What estimation sees of the data.

    variables (p,) in the order of the moments; groups the labels in order of first appearance; cov
    (g, p, p) and mean (g, p) saturated maximum likelihood moments; rows None for covariance input.
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
    fingerprint: str
    unbiased: bool = False

    @property
    def n_by_group(self) -> Array:
        """Rows by group as the likelihood counts them: n, or n − 1 with unbiased moments."""
        out = np.zeros(len(self.groups))
        np.add.at(out, self.patterns.group, self.patterns.size)
        return out

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
        """Rows used in each group."""
        return self.n_by_group + (1.0 if self.unbiased else 0.0)

    @property
    def share(self) -> Array:
        """Each group's share of the rows, (g,)."""
        return np.asarray(self.rows_by_group / self.rows_by_group.sum())

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
    labels = tuple(str(_tidy(value)) for value in data[group].dropna().unique())
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


def _tidy(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sample_from_data(
    data: pd.DataFrame,
    variables: Sequence[str],
    *,
    missing: str,
    group: str | None = None,
    exogenous: Sequence[str] = (),
    has_means: bool = True,
) -> Sample:
    """Check the columns, drop what must be dropped, and compute moments by group and missing pattern.

    missing "listwise" keeps rows without any missing value; "fiml" keeps every row with at least one
    observed variable, but not rows with a missing exogenous covariate, which the model conditions on.
    """
    labels = group_labels(data, group)
    values = _numeric_columns(data, variables)
    membership = np.zeros(len(data), dtype=np.intp)
    dropped: dict[str, int] = {}
    keep = np.ones(len(data), dtype=bool)
    if group is not None:
        codes = {label: i for i, label in enumerate(labels)}
        membership = np.array([codes.get(str(_tidy(v)), -1) if not pd.isna(v) else -1 for v in data[group]])
        keep &= membership >= 0
        _count(dropped, "no group", int((membership < 0).sum()))
    seen = ~np.isnan(values)
    _check_answered(labels, membership, seen, variables, group)
    if missing == "listwise":
        _count(dropped, "incomplete answers", int((keep & ~seen.all(axis=1)).sum()))
        keep &= seen.all(axis=1)
    else:
        _count(dropped, "no answers", int((keep & ~seen.any(axis=1)).sum()))
        keep &= seen.any(axis=1)
        fixed = [i for i, name in enumerate(variables) if name in set(exogenous)]
        _count(dropped, "missing covariate", int((keep & ~seen[:, fixed].all(axis=1)).sum()))
        keep &= seen[:, fixed].all(axis=1)
    _check_group_sizes(labels, membership, keep, len(variables), group)
    blocks = [np.flatnonzero(keep & (membership == g)) for g in range(len(labels))]
    for label, rows in zip(labels, blocks, strict=True):
        _check_columns(values[rows], variables, label, group)
    patterns, pattern_of = _patterns([values[rows] for rows in blocks])
    cov, mean = saturated_moments(patterns, len(labels))
    for g, label in enumerate(labels):
        check_positive_definite(cov[g], variables, where=_where(label, group))
    rows_by_group = tuple(
        Rows(values[rows], rows.astype(np.intp), pattern_of[g]) for g, rows in enumerate(blocks)
    )
    digest = hashlib.sha256(np.ascontiguousarray(values[keep]).tobytes())
    digest.update("\0".join([*variables, *labels]).encode())
    digest.update(membership[keep].astype("<i8").tobytes())
    return Sample(
        tuple(variables),
        labels,
        patterns,
        cov,
        mean,
        has_means,
        rows_by_group,
        len(data),
        dropped,
        digest.hexdigest(),
    )


def _count(dropped: dict[str, int], reason: str, rows: int) -> None:
    if rows:
        dropped[reason] = rows


def _where(label: str, group: str | None) -> str:
    return f" in group '{label}' of '{group}'" if group is not None else ""


def _numeric_columns(data: pd.DataFrame, variables: Sequence[str]) -> Array:
    """The variables as float64 (n, p); observed products `a:b` are computed from their columns."""
    if len(data) == 0:
        raise DataError("The data have no rows.")
    repeated: Any = data.columns[data.columns.duplicated()] if not data.columns.is_unique else []
    duplicated = sorted({str(c) for c in repeated if c in set(variables)})
    if duplicated:
        raise DataError(f"Column {quoted(duplicated)} is there more than once. Keep one copy of each column.")
    known = set(data.columns.tolist())
    parts_of = {name: [name] if name in known else name.split(":") for name in variables}
    unknown = [v for v in dict.fromkeys(chain.from_iterable(parts_of.values())) if v not in known]
    if unknown:
        hints = did_you_mean(unknown[0], data.columns, noun="columns")
        verb = "is not a column" if len(unknown) == 1 else "are not columns"
        raise DataError(f"{quoted(unknown)} {verb} of the data. {hints}")
    if all(parts == [name] for name, parts in parts_of.items()):
        plain = [data[name] for name in variables]
        if all(isinstance(c.dtype, np.dtype) and c.dtype.kind in "fiub" for c in plain):
            values = np.array([c.to_numpy() for c in plain], dtype=np.float64).T
            if np.isfinite(values).all() or not np.isinf(values).any():
                return np.ascontiguousarray(values)
    columns = []
    for name in variables:
        parts = [_as_float(data[part], part) for part in parts_of[name]]
        columns.append(parts[0] if len(parts) == 1 else np.prod(parts, axis=0))
    return np.column_stack(columns)


def _as_float(column: pd.Series, name: str) -> Array:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub":
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


def quoted(names: Sequence[str], shown: int = 4) -> str:
    text = ", ".join(f"'{n}'" for n in names[:shown])
    return text + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _check_group_sizes(
    labels: tuple[str, ...], membership: IntArray, keep: BoolArray, n_variables: int, group: str | None
) -> None:
    for g, label in enumerate(labels):
        n = int((keep & (membership == g)).sum())
        if n <= n_variables:
            shown = str(n) if n >= 5 or group is None else "fewer than 5"
            raise DataError(
                f"There are {shown} usable rows{_where(label, group)} for {n_variables} variables; "
                "the covariance matrix "
                "needs more rows than variables. Use fewer items, merge groups, or use "
                "missing='fiml' to keep "
                "incomplete rows."
            )


def _check_answered(
    labels: tuple[str, ...],
    membership: IntArray,
    seen: BoolArray,
    variables: Sequence[str],
    group: str | None,
) -> None:
    """Before rows are dropped: a column without answers would drop them all, and the message be of rows."""
    for g, label in enumerate(labels):
        answered = seen[membership == g].any(axis=0)
        if not answered.all():
            empty = [v for v, some in zip(variables, answered, strict=True) if not some]
            verb = "has" if len(empty) == 1 else "have"
            raise DataError(
                f"{quoted(empty)} {verb} no answers{_where(label, group)}. Leave the variable out of "
                "the model."
            )


def _check_columns(values: Array, variables: Sequence[str], label: str, group: str | None) -> None:
    where = _where(label, group)
    largest = np.fmax.reduce(np.abs(values), axis=0)
    extreme = [v for v, x in zip(variables, largest, strict=True) if x > LARGEST or 0 < x < 1 / LARGEST]
    if extreme:
        raise DataError(
            f"{quoted(extreme)} {'is' if len(extreme) == 1 else 'are'} too large or too small to compute with"
            f"{where}. Use other units."
        )
    if (np.ptp(values, axis=0) > 0).all():
        return  # NaN compares as False, so incomplete columns take the way below
    empty = [v for v, column in zip(variables, values.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"{quoted(empty)} has no answers{where}. Leave the variable out of the model.")
    constant = [
        v for v, column in zip(variables, values.T, strict=True) if np.nanmax(column) == np.nanmin(column)
    ]
    if constant:
        raise DataError(
            f"{quoted(constant)} {'is' if len(constant) == 1 else 'are'} constant{where}: "
            "all answers are the same, so nothing can be explained by or with it. Leave it out of the model."
        )


def check_positive_definite(cov: Array, variables: Sequence[str], *, where: str = "") -> None:
    """DataError naming the variables that are linear combinations of one another, if there are any."""
    scale = np.sqrt(np.diagonal(cov))
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    if values[0] > 1e-9:
        return
    involved = [v for v, weight in zip(variables, vectors[:, 0], strict=True) if abs(weight) > 0.05]
    if values[0] < -1e-9:
        raise DataError(
            f"The covariance matrix{where} is not positive definite (smallest eigenvalue of the correlations "
            f"{values[0]:.3g}; variables involved: {quoted(involved, 8)}). "
            "Check it for typing errors, or compute it from complete rows."
        )
    raise DataError(
        f"{quoted(involved, 8)} are perfectly collinear{where}: one can be computed exactly from the others. "
        "Leave one of them out of the model."
    )


def _patterns(blocks: Sequence[Array]) -> tuple[Patterns, list[IntArray]]:
    """Group rows by which values are observed; returns the patterns and each row's pattern by group."""
    group: list[int] = []
    seen_list, size, means, covs, membership = [], [], [], [], []
    for g, values in enumerate(blocks):
        seen = ~np.isnan(values)
        if seen.all():
            mean = values.mean(axis=0)
            centered = values - mean
            membership.append(np.full(len(values), len(group), dtype=np.intp))
            group.append(g)
            seen_list.append(seen[:1])
            size.append(np.array([float(len(values))]))
            means.append(mean[None])
            covs.append((centered.T @ centered / len(values))[None])
            continue
        unique, inverse = np.unique(seen, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        order = np.argsort(inverse, kind="stable")
        starts = np.searchsorted(inverse[order], np.arange(len(unique)))
        filled = np.where(seen, values, 0.0)[order]
        counts = np.diff(np.append(starts, len(values))).astype(float)
        mean = np.add.reduceat(filled, starts, axis=0) / counts[:, None]
        centered = np.where(seen[order], filled - mean[inverse[order]], 0.0)
        if len(values) <= 20_000:
            outer = centered[:, :, None] * centered[:, None, :]
            cov = np.add.reduceat(outer, starts, axis=0) / counts[:, None, None]
        else:
            parts = np.split(centered, starts[1:])
            cov = np.stack([c.T @ c / len(c) for c in parts])
        membership.append((inverse + len(group)).astype(np.intp))
        group += [g] * len(unique)
        seen_list.append(unique)
        size.append(counts)
        means.append(mean)
        covs.append(cov)
    return (
        Patterns(
            np.array(group, dtype=np.intp), np.concatenate(seen_list), np.concatenate(size),
            np.concatenate(means), np.concatenate(covs),
        ),
        membership,
    )  # fmt: skip


def pairwise_moments(sample: Sample) -> tuple[Array, Array]:
    """Covariances (g, p, p) of rows that answer both items, times (N − 1)/N, and available means (g, p)."""
    assert sample.rows is not None
    covs, means = [], []
    for rows in sample.rows:
        seen = (~np.isnan(rows.values)).astype(np.float64)
        mean = np.nanmean(rows.values, axis=0)
        filled = np.where(seen > 0, rows.values - mean, 0.0)
        n, sums = seen.T @ seen, filled.T @ seen
        cov = (filled.T @ filled - sums * sums.T / n) / (n - 1.0)
        covs.append(cov * (len(seen) - 1.0) / len(seen))
        means.append(mean)
    return np.stack(covs), np.stack(means)
