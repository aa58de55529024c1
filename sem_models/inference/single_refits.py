"""Refits one by one: other estimators, constraints that bend, many incomplete rows of few patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.errors import ConvergenceError, DataError, SpecError
from sem_models.estimation.batches import Batch
from sem_models.estimation.objective import NormalTheory
from sem_models.estimation.optimizer import Outcome, minimize
from sem_models.inference.drawing import Units, drawn_units
from sem_models.inference.moment_draws import Moments, of_moments
from sem_models.inference.refits import (
    Draws,
    implied,
    joined,
    row_moments,
    row_units,
    row_values,
    values_to_draw,
    watched,
)
from sem_models.inference.replicates import Replicates
from sem_models.inference.resampling import Kind
from sem_models.model.ram import Array, IntArray
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import complete_patterns, discrepancy
from sem_models.observed.rows import Rows
from sem_models.observed.saturated import NoMaximum, saturated_moments

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved

Again = Callable[[Any, Array], "Solved"]
"""Fits the model on another sample from given parameters."""


def refitter(solved: Solved) -> Again:
    """The whole way of a fit for another sample, without its errors and tests."""
    from sem_models.estimation.fit import solve

    plain = replace(solved.options, se="standard", test=("standard",), check_identification=False)
    held = solved.ram.unheld is not None  # its parameters run along the constraints and are no start

    def again(sample: Any, start: Array) -> Solved:
        return solve(solved.table, sample, plain, None if held else start)

    return again


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one group that the model is fitted on: values (n, p), weight (n,) and cluster (n,) or None."""

    values: Array
    weight: Array | None = None
    cluster: IntArray | None = None


def one_by_one(
    solved: Solved, n: int, kind: Kind, rng: np.random.Generator, again: Again, progress: bool
) -> Draws:
    """Every refit by itself."""
    moments = row_moments(solved, kind) if of_moments(solved) else None
    if kind == "parametric":
        samples = _from_model(solved, moments, n, rng)
    else:
        samples = _drawn(solved, moments.values if moments else values_to_draw(solved, kind), n, rng)
    tested = kind != "ordinary"
    found = [end for blocks in watched(samples, n, "bootstrap", progress)
             if (end := again_on(solved, blocks, again, moments, tested=tested)) is not None]  # fmt: skip
    free = np.array([end[0] for end in found]).reshape(len(found), solved.ram.n_free)
    together = joined([end[2] for end in found]) if found else None
    return Draws(Replicates(free, together), np.array([end[1] for end in found]), n - len(found))


def _drawn(
    solved: Solved, values: tuple[Array, ...], n: int, rng: np.random.Generator
) -> Iterator[list[Block]]:
    units = row_units(solved)
    members = [_members(c, len(x)) for c, x in zip(units.cluster, values, strict=True)]
    for _ in range(n):
        drawn = [d[0] for d in drawn_units(units.counts, 1, rng)]
        rows = [np.concatenate([m[u] for u in d]) for m, d in zip(members, drawn, strict=True)]
        # a cluster that is drawn twice counts as two
        again = [
            np.repeat(np.arange(len(d)), [len(m[u]) for u in d]) for m, d in zip(members, drawn, strict=True)
        ]
        yield _blocks(values, units, rows, again)


def _members(cluster: IntArray | None, n: int) -> Sequence[IntArray]:
    """The rows of each unit."""
    if cluster is None:
        return list(np.arange(n, dtype=np.intp)[:, None])
    order = np.argsort(cluster, kind="stable")
    return np.split(order, np.searchsorted(cluster[order], np.arange(1, int(cluster.max()) + 1)))


def _blocks(
    values: tuple[Array, ...],
    units: Units,
    rows: Sequence[IntArray],
    members: Sequence[IntArray] | None = None,
) -> list[Block]:
    """Chosen rows; their weights normalized within groups where those of the fit were. members number their
    clusters, by default those of the fit."""
    out = []
    for g, (x, w, at) in enumerate(zip(values, units.weight, rows, strict=True)):
        weight = None if w is None else w[at] * (len(at) / w[at].sum() if units.by_group else 1.0)
        of_rows = units.cluster[g]
        cluster: IntArray | None = None
        if of_rows is not None:
            cluster = np.unique(of_rows[at] if members is None else members[g], return_inverse=True)[1]
        out.append(Block(x[at], weight, cluster))
    return out


def blocks_without(solved: Solved) -> Iterator[list[Block]]:
    """The rows without each unit in turn, group by group."""
    units = row_units(solved)
    values = row_moments(solved).values if of_moments(solved) else row_values(solved)
    whole = [np.arange(len(x), dtype=np.intp) for x in values]
    for g, cluster in enumerate(units.cluster):
        unit = whole[g] if cluster is None else cluster
        for k in range(units.counts[g]):
            yield _blocks(values, units, [*whole[:g], np.flatnonzero(unit != k), *whole[g + 1 :]])


