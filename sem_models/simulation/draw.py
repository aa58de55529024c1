"""Samples of a written-down population, and the moments its linear part implies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sem_models.estimation.kernels import implied
from sem_models.model.ram import Array, IntArray
from sem_models.simulation.population import Population, Record, Scale
from sem_models.simulation.structure import Structure, structure


@dataclass(frozen=True, slots=True)
class ImpliedMoments:
    """Moments of one group under the linear part; `latent_*` of the constructs."""

    mean: pd.Series
    cov: pd.DataFrame
    latent_mean: pd.Series
    latent_cov: pd.DataFrame


def implied_moments(population: Population) -> dict[str, ImpliedMoments]:
    """Means and covariances of the continuous items by group: Σ = F (I − A)⁻¹ S (I − A)⁻ᵀ Fᵀ.

    Terms on products and records, rounding and missing answers are no part of it.
    """
    s = structure(population)
    at = implied(s.a_mat, s.s_mat, s.m_vec, s.n_items)
    p, items, latents = s.n_items, list(s.items), list(s.latents)
    return {
        label: ImpliedMoments(
            pd.Series(at.mu[g], index=items),
            pd.DataFrame(at.sigma[g], index=items, columns=items),
            pd.Series(at.eta[g, p:], index=latents),
            pd.DataFrame(at.cov_all[g, p:, p:], index=latents, columns=latents),
        )
        for g, label in enumerate(population.labels)
    }


def simulate(
    population: Population,
    n: int,
    *,
    rng: np.random.Generator,
    continuous: bool = False,
    linear: bool = False,
    complete: bool = False,
    latents: bool = False,
) -> pd.DataFrame:
    """Draw n customers: items, group and records, in random order of the groups.

    Parameters
    ----------
    n : int
        Groups get their shares of it, rounded (largest remainder), not a random number.
    continuous : bool
        Leave the items as drawn; otherwise they are rounded to the scale's points and clipped to its ends.
    linear : bool
        Leave out the terms on products and records, so that the linear model holds exactly.
    complete : bool
        No missing answers.
    latents : bool
        Add the latent scores, in columns named after the constructs.
    """
    s = structure(population)
    group = rng.permutation(np.repeat(np.arange(len(population.labels)), _sizes(population.shares, n)))
    scores, records = _structural(population, s, group, rng, linear=linear)
    items = scores[:, : s.n_items] if continuous else _answers(scores[:, : s.n_items], population.scale)
    columns: dict[str, object] = {name: items[:, i] for i, name in enumerate(s.items)}
    if population.group_column:
        columns[population.group_column] = np.array(population.labels, dtype=object)[group]
    frame = pd.DataFrame({**columns, **records}, copy=False)
    if not complete:
        _remove(frame, population, group, records, rng)
    if latents:
        frame = frame.assign(**{name: scores[:, s.n_items + i] for i, name in enumerate(s.latents)})
    return frame


def _sizes(shares: tuple[float, ...], n: int) -> IntArray:
    wanted = np.array(shares) * n
    sizes = np.floor(wanted).astype(np.intp)
    sizes[np.argsort(sizes - wanted, kind="stable")[: n - sizes.sum()]] += 1
    return sizes


def _structural(
    population: Population, s: Structure, group: IntArray, rng: np.random.Generator, *, linear: bool
) -> tuple[Array, dict[str, object]]:
    """Scores (n, v) of items and latents, and the records, causes before effects."""
    n, v = len(group), len(s.variables)
    scores = rng.standard_normal((n, v))
    for g in range(len(population.labels)):
        rows = group == g
        scores[rows] = scores[rows] @ s.root[g] + s.m_vec[g]
    place = {name: i for i, name in enumerate(s.variables)}
    records: dict[str, object] = {}
    deviations: dict[str, Array] = {}
    for name in s.order:
        if name in population.records:
            record = population.records[name]
            records[name], deviations[name] = _record(record, population, group, deviations, rng)
            continue
        i = place[name]
        for j in np.flatnonzero((s.a_mat[:, i, :] != 0).any(axis=0)):
            scores[:, i] += s.a_mat[group, i, j] * scores[:, j]
        for term in () if linear else (t for t in s.terms if t.outcome == name):
            product = np.prod([deviations[factor] for factor in term.factors], axis=0)
            scores[:, i] += term.slope[group] * product
        deviations[name] = scores[:, i] - s.eta[group, i]
    p = s.n_items
    for g in range(len(population.labels)):
        rows = group == g
        scores[rows, :p] += scores[rows, p:] @ s.a_mat[g, :p, p:].T
    return scores, {name: records[name] for name in population.records}


def _record(
    record: Record,
    population: Population,
    group: IntArray,
    deviations: dict[str, Array],
    rng: np.random.Generator,
) -> tuple[object, Array]:
    """A record's column, and its deviations from the center (zero for labels)."""
    n = len(group)
    if record.kind == "serial":
        width = max(4, len(str(n)))
        return np.array([f"{record.prefix}{i:0{width}d}" for i in range(1, n + 1)], dtype=object), np.zeros(n)
    if record.kind == "cluster":
        width = len(str(record.clusters))
        names = [f"{record.prefix}{i:0{width}d}" for i in range(1, record.clusters + 1)]
        return np.array(names, dtype=object)[rng.integers(record.clusters, size=n)], np.zeros(n)
    if record.kind == "choice":
        weights = np.array(record.weights or [1.0] * len(record.values))
        values = rng.choice(np.array(record.values), size=n, p=weights / weights.sum())
        return _tidy(values, record), values - record.center
    level = np.array(population.by_group(record.level))[group]
    for cause, slope in record.on.items():
        level = level + slope * deviations[cause]
    if record.kind == "poisson":
        values = rng.poisson(np.exp(level)).astype(np.float64)
    elif record.kind == "negative_binomial":
        assert record.size is not None
        values = rng.poisson(rng.gamma(record.size, np.exp(level) / record.size)).astype(np.float64)
    else:
        values = level + record.sd * rng.standard_normal(n)
        if record.kind == "lognormal":
            values = np.exp(values)
    values = np.round(np.clip(values, record.minimum, record.maximum), record.decimals)
    return _tidy(values, record), values - record.center


def _tidy(values: Array, record: Record) -> object:
    return values.astype(np.int64) if record.decimals == 0 else values


def _answers(continuous: Array, scale: Scale) -> Array:
    """The nearest point of the scale: cuts at minimum + ½, + 1½, …; beyond the ends the end itself."""
    return np.clip(np.floor(continuous + 0.5), scale.minimum, scale.maximum)


def _remove(
    frame: pd.DataFrame,
    population: Population,
    group: IntArray,
    records: dict[str, object],
    rng: np.random.Generator,
) -> None:
    """Blank answers in place, by the population's rules, from the complete records."""
    n = len(frame)
    for rule in population.missing:
        log_odds = np.array(population.by_group(rule.log_odds))[group]
        for name, slope in rule.on.items():
            values = np.asarray(records[name], dtype=np.float64)
            log_odds = log_odds + slope * (values - population.records[name].center)
        chance = 1.0 / (1.0 + np.exp(-log_odds))
        gone = rng.random((n, 1 if rule.together else len(rule.columns))) < chance[:, None]
        gone = np.broadcast_to(gone, (n, len(rule.columns)))
        for k, column in enumerate(rule.columns):
            if gone[:, k].any():
                frame[column] = frame[column].astype(np.float64).mask(gone[:, k])
