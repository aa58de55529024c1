"""Which groups share an item's parameter: the largest set whose members do not differ from its mean.

Asparouhov & Muthén (2014): a first set by pairwise tests at .01, then groups join it or leave it by
tests against its mean at .001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from sem_models.model.ram import Array

PAIRS, MEMBERS = 0.01, 0.001
ROUNDS = 50


def invariant_set(value: Array, cov: Array) -> NDArray[np.bool_]:
    """Members (g,) of the set for aligned values (g,) with their covariance (g, g)."""
    members = _first(value, cov)
    for _ in range(ROUNDS):
        weight = members / members.sum()
        contrast = np.eye(len(value)) - weight
        joined = _pvalues(contrast @ value, contrast @ cov @ contrast.T) > MEMBERS
        if not joined.any() or (joined == members).all():
            return members
        members = joined
    return members


def _first(value: Array, cov: Array) -> NDArray[np.bool_]:
    """The largest set of neighbors in order, each linked with the next one; the most alike of equal ones."""
    order = np.argsort(value)
    step = np.diff(np.eye(len(value))[order], axis=0)
    linked = _pvalues(step @ value, step @ cov @ step.T) > PAIRS
    runs, start = [], 0
    for k in range(len(value)):
        if k == len(value) - 1 or not linked[k]:
            runs.append((k + 1 - start, -float(value[order[k]] - value[order[start]]), start, k))
            start = k + 1
    _, _, first, last = max(runs)
    members = np.zeros(len(value), dtype=bool)
    members[order[first : last + 1]] = True
    return members


def _pvalues(difference: Array, cov: Array) -> Array:
    se = np.sqrt(np.maximum(np.diagonal(cov), 0.0))
    with np.errstate(all="ignore"):
        z = np.where(se > 0, np.abs(difference) / se, np.where(np.abs(difference) > 0, np.inf, 0.0))
    return np.asarray(2.0 * ndtr(-z))
