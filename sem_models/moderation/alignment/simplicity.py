"""The alignment of one construct: means and standard deviations that leave few parameters different.

Asparouhov, T., & Muthén, B. (2014). Multiple-group factor analysis alignment. Structural Equation Modeling,
21, 495–508. Configural loadings λ and intercepts ν are those of a factor of mean 0 and variance 1 in every
group; with means α and standard deviations s they become λ/s and ν − α λ/s, and the simplicity function
Σ_items Σ_{g<h} √(n_g n_h) [f(λ_g/s_g − λ_h/s_h) + f(ν*_g − ν*_h)], f(x) = √√(x² + ε), is minimized with the
variances' product at 1, as the function depends on the unit; what comes out is told in the reference group's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize

from sem_models.model.ram import Array, IntArray

Kind = Literal["fixed", "free"]

PATH = (30.0, 10.0, 3.0, 1.0)
"""Multiples of ε along which the search follows the minimum down: a blunt loss leads to the broad minimum."""

STEP = 1e-30
STARTS = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """Configural loadings and intercepts (g, p), group sizes (g,), ε, the reference group, and the kind.

    fixed holds the reference group's mean at 0, free estimates it; its variance is 1 in what is reported.
    """

    loadings: Any
    intercepts: Any
    sizes: Array
    epsilon: float
    reference: int
    kind: Kind

    @property
    def moving(self) -> IntArray:
        """Groups with a free mean."""
        keep = [g for g in range(len(self.sizes)) if self.kind == "free" or g != self.reference]
        return np.array(keep, dtype=np.intp)

    @property
    def scaled(self) -> IntArray:
        """Groups with a variance of their own; the reference group's makes the product 1."""
        return np.array([g for g in range(len(self.sizes)) if g != self.reference], dtype=np.intp)

    def unpacked(self, values: Any) -> tuple[Any, Any]:
        """Means (g,) and log standard deviations (g,) from the search's values."""
        kind = np.result_type(values, np.float64)
        mean, log_sd = np.zeros(len(self.sizes), dtype=kind), np.zeros(len(self.sizes), dtype=kind)
        mean[self.moving] = values[: len(self.moving)]
        log_sd[self.scaled] = values[len(self.moving) :]
        log_sd[self.reference] = -log_sd.sum()
        return mean, log_sd

    def aligned(self, values: Any) -> tuple[Any, Any]:
        """Aligned loadings and intercepts (g, p)."""
        mean, log_sd = self.unpacked(values)
        loadings = self.loadings * np.exp(-log_sd)[:, None]
        return loadings, self.intercepts - mean[:, None] * loadings

    def value(self, values: Array, epsilon: float | None = None) -> float:
        """The simplicity function per pair of groups of average size."""
        eps, weight = self.epsilon if epsilon is None else epsilon, self._weights()
        i, j = np.triu_indices(len(self.sizes), 1)
        total = 0.0
        for part in self.aligned(values):
            loss = np.sqrt(np.sqrt((part[i] - part[j]) ** 2 + eps))
            total += float(weight @ loss.sum(axis=1))
        return total

    def gradient(self, values: Any, epsilon: float | None = None) -> Any:
        """Its derivatives by means and log standard deviations; complex values give complex derivatives."""
        eps, weight = self.epsilon if epsilon is None else epsilon, self._weights()
        i, j = np.triu_indices(len(self.sizes), 1)
        loadings, intercepts = self.aligned(values)
        mean, _ = self.unpacked(values)
        pulls = []
        for part in (loadings, intercepts):
            d = part[i] - part[j]
            slope = weight[:, None] * 0.5 * d * (d * d + eps) ** -0.75
            pull = np.zeros_like(part)
            np.add.at(pull, i, slope)
            np.add.at(pull, j, -slope)
            pulls.append(pull)
        by_mean = -(pulls[1] * loadings).sum(axis=1)
        by_scale = -(pulls[0] * loadings).sum(axis=1) + (pulls[1] * mean[:, None] * loadings).sum(axis=1)
        return np.concatenate([by_mean[self.moving], by_scale[self.scaled] - by_scale[self.reference]])

    def reported(self, values: Any) -> Any:
        """Means (g,), standard deviations (g,), loadings and intercepts (g p) in the reference's unit."""
        mean, log_sd = self.unpacked(values)
        loadings, intercepts = self.aligned(values)
        unit = np.exp(log_sd[self.reference])
        parts = (mean / unit, np.exp(log_sd) / unit, loadings.reshape(-1) * unit, intercepts.reshape(-1))
        return np.concatenate(parts)

    def _weights(self) -> Array:
        i, j = np.triu_indices(len(self.sizes), 1)
        weight = np.sqrt(self.sizes[i] * self.sizes[j])
        return np.asarray(weight / weight.mean())


