"""The sample of a model with ordered items: thresholds and correlations by group in place of covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sem_models.errors import DataError
from sem_models.model.ordinal import Layout, layout_of
from sem_models.model.ram import Array, IntArray
from sem_models.observed.checks import check_columns, check_positive_definite, where_is
from sem_models.observed.design import cluster_column, clusters_of_group, normalized_weights, weight_column
from sem_models.observed.ordered_items import KEEPING, Items, check_categories
from sem_models.observed.ordinal_moments import GroupMoments, OrdinalMoments, group_moments
from sem_models.observed.patterns import BoolArray, complete_patterns
from sem_models.observed.rows import Rows
from sem_models.observed.sample import Sample, group_labels, numeric_columns, used_rows

PERFECT = 0.99999
"""|ρ| beyond which two items are taken to measure the very same thing."""

SURE = 1e-10
"""n times the variance of a correlation below which its error is none that the data could show."""

BALANCED = 1e-9
"""Mean (z² − 1)² of a standardized column up to which its variance has no sampling error."""


def sample_of_items(
    data: pd.DataFrame,
    variables: Sequence[str],
    items: Items,
    *,
    missing: str,
    group: str | None = None,
    exogenous: Sequence[str] = (),
    sampling_weights: str | None = None,
    normalization: str = "group",
    cluster: str | None = None,
) -> Sample:
    """Check the columns, drop what must be dropped, and estimate thresholds and correlations by group.

    missing "listwise" keeps complete rows, "pairwise" uses for each pair the rows that answer both. The
    covariates `exogenous` are conditioned on. Weights and clusters are columns. The moments' cov is that of
    the latent responses, with unit variance given the covariates; their means are zero.
    """
    labels = group_labels(data, group)
    weights = None if sampling_weights is None else weight_column(data, sampling_weights)
    clusters = None if cluster is None else cluster_column(data, cluster)
    values = _values(data, variables, items)
    membership, keep, dropped = used_rows(
        data, values, labels, missing=missing, group=group, variables=variables, exogenous=exogenous,
        clusters=clusters,
    )  # fmt: skip
    incomplete = dropped.get("incomplete answers", 0)
    fixed = set(exogenous)
    y = [i for i, name in enumerate(variables) if name not in fixed]
    x = [i for i, name in enumerate(variables) if name in fixed]
    sizes = dict(items.sizes)
    layout = layout_of([sizes.get(variables[i], 1) for i in y], len(x))
    ordered = [i for i in y if variables[i] in sizes]
    blocks = [np.flatnonzero(keep & (membership == g)) for g in range(len(labels))]
    weights_of: Sequence[Array | None] = [None] * len(labels)
    if weights is not None:
        weights_of = normalized_weights(weights, blocks, normalization, labels, group)
    members: list[IntArray | None] = [None] * len(labels)
    if clusters is not None and cluster is not None:
        members = [
            clusters_of_group(clusters[rows], label, group, cluster)
            for rows, label in zip(blocks, labels, strict=True)
        ]
    for label, position, weight in zip(labels, blocks, weights_of, strict=True):
        counted = position if weight is None else position[weight > 0]
        _check_rows(len(counted), len(variables), label, group, incomplete)
        _check_block(values[counted], variables, items, ordered, x, label, group, incomplete)
    rows = tuple(
        Rows(values[position], position, np.full(len(position), g, dtype=np.intp), weights_of[g], members[g])
        for g, position in enumerate(blocks)
    )
    blank = np.zeros((len(rows), len(variables)))
    sample = Sample(
        tuple(variables), labels, complete_patterns(np.ones(len(rows)), blank, np.zeros((*blank.shape, 1))),
        blank, blank, True, rows, len(data), dropped, unbiased=True, weighted=weights is not None,
        clustered=clusters is not None, sizes=tuple(len(position) for position in blocks), index=data.index,
        ordinal=OrdinalMoments(layout, blank, blank, (), dict(items.labels)),
    )  # fmt: skip
    return _with_moments(sample, rows, x, group)


def moments_of_rows(sample: Sample, rows: tuple[Rows, ...], exogenous: IntArray) -> Sample:
    """The sample of other rows of the same items: thresholds and correlations anew.

    DataError for categories without answers, whose thresholds have no estimates, and for determined pairs.
    """
    moments = sample.ordinal
    assert moments is not None
    x = exogenous.tolist()
    y = [i for i in range(len(sample.variables)) if i not in x]
    ordered = [i for i, own in zip(y, moments.layout.ordered, strict=True) if own]
    for label, block in zip(sample.groups, rows, strict=True):
        names = [sample.variables[i] for i in ordered]
        where = where_is(label, "" if label else None)
        check_categories(block.values[:, ordered], names, moments.labels, where)
    return _with_moments(sample, rows, x, None)


def _with_moments(sample: Sample, rows: tuple[Rows, ...], x: list[int], group: str | None) -> Sample:
    """The sample with these rows and what follows from them."""
    before = sample.ordinal
    assert before is not None
    layout, variables = before.layout, sample.variables
    y = [i for i in range(len(variables)) if i not in x]
    numbers = [i for i, own in zip(y, layout.ordered, strict=True) if not own]
    for label, block in zip(sample.groups, rows, strict=True):
        _check_spread(block, numbers, variables, where_is(label, group))
    moments = [
        group_moments(
            r.values[:, y], layout, r.values[:, x] if x else None, weight=r.weight, cluster=r.cluster
        )
        for r in rows
    ]
    for label, found in zip(sample.groups, moments, strict=True):
        _check_determined(found, layout, [variables[i] for i in y], where_is(label, group))
    joint = [_joint(m, r, y, x, layout.ordered) for m, r in zip(moments, rows, strict=True)]
    cov, mean = np.stack([c for c, _ in joint]), np.stack([m for _, m in joint])
    heavy = [float(len(r.values)) if r.weight is None else float(r.weight.sum()) for r in rows]
    ordinal = OrdinalMoments(
        layout, np.stack([m.statistics for m in moments]), np.stack([m.gamma for m in moments]),
        tuple(m.empty for m in moments), before.labels,
    )  # fmt: skip
    return replace(
        sample, rows=rows, patterns=complete_patterns(np.array(heavy) - 1.0, mean, cov), cov=cov, mean=mean,
        sizes=tuple(len(r.values) for r in rows), ordinal=ordinal,
    )  # fmt: skip


def _check_block(
    block: Array, variables: Sequence[str], items: Items, ordered: list[int], x: list[int], label: str,
    group: str | None, dropped: int,
) -> None:  # fmt: skip
    """The checks of one group's rows: continuous columns, categories without answers, covariates."""
    where = where_is(label, group)
    others = [i for i in range(len(variables)) if i not in ordered]
    if others:
        check_columns(block[:, others], [variables[i] for i in others], label, group)
    check_categories(block[:, ordered], [variables[i] for i in ordered], items.labels, where, dropped)
    if x:
        cov = np.cov(block[:, x].T).reshape(len(x), len(x))
        check_positive_definite(cov, [variables[i] for i in x], where=where)


