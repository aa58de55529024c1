"""Complete-data misfit of a model estimated from incomplete data, and its expected value.

Fit indices after FIML describe the incomplete-data discrepancy, which shrinks with the share of missing
values. Zhang & Savalei (2023, Structural Equation Modeling 30) instead measure the complete-data
discrepancy N F(Σ̃, μ̃; Σ̂, μ̂) at the FIML estimates. Under the model it has the expected value
k = tr(Rᵀ W R Γ): W is the complete-data weight at the saturated moments, R = I − J(JᵀHJ)⁻¹JᵀH takes the error
of the saturated estimates to the residuals, H is their observed information, Γ their asymptotic
covariance (H⁻¹, or the sandwich H⁻¹BH⁻¹).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.estimation import moment_space
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import Patterns, complete_patterns, discrepancy
from sem_models.observed.sample import Sample


@dataclass(frozen=True, slots=True)
class SaturatedParts:
    """What model and baseline share, by group: W, H (g, r, r) and B (g, r, r) or None; keep (r,)."""

    complete: Patterns
    weight: Array
    information: Array
    meat: Array | None
    keep: Array


def saturated_parts(sample: Sample, objective: NormalTheory, meat: Array | None) -> SaturatedParts:
    """The saturated model's matrices, once for model and baseline; `meat` for robust errors."""
    g = len(sample.groups)
    keep = moments_explained(
        len(sample.variables), objective.ram.exogenous, has_means=objective.ram.has_means
    )
    complete = complete_patterns(sample.n_by_group, sample.mean, sample.cov)
    at_complete = discrepancy(sample.cov, sample.mean, complete)
    weight = moment_likelihood.curvature(at_complete, complete, g, observed=False)
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    information = moment_likelihood.curvature(parts, sample.patterns, g, observed=True)
    return SaturatedParts(complete, weight, information, meat, keep)


def complete_data_misfit(
    objective: NormalTheory, point: Point, sample: Sample, shared: SaturatedParts
) -> tuple[float, float]:
    """The statistic N F and its expected value k under the model."""
    mu = point.at.mu if objective.ram.has_means else sample.mean
    model = discrepancy(point.at.sigma, mu, shared.complete).value
    saturated = discrepancy(sample.cov, sample.mean, shared.complete).value
    statistic = float(sample.n * (shared.complete.share * (model - saturated)).sum())
    ix = np.ix_(shared.keep, shared.keep)
    slot_jacobian = moment_space.jacobian(objective.ram.slots, point.at)
    bread = np.zeros((objective.ram.n_params,) * 2)
    weighted, meats, crosses = bread.copy(), bread.copy(), bread.copy()
    trace = 0.0
    for g in range(len(sample.groups)):
        index = objective.ram.slots.free[g]
        jac = slot_jacobian[g][shared.keep][:, index >= 0] @ objective.ram.reduction[index[index >= 0]]
        weight, information = shared.weight[g][ix], shared.information[g][ix]
        inverse_weight = np.linalg.solve(information, weight)
        bread += jac.T @ information @ jac
        weighted += jac.T @ weight @ jac
        if shared.meat is None:
            trace += float(np.trace(inverse_weight))
        else:
            meat = shared.meat[g][ix]
            trace += float(np.trace(inverse_weight @ np.linalg.solve(information, meat)))
            meats += jac.T @ meat @ jac
            crosses += jac.T @ meat @ inverse_weight @ jac
    inside = np.linalg.solve(bread, weighted)
    if shared.meat is None:
        return statistic, trace - float(np.trace(inside))
    outside = np.linalg.solve(bread, meats)
    return statistic, trace - 2.0 * float(np.trace(np.linalg.solve(bread, crosses))) + float(
        np.trace(inside @ outside)
    )
