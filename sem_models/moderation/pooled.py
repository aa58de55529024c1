"""Pooled within-group variances: one unit for all groups."""

from __future__ import annotations

import numpy as np

from sem_models.inference.solved import Solved
from sem_models.inference.standardized import Values, variance_jacobian


def pooled_variances(solved: Solved) -> Values:
    """Model-implied variances (v,) averaged over groups by size, and their derivatives (v, q)."""
    share, at = solved.sample.share, solved.point.at
    variance = np.diagonal(at.cov_all, axis1=-2, axis2=-1)
    slopes = np.einsum("g,gvq->vq", share, variance_jacobian(solved.ram, at))
    return Values(share @ variance, slopes)
