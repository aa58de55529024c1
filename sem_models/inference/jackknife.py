"""Estimates without each row (or cluster) in turn, for the acceleration of BCa intervals.

Up to `REFITTED` units are left out by refits, as batches where the bootstrap has them. Beyond, the
infinitesimal jackknife takes their place (Efron & Tibshirani, 1993, eq. 22.32): one Newton step from the
full solution by the unit's score, which differs by terms of the order of 1/n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.batches import Batch
from sem_models.inference.moment_draws import of_moments
from sem_models.inference.moves import one_step_moves
from sem_models.inference.ordinal_refits import items_batchable, jackknifed_items
from sem_models.inference.refits import (
    batchable,
    batches_without,
    curvature,
    joined,
    refit_batch,
    row_moments,
    row_units,
    watched,
)
from sem_models.inference.replicates import Replicates
from sem_models.inference.single_refits import again_on, blocks_without, refitter

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

REFITTED = 5_000
"""Most units that are left out by refits."""


def jackknife(solved: Solved) -> Replicates:
    """The free rows without each unit in turn; refits that fail are left out."""
    if solved.sample.rows is None:
        raise DataError(
            "interval='bca' leaves out rows, and this fit has only moments. Use 'percentile' or 'bc', the "
            "bias-corrected interval."
        )
    n = sum(row_units(solved).counts)
    if n > REFITTED and (solved.sample.ordinal is not None or of_moments(solved)):
        what = f"missing='{solved.options.missing}'" if solved.sample.ordinal is None else "ordered items"
        raise DataError(
            f"interval='bca' refits without each of {n:,} rows, which is built for up to {REFITTED:,} with "
            f"{what}. Use 'percentile' or 'bc', the bias-corrected interval: with so many rows they "
            "hardly differ."
        )
    if n > REFITTED:
        return _infinitesimal(solved)
    if items_batchable(solved):
        return jackknifed_items(solved, n)
    return _batched(solved, n) if batchable(solved) else _one_by_one(solved, n)


def _batched(solved: Solved, n: int) -> Replicates:
    params, moments, hessian = [], [], curvature(solved)
    for batch in watched(batches_without(solved), n, "jackknife", True):
        found, value = refit_batch(solved, batch, hessian)
        fine = np.flatnonzero(np.isfinite(value))
        params.append(found[fine])
        moments.append(Batch(batch.cov[fine], batch.mean[fine], batch.share[fine]))
    return Replicates(solved.ram.free_values(np.concatenate(params)), joined(moments))


def _one_by_one(solved: Solved, n: int) -> Replicates:
    again = refitter(solved)
    moments = row_moments(solved) if of_moments(solved) else None
    left = watched(blocks_without(solved), n, "jackknife", True)
    found = [end for blocks in left if (end := again_on(solved, blocks, again, moments)) is not None]
    free = np.array([end[0] for end in found]).reshape(len(found), solved.ram.n_free)
    return Replicates(free, joined([end[2] for end in found]) if found else None)


def _infinitesimal(solved: Solved) -> Replicates:
    """From the influence of each row, added up within clusters; covariates' moments stay those of all."""
    moved = one_step_moves(solved)
    parts, begin = [], 0
    for rows in solved.sample.rows or ():
        of_group = moved[begin : begin + len(rows.values)]
        begin += len(of_group)
        if rows.cluster is not None:
            by_cluster = np.zeros((rows.n_clusters, moved.shape[1]))
            np.add.at(by_cluster, rows.cluster, of_group)
            of_group = by_cluster
        parts.append(of_group)
    return Replicates(solved.point.free + np.concatenate(parts), None)