def _check_spread(rows: Rows, numbers: list[int], variables: Sequence[str], where: str) -> None:
    """DataError for a number that takes two values equally often: z² is 1 in every row."""
    for i in numbers:
        seen = ~np.isnan(rows.values[:, i])
        column, weight = rows.values[seen, i], None if rows.weight is None else rows.weight[seen]
        away = (column - np.average(column, weights=weight)) ** 2
        variance = np.average(away, weights=weight)
        if np.average((away / variance - 1.0) ** 2, weights=weight) < BALANCED:
            raise DataError(
                f"'{variables[i]}' takes two values, each in half of the rows{where}: as a number its "
                "variance has no sampling error, by which the estimator weighs it. Add it to ordered=."
            )


def _check_determined(found: GroupMoments, layout: Layout, names: Sequence[str], where: str) -> None:
    """DataError for pairs whose correlation is ±1 within what a table can tell, or has no error."""
    remedy = "Leave one of the items out, or merge categories that hardly anyone chose."
    i, j = layout.first, layout.second
    perfect = np.abs(found.correlation[i, j]) > PERFECT
    if perfect.any():
        raise DataError(
            f"The answers to {_pair_names(perfect, layout, names)} determine one another{where}: their "
            f"correlation is one. {remedy}"
        )
    variance = np.diagonal(found.gamma)[layout.parts[-1]] / (found.sd[i] * found.sd[j]) ** 2
    unsure = ~(variance > SURE)
    if unsure.any():
        raise DataError(
            f"Nearly all rows give the same answers to {_pair_names(unsure, layout, names)}{where}: nothing "
            f"shows how sure their correlation is. {remedy}"
        )


def _pair_names(chosen: BoolArray, layout: Layout, names: Sequence[str]) -> str:
    """The chosen pairs (r,) of the layout, the first few by name."""
    pairs = [f"'{names[layout.first[k]]}' and '{names[layout.second[k]]}'" for k in np.flatnonzero(chosen)]
    return ", ".join(pairs[:3]) + (f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else "")


def _values(data: pd.DataFrame, variables: Sequence[str], items: Items) -> Array:
    """Category numbers of the items beside the numbers of the other variables, (n, p)."""
    if len(data) == 0:
        raise DataError("The data have no rows.")
    others = [name for name in variables if name not in items.codes]
    numbers = dict(zip(others, numeric_columns(data, others).T, strict=True)) if others else {}
    return np.column_stack(
        [items.codes[name] if name in items.codes else numbers[name] for name in variables]
    )


def _check_rows(n: int, p: int, label: str, group: str | None, incomplete: int) -> None:
    if n <= p:
        shown = str(n) if n >= 5 or group is None else "fewer than 5"
        raise DataError(
            f"There are {shown} usable rows{where_is(label, group)} for {p} variables; their correlations "
            "need more rows than variables. Use fewer items"
            + (", or merge groups" if group else "")
            + (f", or keep the incomplete rows: {KEEPING}." if incomplete else ".")
        )


def _joint(
    found: GroupMoments, rows: Rows, y: list[int], x: list[int], ordered: BoolArray
) -> tuple[Array, Array]:
    """Covariance and means of latent responses, continuous variables and covariates together."""
    p = len(y) + len(x)
    cov, mean = np.zeros((p, p)), np.zeros(p)
    sd = found.sd
    inside = found.correlation * np.outer(sd, sd)
    level = np.where(ordered, 0.0, -found.origin)
    if x:
        covariates, weight = rows.values[:, x], rows.weight
        # divisor n − 1, as lavaan's
        center = np.average(covariates, axis=0, weights=weight)
        away = covariates - center
        heavy = away if weight is None else away * weight[:, None]
        of_x = heavy.T @ away / ((len(away) if weight is None else weight.sum()) - 1.0)
        inside = inside + found.slopes @ of_x @ found.slopes.T
        level = level + found.slopes @ center
        across = found.slopes @ of_x
        cov[np.ix_(x, x)], mean[x] = of_x, center
        cov[np.ix_(y, x)], cov[np.ix_(x, y)] = across, across.T
    cov[np.ix_(y, y)], mean[y] = inside, level
    return cov, mean
