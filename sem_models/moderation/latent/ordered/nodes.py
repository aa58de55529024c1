"""Each row's own quadrature nodes: where its latent variables are likely to be.

Adaptive Gauss–Hermite quadrature (Naylor & Smith, 1982, Applied Statistics 31; Rabe-Hesketh, Skrondal &
Pickles, 2005, Journal of Econometrics 128): nodes η = m + L x, L Lᵀ the row's posterior covariance, with
weights that make them integrate ∫ f(η) dη. They stay where they are while parameters move.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from sem_models.model.ram import Array
from sem_models.moderation.latent.ordered.equations import Equations, Values
from sem_models.moderation.latent.ordered.responses import Responses, given, level_curve

PER_DIMENSION = {1: 15, 2: 11, 3: 7, 4: 6, 5: 5}
"""Nodes for each of so many latent variables."""
ROUNDS = 30
"""Newton steps to the posterior modes at most."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """eta (n, k, l) nodes by row and log_weight (n, k)."""

    eta: Array
    log_weight: Array

    def piece(self, rows: slice) -> Nodes:
        return Nodes(self.eta[rows], self.log_weight[rows])


def nodes_at(mean: Array, cov: Array, per_dimension: int) -> Nodes:
    """Nodes around posterior means (n, l) with posterior covariances (n, l, l)."""
    n_latent = mean.shape[1]
    x, w = np.polynomial.hermite_e.hermegauss(per_dimension)
    grid = np.array(list(product(x, repeat=n_latent)))
    log_w = np.log(np.array(list(product(w, repeat=n_latent)))).sum(axis=1) + 0.5 * (grid**2).sum(axis=1)
    root = np.linalg.cholesky(cov)
    log_det = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    return Nodes(mean[:, None] + grid @ np.swapaxes(root, 1, 2), log_w + log_det[:, None])


def modes(equations: Equations, own: Values, rows: Responses) -> tuple[Array, Array]:
    """Posterior modes (n, l) and inverse curvatures (n, l, l) with the products' paths taken as 0.

    Then log f(η | y) is concave, so that Newton's steps lead there.
    """
    n, m = len(rows), len(own.alpha)
    c = rows.covariates.shape[1]
    slopes, paths = own.a[:, :m], np.eye(m) - own.paths[:, :m]
    beside = rows.covariates @ own.a[:, m : m + c].T + own.nu
    level = rows.covariates @ own.paths[:, m : m + c].T + own.alpha
    prior = paths.T @ own.inverse @ paths
    eta = np.linalg.solve(paths, level.T).T
    curve = np.broadcast_to(prior, (n, m, m))
    for _ in range(ROUNDS):
        at = given(rows, own.tau, (eta @ slopes.T + beside)[:, None, :], own.v)
        gradient = at.by_level[:, 0] @ slopes - (eta @ paths.T - level) @ own.inverse @ paths
        bend = -level_curve(rows, at, own.v)[:, 0]
        curve = prior + (slopes.T * bend[:, None, :]) @ slopes
        step = np.linalg.solve(curve, gradient[..., None])[..., 0]
        length = np.sqrt(((step @ prior) * step).sum(axis=1))
        eta = eta + step / np.maximum(1.0, length / 2.0)[:, None]
        if length.max(initial=0.0) < 1e-6:
            break
    return np.asarray(eta), np.asarray(np.linalg.inv(curve), dtype=np.float64)
