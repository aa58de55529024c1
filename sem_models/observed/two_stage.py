"""Stage one of two-stage estimation: saturated moments by EM, and how precise they are.

Savalei & Bentler (2009), Structural Equation Modeling 16, eq. 6 and 9; Savalei & Falk (2014), Multivariate
Behavioral Research 49, for the robust form.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sem_models.model.ram import IntArray
from sem_models.observed import moment_likelihood
from sem_models.observed.moment_likelihood import moments_explained
from sem_models.observed.patterns import complete_patterns, discrepancy
from sem_models.observed.sample import Sample
from sem_models.observed.saturated import NoMaximum
from sem_models.observed.saturated_scores import saturated_meat


def first_stage(sample: Sample, exogenous: IntArray, *, kept: int, robust: bool) -> Sample:
    """The EM moments of the first `kept` variables as if complete, with their asymptotic covariance.

    The variables after them are auxiliary: they inform the moments and are then left out. Γ (g, r, r) is N
    times the covariance of (vech Σ̃, μ̃): H⁻¹ with H the observed information, or H⁻¹ B H⁻¹. Fixed
    covariates do not vary.
    """
    if not sample.saturated:
        raise NoMaximum(sample.cov, sample.mean)
    p = len(sample.variables)
    parts = discrepancy(sample.cov, sample.mean, sample.patterns)
    information = moment_likelihood.curvature(parts, sample.patterns, len(sample.groups), observed=True)
    meat = saturated_meat(sample) if robust else None
    varies = moments_explained(p, exogenous, has_means=True)
    i, j = np.tril_indices(p)
    wanted = np.concatenate([(i < kept) & (j < kept), np.arange(p) < kept])
    gamma = []
    for g, of_group in enumerate(information):
        full = np.zeros_like(of_group)
        chosen = np.ix_(varies, varies)
        inverse = np.linalg.inv(of_group[chosen])
        full[chosen] = inverse if meat is None else inverse @ meat[g][chosen] @ inverse
        gamma.append(full[np.ix_(wanted, wanted)])
    cov, mean = sample.cov[:, :kept, :kept].copy(), sample.mean[:, :kept].copy()
    rows = sample.rows or ()
    return replace(
        sample,
        variables=sample.variables[:kept],
        patterns=complete_patterns(sample.n_by_group, mean, cov),
        cov=cov,
        mean=mean,
        gamma=np.stack(gamma),
        rows=tuple(
            replace(block, values=block.values[:, :kept], beside=block.values[:, kept:] if kept < p else None)
            for block in rows
        ),
    )
