"""The sample of a model with ordered items: thresholds and correlations by group in place of covariances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sem_models.errors import DataError
from sem_models.model.ordinal import layout_of
from sem_models.model.ram import Array
from sem_models.observed.checks import check_columns, check_positive_definite, where_is
from sem_models.observed.ordered_items import Items, check_categories
from sem_models.observed.ordinal_moments import GroupMoments, OrdinalMoments, group_moments
from sem_models.observed.patterns import BoolArray, complete_patterns
from sem_models.observed.rows import Rows
from sem_models.observed.sample import Sample, group_labels, numeric_columns, used_rows

PERFECT = 0.99999
"""|ρ| beyond which two items are taken to measure the very same thing."""


def sample_of_items(
    data: pd.DataFrame,
    variables: Sequence[str],
    items: Items,
    *,
    missing: str,
    group: str | None = None,
    exogenous: Sequence[str] = (),
) -> Sample:
    """Check the columns, drop what must be dropped, and estimate thresholds and correlations by group.

    missing "listwise" keeps complete rows, "pairwise" uses for each pair the rows that answer both. The
    covariates `exogenous` are conditioned on. The moments' cov is that of the latent responses, with unit
    variance given the covariates; their means are zero.
    """
    labels = group_labels(data, group)
    values = _values(data, variables, items)
    membership, keep, dropped = used_rows(
        data, values, labels, missing=missing, group=group, variables=variables, exogenous=exogenous
    )
    fixed = set(exogenous)
    y = [i for i, name in enumerate(variables) if name not in fixed]
    x = [i for i, name in enumerate(variables) if name in fixed]
    sizes = dict(items.sizes)
    layout = layout_of([sizes.get(variables[i], 1) for i in y], len(x))
    ordered = [i for i in y if variables[i] in sizes]
    blocks = [np.flatnonzero(keep & (membership == g)) for g in range(len(labels))]
    for label, position in zip(labels, blocks, strict=True):
        _check_rows(len(position), len(variables), label, group)
        _check_block(values[position], variables, items, ordered, x, label, group)
    rows = tuple(
        Rows(values[position], position, np.full(len(position), g, dtype=np.intp))
        for g, position in enumerate(blocks)
    )
    moments = [group_moments(r.values[:, y], layout, r.values[:, x] if x else None) for r in rows]
    for label, found in zip(labels, moments, strict=True):
        _check_determined(found, [variables[i] for i in y], where_is(label, group))
    joint = [_joint(m, r.values, y, x, layout.ordered) for m, r in zip(moments, rows, strict=True)]
    cov, mean = np.stack([c for c, _ in joint]), np.stack([m for _, m in joint])
    counts = tuple(len(position) for position in blocks)
    patterns = complete_patterns(np.array(counts, dtype=np.float64) - 1.0, mean, cov)
    ordinal = OrdinalMoments(
        layout, np.stack([m.statistics for m in moments]), np.stack([m.gamma for m in moments]),
        tuple(m.empty for m in moments), dict(items.labels),
    )  # fmt: skip
    return Sample(
        tuple(variables), labels, patterns, cov, mean, True, rows, len(data), dropped, unbiased=True,
        sizes=counts, index=data.index, ordinal=ordinal,
    )  # fmt: skip


def _check_block(
    block: Array, variables: Sequence[str], items: Items, ordered: list[int], x: list[int], label: str,
    group: str | None,
) -> None:  # fmt: skip
    """The checks of one group's rows: continuous columns, categories without answers, covariates."""
    where = where_is(label, group)
    others = [i for i in range(len(variables)) if i not in ordered]
    if others:
        check_columns(block[:, others], [variables[i] for i in others], label, group)
    check_categories(block[:, ordered], [variables[i] for i in ordered], items.labels, where)
    if x:
        cov = np.cov(block[:, x].T).reshape(len(x), len(x))
        check_positive_definite(cov, [variables[i] for i in x], where=where)


def _check_determined(found: GroupMoments, names: Sequence[str], where: str) -> None:
    """DataError for pairs whose correlation is ±1 within what a table can tell."""
    size = np.abs(np.tril(found.correlation, -1))
    pairs = [f"'{names[j]}' and '{names[i]}'" for i, j in zip(*np.nonzero(size > PERFECT), strict=True)]
    if pairs:
        more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
        raise DataError(
            f"The answers to {', '.join(pairs[:3])}{more} determine one another{where}: their correlation is "
            "one. Leave one of the items out, or merge categories that hardly anyone chose."
        )


def _values(data: pd.DataFrame, variables: Sequence[str], items: Items) -> Array:
    """Category numbers of the items beside the numbers of the other variables, (n, p)."""
    if len(data) == 0:
        raise DataError("The data have no rows.")
    others = [name for name in variables if name not in items.codes]
    numbers = dict(zip(others, numeric_columns(data, others).T, strict=True)) if others else {}
    return np.column_stack(
        [items.codes[name] if name in items.codes else numbers[name] for name in variables]
    )


def _check_rows(n: int, p: int, label: str, group: str | None) -> None:
    if n <= p:
        shown = str(n) if n >= 5 or group is None else "fewer than 5"
        raise DataError(
            f"There are {shown} usable rows{where_is(label, group)} for {p} variables; their correlations "
            "need more rows than variables. Use fewer items, merge groups, or use missing='pairwise'."
        )


def _joint(
    found: GroupMoments, block: Array, y: list[int], x: list[int], ordered: BoolArray
) -> tuple[Array, Array]:
    """Covariance and means of latent responses, continuous variables and covariates together."""
    p = len(y) + len(x)
    cov, mean = np.zeros((p, p)), np.zeros(p)
    sd = found.sd
    inside = found.correlation * np.outer(sd, sd)
    level = np.where(ordered, 0.0, -found.origin)
    if x:
        covariates = block[:, x]
        of_x = np.cov(covariates.T).reshape(len(x), len(x))  # divisor n − 1, as lavaan's
        center = covariates.mean(axis=0)
        inside = inside + found.slopes @ of_x @ found.slopes.T
        level = level + found.slopes @ center
        across = found.slopes @ of_x
        cov[np.ix_(x, x)], mean[x] = of_x, center
        cov[np.ix_(y, x)], cov[np.ix_(x, y)] = across, across.T
    cov[np.ix_(y, y)], mean[y] = inside, level
    return cov, mean
