"""Each row's own quadrature nodes: where its latent variables are likely to be.

Adaptive Gauss–Hermite quadrature (Naylor & Smith, 1982, Applied Statistics 31; Liu & Pierce, 1994, Biometrika
81): nodes η = m + L x, first around the mode of the row's posterior, by its curvature there, then at the
posterior mean and covariance that these give, with weights that make them integrate ∫ f(η) dη. They stay
where they are while parameters move a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from sem_models.model.ram import Array
from sem_models.moderation.latent.ordered.equations import Equations, Values
from sem_models.moderation.latent.ordered.responses import Responses, given, level_curve

PER_DIMENSION = {1: 15, 2: 11, 3: 7, 4: 6, 5: 5}
"""Nodes for each of so many latent variables."""
ROUNDS, HALVINGS = 25, 6
"""Steps to the posterior modes at most, and how often each is made shorter."""
BELIEVED = (0.4, 2.5)
"""Factors by which a covariance may differ from the inverse curvature at the mode."""
FLAT = 1e-6
"""Gain of a step in the log-likelihood of a row below which it stands at its mode."""
LONGEST = 3.0
"""Length of a step in posterior standard deviations."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """eta (n, k, l) nodes by row, center (n, l) + root (n, l, l) times one grid, and log_weight (n, k)."""

    eta: Array
    log_weight: Array
    center: Array
    root: Array

    def piece(self, rows: slice) -> Nodes:
        return Nodes(self.eta[rows], self.log_weight[rows], self.center[rows], self.root[rows])


def nodes_at(center: Array, root: Array, per_dimension: int) -> Nodes:
    """Nodes around centers (n, l), root rootᵀ (n, l, l) being the covariances they are made for."""
    grid, log_w = _grid(center.shape[1], per_dimension)
    log_det = np.linalg.slogdet(root)[1]
    return Nodes(center[:, None] + grid @ np.swapaxes(root, 1, 2), log_w + log_det[:, None], center, root)


def nodes_at_modes(mode: Array, curvature: Array, per_dimension: int) -> Nodes:
    """Nodes around posterior modes (n, l) of these curvatures (n, l, l)."""
    root = np.swapaxes(np.linalg.inv(np.linalg.cholesky(curvature)), 1, 2)
    return nodes_at(mode, root, per_dimension)


def nodes_at_moments(nodes: Nodes, posterior: Array, old: int, per_dimension: int) -> Nodes:
    """Nodes at the posterior means and covariances that weights (n, k) of nodes in place give.

    Those are `old` for each latent variable. What a few nodes say of moments far from the mode's own is not
    believed: means move by one standard deviation at most, covariances by the factors of BELIEVED.
    """
    grid, _ = _grid(nodes.center.shape[1], old)
    mean = posterior @ grid
    second = np.einsum("nk,kl,km->nlm", posterior, grid, grid, optimize=True)
    values, vectors = np.linalg.eigh(second - mean[:, :, None] * mean[:, None, :])
    spread = vectors * np.sqrt(np.clip(values, *BELIEVED))[:, None, :]
    length = np.sqrt((mean * mean).sum(axis=1, keepdims=True))
    mean = mean / np.maximum(1.0, length)
    center = nodes.center + (nodes.root @ mean[..., None])[..., 0]
    return nodes_at(center, nodes.root @ spread, per_dimension)


@lru_cache(maxsize=16)
def _grid(n_latent: int, per_dimension: int) -> tuple[Array, Array]:
    """Standard nodes (k, l) and the logarithms of their weights over the normal density (k,)."""
    x, w = np.polynomial.hermite_e.hermegauss(per_dimension)
    grid = np.array(list(product(x, repeat=n_latent)))
    log_w = np.log(np.array(list(product(w, repeat=n_latent)))).sum(axis=1) + 0.5 * (grid**2).sum(axis=1)
    return grid, log_w


def modes(
    equations: Equations, own: Values, rows: Responses, begin: Array | None = None
) -> tuple[Array, Array]:
    """Posterior modes (n, l) and curvatures (n, l, l) there, by Gauss–Newton steps that only go up.

    Without products log f(η | y) is concave and these are Newton's; with them the curvature leaves out what
    bends the products, which keeps it positive definite.
    """
    m = len(own.alpha)
    eta = np.repeat(own.alpha[None], len(rows), axis=0) if begin is None else begin
    value, gradient, curve = _around(equations, own, rows, eta)
    for _ in range(ROUNDS):
        step = np.linalg.solve(curve, gradient[..., None])[..., 0]
        gain = (step * gradient).sum(axis=1)
        if gain.max(initial=0.0) < FLAT:
            break
        length = np.minimum(1.0, LONGEST / np.sqrt(np.maximum(gain, 1e-300)))
        for _ in range(HALVINGS):
            at = eta + length[:, None] * step
            found = _around(equations, own, rows, at)
            lower = ~(found[0] >= value - 1e-12 * (1.0 + np.abs(value)))
            if not lower.any():
                break
            length = np.where(lower, 0.25 * length, length)
        else:
            at = np.where(lower[:, None], eta, at)
            found = _around(equations, own, rows, at)
        eta, (value, gradient, curve) = at, found
    return eta.reshape(-1, m), curve


def _around(equations: Equations, own: Values, rows: Responses, eta: Array) -> tuple[Array, Array, Array]:
    """log f(y, η) by row, its gradient (n, l) and its curvature (n, l, l) at eta (n, l)."""
    m = len(own.alpha)
    c = rows.covariates.shape[1]
    z = equations.z(eta[:, None], rows.covariates)
    at = given(rows, own.tau, z @ own.a.T + own.nu, own.v)
    zeta = own.zeta(z)
    value = at.log_density.sum(axis=-1) + own.log_prior(zeta)
    bent = equations.product_slopes(eta, rows.covariates)
    by_level = own.a[:, :m] + own.a[:, m + c :] @ bent
    by_zeta = np.eye(m) - own.paths[:, :m] - own.paths[:, m + c :] @ bent
    lead = np.swapaxes(by_zeta, 1, 2) @ own.inverse
    gradient = (at.by_level @ by_level)[:, 0] - (lead @ zeta[:, 0, :, None])[..., 0]
    bend = -level_curve(rows, at, own.v)[:, 0]
    curve = lead @ by_zeta + np.swapaxes(by_level * bend[..., None], 1, 2) @ by_level
    return value[:, 0], gradient, np.asarray(0.5 * (curve + np.swapaxes(curve, 1, 2)))
