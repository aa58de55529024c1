"""Score (Lagrange multiplier) tests: would releasing constraints, or adding parameters, improve the fit?

With s the score and I the expected information per row of all free rows at the restricted estimates, and Z a
basis of what the constraints still in force allow, T = N sᵀ Z (Zᵀ I Z)⁻¹ Zᵀ s and the expected change of the
parameters is Z (Zᵀ I Z)⁻¹ Zᵀ s. Bentler & Chou (1992), Sociological Methods & Research, 21, 259–282.

Without normality T is a weighted sum of χ² variables. With P = Z (Zᵀ I Z)⁻ Zᵀ, B the covariance of the score
and R the released restrictions, the weights have the sum tr((R P Rᵀ)⁻ R P B P Rᵀ) and so on: "score.scaled"
divides by their mean, "score.adjusted" matches mean and variance (Satterthwaite), "score.robust" is the
generalized score test N dᵀ (R P B P Rᵀ)⁻ d of the released differences d = R P s (Boos, 1992, American
Statistician 46).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import null_space

from sem_models.errors import SpecError
from sem_models.inference.candidates import Candidate
from sem_models.inference.definitions import evaluate, label_values
from sem_models.inference.extended import (
    Curvature,
    curvature_at,
    entries_by_row,
    entry_of,
    fixed_values,
    free_entries,
    score_spread,
)
from sem_models.inference.modification import standard_units
from sem_models.inference.solved import Solved
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.ram import Array
from sem_models.model.syntax import parse


@dataclass(frozen=True, slots=True)
class ScoreTests:
    """Tests of releasing constraints or adding parameters.

    statistic, df, pvalue: all of them at once; total: the same and its robust versions (test, stat, df,
    pvalue). univariate: one row each (lhs, op, rhs, stat, df, pvalue; stat_scaled, pvalue_scaled with robust
    standard errors). cumulative: released one after another, the largest first. changes: the expected change
    of every free parameter if all are released (lhs, op, rhs, group, block, label, est, epc, epv, sepc_lv,
    sepc_all, sepc_nox).
    """

    statistic: float
    df: int
    pvalue: float
    total: pd.DataFrame
    univariate: pd.DataFrame
    cumulative: pd.DataFrame
    changes: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Restriction:
    """An equality that could be released: its text and its slopes in the free rows (q,)."""

    lhs: str
    rhs: str
    slope: Array


def restrictions(solved: Solved) -> list[Restriction]:
    """The equality constraints in lavaan's order: `==` of the text, then shared labels by pairs.

    A pair is named by the rows' numbers in `estimates()`, `.p2.` being the second.
    """
    table = solved.table
    known = label_values(table, solved.rows)
    for name, definition in table.definitions:
        known[name] = evaluate(definition, known)
    found = []
    for constraint in table.equalities:
        slope = evaluate(constraint.lhs, known)[1] - evaluate(constraint.rhs, known)[1]
        found.append(Restriction(str(constraint.lhs), str(constraint.rhs), slope))
    first: dict[str, int] = {}
    pairs = []
    for number in table.free_rows:
        label = table.rows[number].label
        if label and first.setdefault(label, number) != number:
            pairs.append((first[label], number))
    for one, other in sorted(pairs):
        slope = solved.rows.jacobian[one] - solved.rows.jacobian[other]
        found.append(Restriction(table.plabel(one), table.plabel(other), slope))
    return [r for r in found if np.abs(r.slope).max(initial=0.0) > 0]


def score_tests(solved: Solved, release: Sequence[int] | None = None, add: str | None = None) -> ScoreTests:
    """Tests of releasing the restrictions numbered in `release` (1-based; all by default), or of adding the
    parameters that `add` names in the model language, in every group.

    Raises SpecError where there is nothing to release or to add.
    """
    if release is not None and add is not None:
        raise SpecError("score_tests() takes release= or add=, not both.")
    if solved.table.variables.emergent:
        raise SpecError(
            "score_tests() cannot tell a model's own constraints from those that its composites are made of "
            "yet. See modification_indices(), and compare fits with compare()."
        )
    known = restrictions(solved)
    added = [] if add is None else _additions(solved, add)
    curvature = curvature_at(solved, [c.entry for c in added])
    in_force = np.array([r.slope for r in known]).reshape(len(known), solved.ram.n_free)
    n = solved.sample.n_total
    if added:
        names = [(c.name + (f".g{c.entry.group + 1}" if c.entry.group else ""), "0") for c in added]
        fixed = np.zeros((len(added), len(curvature.score)))
        fixed[np.arange(len(added)), solved.ram.n_free + np.arange(len(added))] = 1.0
        kept = np.hstack([in_force, np.zeros((len(in_force), len(added)))])
    else:
        chosen = _chosen(known, release)
        names = [(known[i].lhs, known[i].rhs) for i in chosen]
        fixed, kept = in_force[chosen], np.delete(in_force, chosen, axis=0)
    spread = score_spread(solved, [c.entry for c in added])
    alone = [
        _released(curvature, np.vstack([kept, np.delete(fixed, i, axis=0)]), n) for i in range(len(fixed))
    ]
    stats = [a.statistic for a in alone]
    univariate = _frame(names, stats, [1] * len(alone))
    if spread is not None:
        scaled = [
            _ratio(a.statistic, float(np.trace(_weights(a.projector, spread, fixed[[i]])[0])))
            for i, a in enumerate(alone)
        ]
        univariate = univariate.assign(stat_scaled=scaled, pvalue_scaled=[upper_tail(x, 1) for x in scaled])
    order = np.argsort(-np.array(stats), kind="stable")
    steps = [
        _released(curvature, np.vstack([kept, fixed[order[i + 1 :]]]), n).statistic for i in range(len(order))
    ]
    cumulative = _frame([names[i] for i in order], steps, list(range(1, len(order) + 1)))
    all_at_once = _released(curvature, kept, n)
    total = _total(all_at_once, spread, fixed, n)
    return ScoreTests(
        all_at_once.statistic, len(fixed), upper_tail(all_at_once.statistic, len(fixed)), total, univariate,
        cumulative, _changes(solved, added, all_at_once.change),
    )  # fmt: skip


def release_each(solved: Solved, sets: Sequence[Sequence[int]]) -> list[float]:
    """T of releasing each set of `restrictions(solved)`, given by position, with all others in force."""
    slopes = np.array([r.slope for r in restrictions(solved)])
    curvature = curvature_at(solved, [])
    n = solved.sample.n_total
    return [_released(curvature, np.delete(slopes, list(chosen), axis=0), n).statistic for chosen in sets]


@dataclass(frozen=True, slots=True)
class Release:
    """T, the expected change P s (q,) and P (q, q)."""

    statistic: float
    change: Array
    projector: Array


def _total(out: Release, spread: Array | None, fixed: Array, n: float) -> pd.DataFrame:
    df = float(len(fixed))
    rows = [("score", out.statistic, df)]
    if spread is not None:
        product, covariance = _weights(out.projector, spread, fixed)
        first, second = float(np.trace(product)), float((product * product.T).sum())
        differences = fixed @ out.change
        robust = n * float(
            differences @ np.linalg.pinv(covariance, rcond=1e-10, hermitian=True) @ differences
        )
        rows += [
            ("score.scaled", _ratio(out.statistic, first / df), df),
            ("score.adjusted", _ratio(out.statistic * first, second), _ratio(first**2, second)),
            ("score.robust", robust, df),
        ]
    frame = pd.DataFrame(rows, columns=["test", "stat", "df"])
    return frame.assign(pvalue=[upper_tail(t, d) for _, t, d in rows])


def _weights(projector: Array, spread: Array, released: Array) -> tuple[Array, Array]:
    """(R P Rᵀ)⁻ R P B P Rᵀ, whose eigenvalues are the weights, and R P B P Rᵀ, (m, m)."""
    along = released @ projector
    covariance = along @ spread @ along.T
    return np.linalg.pinv(along @ released.T, rcond=1e-10, hermitian=True) @ covariance, covariance


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else float("nan")


def _chosen(known: list[Restriction], release: Sequence[int] | None) -> list[int]:
    if not known:
        raise SpecError(
            "The model has no equality constraints to release. Name parameters to add with add=, or see "
            "modification_indices()."
        )
    if release is None:
        return list(range(len(known)))
    wrong = [r for r in release if not 1 <= r <= len(known)]
    if wrong or not len(release):
        shown = ", ".join(f"{i} ({r.lhs} == {r.rhs})" for i, r in enumerate(known[:8], 1))
        more = f", … ({len(known) - 8} more)" if len(known) > 8 else ""
        raise SpecError(f"release={list(release)} must name constraints by number: {shown}{more}.")
    return [r - 1 for r in dict.fromkeys(release)]


def _additions(solved: Solved, add: str) -> list[Candidate]:
    """The parameters that the text names, group by group."""
    place = {name: i for i, name in enumerate(solved.ram.variables)}
    taken = free_entries(solved.ram)
    found = []
    for group in range(solved.ram.n_groups):
        for f in parse(add).formulas:
            unknown = [n for n in (f.lhs, f.rhs) if n and n not in place]
            if unknown:
                raise SpecError(f"add=: '{unknown[0]}' is not a variable of the model.")
            if f.op not in ("=~", "~", "~~", "~1"):
                raise SpecError(f"add=: '{f.lhs} {f.op} {f.rhs}' cannot be added. Use =~, ~, ~~ or ~1.")
            entry = entry_of(f.op, place[f.lhs], place.get(f.rhs, 0), group)
            if entry in taken:
                raise SpecError(f"add=: '{f.lhs} {f.op} {f.rhs}' is free in the model already.")
            found.append(Candidate(f.lhs, f.op, f.rhs, entry))
    if not found:
        raise SpecError('add= names no parameter. Write for example add="x1 ~~ x4".')
    return found


def _released(curvature: Curvature, in_force: Array, n: float) -> Release:
    """The test when only the restrictions `in_force` (c, q) stay.

    The generalized inverse serves models that are no longer identified without the others.
    """
    projector = _projector(curvature.information, in_force)
    change = projector @ curvature.score
    return Release(float(n * curvature.score @ change), change, projector)


def _projector(information: Array, in_force: Array) -> Array:
    """Z (Zᵀ I Z)⁻ Zᵀ with Z a basis of the directions the restrictions leave open, whatever the units."""
    scale = np.sqrt(np.diagonal(information))
    scale = np.where(scale > 0, scale, 1.0)
    rows = in_force / scale
    size = np.abs(rows).max(axis=1, keepdims=True) if len(rows) else rows
    basis = null_space(rows / size) if len(rows) else np.eye(len(information))
    inside = basis.T @ (information / np.outer(scale, scale)) @ basis
    values = np.linalg.eigvalsh(inside)
    rank = int((values > 1e-10 * max(values[-1], 1e-300)).sum()) if len(values) else 0
    if rank < len(values):  # no longer identified: the least-norm choice, in the parameters' own units
        own = null_space(in_force) if len(in_force) else np.eye(len(information))
        values, vectors = np.linalg.eigh(own.T @ information @ own)
        inside = (vectors[:, -rank:] / values[-rank:]) @ vectors[:, -rank:].T
        return np.asarray(own @ inside @ own.T)
    projector = basis @ np.linalg.inv(inside) @ basis.T
    return np.asarray(projector / np.outer(scale, scale))


def _frame(names: Sequence[tuple[str, str]], stat: Sequence[float], df: Sequence[int]) -> pd.DataFrame:
    pvalue = [upper_tail(s, d) for s, d in zip(stat, df, strict=True)]
    return pd.DataFrame(
        [(lhs, "==", rhs) for lhs, rhs in names], columns=["lhs", "op", "rhs"]
    ).assign(stat=list(stat), df=df, pvalue=pvalue)  # fmt: skip


def _changes(solved: Solved, added: list[Candidate], change: Array) -> pd.DataFrame:
    """Expected changes of all free parameters, the added ones last, in every metric."""
    table, entries = solved.table, entries_by_row(solved.ram)
    rows = [table.rows[number] for number in solved.ram.row_of_free]
    present = [Candidate(r.lhs, r.op, r.rhs, entries[x]) for x, r in enumerate(rows)]
    everything = [*present, *added]
    frame = pd.DataFrame(
        [(c.lhs, c.op, c.rhs, table.groups[c.entry.group], c.entry.group + 1) for c in everything],
        columns=["lhs", "op", "rhs", "group", "block"],
    )
    frame["label"] = [r.label for r in rows] + [""] * len(added)
    frame["est"] = np.append(
        solved.rows.value[solved.ram.row_of_free], fixed_values(solved.ram, [c.entry for c in added])
    )
    frame["epc"] = change
    frame["epv"] = frame["est"] + change
    return frame.assign(**{name: change * unit for name, unit in standard_units(solved, everything).items()})
