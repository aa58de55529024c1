"""Pairwise likelihood of ordered items (PML), with the optimizer's interface of least squares.

f = (pl(saturated) − pl(δ(params))) / N, δ the thresholds and correlations that the model implies. Near the
optimum it is least squares with weight H, the curvature of pl in δ, and Γ = H⁻¹ M H⁻¹, M the cross-products
of the rows' scores: so the sandwich (Godambe) errors and the adjusted likelihood-ratio test (Katsikatsou &
Moustaki, 2016, Psychometrika 81) are those of least squares with these two matrices.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from sem_models.errors import DataError, SpecError
from sem_models.estimation.least_squares import MomentPoint
from sem_models.estimation.ordinal_least_squares import OrdinalLeastSquares, OrdinalPoint
from sem_models.model.ram import Array, RamModel
from sem_models.observed.pair_tables import (
    PairPoint,
    PairTables,
    cross_products,
    curvature,
    independent,
    pair_point,
    saturated,
    score,
)
from sem_models.observed.rows import Rows
from sem_models.observed.sample import Sample


@dataclass(frozen=True)
class PairwisePoint(OrdinalPoint):
    """As OrdinalPoint, with the pairs' probabilities by group; `weighted` holds the scores by row, (g, s)."""

    pairs: tuple[PairPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class PairwiseLikelihood(OrdinalLeastSquares):
    """moments are the two-stage statistics, of which residuals are told; weight (g, s, s) is the curvature by
    row, of the saturated model until the fit is done; best (g,) the saturated pl; available says that answers
    enter alone where their pair is incomplete."""

    tables: tuple[PairTables, ...] = ()
    best: Array | None = None
    total: float = 0.0
    available: bool = False

    def at(self, params: Array) -> PairwisePoint | None:
        """The point at `params`; None where the likelihood does not exist."""
        near = OrdinalLeastSquares.at(self, params)
        if near is None:
            return None
        pairs = []
        for tables, statistics in zip(self.tables, self.moments - near.residual, strict=True):
            found = pair_point(tables, statistics)
            if found is None:
                return None
            pairs.append(found)
        assert self.best is not None
        pulls = [score(t, p) / t.n for t, p in zip(self.tables, pairs, strict=True)]
        value = (float(self.best.sum()) - sum(p.value for p in pairs)) / self.total
        known = {f.name: getattr(near, f.name) for f in fields(OrdinalPoint)}
        known |= {"weighted": np.stack(pulls), "value": np.asarray(value)}
        return PairwisePoint(**known, pairs=tuple(pairs))

    def free_information(self, point: MomentPoint, *, observed: bool) -> Array:
        """Curvature of the free rows before equality constraints, (q, q)."""
        assert isinstance(point, PairwisePoint)
        here = replace(self, weight=self.curvature(point, observed=observed))
        return OrdinalLeastSquares.free_information(here, point, observed=observed)

    def curvature(self, point: PairwisePoint, *, observed: bool) -> Array:
        """−∂² pl / ∂δ² by row, (g, s, s)."""
        parts = zip(self.tables, point.pairs, strict=True)
        return np.stack([curvature(t, p, observed=observed) / t.n for t, p in parts])


def refuse_for_pairs(sample: Sample) -> None:
    """SpecError for variables that the pairwise likelihood is not built for."""
    moments = sample.ordinal
    assert moments is not None
    layout = moments.layout
    if not layout.ordered.all():
        name = "a continuous variable"
    elif layout.n_covariates:
        name = "covariates"
    else:
        return
    raise SpecError(
        f"estimator='PML' is built for ordered items alone, and this model has {name} beside them. Use "
        "estimator='WLSMV'."
    )


def pairwise_likelihood(ram: RamModel, sample: Sample, *, available: bool) -> PairwiseLikelihood:
    """The objective on the sample's rows. DataError where a saturated model does not exist."""
    moments = sample.ordinal
    assert moments is not None
    tables, best, weight = [], [], []
    for rows, statistics in zip(rows_of_items(sample, ram), moments.statistics, strict=True):
        own = PairTables.of(rows, moments.layout, available=available)
        if pair_point(own, statistics) is None:
            raise DataError(
                "The pairwise likelihood does not exist at these data's correlations: a pair of items all "
                "but determines one another. Merge categories, or leave one of them out."
            )
        top, value = saturated(own, statistics)
        found = pair_point(own, top)
        assert found is not None
        tables.append(own)
        best.append(value)
        weight.append(curvature(own, found, observed=False) / own.n)
    n = np.array([t.n for t in tables])
    return PairwiseLikelihood(
        ram, moments.statistics, np.stack(weight), n / n.sum(), tuple(tables), np.array(best), float(n.sum()),
        available,
    )  # fmt: skip


def rows_of_items(sample: Sample, ram: RamModel) -> list[Rows]:
    """The rows of each group with the items alone."""
    assert ram.ordinal is not None
    if not all(isinstance(r, Rows) for r in sample.rows or ()):
        raise DataError(
            "This fit was saved without its rows. Save it with include_rows=True, or fit the data anew."
        )
    return [replace(r, values=r.values[:, ram.ordinal.y]) for r in sample.rows or ()]


def settled(
    objective: PairwiseLikelihood, point: PairwisePoint, sample: Sample
) -> tuple[PairwiseLikelihood, Sample]:
    """Objective and sample with the curvature and the scores' cross-products at the solution, as errors and
    tests take them."""
    moments = sample.ordinal
    assert moments is not None
    weight = objective.curvature(point, observed=True)
    gamma = _spread(objective, point.pairs, sample, weight)
    return replace(objective, weight=weight), replace(sample, ordinal=replace(moments, gamma=gamma))


def _spread(
    objective: PairwiseLikelihood, pairs: tuple[PairPoint, ...], sample: Sample, weight: Array
) -> Array:
    """H⁻¹ M H⁻¹ by row, (g, s, s)."""
    out = []
    rows = rows_of_items(sample, objective.ram)
    for tables, at, block, inside in zip(objective.tables, pairs, rows, weight, strict=True):
        meat = cross_products(tables, at, block, available=objective.available) / tables.n
        half = np.linalg.solve(inside, meat)
        out.append(np.linalg.solve(inside, half.T))
    return np.stack(out)


@dataclass(frozen=True, slots=True)
class Independence:
    """The model without correlations: 2 (pl(saturated) − pl) and the two traces of its distribution."""

    statistic: float
    trace: float
    trace_squared: float


def independence(objective: PairwiseLikelihood, sample: Sample) -> Independence:
    """Thresholds free, all correlations zero."""
    total = first = second = 0.0
    assert objective.best is not None
    for g, (tables, block) in enumerate(
        zip(objective.tables, rows_of_items(sample, objective.ram), strict=True)
    ):
        x, value = independent(tables, objective.moments[g])
        total += 2.0 * (float(objective.best[g]) - value)
        at = pair_point(tables, x)
        assert at is not None
        inside = curvature(tables, at, observed=True) / tables.n
        meat = cross_products(tables, at, block, available=objective.available) / tables.n
        th = np.arange(tables.layout.parts[0].stop)
        rest = np.linalg.inv(inside)
        rest[np.ix_(th, th)] -= np.linalg.inv(inside[np.ix_(th, th)])
        product = meat @ rest
        first += float(np.trace(product))
        second += float((product * product.T).sum())
    return Independence(total, first, second)
