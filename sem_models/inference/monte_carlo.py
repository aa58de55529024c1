"""Monte Carlo intervals: functions of the estimates over normal draws of them.

MacKinnon, D. P., Lockwood, C. M., & Williams, J. (2004). Confidence limits for the indirect effect.
Multivariate Behavioral Research, 39, 99–128; Preacher, K. J., & Selig, J. P. (2012). Communication Methods
and Measures, 6, 77–98.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sem_models.errors import ConvergenceError, SpecError
from sem_models.inference.effects import Effect
from sem_models.inference.intervals import intervals
from sem_models.inference.replicates import Replicates, effect_replicates
from sem_models.inference.solved import Solved
from sem_models.model.ram import Array


def drawn_estimates(solved: Solved, n: int, seed: int | None) -> Replicates:
    """Free rows (n, q) drawn from N(x̂, V), V the covariance of the estimates, whatever errors were asked for.

    Raises SpecError for fewer than 100 draws and for se="none", ConvergenceError where V does not exist.
    """
    if n < 100:
        raise SpecError(f"{n} draws are too few for an interval. Ask for 1,000 or more.")
    covariance = solved.covariance.free
    if solved.options.se == "none":
        raise SpecError("se='none' leaves no covariance of the estimates to draw from. Leave se= out.")
    if not np.isfinite(covariance).all():
        raise ConvergenceError(
            "The estimates have no covariance matrix to draw from. See fit.status for the reason."
        )
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    return Replicates(solved.point.free + rng.standard_normal((n, len(root))) @ root.T, None)


def effect_intervals(
    solved: Solved, found: Sequence[Effect], n: int, seed: int | None, level: float
) -> dict[str, Array]:
    """Percentile limits ci_lower, ci_upper and their standardized counterparts for each effect."""
    drawn = drawn_estimates(solved, n, seed)
    out = {}
    for suffix, standardized in (("", False), ("_std", True)):
        value = np.array([e.standardized if standardized else e.value for e in found])
        replicates = effect_replicates(solved.ram, found, drawn, standardized=standardized)
        out[f"ci_lower{suffix}"], out[f"ci_upper{suffix}"] = intervals("percentile", value, replicates, level)
    return out
