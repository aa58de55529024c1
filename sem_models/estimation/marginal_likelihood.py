"""Marginal maximum likelihood of ordered items (MML), with the optimizer's interface of least squares.

f = −ℓ / N with ℓ the log-likelihood of each customer's answers, whichever there are: valid where answers are
missing at random, which two-stage and pairwise methods are not. ℓ depends on the model through the thresholds
and loadings in units of the responses' standard deviations, b = D Λ L with L Lᵀ the factors' covariance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation import kernels
from sem_models.estimation.least_squares import MomentPoint
from sem_models.estimation.ordinal_least_squares import (
    OrdinalLeastSquares,
    OrdinalPoint,
    ordinal_least_squares,
    ordinal_point,
)
from sem_models.estimation.pairwise_likelihood import rows_of_items
from sem_models.model.ram import DIRECTED, SYMMETRIC, Array, RamModel
from sem_models.observed.answer_patterns import STEPS, Answered, AnswerPatterns, Grid, answered, grid
from sem_models.observed.sample import Sample

STEP = 1e-5
"""Of central differences of the algebra that leads from the parameters to thresholds and loadings."""
WIDE = 1e-4
"""Of central differences of the gradient."""
OTHER_WAY = "Use estimator='PML' with missing='available.cases', or WLSMV with missing='pairwise'."


@dataclass(frozen=True)
class MarginalPoint(OrdinalPoint):
    """As OrdinalPoint, with the answers' likelihood by group and ∂ (τ, b) / ∂ params (g, t + p m, k)."""

    parts: tuple[Answered, ...] = ()
    along: Array | None = None


@dataclass(frozen=True, slots=True)
class MarginalLikelihood(OrdinalLeastSquares):
    """moments and weight are those of least squares, of which residuals are told."""

    patterns: tuple[AnswerPatterns, ...] = ()
    at_nodes: Grid | None = None
    total: float = 0.0

    def at(self, params: Array) -> MarginalPoint | None:
        """The point at `params`; None where the likelihood does not exist."""
        near = OrdinalLeastSquares.at(self, params)
        found = None if near is None else self._likelihood(params)
        if near is None or found is None:
            return None
        known = {f.name: getattr(near, f.name) for f in fields(OrdinalPoint)}
        known["value"] = np.asarray(-sum(part.value for part in found) / self.total)
        return MarginalPoint(**known, parts=found, along=self._along(params))

    def _likelihood(self, params: Array) -> tuple[Answered, ...] | None:
        stated = self._stated(params)
        if stated is None:
            return None
        assert self.at_nodes is not None
        out = []
        for own, patterns in zip(stated, self.patterns, strict=True):
            t = len(patterns.layout.th_variable)
            found = answered(
                patterns, own[:t], own[t:].reshape(patterns.layout.n_variables, -1), self.at_nodes
            )
            if found is None:
                return None
            out.append(found)
        return tuple(out)

    def _stated(self, params: Array) -> Array | None:
        """Thresholds and loadings (g, t + p m) in units of the responses' standard deviations."""
        part, ram = self._part, self.ram
        free = ram.free_values(params)
        try:
            at = kernels.implied(*ram.matrices(free), ram.n_observed, ram.places.sources)
            p = ram.n_observed
            root = np.linalg.cholesky(at.cov_all[:, p:, p:])
        except np.linalg.LinAlgError:
            return None
        point = ordinal_point(ram, params, free, at, *ram.scales(free), self.moments, self.weight)
        statistics = self.moments - point.residual
        across = np.swapaxes(at.cov_all[:, part.y, p:], 1, 2)  # Ψ Λᵀ
        b = np.swapaxes(np.linalg.solve(root, across), 1, 2) * point.scale[..., None]
        return np.concatenate([statistics[:, part.layout.parts[0]], b.reshape(len(b), -1)], axis=1)

    def _along(self, params: Array) -> Array:
        """∂ (τ, b) / ∂ params, (g, t + p m, k), by central differences of algebra exact to 1e-15."""
        columns = []
        for i in range(len(params)):
            step = np.zeros(len(params))
            step[i] = STEP * max(1.0, abs(params[i]))
            ends = [self._stated(params + step), self._stated(params - step)]
            if ends[0] is None or ends[1] is None:
                return np.full((len(self.patterns), 1, len(params)), np.nan)
            columns.append((ends[0] - ends[1]) / (2.0 * step[i]))
        return np.stack(columns, axis=2)

    def gradient(self, point: MomentPoint) -> Array:
        """∂f/∂params (k,)."""
        assert isinstance(point, MarginalPoint)
        assert point.along is not None
        groups = zip(self.patterns, point.parts, point.along, strict=True)
        return np.asarray(-sum((own.count @ part.scores) @ along for own, part, along in groups) / self.total)

    def information(self, point: MomentPoint) -> Array:
        """Cross-products of the rows' scores by row, (k, k), whose expected value is the information."""
        return self.meat(point)

    def hessian(self, point: MomentPoint) -> Array:
        """What the search steps by: the cross-products, which need no further pass over the data."""
        return self.meat(point)

    def meat(self, point: MomentPoint) -> Array:
        """Σ s sᵀ / N over the rows, (k, k)."""
        assert isinstance(point, MarginalPoint)
        assert point.along is not None
        k = point.along.shape[2]
        out = np.zeros((k, k))
        for own, part, along in zip(self.patterns, point.parts, point.along, strict=True):
            scores = part.scores @ along
            out += (scores * own.count[:, None]).T @ scores
        return out / self.total

    def observed_information(self, point: MomentPoint) -> Array:
        """The Hessian (k, k), by central differences of the gradient."""
        params = np.asarray(point.params)
        columns = []
        for i in range(len(params)):
            step = np.zeros(len(params))
            step[i] = WIDE * max(1.0, abs(params[i]))
            ends = [self.at(params + step), self.at(params - step)]
            if ends[0] is None or ends[1] is None:
                return np.full((len(params), len(params)), np.nan)
            columns.append((self.gradient(ends[0]) - self.gradient(ends[1])) / (2.0 * step[i]))
        found = np.stack(columns)
        return np.asarray(0.5 * (found + found.T))


