"""The likelihood of whole answers to ordered items under a model with latent products.

log f(y) = log ∫ Π_j f(y_j | η, x) N(ζ(η); 0, Ψ) dη, over all latent variables at once: the products make ζ a
quadratic function of η and nothing else, so that the marginal likelihood (Bock & Aitkin, 1981) is that of
latent moderated structural equations with ordered items (as Mplus has it by numerical integration; Aytürk,
Cham, Jennings & Brown, 2020). Answers that are missing at random drop out of the product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from sem_models.model.ram import Array, RamModel
from sem_models.moderation.latent.ordered.derivatives import (
    node_scores,
    response_curvature,
    row_scores,
    structural_curvature,
)
from sem_models.moderation.latent.ordered.equations import Equations, Values, values_of
from sem_models.moderation.latent.ordered.nodes import Nodes, modes, nodes_at_modes, nodes_at_moments
from sem_models.moderation.latent.ordered.responses import Given, Responses, given

AT_ONCE = 100_000
"""Rows × nodes × responses evaluated in one array."""
COARSE = 5
"""Nodes for each latent variable that a search begins with and posterior moments are taken from."""
SHOWN_AFTER = 2.0
"""Seconds before a progress bar appears."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of one group at their nodes: log f(y) (n,), posterior weights (n, k), and what they rest
    on."""

    rows: Responses
    own: Values
    at: Given
    z: Array
    zeta: Array
    log_f: Array
    posterior: Array


@dataclass(frozen=True, eq=False)
class AnswerLikelihood:
    """See `Likelihood`; rows and their nodes by group."""

    ram: RamModel
    equations: Equations
    rows: tuple[Responses, ...]
    nodes: tuple[Nodes, ...]
    per_dimension: int

    def _pieces(self, values: list[Values]) -> list[tuple[int, slice]]:
        out = []
        for g, rows in enumerate(self.rows):
            k = self.nodes[g].log_weight.shape[1]
            size = max(1, AT_ONCE // (k * rows.values.shape[1]))
            out += [(g, slice(a, min(a + size, len(rows)))) for a in range(0, len(rows), size)]
        return out

    def _piece(self, own: Values, g: int, chosen: slice) -> Piece:
        rows, nodes = self.rows[g].piece(chosen), self.nodes[g].piece(chosen)
        z = self.equations.z(nodes.eta, rows.covariates)
        at = given(rows, own.tau, z @ own.a.T + own.nu, own.v, variances=self.equations.free_variances)
        zeta = own.zeta(z)
        together = at.log_density.sum(axis=-1) + own.log_prior(zeta) + nodes.log_weight
        log_f = logsumexp(together, axis=1)
        return Piece(rows, own, at, z, zeta, log_f, np.exp(together - log_f[:, None]))

    def _scores(self, piece: Piece) -> Array:
        return row_scores(
            self.equations, piece.own, piece.rows, piece.at, piece.z, piece.zeta, piece.posterior
        )

    def value(self, params: Array) -> float | None:
        """ℓ at params (k,)."""
        values = values_of(self.equations, self.ram, params)
        if values is None:
            return None
        total = sum(float(self._piece(values[g], g, s).log_f.sum()) for g, s in self._pieces(values))
        return total if np.isfinite(total) else None

    def value_and_gradient(self, params: Array) -> tuple[float, Array] | None:
        """ℓ and ∂ℓ/∂params (k,); None where a matrix is not positive definite or thresholds cross."""
        values = values_of(self.equations, self.ram, params)
        if values is None:
            return None
        total, by_slot = 0.0, np.zeros((self.ram.n_groups, len(self.equations.entry)))
        for g, chosen in self._pieces(values):
            piece = self._piece(values[g], g, chosen)
            total += float(piece.log_f.sum())
            by_slot[g] += self._scores(piece).sum(axis=0)
        return (total, self.ram.to_parameters(by_slot)) if np.isfinite(total) else None

    def case_scores(self, params: Array) -> Array:
        """∂ℓᵢ/∂params (n, k), rows in the order of the groups."""
        values = values_of(self.equations, self.ram, params)
        assert values is not None
        out = []
        for g, chosen in self._pieces(values):
            scores = self._scores(self._piece(values[g], g, chosen))
            by_slot = np.zeros((len(scores), self.ram.n_groups, scores.shape[1]))
            by_slot[:, g] = scores
            out.append(self.ram.to_parameters(by_slot))
        return np.concatenate(out)

    def information(self, params: Array) -> Array:
        """−∂²ℓ/∂params² (k, k), exact for the nodes in force; NaN where it does not exist."""
        from tqdm import tqdm

        values = values_of(self.equations, self.ram, params)
        k = len(params)
        if values is None:
            return np.full((k, k), np.nan)
        n_slots, d = len(self.equations.entry), len(self.equations.columns)
        by_slot = np.zeros((self.ram.n_groups, n_slots, n_slots))
        moments = np.zeros((self.ram.n_groups, d + 1, d + 1))
        pieces = self._pieces(values)
        for g, chosen in tqdm(pieces, desc="Information", leave=False, delay=SHOWN_AFTER):
            own, piece = values[g], self._piece(values[g], g, chosen)
            each = node_scores(self.equations, own, piece.rows, piece.at, piece.z, piece.zeta)
            bent = response_curvature(self.equations, own, piece.rows, piece.at, piece.z, piece.posterior)
            total = (piece.posterior[:, None, :] @ each)[:, 0]
            each *= np.sqrt(piece.posterior)[..., None]
            flat = each.reshape(-1, n_slots)
            by_slot[g] += total.T @ total - flat.T @ flat - bent
            wide = np.concatenate([np.ones((*piece.z.shape[:2], 1)), piece.z], axis=-1)
            weighted = wide * piece.posterior[..., None]
            moments[g] += weighted.reshape(-1, d + 1).T @ wide.reshape(-1, d + 1)
        for g, own in enumerate(values):
            by_slot[g] -= structural_curvature(self.equations, own, moments[g], float(len(self.rows[g])))
        return self.ram.reduce(self.ram.to_row_pairs(by_slot))

    # ------------------------------------------------------------------ nodes

    def followed(self, params: Array) -> AnswerLikelihood:
        """The same likelihood on as many nodes around the rows' posterior modes at params.

        They stay where the model is not admissible or has no posterior modes.
        """
        values = values_of(self.equations, self.ram, params)
        if values is None:
            return self
        try:
            nodes = tuple(
                nodes_at_modes(*modes(self.equations, own, rows, old.center), self.per_dimension)
                for own, rows, old in zip(values, self.rows, self.nodes, strict=True)
            )
        except np.linalg.LinAlgError:
            return self
        return replace(self, nodes=nodes)

    def adapted(self, params: Array, per_dimension: int | None = None) -> AnswerLikelihood:
        """The same likelihood on nodes at the rows' posterior means and covariances at params."""
        size = per_dimension or self.per_dimension
        coarse = replace(self, per_dimension=min(COARSE, size)).followed(params)
        values = values_of(self.equations, self.ram, params)
        if values is None or coarse.nodes is self.nodes:
            return self
        posterior: list[list[Array]] = [[] for _ in self.rows]
        for g, chosen in coarse._pieces(values):
            posterior[g].append(coarse._piece(values[g], g, chosen).posterior)
        nodes = tuple(
            nodes_at_moments(old, np.concatenate(own), coarse.per_dimension, size)
            for old, own in zip(coarse.nodes, posterior, strict=True)
        )
        return replace(self, nodes=nodes, per_dimension=size)


def answer_likelihood(
    ram: RamModel, equations: Equations, rows: tuple[Responses, ...], start: Array, per_dimension: int
) -> AnswerLikelihood:
    """The likelihood on nodes placed at the rows' posterior at start (k,)."""
    values = values_of(equations, ram, start)
    assert values is not None
    nodes = tuple(
        nodes_at_modes(*modes(equations, own, part), per_dimension)
        for own, part in zip(values, rows, strict=True)
    )  # fmt: skip
    return AnswerLikelihood(ram, equations, rows, nodes, per_dimension)
