"""Incomplete rows moved so that the model holds in them, for the Bollen–Stine bootstrap with missing answers.

Each row moves by its own variables o: y* = A_oo (y − c)_o + μ_o. The symmetric matrix A and the center c are
those at which the moments of the moved rows, by the likelihood of their incomplete answers, are the model's Σ
and μ exactly. The transformation of complete rows with the EM moments of incomplete ones does so roughly
(Enders, 2002, Structural Equation Modeling 9); Savalei & Yuan (2009, Multivariate Behavioral Research 44)
solve for an exact one. Theirs, as semTools::bsBootMiss(transformation = 2) has it, centers each missing
pattern at its own mean: the same A where these means are equal, symmetric and no product of square roots.
Here c is common to all patterns, so that a pattern of one row keeps its deviation, and patterns that differ
in their means still do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sem_models.errors import ConvergenceError
from sem_models.model.ram import Array
from sem_models.observed import moment_likelihood
from sem_models.observed.pairwise import pairwise_of
from sem_models.observed.pattern_moments import group_patterns
from sem_models.observed.patterns import Patterns, discrepancy
from sem_models.observed.rows import whole
from sem_models.observed.saturated import saturated_moments

MAX_STEPS = 200
CLOSE = 1e-10
"""Distance of the moved rows' moments from the model's, in its standard deviations, that counts as none."""

HALVINGS = 20
"""Times a step is halved that leads to moments further away, or to none that are positive definite."""

REMEMBERED = 5
"""Distances of which one must be larger than the next: a step may lead away for a while."""

Distance = Callable[[Array, Array], tuple[Array, Array]]
"""How far the moments of rows moved by A and c are from Σ (p, p) and μ (p,)."""


def moved_rows(
    values: Sequence[Array], sigma: Array, mu: Array, *, pairwise: bool = False
) -> tuple[Array, ...]:
    """Rows (n_g, p) with NaN where missing, moved so that their moments are sigma (g, p, p) and mu (g, p).

    Their moments are those of maximum likelihood, or pairwise ones. A is symmetric in the units of the data
    or, where these are too different for floating-point numbers to find it, in standard deviations. Raises
    ConvergenceError where no such rows are found.
    """
    out = []
    for x, cov, mean in zip(values, sigma, mu, strict=True):
        try:
            out.append(_rows(x, cov, mean, pairwise))
        except ConvergenceError:
            sd = np.sqrt(np.diagonal(cov))
            out.append(_rows(x / sd, cov / np.outer(sd, sd), mean / sd, pairwise) * sd)
    return tuple(out)


def _rows(x: Array, cov: Array, mean: Array, pairwise: bool) -> Array:
    """One group's rows (n, p), A being symmetric in the units that they have."""
    if pairwise:
        began = pairwise_of(whole(x), np.nanmean(x, axis=0))
        distance = _pairwise_distance(x, cov, mean)
    else:
        patterns, _ = group_patterns([x], [None])
        found = saturated_moments(patterns, 1)
        began = found[0][0], found[1][0]
        distance = _likelihood_distance(patterns, cov, mean)
    return _moved(x, *_mover(distance, *began, cov, mean), mean)


def _moved(values: Array, a_mat: Array, center: Array, mu: Array) -> Array:
    seen = ~np.isnan(values)
    return np.where(seen, np.where(seen, values - center, 0.0) @ a_mat + mu, np.nan)


def _mover(distance: Distance, cov: Array, mean: Array, sigma: Array, mu: Array) -> tuple[Array, Array]:
    """A (p, p) and c (p,), from the moments of the rows as they are.

    The moments of complete rows are A S A and A (x̄ − c) + μ. Solved for S and x̄, the moments of moved rows
    give the next A and c. Where these are further away than all of the last ones, a part of the way is taken
    (Grippo, Lampariello & Lucidi, 1986, SIAM Journal on Numerical Analysis 23).
    """
    unit = np.sqrt(np.diagonal(sigma))

    def size(found: tuple[Array, Array]) -> float:
        return float(max(np.abs(found[0] / np.outer(unit, unit)).max(), np.abs(found[1] / unit).max()))

    a_mat, center = _between(cov, sigma), mean
    found = distance(a_mat, center)
    trail = [size(found)]
    for _ in range(MAX_STEPS):
        if trail[-1] < CLOSE:
            return a_mat, center
        inverse, (second, first) = np.linalg.inv(a_mat), found
        for part in 0.5 ** np.arange(HALVINGS):
            now = sigma + part * second
            if not np.linalg.eigvalsh(now / np.outer(unit, unit))[0] > 0:
                continue
            nearer = _between(inverse @ now @ inverse, sigma), center + part * (inverse @ first)
            found = distance(*nearer)
            if size(found) < max(trail[-REMEMBERED:]):
                a_mat, center = nearer
                trail.append(size(found))
                break
        else:
            break
    raise ConvergenceError(
        "The rows could not be moved so that the model holds in them: too few answers for so many items, or "
        "a model too far from the data. Use type='parametric'."
    )


def _between(cov: Array, sigma: Array) -> Array:
    """The symmetric A with A S A = Σ."""
    values, vectors = np.linalg.eigh(0.5 * (cov + cov.T))
    sd = np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    root, back = (vectors * sd) @ vectors.T, (vectors / sd) @ vectors.T
    values, vectors = np.linalg.eigh(root @ sigma @ root)
    middle = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return np.asarray(back @ middle @ back)


def _likelihood_distance(patterns: Patterns, sigma: Array, mu: Array) -> Distance:
    """By one step of Fisher scoring from Σ and μ, which is zero where they maximize the likelihood."""
    p = len(mu)
    i, j = np.tril_indices(p)
    both = patterns.seen[:, :, None] & patterns.seen[:, None, :]
    start = discrepancy(sigma[None], mu[None], patterns)
    inverse = np.linalg.inv(moment_likelihood.curvature(start, patterns, 1, observed=False)[0])

    def distance(a_mat: Array, center: Array) -> tuple[Array, Array]:
        by_pattern = np.where(both, a_mat, 0.0)
        away = np.where(patterns.seen, patterns.mean - center, 0.0)
        mean = np.where(patterns.seen, (by_pattern @ away[..., None])[..., 0] + mu, 0.0)
        moved = replace(patterns, mean=mean, cov=by_pattern @ patterns.cov @ by_pattern)
        slope = moment_likelihood.slope(discrepancy(sigma[None], mu[None], moved), moved, 1)[0]
        step = -inverse @ slope
        second = np.empty((p, p))
        second[i, j] = second[j, i] = step[: len(i)]
        return second, step[len(i) :]

    return distance


def _pairwise_distance(values: Array, sigma: Array, mu: Array) -> Distance:
    def distance(a_mat: Array, center: Array) -> tuple[Array, Array]:
        cov, mean = pairwise_of(whole(_moved(values, a_mat, center, mu)), mu)
        return cov - sigma, mean - mu

    return distance
