"""Fit one random model with everything a user would look at, and judge how that ended."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

import sem_models as sm
from benchmarks.random_models.draw import Drawn, draw
from sem_models.estimation.optimizer import minimize
from sem_models.estimation.starts import starting_values

STATIONARY = 1e-6
"""Largest slope at a converged solution, per row and in units of the parameters' information."""
DIRECTIONS = 8
EVERY = 4
"""Another start is tried on every fourth model."""
LOWER = 1e-7
"""Objective per row by which another start must lie lower for the first to count as a local optimum."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a model ended: proper, improper, not converged, refused or crash; and what is wrong with that."""

    number: int
    outcome: str
    logl: float
    seconds: float
    note: str = ""
    trouble: str = ""
    local: bool = False


def judge_number(seed: int, number: int) -> Verdict:
    """Draw and judge one model; a warning is a defect, and counts as a crash."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return judge(draw(seed, number))


def judge(drawn: Drawn) -> Verdict:
    """Everything but a proper, improper or openly unsuccessful fit is trouble."""
    begun = perf_counter()
    try:
        fit = sm.fit(drawn.model, drawn.data, **drawn.options)
        trouble = look(fit)
    except sm.SEMError as refusal:
        note = f"{type(refusal).__name__}: {refusal}"
        return Verdict(drawn.number, "refused", float("nan"), perf_counter() - begun, note, note)
    except Exception as crash:
        note = f"{type(crash).__name__}: {crash}"
        return Verdict(drawn.number, "crash", float("nan"), perf_counter() - begun, note, note)
    status, seconds = fit.status, perf_counter() - begun
    outcome = "not converged"
    if status.converged:
        outcome = "proper" if status.admissible else "improper"
    local = status.converged and drawn.number % EVERY == 0 and lower_elsewhere(fit)
    return Verdict(drawn.number, outcome, fit.solved.logl, seconds, " ".join(status.reasons), trouble, local)


def look(fit: sm.Fit) -> str:
    """Use the fit as a report would; what its status should have said and did not, or an empty string."""
    estimates, measures = fit.estimates(), fit.measures()
    fit.standardized(), fit.effects(), fit.residuals("cor"), json.loads(fit.to_json()), str(fit)
    diagnosis = str(fit.diagnose())
    status, solved = fit.status, fit.solved
    if not status.ok and (not status.reasons or "Problems:" not in diagnosis):
        return "trouble without a reason"
    if not status.converged:
        return ""
    variances = estimates[(estimates["op"] == "~~") & (estimates["lhs"] == estimates["rhs"])]
    if status.admissible and (variances["est"] < -1e-10).any():
        return "negative variance called admissible"
    if status.admissible and any(
        np.linalg.eigvalsh(m["cov"])[0] < -1e-8 for m in fit.latent_moments().values()
    ):
        return "indefinite latent covariances called admissible"
    if any(np.linalg.eigvalsh(m["cov"])[0] <= 0 for m in fit.implied().values()):
        return "implied covariance not positive definite"
    free = estimates["se"].ne(0) & estimates["op"].ne(":=")
    if status.ok and not np.isfinite(estimates.loc[free, ["est", "se"]].to_numpy()).all():
        return "no standard error, and no reason"
    for name in ("chisq", "logl", "cfi", "rmsea", "srmr"):
        if not np.isfinite(measures[name]) and "saturated model has no maximum" not in fit.why(name):
            return f"{name} is undefined"
    return _optimum(solved)


def _optimum(solved: Any) -> str:
    """The slope by central differences is nought along random directions, and the curvature positive."""
    objective, point = solved.objective, solved.point
    scale = np.sqrt(np.abs(np.diagonal(objective.information(point))))
    rng = np.random.default_rng(len(scale))
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=len(scale))
        step = 1e-4 * direction / np.linalg.norm(direction) / scale
        ahead, behind = objective.at(point.params + step), objective.at(point.params - step)
        if ahead is None or behind is None:
            return ""
        slope = (float(ahead.value) - float(behind.value)) / 2e-4
        if abs(slope) > STATIONARY:
            return f"called converged with a slope of {slope:.2g}"
    curve = objective.hessian(point) / np.outer(scale, scale)
    if np.linalg.eigvalsh(curve)[0] < -1e-9:
        return "called converged where the curvature is negative"
    return ""


def lower_elsewhere(fit: sm.Fit) -> bool:
    """Whether plain starting values lead to a lower optimum."""
    s = fit.solved
    plain = starting_values(s.table, s.ram, s.sample.cov, s.sample.mean, structural=False)
    other = minimize(s.objective, plain, n_rows=s.sample.n)
    if other.point is None or other.outcome.name != "CONVERGED":
        return False
    return float(other.point.value) < float(s.point.value) - LOWER
