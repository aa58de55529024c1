"""Stage 1 of meta-analytic SEM: correlation matrices of several studies pooled into one, with its errors.

Fixed effects: one correlation matrix P in all studies, each with its own standard deviations, by maximum
likelihood of Σ_i = D_i P D_i (Cheung & Chan, 2005, Psychological Methods, 10, 40–64). Random effects: the
correlations of a study vary about their means with variances τ² (Cheung, 2014, Behavior Research Methods, 46,
29–40), by maximum likelihood given their sampling covariances. Studies may lack variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.errors import ConvergenceError
from sem_models.model.ram import Array, IntArray

Acov = Literal["weighted", "individual"]
ITERATIONS = 200
SMALL = 1e-10


@dataclass(frozen=True, slots=True)
class Stage1:
    """Pooled correlations r (m,), in the order of the lower triangle by columns, and their covariance (m, m).

    q and q_df test homogeneity (fixed: the model's χ²; random: Q about the generalized least squares mean);
    tau2 (m,) between studies, zeros for fixed effects.
    """

    r: Array
    vcov: Array
    tau2: Array
    q: float
    q_df: int


def pair_positions(p: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of the lower triangle, by columns."""
    columns, rows = np.triu_indices(p, 1)
    return rows, columns


def sampling_covariance(r_mat: Array, rows: IntArray, columns: IntArray) -> Array:
    """n times the covariance (m, m) of correlations under normality. Olkin & Siotani (1976)."""
    i, j = rows[:, None], columns[:, None]
    k, h = rows[None, :], columns[None, :]
    a, b = r_mat[i, j], r_mat[k, h]
    ik, ih, jk, jh = r_mat[i, k], r_mat[i, h], r_mat[j, k], r_mat[j, h]
    return np.asarray(
        0.5 * a * b * (ik**2 + ih**2 + jk**2 + jh**2) + ik * jh + ih * jk
        - (a * ik * ih + a * jk * jh + b * ik * jk + b * ih * jh)
    )  # fmt: skip


def fixed_effects(matrices: list[Array], seen: list[IntArray], sizes: Array) -> Stage1:
    """One P for all: matrices (p_i, p_i) of the variables seen (p_i,) in each study, sizes (k,).

    Newton's method over P's correlations and log standard deviations, with the derivatives' own differences
    as Hessian; errors from the observed information. Raises ConvergenceError.
    """
    p = int(max(s.max() for s in seen)) + 1
    rows, columns = pair_positions(p)
    start = _weighted_mean(matrices, seen, sizes, p)[rows, columns]
    x = np.append(start, np.zeros(sum(len(s) for s in seen)))
    weight = sizes - 1.0

    def value_slope(x: Array) -> tuple[float, Array]:
        r_mat = _symmetric(x[: len(rows)], rows, columns, p)
        total, slope, at = 0.0, np.zeros(len(x)), len(rows)
        for r_i, place, w in zip(matrices, seen, weight, strict=True):
            d = np.exp(x[at : at + len(place)])
            sigma = r_mat[np.ix_(place, place)] * np.outer(d, d)
            sign, logdet = np.linalg.slogdet(sigma)
            if sign <= 0 or np.linalg.eigvalsh(sigma)[0] <= 0:
                return np.inf, slope
            inverse = np.linalg.inv(sigma)
            total += w * (logdet + float((r_i * inverse).sum()) - np.linalg.slogdet(r_i)[1] - len(place))
            g = w * (inverse - inverse @ r_i @ inverse)
            slope[at : at + len(place)] = 2 * (g * sigma).sum(axis=1)
            full = np.zeros((p, p))
            full[np.ix_(place, place)] = g * np.outer(d, d)
            slope[: len(rows)] += 2 * full[rows, columns]
            at += len(place)
        return total, slope

    x, hessian, value = _newton(value_slope, x)
    m = len(rows)
    vcov = np.asarray(2 * np.linalg.inv(hessian)[:m, :m], dtype=np.float64)
    moments = sum(len(s) * (len(s) - 1) // 2 for s in seen)
    return Stage1(x[:m], vcov, np.zeros(m), value, moments - m)


def random_effects(matrices: list[Array], seen: list[IntArray], sizes: Array, acov: Acov) -> Stage1:
    """Means and variances between studies of all correlations.

    acov "weighted" takes the sampling covariances at the weighted mean matrix, so that an estimate and its
    weight are not tied to one another (Hafdahl, 2007); "individual" at each study's own matrix.
    """
    p = int(max(s.max() for s in seen)) + 1
    rows, columns = pair_positions(p)
    m = len(rows)
    mean = _weighted_mean(matrices, seen, sizes, p)
    number = np.zeros((p, p), dtype=np.intp)
    number[rows, columns] = number[columns, rows] = np.arange(m)
    effects, places, known = [], [], []
    for r_i, place, n in zip(matrices, seen, sizes, strict=True):
        own_rows, own_columns = pair_positions(len(place))
        base = r_i if acov == "individual" else mean[np.ix_(place, place)]
        effects.append(r_i[own_rows, own_columns])
        places.append(number[place[own_rows], place[own_columns]])
        known.append(sampling_covariance(base, own_rows, own_columns) / (n - 1.0))
    tau2 = np.full(m, 0.01)
    mu, _ = _means(effects, places, known, np.zeros(m))
    held = np.zeros(m, dtype=bool)
    x = np.append(mu, tau2)
    for _ in range(m + 1):
        free = np.append(np.ones(m, dtype=bool), ~held)
        x[m:][held] = 0.0

        def value_slope(z: Array, x: Array = x, free: np.ndarray = free) -> tuple[float, Array]:
            full = x.copy()
            full[free] = z
            if (full[m:] < -SMALL).any():
                return np.inf, np.zeros(int(free.sum()))
            value, slope = _minus_two_logl(effects, places, known, full[:m], np.maximum(full[m:], 0.0))
            return value, slope[free]

        z, hessian, _ = _newton(value_slope, x[free], lower=np.append(np.full(m, -np.inf), np.zeros(m))[free])
        x[free] = z
        at_zero = (x[m:] <= SMALL) & ~held
        if not at_zero.any():
            break
        held |= at_zero
    vcov = np.asarray(2 * np.linalg.inv(hessian)[:m, :m], dtype=np.float64)
    common, _ = _means(effects, places, known, np.zeros(m))
    q = sum(
        float((y - common[a]) @ np.linalg.solve(v, y - common[a]))
        for y, a, v in zip(effects, places, known, strict=True)
    )
    return Stage1(x[:m], vcov, x[m:].copy(), q, sum(len(y) for y in effects) - m)


def _means(
    effects: list[Array], places: list[IntArray], known: list[Array], tau2: Array
) -> tuple[Array, Array]:
    """Generalized least squares means (m,) and their information (m, m)."""
    m = len(tau2)
    information, right = np.zeros((m, m)), np.zeros(m)
    for y, at, v in zip(effects, places, known, strict=True):
        inverse = np.linalg.inv(v + np.diag(tau2[at]))
        information[np.ix_(at, at)] += inverse
        right[at] += inverse @ y
    return np.asarray(np.linalg.solve(information, right), dtype=np.float64), information


def _minus_two_logl(
    effects: list[Array], places: list[IntArray], known: list[Array], mu: Array, tau2: Array
) -> tuple[float, Array]:
    """−2 log-likelihood and its derivatives by means and variances, (2m,)."""
    m = len(mu)
    total, slope = 0.0, np.zeros(2 * m)
    for y, at, v in zip(effects, places, known, strict=True):
        sigma = v + np.diag(tau2[at])
        inverse = np.linalg.inv(sigma)
        residual = inverse @ (y - mu[at])
        total += len(y) * np.log(2 * np.pi) + np.linalg.slogdet(sigma)[1] + float((y - mu[at]) @ residual)
        slope[at] -= 2 * residual
        slope[m + at] += np.diagonal(inverse) - residual**2
    return total, slope


def _newton(function: object, x: Array, lower: Array | None = None) -> tuple[Array, Array, float]:
    """Minimum, Hessian there (differences of the slope), value; steps are damped and kept above `lower`."""
    assert callable(function)
    bound = np.full(len(x), -np.inf) if lower is None else lower
    value, slope = function(x)
    for _ in range(ITERATIONS):
        hessian = _differences(function, x, slope, bound)
        inner = (x > bound + SMALL) | (slope < 0)
        step = np.zeros(len(x))
        part = hessian[np.ix_(inner, inner)]
        roots, vectors = np.linalg.eigh(part)
        roots = np.maximum(np.abs(roots), 1e-8 * np.abs(roots).max())
        step[inner] = -vectors @ ((vectors.T @ slope[inner]) / roots)
        decrement = float(-slope @ step)
        if decrement < 1e-14 * max(1.0, abs(value)):
            return x, hessian, value
        size = 1.0
        while size > 1e-10:
            moved = np.maximum(x + size * step, bound)
            tried, tried_slope = function(moved)
            if tried <= value - 1e-4 * size * decrement or (
                size == 1.0 and decrement < 1e-9 and tried <= value + 1e-10
            ):
                break
            size /= 2
        else:
            return x, hessian, value
        x, value, slope = moved, tried, tried_slope
    raise ConvergenceError(
        "Pooling the correlation matrices did not converge. Are some variables nearly the same?"
    )


def _differences(function: object, x: Array, slope: Array, bound: Array) -> Array:
    """Symmetric Hessian (q, q) by central differences of the slope, one-sided at a bound."""
    assert callable(function)
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        step = 1e-5 * max(1.0, abs(x[i])) if not np.isfinite(bound[i]) else 1e-6
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        one_sided = down[i] < bound[i]
        low = slope if one_sided else function(down)[1]
        out[i] = (function(up)[1] - low) / (step if one_sided else 2 * step)
    return (out + out.T) / 2


def _weighted_mean(matrices: list[Array], seen: list[IntArray], sizes: Array, p: int) -> Array:
    total, count = np.zeros((p, p)), np.zeros((p, p))
    for r_i, place, n in zip(matrices, seen, sizes, strict=True):
        total[np.ix_(place, place)] += n * r_i
        count[np.ix_(place, place)] += n
    return np.asarray(total / count)


def _symmetric(r: Array, rows: IntArray, columns: IntArray, p: int) -> Array:
    out = np.eye(p)
    out[rows, columns] = out[columns, rows] = r
    return out
