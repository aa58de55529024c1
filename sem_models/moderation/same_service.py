"""With the same service, do customers of two groups differ? The gap of an outcome at equal predictors.

In group g the reduced form is E(η | ξ) = (I − A_g)⁻¹ (m_g + ξ), ξ the exogenous variables held at the same
values in all groups and m_g the intercepts of the others. The gap Δ(ξ*) is that of two groups, Δα + ΔB ξ*
with α and B of the reduced form; it differs from the gap of the latent means, to which a difference of the
service itself contributes (Sörbom, 1974).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.compare import wald_of
from sem_models.inference.result import Fit
from sem_models.inference.solved import Solved
from sem_models.inference.standardized import mean_jacobian
from sem_models.model.ram import DIRECTED, MEAN, Array, IntArray
from sem_models.moderation.path_tests import LEVEL, reference
from sem_models.moderation.pooled import pooled_variances

POINTS = 41
SPREAD = 2.0
"""Standard deviations of each group that count as its support; the common support is where they overlap."""


@dataclass(frozen=True, slots=True)
class Service:
    """The exogenous variables: positions, pooled means (x,) and their derivatives (x, q)."""

    at: IntArray
    mean: Array
    slopes: Array


def same_service(
    fit: Fit, outcomes: Sequence[str] | None = None, *, reference_group: str | None = None,
    at: Mapping[str, float] | None = None, level: float = LEVEL,
) -> pd.DataFrame:  # fmt: skip
    """The gap of each outcome between customers of two groups who get the same service.

    Parameters
    ----------
    fit : Fit
        With several groups and equal loadings and intercepts (the scalar level).
    outcomes : sequence of str
        Endogenous latent variables; all by default.
    at : mapping
        Deviations of exogenous variables from their pooled means; the others are at these means. The error of
        the means counts.

    Returns
    -------
    DataFrame
        outcome, group, reference_group, est (group minus reference, units of the marker item), se, z, pvalue,
        ci_lower, ci_upper, est_std, ci_lower_std, ci_upper_std (in pooled within-group standard deviations of
        the outcome) and mean_difference, the gap of the latent means themselves; intervals at `level`.

    Raises
    ------
    SpecError
        For one group, unequal intercepts, an unknown outcome or exogenous variable.
    """
    base = reference(fit, reference_group)
    _need_equal_intercepts(fit)
    solved, names = fit.solved, fit.solved.ram.variables
    service = _service(solved)
    values = _placed(solved, service, at or {})
    z = float(ndtri((1 + level) / 2))
    pooled = pooled_variances(solved)
    b = fit.groups.index(base)
    rows = []
    for name in _outcomes(solved, outcomes):
        i = names.index(name)
        levels = [_level(solved, g, i, service, *values) for g in range(len(fit.groups))]
        unit = np.sqrt(pooled.value[i])
        for g, label in enumerate(fit.groups):
            if g == b:
                continue
            gap, slope = levels[g][0] - levels[b][0], levels[g][1] - levels[b][1]
            se = float(solved.errors_of(slope[None])[0])
            size = gap / unit
            relative = slope / unit - 0.5 * size * pooled.jacobian[i] / pooled.value[i]
            half = z * float(solved.errors_of(relative[None])[0])
            means = float(solved.point.at.eta[g, i] - solved.point.at.eta[b, i])
            rows.append(
                (name, label, base, gap, se, gap / se if se > 0 else np.nan,
                 wald_of(np.array([gap]), np.array([[se**2]])).pvalue, gap - z * se, gap + z * se,
                 size, size - half, size + half, means)
            )  # fmt: skip
    columns = ["outcome", "group", "reference_group", "est", "se", "z", "pvalue", "ci_lower", "ci_upper",
               "est_std", "ci_lower_std", "ci_upper_std", "mean_difference"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def same_service_curve(
    fit: Fit, outcome: str, predictor: str, *, reference_group: str | None = None
) -> pd.DataFrame:
    """The gap of an outcome over one exogenous predictor, the others at their pooled means.

    Columns group, reference_group, x (deviation from the pooled mean, units of the marker item), est, se,
    ci_lower, ci_upper (pointwise 95 %) and supported: within two standard deviations of the mean of both
    groups.
    """
    base = reference(fit, reference_group)
    _need_equal_intercepts(fit)
    solved, names = fit.solved, fit.solved.ram.variables
    service = _service(solved)
    _outcomes(solved, [outcome])
    _placed(solved, service, {predictor: 0.0})
    i, j = names.index(outcome), names.index(predictor)
    b, at = fit.groups.index(base), solved.point.at
    spread = SPREAD * np.sqrt(at.cov_all[:, j, j])
    low, high = at.eta[:, j] - spread, at.eta[:, j] + spread
    center = float(service.mean[list(service.at).index(j)])
    z = float(ndtri((1 + LEVEL) / 2))
    rows = []
    for x in np.linspace(low.min(), high.max(), POINTS):
        values = _placed(solved, service, {predictor: float(x) - center})
        ground, ground_slope = _level(solved, b, i, service, *values)
        for g, label in enumerate(fit.groups):
            if g == b:
                continue
            level, slope = _level(solved, g, i, service, *values)
            gap, se = level - ground, float(solved.errors_of((slope - ground_slope)[None])[0])
            inside = bool(max(low[g], low[b]) <= x <= min(high[g], high[b]))
            rows.append((label, base, x - center, gap, se, gap - z * se, gap + z * se, inside))
    columns = ["group", "reference_group", "x", "est", "se", "ci_lower", "ci_upper", "supported"]
    return pd.DataFrame(rows, columns=columns)


def _need_equal_intercepts(fit: Fit) -> None:
    if "intercepts" not in fit.solved.table.options.group_equal:
        raise SpecError(
            "Customers with the same service can be compared only where loadings and intercepts are equal "
            "across groups: fit with group_equal=('loadings', 'intercepts'), or take the scalar level."
        )


def _service(solved: Solved) -> Service:
    """Variables that predict and are not predicted or measured, at their pooled means."""
    parts, ram = solved.table.variables, solved.ram
    at = np.array(
        [
            i
            for i, name in enumerate(ram.variables)
            if name in parts.predictors and name not in parts.regressed | parts.measured
        ],
        dtype=np.intp,
    )
    share = solved.sample.share
    slopes = np.einsum("g,gxq->xq", share, mean_jacobian(ram, solved.point.at)[:, at])
    return Service(at, share @ solved.point.at.eta[:, at], slopes)


def _placed(solved: Solved, service: Service, at: Mapping[str, float]) -> tuple[Array, Array]:
    """Values of the exogenous variables (x,), pooled means plus deviations, and their derivatives (x, q)."""
    names = [solved.ram.variables[i] for i in service.at]
    values = service.mean.copy()
    for name, value in at.items():
        if name not in names:
            raise SpecError(
                f"'{name}' is no exogenous variable of the model. "
                f"{did_you_mean(name, names, noun='exogenous variables')}"
            )
        values[names.index(name)] += value
    return values, service.slopes


def _outcomes(solved: Solved, wanted: Sequence[str] | None) -> list[str]:
    parts = solved.table.variables
    known = [name for name in (*parts.latent, *parts.outcomes) if name in parts.regressed]
    for name in wanted or ():
        if name not in known:
            raise SpecError(
                f"'{name}' is no outcome of the model. {did_you_mean(name, known, noun='outcomes')}"
            )
    return list(known if wanted is None else wanted)


def _level(
    solved: Solved, g: int, i: int, service: Service, values: Array, value_slopes: Array
) -> tuple[float, Array]:
    """E(η_i | ξ = values) in group g, and its derivative (q,).

    With x the mean of every variable given ξ, ∂/∂A_jk = E_ij x_k and ∂/∂m_j = E_ij for endogenous j.
    """
    ram, slots = solved.ram, solved.ram.slots
    total = solved.point.at.total[g]
    sources = ram.matrices(solved.point.free)[2][g].copy()
    sources[service.at] = values
    mean = total @ sources
    reach = total[i]
    by_slot = np.where(slots.kind == DIRECTED, reach[slots.row] * mean[slots.col], 0.0)
    held = np.isin(slots.row, service.at)
    by_slot = np.where((slots.kind == MEAN) & ~held, reach[slots.row], by_slot)
    out = np.zeros(ram.n_free)
    used = slots.free[g] >= 0
    np.add.at(out, slots.free[g][used], by_slot[used])
    return float(mean[i]), out + reach[service.at] @ value_slopes