@dataclass(frozen=True, slots=True)
class Aligned:
    """The minimum: the search's values (m,), the function's value, the share of starts that ended here."""

    problem: Problem
    values: Array
    value: float
    minima: float

    @property
    def reported(self) -> Array:
        """Means, standard deviations, loadings and intercepts, (2 g + 2 g p,)."""
        return np.asarray(self.problem.reported(self.values), dtype=np.float64)

    @property
    def means(self) -> Array:
        return self.reported[: len(self.problem.sizes)]

    @property
    def sds(self) -> Array:
        g = len(self.problem.sizes)
        return self.reported[g : 2 * g]

    def jacobian(self) -> Array:
        """Derivatives of `reported` by configural loadings, then intercepts, group by group, (…, 2 g p).

        The search's values move by the implicit function, −H⁻¹ ∂²F/∂values ∂(λ, ν).
        """
        problem, m = self.problem, len(self.values)
        complex_values = self.values.astype(complex)
        hessian = _columns(lambda step: problem.gradient(complex_values + step), m)
        crossed, direct = [], []
        for name in ("loadings", "intercepts"):
            base = getattr(problem, name)

            def moved(step: Any, name: str = name, base: Any = base) -> Problem:
                return _replaced(problem, name, base + step.reshape(base.shape))

            crossed.append(_columns(lambda step: moved(step).gradient(complex_values), base.size))
            direct.append(_columns(lambda step: moved(step).reported(complex_values), base.size))
        slopes = -np.linalg.solve((hessian + hessian.T) / 2, np.concatenate(crossed, axis=1))
        by_values = _columns(lambda step: problem.reported(complex_values + step), m)
        return np.asarray(np.concatenate(direct, axis=1) + by_values @ slopes)


def _columns(function: Any, n: int) -> Array:
    """Derivatives (…, n) of a function of an imaginary step (n,)."""
    steps = 1j * STEP * np.eye(n)
    return np.array([function(step).imag / STEP for step in steps]).T


def align(problem: Problem, *, seed: int = 0) -> Aligned:
    """The lowest minimum from the groups' own scale and `STARTS` drawn starts, each followed down along ε.

    The function has several minima where items differ; a start with large ε is led to the broad one first.
    """
    rng = np.random.default_rng(seed)
    size = len(problem.moving) + len(problem.scaled)
    starts: Iterable[Array] = [_first(problem), *(0.3 * rng.normal(size=(STARTS - 1, size)))]
    ends = []
    for start in starts:
        at = start
        for share in PATH:
            eps = problem.epsilon * share
            at = minimize(problem.value, at, args=(eps,), jac=problem.gradient, method="BFGS").x
        ends.append((problem.value(at), at))
    lowest = min(value for value, _ in ends)
    best = next(at for value, at in ends if value == lowest)
    best = _polished(problem, best)
    near = [np.abs(at - best).max() < 1e-3 for _, at in ends]
    return Aligned(problem, best, problem.value(best), float(np.mean(near)))


def _first(problem: Problem) -> Array:
    """Standard deviations from the ratio of mean loadings, means from intercepts by least squares."""
    ref = problem.reference
    ratio = np.abs(problem.loadings).sum(axis=1) / np.abs(problem.loadings[ref]).sum()
    log_sd = np.log(np.maximum(ratio, 0.05))
    loadings = problem.loadings * np.exp(-log_sd)[:, None]
    gap = problem.intercepts - problem.intercepts[ref]
    mean = (gap * loadings).sum(axis=1) / (loadings**2).sum(axis=1)
    log_sd = log_sd - log_sd.mean()
    return np.concatenate([mean[problem.moving], log_sd[problem.scaled]])


def _polished(problem: Problem, values: Array) -> Array:
    """Newton's steps while they lower the gradient."""
    for _ in range(10):
        gradient = np.asarray(problem.gradient(values), dtype=np.float64)
        hessian = _columns(lambda step, at=values: problem.gradient(at + step), len(values))
        try:
            step = np.linalg.solve((hessian + hessian.T) / 2, gradient)
        except np.linalg.LinAlgError:
            return values
        moved = values - step
        if np.abs(problem.gradient(moved)).max() >= np.abs(gradient).max() or np.abs(step).max() > 0.1:
            return values
        values = moved
    return values


def _replaced(problem: Problem, name: str, value: Any) -> Problem:
    given = {"loadings": problem.loadings, "intercepts": problem.intercepts, name: value}
    return Problem(
        given["loadings"],
        given["intercepts"],
        problem.sizes,
        problem.epsilon,
        problem.reference,
        problem.kind,
    )
