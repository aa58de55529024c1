"""Latent means of the groups against a reference group, raw and in pooled standard deviations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError
from sem_models.inference.compare import wald_of
from sem_models.inference.contrasts import Adjust, adjust_pvalues
from sem_models.inference.result import Fit
from sem_models.inference.standardized import mean_jacobian
from sem_models.moderation.path_tests import LEVEL, reference
from sem_models.moderation.pooled import pooled_variances

COLUMNS = [
    "variable", "group", "reference_group", "est", "se", "z", "pvalue", "pvalue_adjusted", "ci_lower",
    "ci_upper", "d", "d_ci_lower", "d_ci_upper",
]  # fmt: skip


def latent_means(fit: Fit, *, reference_group: str | None = None, adjust: Adjust = "holm") -> pd.DataFrame:
    """Each latent variable's mean in each other group minus the reference group.

    Means are model-implied, so that of an outcome holds what its predictors bring (Sörbom, 1974). Columns
    variable, group, reference_group, est (units of the marker item), se, z, pvalue, pvalue_adjusted,
    ci_lower, ci_upper; d, d_ci_lower, d_ci_upper: the same in pooled within-group standard deviations of the
    latent variable (Hancock, 2001, Psychometrika 66, p. 375), intervals by the delta method, 95 %.

    Raises SpecError for one group, or a fit without equal intercepts, in which latent means are fixed.
    """
    base = reference(fit, reference_group)
    solved = fit.solved
    if "intercepts" not in solved.table.options.group_equal:
        raise SpecError(
            "Latent means can be compared only where the intercepts of the items are equal across groups: "
            "fit with group_equal=('loadings', 'intercepts'), or take the scalar level."
        )
    ram, at = solved.ram, solved.point.at
    slopes, pooled = mean_jacobian(ram, at), pooled_variances(solved)
    z_half = float(ndtri((1 + LEVEL) / 2))
    b = fit.groups.index(base)
    rows = []
    for name in solved.table.variables.latent:
        i = ram.variables.index(name)
        for g, label in enumerate(fit.groups):
            if g == b:
                continue
            value, slope = float(at.eta[g, i] - at.eta[b, i]), slopes[g, i] - slopes[b, i]
            se = float(solved.errors_of(slope[None])[0])
            unit = np.sqrt(pooled.value[i])
            d = value / unit
            d_half = z_half * float(
                solved.errors_of((slope / unit - 0.5 * d * pooled.jacobian[i] / pooled.value[i])[None])[0]
            )
            rows.append(
                (name, label, base, value, se, value / se if se > 0 else np.nan,
                 wald_of(np.array([value]), np.array([[se**2]])).pvalue, np.nan, value - z_half * se,
                 value + z_half * se, d, d - d_half, d + d_half)
            )  # fmt: skip
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.assign(pvalue_adjusted=adjust_pvalues(frame["pvalue"].to_numpy(np.float64), adjust))
