"""The data of each focal point as samples of their own, and the parameter table of all points together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.batches import Batch, IncompleteBatch, IncompleteRows, incomplete_rows
from sem_models.model.equal_rows import across_groups, check_families, family_of, settle_labels
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable, Row
from sem_models.moderation.local.kernel import Window
from sem_models.moderation.local.moments import CompleteRows, slopes_at
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.rows import Rows
from sem_models.observed.sample import Sample
from sem_models.observed.saturated import settled_moments


@dataclass(frozen=True)
class Points:
    """What local fits see: the window, the rows (n, p) and, with residualize, the items' slopes (f, p) on the
    moderator at each focal point, which are taken out of incomplete rows; None where there are none."""

    window: Window
    rows: Rows
    residualize: bool
    slopes: Array | None

    @property
    def complete(self) -> bool:
        return bool(np.isfinite(self.rows.values).all())

    def values(self, point: int) -> Array:
        """The rows (n, p) at one focal point, less the local line, its height at the point put back."""
        if self.slopes is None:
            return self.rows.values
        distance = self.window.moderator - self.window.grid[point]
        return np.asarray(self.rows.values - distance[:, None] * self.slopes[point])

    def lever(self, weights: Array, point: int) -> Array:
        """Σ lever e = change of the line's height at the focal point with residuals e, per weight
        of 1, (n,)."""
        share = weights / weights.sum()
        center = share @ self.window.moderator
        away = self.window.moderator - center
        spread = share @ away**2
        return np.asarray(weights * (1.0 - (center - self.window.grid[point]) * away / spread))


def points_of(window: Window, rows: Rows, *, residualize: bool) -> Points:
    slopes = slopes_at(rows.values, window.moderator, window.weights()) if residualize else None
    return Points(window, rows, residualize, slopes)


def local_sample(points: Points, sample: Sample, chosen: list[int]) -> Sample:
    """The sample of some focal points, each a group of all customers with its own kernel weights.

    Raises what the saturated moments of incomplete rows raise where they do not exist.
    """
    weights = points.window.weights()[chosen]
    blocks = [points.values(f) for f in chosen]
    patterns, membership = group_patterns(blocks, list(weights))
    cov, mean, settled = settled_moments(patterns, len(chosen))
    rows = tuple(
        Rows(block, points.rows.position, of, weight, points.rows.cluster)
        for block, of, weight in zip(blocks, membership, weights, strict=True)
    )
    labels = tuple(f"{points.window.grid[f]:.6g}" for f in chosen)
    return replace(
        sample, groups=labels, patterns=patterns, cov=cov, mean=mean, rows=rows, weighted=True,
        sizes=(sample.n_used,) * len(chosen), saturated=settled, digest="", unbiased=False,
    )  # fmt: skip


def first_batch(points: Points) -> Batch | IncompleteBatch:
    """All focal points as replicates of one group."""
    weights = points.window.weights()
    if points.complete:
        distance = points.window.moderator[None, :] - points.window.grid[:, None]
        return CompleteRows(points.rows.values, points.residualize).batch(weights, distance)
    layout = incomplete_rows(points.rows.values)
    values = np.stack([np.nan_to_num(points.values(f)) for f in range(len(weights))])
    share = weights / weights.sum(axis=1, keepdims=True)
    f, p = len(weights), values.shape[2]
    blank = np.zeros((f, 1, p, p))
    return IncompleteBatch((replace(layout, values=values),), (share,), np.ones((f, 1)), blank, blank[..., 0])


def layout_at(points: Points, point: int) -> IncompleteRows:
    """Incomplete rows at one focal point, as batches of resamples take them."""
    layout = incomplete_rows(points.rows.values)
    return replace(layout, values=np.nan_to_num(points.values(point)))


def joint_table(
    table: ParameterTable, labels: tuple[str, ...], equal: tuple[str, ...], partial: tuple[str, ...]
) -> ParameterTable:
    """The table of all focal points, one block each, with families of parameters equal over them.

    A label of the model's text names a parameter of each focal point; it does not hold it equal over them.
    """
    if table.equalities:
        raise SpecError(
            "group_equal= with method='lsem' cannot be combined with == in the model yet. Remove the "
            "constraint, or leave out group_equal=."
        )
    options = replace(table.options, group_equal=equal, group_partial=partial)
    check_families(options)
    shared = {k for k, n in Counter(r.label for r in table.rows if r.label and r.free).items() if n > 1}
    rows: list[Row] = []
    for block in range(1, len(labels) + 1):
        for row in table.rows:
            label = row.label
            if block > 1 and label:
                held = family_of(row, table.variables) in equal and row.name not in partial
                label = label if label in shared and held else f"{label}.f{block}" if label in shared else ""
            rows.append(replace(row, block=block, label=label))
    rows = settle_labels(across_groups(rows, table.variables, options))
    return replace(table, rows=tuple(rows), groups=labels, definitions=(), options=options)
