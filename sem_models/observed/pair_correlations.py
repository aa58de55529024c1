"""Stage two of Muthén (1984): the correlation of each pair given its margins, all pairs of a kind at once.

Polychoric (two ordered items), polyserial (an ordered and a continuous one) and Pearson correlations maximize
the pair's likelihood over ρ alone. `Pairs` carries, beside ρ, what its estimate owes to each row and to the
margins. Olsson (1979), Psychometrika 44; Olsson, Drasgow & Dorans (1982), Psychometrika 47.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sem_models.observed.bivariate_normal import conditional, corners, density, distribution
from sem_models.observed.margins import LEAST, Array, IntArray, Margin, edges, interval, limits, phi

BOUND = 0.9999999
"""|ρ| is kept below this."""

CONTINUITY = 0.5
"""Added to an empty cell of a two-by-two table, its margins kept (Brown & Benedetti, 1977)."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs (first, second) of variables, r of them.

    rho (r,); scores (n, r) ∂log-likelihood/∂ρ of each row, zero where an answer is missing, and weight (n,)
    or None; cross_first and cross_second: for each pair the weighted sum over rows of the score times that of
    the margin's parameters (m,) of either variable; empty (r,) cells of the pair's table without an answer.
    """

    first: IntArray
    second: IntArray
    rho: Array
    scores: Array
    cross_first: list[Array]
    cross_second: list[Array]
    empty: IntArray


Terms = Callable[[Array], tuple[Array, Array, Array]]
"""ρ (r,) to log-likelihood and its first and second derivative, each (r,)."""


def maximize(terms: Terms, start: Array) -> Array:
    """ρ by Newton's method in the scale of atanh ρ, where each step is safe; halved where it does not
    gain."""
    z = np.arctanh(np.clip(start, -0.95, 0.95))
    top = np.arctanh(BOUND)
    value, slope, bend = terms(np.tanh(z))
    for _ in range(100):
        rho = np.tanh(z)
        unit = (1.0 - rho) * (1.0 + rho)
        gradient = slope * unit
        curve = bend * unit**2 - 2.0 * rho * gradient
        step = np.where(curve < 0, -gradient / np.minimum(curve, -1e-300), 0.5 * np.sign(gradient))
        step = np.clip(step, -0.7, 0.7)
        moved = np.clip(z + step, -top, top)
        found, new_slope, new_bend = terms(np.tanh(moved))
        worse = found < value - 1e-9 * (1.0 + np.abs(value))
        for _ in range(30):
            if not worse.any():
                break
            moved = np.where(worse, 0.5 * (moved + z), moved)
            found, new_slope, new_bend = terms(np.tanh(moved))
            worse = found < value - 1e-9 * (1.0 + np.abs(value))
        still = np.abs(moved - z).max(initial=0.0)
        z, value, slope, bend = moved, found, new_slope, new_bend
        if still < 1e-9:  # Newton's next step would be its square
            break
    return np.tanh(z)


# ---------------------------------------------------------------------- two ordered items


def _cells(h: Array, k: Array, rho: Array) -> Array:
    """Probabilities (..., a, b) of the cells between limits h (..., a + 1, 1) and k (..., 1, b + 1)."""
    of_tables = h.ndim == 3  # rows have limits of their own, and one axis more
    values = corners(h[..., 0], k[:, 0], rho[:, 0, 0]) if of_tables else distribution(h, k, rho)
    return np.maximum(np.diff(np.diff(values, axis=-1), axis=-2), 0.0)


def cell_slopes(h: Array, k: Array, rho: Array) -> tuple[Array, Array]:
    """First and second derivative of the cells' probabilities in ρ."""
    inside = np.isfinite(h) & np.isfinite(k)
    a, b = np.where(np.isfinite(h), h, 0.0), np.where(np.isfinite(k), k, 0.0)
    first = np.where(inside, density(a, b, rho), 0.0)
    left = (1.0 - rho) * (1.0 + rho)
    second = first * (rho / left + (a * b * (1.0 + rho**2) - rho * (a * a + b * b)) / left**2)
    cells = [np.diff(np.diff(at, axis=-1), axis=-2) for at in (first, second)]
    return cells[0], cells[1]