def _from_model(
    solved: Solved, moments: Moments | None, n: int, rng: np.random.Generator
) -> Iterator[list[Block]]:
    """Normal samples of the model, missing what the data miss."""
    sample = solved.sample
    sigma, mu = implied(solved)
    missing: list[Any] = [None] * len(mu)
    if moments is not None:
        sigma, mu = moments.joint(sigma, mu)
        missing = [np.isnan(x) for x in moments.values]
    elif not sample.complete:
        missing = [np.isnan(x) for x in row_values(solved)]
    roots = np.linalg.cholesky(sigma)
    for _ in range(n):
        blocks = []
        for size, root, center, gone in zip(sample.counts, roots, mu, missing, strict=True):
            x = rng.standard_normal((size, len(center))) @ root.T + center
            blocks.append(Block(x if gone is None else np.where(gone, np.nan, x)))
        yield blocks


def again_on(
    solved: Solved, blocks: list[Block], again: Again, moments: Moments | None = None, *, tested: bool = False
) -> tuple[Array, float, Batch] | None:
    """Free rows, χ² and moments of the model on other rows; None where that fails.

    moments makes them of incomplete rows where the fit is one to moments; tested says that χ² of incomplete
    rows is wanted, which takes their saturated moments.
    """
    sample, start = solved.sample, np.asarray(solved.point.params)
    if sample.ordinal is not None:
        from sem_models.inference.ordinal_refits import items_again

        return items_again(solved, blocks, again)
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            if moments is not None or sample.complete:
                return _again_complete(solved, blocks, again, moments)
            return _again_incomplete(solved, blocks, again, start, tested)
    except (DataError, SpecError, ConvergenceError, np.linalg.LinAlgError):
        return None


def _again_complete(
    solved: Solved, blocks: list[Block], again: Again, moments: Moments | None
) -> tuple[Array, float, Batch] | None:
    """Of complete rows, or of moments of incomplete ones."""
    sample = solved.sample
    if moments is None:
        patterns, _ = group_patterns([b.values for b in blocks], [b.weight for b in blocks])
        cov, mean = patterns.cov, patterns.mean
    else:
        cov, mean = moments.of_blocks([b.values for b in blocks])
        patterns = complete_patterns(np.array([float(len(b.values)) for b in blocks]), mean, cov)
    kept = len(sample.variables)
    rows = tuple(
        Rows(b.values[:, :kept], np.arange(len(b.values)), np.full(len(b.values), g, dtype=np.intp), b.weight)
        for g, b in enumerate(blocks)
    )
    fresh = replace(sample, patterns=patterns, rows=rows, clustered=False, unbiased=False, cov=cov, mean=mean)
    fresh = fresh.with_unbiased_moments() if sample.unbiased else fresh
    found = again(fresh, np.asarray(solved.point.params))
    if not found.status.converged:
        return None
    return found.point.free, found.minimum, Batch(cov[None], mean[None], sample.share[None])


def _again_incomplete(
    solved: Solved, blocks: list[Block], again: Again, start: Array, tested: bool
) -> tuple[Array, float, Batch] | None:
    """By the likelihood of incomplete rows."""
    sample, ram = solved.sample, solved.ram
    patterns, membership = group_patterns([b.values for b in blocks], [b.weight for b in blocks])
    cov, mean, best = sample.cov, sample.mean, np.nan
    if sample.saturated and (tested or len(ram.exogenous)):
        try:
            cov, mean = saturated_moments(patterns, len(blocks), (cov, mean))
            best = float((patterns.share * discrepancy(cov, mean, patterns).value).sum())
        except NoMaximum:
            pass
    moments = Batch(cov[None], mean[None], sample.share[None])
    if ram.unheld is None:
        objective = NormalTheory(ram.with_covariates(cov, mean), patterns, mean)
        end = minimize(objective, start, n_rows=sample.n)
        if end.outcome is not Outcome.CONVERGED or end.point is None:
            return None
        return end.point.free, sample.n * (2.0 * float(end.point.value) - best), moments
    rows = tuple(
        Rows(b.values, np.arange(len(b.values)), m, b.weight) for b, m in zip(blocks, membership, strict=True)
    )
    fresh = replace(sample, patterns=patterns, rows=rows, clustered=False, cov=cov, mean=mean)
    found = again(fresh, start)
    if not found.status.converged:
        return None
    return found.point.free, sample.n * (2.0 * float(found.point.value) - best), moments
