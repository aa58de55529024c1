"""Importance on the 0–100 scale: what a point more of a construct or item is worth for the target.

A construct's score is the weighted mean of its items, each rescaled to 0–100: P_j = Σ w_i p_i, Σ w_i = 1. One
unit of the latent variable moves it by c_j = Σ w_i |λ_i| 100 / R_i (R_i the item's range). The total effect T
of construct j on target t in units of the scores is then T c_t / c_j, whatever item sets the latent unit, and
a point more of item i is worth w_i times that, so that items add up to their construct. Ringle & Sarstedt
(2016), Industrial Management & Data Systems, 116, 1865–1886, with the weights of a common factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sem_models.inference.solved import Solved
from sem_models.model.ram import Array, IntArray

Weights = Literal["regression", "loadings", "equal"]
STEP = 1e-6
"""Relative step of central differences; total effects and weights are smooth and of moderate size."""


@dataclass(frozen=True, slots=True)
class Block:
    """A construct with items of its own: position of the latent variable, of the items (i,), ranges (i,)."""

    name: str
    latent: int
    items: IntArray
    ranges: Array


def item_weights(a_mat: Array, s_mat: Array, block: Block, kind: Weights) -> Array:
    """Weights (…, i) with sum 1, of matrices (…, v, v).

    "regression": λ_i / θ_i, those of a factor score from the construct's own items; "loadings": λ_i; "equal".
    """
    loadings = np.abs(a_mat[..., block.items, block.latent])
    if kind == "equal" or len(block.items) == 1:
        raw = np.ones_like(loadings)
    elif kind == "loadings":
        raw = loadings
    else:
        raw = loadings / s_mat[..., block.items, block.items]
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True))


def importances(
    solved: Solved, free: Array, blocks: Sequence[Block], target: Block, kind: Weights, g: int
) -> tuple[Array, Array]:
    """Importance of constructs (…, b) and of all their items (…, Σ i) in group g at free values (…, q)."""
    a_mat, s_mat, _ = solved.ram.matrices(free)
    a_mat, s_mat = a_mat[..., g, :, :], s_mat[..., g, :, :]
    total = np.linalg.inv(np.eye(a_mat.shape[-1]) - a_mat)
    unit = {b.name: _unit(a_mat, s_mat, b, kind) for b in (*blocks, target)}
    of_constructs, of_items = [], []
    for block in blocks:
        worth = total[..., target.latent, block.latent] * unit[target.name] / unit[block.name]
        of_constructs.append(worth)
        of_items.append(worth[..., None] * item_weights(a_mat, s_mat, block, kind))
    return np.stack(of_constructs, axis=-1), np.concatenate(of_items, axis=-1)


def _unit(a_mat: Array, s_mat: Array, block: Block, kind: Weights) -> Array:
    """c_j (…): points of the 0–100 score that one unit of the latent variable makes."""
    loadings = np.abs(a_mat[..., block.items, block.latent])
    return np.asarray(
        (item_weights(a_mat, s_mat, block, kind) * loadings * 100.0 / block.ranges).sum(axis=-1)
    )


def with_slopes(function: Callable[[Array], Array], free: Array) -> tuple[Array, Array]:
    """Values (k,) of a function of the free values, batch axis first, and central differences (k, q)."""
    step = STEP * np.maximum(1.0, np.abs(free))
    moved = np.concatenate([free + np.diag(step), free - np.diag(step)])
    values = function(np.concatenate([free[None], moved]))
    q = len(free)
    return values[0], np.asarray((values[1 : q + 1] - values[q + 1 :]).T / (2 * step))