def _table_terms(counts: Array, h: Array, k: Array) -> Terms:
    """The likelihood of tables or rows with `counts` (r, ..., a, b)."""
    axes = tuple(range(1, counts.ndim))

    def terms(rho: Array) -> tuple[Array, Array, Array]:
        wide = rho.reshape(-1, *(1 for _ in axes))
        chance = np.maximum(_cells(h, k, wide), LEAST)
        first, second = cell_slopes(h, k, wide)
        ratio = first / chance
        return (
            (counts * np.log(chance)).sum(axis=axes),
            (counts * ratio).sum(axis=axes),
            (counts * (second / chance - ratio**2)).sum(axis=axes),
        )

    return terms


def tables(margins: Sequence[Margin], first: IntArray, second: IntArray) -> Array:
    """Frequencies (r, K, K) of the pairs' answers, K the largest number of categories; sums of weights."""
    size = max(m.n_categories for m in margins)
    n = len(margins[0].codes)
    codes = np.stack([m.codes for m in margins])
    hot = np.zeros((n, len(margins), size + 1))
    # missing answers, code −1, go to the last column, which is cut off
    hot[np.arange(n)[:, None], np.arange(len(margins)), codes.T] = 1.0
    flat = hot[:, :, :size].reshape(n, -1)
    # a margin's weight is that of its rows, or zero where its own answer is missing
    weight = np.stack([m.weight for m in margins], axis=1)
    heavy = (hot[:, :, :size] * weight[:, :, None]).reshape(n, -1)
    every = (heavy.T @ flat).reshape(len(margins), size, len(margins), size)
    return np.asarray(every[first, :, second, :])