def marginal_likelihood(ram: RamModel, sample: Sample) -> MarginalLikelihood:
    """The objective on the sample's rows.

    Raises SpecError for variables beside ordered items, for items that depend on one another beyond the
    factors, and for more factors than a grid can hold.
    """
    moments = sample.ordinal
    assert moments is not None
    layout, p = moments.layout, ram.n_observed
    n_factors = len(ram.variables) - p
    if not layout.ordered.all() or layout.n_covariates:
        what = "covariates" if layout.n_covariates else "a continuous variable"
        raise SpecError(
            f"estimator='MML' is built for ordered items alone, and this model has {what} beside them. "
            f"{OTHER_WAY}"
        )
    slots = ram.slots
    direct = (slots.kind == DIRECTED) & (slots.col < p)
    joint = (slots.kind == SYMMETRIC) & (slots.row < p) & (slots.row != slots.col)
    if direct.any() or joint.any():
        raise SpecError(
            "estimator='MML' takes items as independent given the factors, and this model has residual "
            f"covariances or paths among items. {OTHER_WAY}"
        )
    if n_factors not in STEPS:
        raise SpecError(
            f"estimator='MML' integrates over one or two factors, and this model has {n_factors}. {OTHER_WAY}"
        )
    near = ordinal_least_squares(ram, sample, "DWLS")
    patterns = tuple(AnswerPatterns.of(rows.values, layout) for rows in rows_of_items(sample, ram))
    return MarginalLikelihood(
        ram,
        near.moments,
        near.weight,
        near.share,
        patterns,
        grid(n_factors),
        sum(own.size for own in patterns),
    )
