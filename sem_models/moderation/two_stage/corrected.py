"""Covariances of constructs and products without measurement error, kept positive definite.

Where sampling takes the corrected matrix out of bounds, a part of the correction is given back: Fuller, W. A.
(1987), Measurement error models, section 2.4, as Rosseel & Loh (2022) do in local SAM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from sem_models.model.ram import Array
from sem_models.moderation.two_stage.mapping import Answers, scored
from sem_models.moderation.two_stage.measurement import Measurement
from sem_models.moderation.two_stage.unbiased import (
    Monomial,
    Scores,
    casewise_covariances,
    product_moments,
)

STEP = 1e-30
"""Imaginary step of derivatives, exact to rounding: f(x + ih) = f(x) + ih f′(x)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the corrected covariances are a function of: answers, stage one, monomials, and its share."""

    answers: Answers
    measurement: Measurement
    latents: tuple[str, ...]
    items: tuple[str, ...]
    monomials: tuple[Monomial, ...]
    share: float = 1.0

    def scores(self, free: Any, shift: Any) -> Scores:
        """The scores at the free rows of stage one and a shift of the centers."""
        return scored(self.answers, *self.measurement.matrices(free, self.latents, self.items), shift)

    @property
    def no_shift(self) -> Array:
        return np.zeros(len(self.latents) + self.answers.columns.shape[1])

    def cov(self, free: Any, shift: Any) -> Any:
        """The covariances (d, d), divisor n."""
        scores = self.scores(free, shift)
        out = product_moments(scores, self.monomials).cov
        if self.share < 1.0:
            as_is = product_moments(scores.without_error(), self.monomials).cov
            out = self.share * out + (1.0 - self.share) * as_is
        return out


def share_of_correction(stage: Stage) -> float:
    """How much of the correction the matrix bears, 1 if all of it.

    λ is the smallest root of |C_f − λ (C_f − C)|, C_f the scores' covariances and C the corrected ones; below
    1 + 1/(n − 1) the share is λ − 1/(n − 1).
    """
    scores = stage.scores(stage.measurement.free, stage.no_shift)
    as_is = product_moments(scores.without_error(), stage.monomials).cov
    taken = as_is - product_moments(scores, stage.monomials).cov
    unit = np.sqrt(np.diagonal(as_is))
    largest = float(eigh(taken / np.outer(unit, unit), as_is / np.outer(unit, unit), eigvals_only=True)[-1])
    spare = 1.0 / (len(stage.answers.items) - 1)
    if largest <= 0 or 1.0 / largest >= 1.0 + spare:
        return 1.0
    return max(1.0 / largest - spare, 0.0)


def covariance_influence(stage: Stage) -> Array:
    """Influence (n, r) of the n scored rows on vech cov, stage one held: their own, and by their centers.

    The share is taken as known.
    """
    free, none = stage.measurement.free, stage.no_shift
    scores = stage.scores(free, none)
    own = casewise_covariances(scores, stage.monomials)
    if stage.share < 1.0:
        as_is = casewise_covariances(scores.without_error(), stage.monomials)
        own = stage.share * own + (1.0 - stage.share) * as_is
    by_center = _slopes(stage, len(none), lambda step: stage.cov(free, none + step))
    return np.asarray((own + scores.values @ by_center) / len(own))


def covariance_slopes(stage: Stage) -> Array:
    """Derivatives (q, r) of vech cov by the free rows of stage one."""
    free, none = stage.measurement.free, stage.no_shift
    return _slopes(stage, len(free), lambda step: stage.cov(free + step, none))


def _slopes(stage: Stage, n: int, at: Callable[[Any], Any]) -> Array:
    i, j = np.tril_indices(len(stage.monomials))
    steps = 1j * STEP * np.eye(n)
    return np.array([at(step)[i, j].imag / STEP for step in steps]).reshape(n, len(i))