def polychoric(margins: Sequence[Margin], first: IntArray, second: IntArray, n_covariates: int) -> Pairs:
    """Correlations of pairs of ordered items, from their tables, or row by row given covariates."""
    counts = tables(margins, first, second)
    used = np.array([m.n_categories for m in margins])
    real = (np.arange(counts.shape[1])[None, :, None] < used[first][:, None, None]) & (
        np.arange(counts.shape[1])[None, None, :] < used[second][:, None, None]
    )
    empty = ((counts == 0) & real).sum(axis=(1, 2))
    if n_covariates:
        return _by_row(margins, first, second, _start(counts), empty)
    size = counts.shape[1]
    tau = np.full((len(margins), size + 1), np.inf)
    for j in set(first.tolist()) | set(second.tolist()):
        margin = margins[j]
        tau[j, : margin.n_categories + 1] = edges(margin.tau)
    found, *cross = polychoric_of_tables(counts, tau[first], tau[second], used[first], used[second])
    rho, score = found.rho, found.scores
    padded = np.zeros((len(rho), size + 1, size + 1))  # code −1 finds the zeros
    padded[:, :size, :size] = score
    codes = np.stack([m.codes for m in margins])
    flat = codes[first] * (size + 1) + codes[second]
    flat = np.where((codes[first] < 0) | (codes[second] < 0), (size + 1) ** 2 - 1, flat)
    scores = np.take_along_axis(padded.reshape(len(rho), -1), flat, axis=1).T
    return Pairs(
        first, second, rho, scores,
        [c[: used[i] - 1] for c, i in zip(cross[0], first, strict=True)],
        [c[: used[j] - 1] for c, j in zip(cross[1], second, strict=True)], empty,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableFit:
    """Tables r of them: rho (r,), scores (r, K, K) of their cells, zero in empty ones, and information
    (r,)."""

    rho: Array
    scores: Array
    information: Array


def polychoric_of_tables(
    counts: Array, first: Array, second: Array, used_first: IntArray, used_second: IntArray
) -> tuple[TableFit, Array, Array]:
    """Correlations of tables (r, K, K) whose rows and columns are cut at first and second (r, K + 1).

    The edges begin with −∞ and end with ∞ from the last category in use on; used_first and used_second (r,)
    are the numbers of categories. Returns also Σ score × scores of the thresholds of either margin, (r, K −
    1).
    """
    h, k = first[:, :, None], second[:, None, :]
    rho = maximize(_table_terms(_filled(counts, used_first, used_second), h, k), _start(counts))
    wide = rho[:, None, None]
    chance = np.maximum(_cells(h, k, wide), LEAST)
    score = np.where(counts > 0, cell_slopes(h, k, wide)[0] / chance, 0.0)
    weighted = counts * score / chance
    of_first = threshold_slopes(first, second, rho)
    of_second = threshold_slopes(second, first, rho)
    return (
        TableFit(rho, score, (counts * score**2).sum(axis=(1, 2))),
        (of_first * (weighted[:, :-1] - weighted[:, 1:])).sum(axis=2),
        (of_second * np.swapaxes(weighted[:, :, :-1] - weighted[:, :, 1:], 1, 2)).sum(axis=2),
    )


def threshold_slopes(own: Array, other: Array, rho: Array) -> Array:
    """∂ of the cells' probabilities in a threshold of the one variable (r, K − 1, K): below it, + this."""
    inner = np.where(np.isfinite(own[:, 1:-1]), own[:, 1:-1], 0.0)[:, :, None]
    dense = np.where(np.isfinite(own[:, 1:-1]), phi(own[:, 1:-1]), 0.0)[:, :, None]
    return np.asarray(dense * np.diff(conditional(other[:, None, :], inner, rho[:, None, None]), axis=2))


def _start(counts: Array) -> Array:
    """Pearson correlations of the category numbers."""
    size = counts.shape[1]
    at = np.arange(size, dtype=np.float64)
    total = np.maximum(counts.sum(axis=(1, 2)), 1.0)
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    mean_1, mean_2 = rows @ at / total, columns @ at / total
    spread = (rows @ at**2 / total - mean_1**2) * (columns @ at**2 / total - mean_2**2)
    together = np.einsum("rab,a,b->r", counts, at, at) / total - mean_1 * mean_2
    return np.asarray(np.where(spread > 0, together / np.sqrt(np.maximum(spread, LEAST)), 0.0))


def _filled(counts: Array, used_first: IntArray, used_second: IntArray) -> Array:
    """Two-by-two tables with one empty cell get ½ there, their margins kept."""
    small = (used_first == 2) & (used_second == 2)
    cells = counts[:, :2, :2]
    lone = small & ((cells == 0).sum(axis=(1, 2)) == 1)
    if not lone.any():
        return counts
    out = counts.copy()
    on_diagonal = (cells[:, 0, 0] == 0) | (cells[:, 1, 1] == 0)
    move = np.where(lone, np.where(on_diagonal, CONTINUITY, -CONTINUITY), 0.0)
    for a, b, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -1.0), (1, 0, -1.0)):
        out[:, a, b] += sign * move
    return out


def _by_row(
    margins: Sequence[Margin], first: IntArray, second: IntArray, start: Array, empty: IntArray
) -> Pairs:
    """The same with covariates, where every row has limits of its own."""
    both = np.stack([margins[i].seen & margins[j].seen for i, j in zip(first, second, strict=True)])
    h, k = (
        np.stack([np.stack(_row_limits(margins[i]), axis=-1) for i in chosen]) for chosen in (first, second)
    )
    h, k = h[..., :, None], k[..., None, :]
    heavy = _weights(margins, first, both)
    counts = heavy[..., None, None]
    rho = maximize(_table_terms(counts, h, k), start)
    wide = rho[:, None, None, None]
    chance = np.maximum(_cells(h, k, wide), LEAST)[..., 0, 0]
    score = np.where(both, cell_slopes(h, k, wide)[0][..., 0, 0] / chance, 0.0)
    cross: list[list[Array]] = [[], []]
    for own, (mine, other), chosen in ((0, (h, k), first), (1, (k, h), second)):
        ends, others = mine.reshape(*both.shape, 2), other.reshape(*both.shape, 2)
        pull = []
        for end in (0, 1):
            at = ends[..., end]
            finite = np.isfinite(at)
            safe = np.where(finite, at, 0.0)
            inside = np.diff(conditional(others, safe[..., None], rho[:, None, None]), axis=-1)[..., 0]
            pull.append(np.where(finite & both, heavy * phi(safe) * inside / chance, 0.0))
        for r, variable in enumerate(chosen):
            cross[own].append(_margin_cross(margins[variable], score[r] * pull[0][r], score[r] * pull[1][r]))
    return Pairs(first, second, rho, score.T, cross[0], cross[1], empty)


