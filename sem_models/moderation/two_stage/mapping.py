"""Bartlett's factor scores by pattern of answers: what maps the items to the constructs, and its error.

Rosseel, Y., & Loh, W. W. (2022). A structural after measurement approach to structural equation modeling.
Psychological Methods, 29, 561–588: M = (Λᵀ Θ⁻¹ Λ)⁻¹ Λᵀ Θ⁻¹ ("ML" mapping), Var(η) = M (S − Θ) Mᵀ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.moderation.two_stage.unbiased import Scores
from sem_models.observed.patterns import BoolArray

EXACT = 1e-8
"""Share of an item's variance that its residual variance has at least where the weights are found: an item
without error takes all the weight."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is scored: items (n, p) with NaN where missing, columns (n, m) of variables without error.

    seen (u, p) tells the patterns of answers, pattern (n,) each row's, size (p,) the items' variances.
    """

    items: Array
    columns: Array
    seen: BoolArray
    pattern: IntArray
    size: Array

    @classmethod
    def of(cls, items: Array, columns: Array) -> Answers:
        """The same with the patterns found."""
        seen, pattern = np.unique(np.isfinite(items), axis=0, return_inverse=True)
        size = np.nanvar(items, axis=0) if items.shape[1] else np.ones(0)
        return cls(items, columns, seen, np.asarray(pattern, dtype=np.intp).reshape(-1), size)


def scored(answers: Answers, lam: Any, theta: Any, nu: Any, shift: Any) -> Scores:
    """Scores of the k constructs, then the columns, all centered; error covariances M Θ Mᵀ by pattern.

    lam (p, k) loadings, theta (p, p) residual covariances, nu (p,) intercepts; shift (k + m,) is added to the
    means that are taken off.
    """
    n, k = len(answers.items), lam.shape[1]
    kind = np.result_type(lam, theta, nu, shift, np.float64)
    values = np.empty((n, k + answers.columns.shape[1]), dtype=kind)
    error = np.zeros((len(answers.seen), values.shape[1], values.shape[1]), dtype=kind)
    values[:, k:] = answers.columns
    for u, seen in enumerate(answers.seen):
        rows = np.flatnonzero(answers.pattern == u)
        weight = mapping(lam[seen], theta[np.ix_(seen, seen)], answers.size[seen])
        values[rows, :k] = (answers.items[rows][:, seen] - nu[seen]) @ weight.T
        error[u, :k, :k] = weight @ theta[np.ix_(seen, seen)] @ weight.T
    return Scores(values - values.mean(axis=0) - shift, error, answers.pattern)


def mapping(lam: Any, theta: Any, size: Array) -> Any:
    """M (k, p) of the answers at hand."""
    least = EXACT * size
    held = theta + np.diag(np.where(np.diagonal(theta).real < least, least - np.diagonal(theta), 0.0))
    solved = np.linalg.solve(held, lam)
    return np.linalg.solve(lam.T @ solved, solved.T)


def scorable(items: Array, lam: Array) -> BoolArray:
    """Rows (n,) that answered at least one item of each construct."""
    answered = np.isfinite(items) @ (lam != 0.0).astype(np.float64)
    return np.asarray((answered > 0).all(axis=1))