def _weights(margins: Sequence[Margin], first: IntArray, both: Array) -> Array:
    """Weights (r, n) of the rows that answer both variables of a pair."""
    return np.asarray(np.where(both, np.stack([margins[i].weight for i in first]), 0.0))


def _row_limits(margin: Margin) -> tuple[Array, Array]:
    return limits(np.where(margin.seen, margin.codes, 0), margin.tau, margin.level)


def _margin_cross(margin: Margin, at_lower: Array, at_upper: Array) -> Array:
    """Sums over rows for thresholds and slopes of what comes through the lower (−) and upper (+) limit."""
    k = len(margin.tau)
    out = np.zeros(k)
    codes = np.where(margin.seen, margin.codes, 0)
    upper, lower = codes < k, codes > 0
    np.add.at(out, codes[upper], at_upper[upper])
    np.subtract.at(out, codes[lower] - 1, at_lower[lower])
    if not len(margin.slopes):
        return out
    return np.append(out, _covariate_sums(margin, at_lower - at_upper))


def _covariate_sums(margin: Margin, by_row: Array) -> Array:
    assert margin.covariates is not None
    return np.asarray(by_row @ margin.covariates)


# ---------------------------------------------------------------------- an ordered and a continuous variable


def polyserial(margins: Sequence[Margin], first: IntArray, second: IntArray) -> Pairs:
    """Correlations of ordered variables `first` with continuous ones `second`."""
    low, high = (np.stack(side) for side in zip(*(_row_limits(margins[i]) for i in first), strict=True))
    z = np.stack([margins[j].level for j in second])
    both = np.stack([margins[i].seen & margins[j].seen for i, j in zip(first, second, strict=True)])
    heavy = _weights(margins, first, both)
    codes = np.stack([margins[i].codes for i in first]).astype(np.float64)
    a, b = (np.where(both, v - _mean(v, both)[:, None], 0.0) for v in (codes, z))
    start = (a * b).sum(axis=1) / np.sqrt(np.maximum((a * a).sum(axis=1) * (b * b).sum(axis=1), LEAST))

    def parts(rho: Array) -> tuple[Array, Array, Array, Array, Array]:
        """P of the answer given z; φ at its upper and lower end, and the ends' slopes in ρ."""
        wide = rho[:, None]
        left = (1.0 - wide) * (1.0 + wide)
        ends = [(bound - wide * z) / np.sqrt(left) for bound in (low, high)]
        dense = [phi(end) for end in ends]
        slope = [
            np.where(
                np.isfinite(bound), (np.where(np.isfinite(bound), bound, 0.0) * wide - z) / left**1.5, 0.0
            )
            for bound in (low, high)
        ]
        return np.maximum(interval(ends[0], ends[1]), LEAST), dense[0], dense[1], slope[0], slope[1]

    def terms(rho: Array) -> tuple[Array, Array, Array]:
        chance, phi_low, phi_high, d_low, d_high = parts(rho)
        wide = rho[:, None]
        left = (1.0 - wide) * (1.0 + wide)
        first_slope = phi_high * d_high - phi_low * d_low
        bend = np.zeros_like(z)
        for sign, bound, dense, d in ((1.0, high, phi_high, d_high), (-1.0, low, phi_low, d_low)):
            inside = np.where(np.isfinite(bound), bound, 0.0)
            end = (inside - wide * z) / np.sqrt(left)
            again = inside / left**1.5 + 3.0 * wide * d / left
            bend = bend + sign * np.where(np.isfinite(bound), dense * (again - end * d * d), 0.0)
        ratio = first_slope / chance
        return (
            (heavy * np.log(chance)).sum(axis=1),
            (heavy * ratio).sum(axis=1),
            (heavy * (bend / chance - ratio**2)).sum(axis=1),
        )

    rho = maximize(terms, start)
    chance, phi_low, phi_high, d_low, d_high = parts(rho)
    score = np.where(both, (phi_high * d_high - phi_low * d_low) / chance, 0.0)
    root = np.sqrt((1.0 - rho) * (1.0 + rho))[:, None]
    at_low, at_high = phi_low / (chance * root), phi_high / (chance * root)
    along = -rho[:, None] * (at_high - at_low) - z  # ∂ log-likelihood / ∂z, that of z's own density included
    cross_first, cross_second = [], []
    weighted = score * heavy
    for r, (i, j) in enumerate(zip(first, second, strict=True)):
        cross_first.append(_margin_cross(margins[i], weighted[r] * at_low[r], weighted[r] * at_high[r]))
        cross_second.append(_continuous_cross(margins[j], weighted[r], along[r]))
    return Pairs(first, second, rho, score.T, cross_first, cross_second, np.zeros(len(rho), dtype=np.intp))


def _mean(values: Array, both: Array) -> Array:
    return np.asarray(np.where(both, values, 0.0).sum(axis=1) / np.maximum(both.sum(axis=1), 1))


def _continuous_cross(margin: Margin, score: Array, along: Array) -> Array:
    """Sums for −mean, slopes and variance; `along` is ∂ log-likelihood / ∂z with z = (y − ŷ)/σ."""
    sigma = np.sqrt(margin.variance)
    by_row = score * along
    out = [np.array([by_row.sum() / sigma])]
    if len(margin.slopes):
        out.append(_covariate_sums(margin, -by_row / sigma))
    of_variance = -(score @ (along * margin.level + 1.0)) / (2.0 * margin.variance)
    return np.concatenate([*out, [of_variance]])


# ---------------------------------------------------------------------- two continuous variables


def pearson(margins: Sequence[Margin], first: IntArray, second: IntArray) -> Pairs:
    """Correlations of two continuous variables, given their means and variances."""
    a, b = (np.stack([margins[i].level for i in chosen]) for chosen in (first, second))
    both = np.stack([margins[i].seen & margins[j].seen for i, j in zip(first, second, strict=True)])
    a, b = np.where(both, a, 0.0), np.where(both, b, 0.0)
    heavy = _weights(margins, first, both)
    n, product = heavy.sum(axis=1), (heavy * a * b).sum(axis=1)
    squares = (heavy * (a * a + b * b)).sum(axis=1)

    def terms(rho: Array) -> tuple[Array, Array, Array]:
        left = (1.0 - rho) * (1.0 + rho)
        twice = squares - 2.0 * rho * product
        slope = n * rho / left + product / left - rho * twice / left**2
        bend = (
            n * (1.0 + rho**2) / left**2
            + 4.0 * rho * product / left**2
            - twice * (1.0 + 3.0 * rho**2) / left**3
        )
        return -0.5 * n * np.log(left) - 0.5 * twice / left, slope, bend

    rho = maximize(terms, product / np.maximum(n, LEAST))
    wide = rho[:, None]
    left = (1.0 - wide) * (1.0 + wide)
    score = np.where(
        both, wide / left + a * b / left - wide * (a * a + b * b - 2.0 * wide * a * b) / left**2, 0.0
    )
    along = [-(a - wide * b) / left, -(b - wide * a) / left]
    cross = [
        [_continuous_cross(margins[i], heavy[r] * score[r], of[r]) for r, i in enumerate(chosen)]
        for of, chosen in zip(along, (first, second), strict=True)
    ]
    return Pairs(first, second, rho, score.T, cross[0], cross[1], np.zeros(len(rho), dtype=np.intp))
