"""A model with products as equations in z = (latent variables, covariates, products), and their parameters.

Every response has the level ν + a'z, and the latent variables have ζ = η − α − A z with ζ ~ N(0, Ψ): given
the covariates, log f(η) = log N(ζ; 0, Ψ), whatever the products, as long as no variable leads back to itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.errors import SpecError
from sem_models.model.ordinal import Layout
from sem_models.model.ram import DIRECTED, MEAN, SYMMETRIC, THRESHOLD, Array, IntArray, RamModel
from sem_models.moderation.statement import Product

OTHER_WAY = "Take the items as continuous (leave out ordered=, estimator='MLR')"


@dataclass(frozen=True, eq=False)
class Equations:
    """Positions among the RAM's variables: responses (j,), latent (l,), covariates (c,), phantoms (p,);
    factors (p, ·) the factors of each product by their places in (latent, covariates).

    The derivatives of one row are those by thresholds, a, A, ν, α, v and Ψ, one after the other from starts
    (7,) on; entry (s,) and weight (s,) say where each slot of the RAM stands there.
    """

    responses: IntArray
    latent: IntArray
    covariates: IntArray
    phantoms: IntArray
    factors: tuple[tuple[int, ...], ...]
    layout: Layout
    starts: IntArray
    entry: IntArray
    weight: Array

    @property
    def columns(self) -> IntArray:
        """Positions of z (d,)."""
        return np.concatenate([self.latent, self.covariates, self.phantoms])

    @property
    def n_thresholds(self) -> int:
        return len(self.layout.th_variable)

    @property
    def free_variances(self) -> bool:
        """Whether a response's variance is a parameter."""
        return bool(((self.entry >= self.starts[5]) & (self.entry < self.starts[6])).any())

    def z(self, eta: Array, covariates: Array) -> Array:
        """z (n, k, d) from the latent variables (n, k, l) and the covariates (n, c)."""
        known = np.broadcast_to(covariates[:, None, :], (*eta.shape[:2], covariates.shape[1]))
        base = np.concatenate([eta, known], axis=-1)
        products = [base[..., list(own)].prod(axis=-1)[..., None] for own in self.factors]
        return np.concatenate([base, *products], axis=-1)

    def product_slopes(self, eta: Array, covariates: Array) -> Array:
        """∂ products / ∂ latent variables (n, p, l) at one point a row, eta (n, l)."""
        base = np.concatenate([eta, covariates], axis=1)
        out = np.zeros((len(eta), len(self.factors), eta.shape[1]))
        for k, own in enumerate(self.factors):
            for i, factor in enumerate(own):
                if factor < eta.shape[1]:
                    out[:, k, factor] += base[:, [*own[:i], *own[i + 1 :]]].prod(axis=1)
        return out


@dataclass(frozen=True, slots=True)
class Values:
    """One group's values: tau (t,), a (j, d), nu (j,), v (j,), paths A (l, d), alpha (l,), psi (l, l), its
    inverse and log determinant."""

    tau: Array
    a: Array
    nu: Array
    v: Array
    paths: Array
    alpha: Array
    psi: Array
    inverse: Array
    log_det: float

    def zeta(self, z: Array) -> Array:
        """Disturbances of the latent variables (n, k, l)."""
        return np.asarray(z[..., : len(self.alpha)] - self.alpha - z @ self.paths.T)

    def log_prior(self, zeta: Array) -> Array:
        """log N(ζ; 0, Ψ), (n, k)."""
        constant = self.log_det + len(self.alpha) * np.log(2.0 * np.pi)
        return np.asarray(-0.5 * (((zeta @ self.inverse) * zeta).sum(axis=-1) + constant))


def values_of(equations: Equations, ram: RamModel, params: Array) -> list[Values] | None:
    """The values by group at params (k,); None where a threshold is out of order, a variance is not positive
    or Ψ is not positive definite."""
    free = ram.free_values(params)
    a_mat, s_mat, m_vec = ram.matrices(free)
    tau, _ = ram.scales(free)
    y, latent, columns = equations.responses, equations.latent, equations.columns
    falling = np.diff(equations.layout.th_variable) == 0
    out = []
    for g in range(ram.n_groups):
        v, psi = s_mat[g, y, y], s_mat[g][np.ix_(latent, latent)]
        if (np.diff(tau[g])[falling] <= 0).any() or not (v > 0).all():
            return None
        try:
            root = np.linalg.cholesky(psi)
        except np.linalg.LinAlgError:
            return None
        out.append(
            Values(
                tau[g], a_mat[g][np.ix_(y, columns)], m_vec[g, y], v, a_mat[g][np.ix_(latent, columns)],
                m_vec[g, latent], psi, np.linalg.inv(psi), 2.0 * float(np.log(np.diagonal(root)).sum()),
            )
        )  # fmt: skip
    return out


def equations_of(ram: RamModel, products: tuple[Product, ...]) -> Equations:
    """Read the equations off the RAM.

    Raises SpecError for what they cannot hold: responses that predict others or covary beyond the latent
    variables, and latent variables without a disturbance.
    """
    part = ram.ordinal
    assert part is not None
    names, p = ram.variables, ram.n_observed
    place = {name: i for i, name in enumerate(names)}
    phantoms = np.array([place[q.name] for q in products], dtype=np.intp)
    latent = np.array([i for i in range(p, len(names)) if i not in phantoms], dtype=np.intp)
    y, x = part.y, part.x
    _check(ram, y, latent)
    known = [*latent.tolist(), *x.tolist()]
    for product in products:
        lost = [f for f in product.factors if place[f] not in known]
        if lost:
            raise SpecError(
                f"'{lost[0]}' in the product '{product.name}' is an item that the model explains. Multiply "
                f"its latent variable, or {OTHER_WAY[0].lower()}{OTHER_WAY[1:]}."
            )
    factors = tuple(tuple(known.index(place[f]) for f in q.factors) for q in products)
    columns = {int(i): d for d, i in enumerate((*known, *phantoms.tolist()))}
    d, t = len(columns), len(part.layout.th_variable)
    starts = np.cumsum([0, t, len(y) * d, len(latent) * d, len(y), len(latent), len(y)])
    entry, weight = _entries(ram, y, latent, columns, starts)
    return Equations(y, latent, x, phantoms, factors, part.layout, starts, entry, weight)


def _entries(
    ram: RamModel, y: IntArray, latent: IntArray, columns: dict[int, int], starts: IntArray
) -> tuple[IntArray, Array]:
    n_l, d = len(latent), len(columns)
    of_y = {int(i): k for k, i in enumerate(y)}
    of_l = {int(i): k for k, i in enumerate(latent)}
    slots, entry, weight = ram.slots, [], []
    for kind, row, col in zip(slots.kind, slots.row, slots.where, strict=True):
        i, j, size = int(row), int(col), 1.0
        if kind == THRESHOLD:
            at = j
        elif kind == DIRECTED:
            at = starts[1] + of_y[i] * d if i in of_y else starts[2] + of_l[i] * d
            at += columns[j]
        elif kind == MEAN:
            at = starts[3] + of_y[i] if i in of_y else starts[4] + of_l[i]
        elif i in of_y:
            at = starts[5] + of_y[i]
        else:
            at, size = starts[6] + of_l[i] * n_l + of_l[j], 1.0 if i == j else 2.0
        entry.append(at)
        weight.append(size)
    return np.array(entry, dtype=np.intp), np.array(weight)


def _check(ram: RamModel, y: IntArray, latent: IntArray) -> None:
    slots, names = ram.slots, ram.variables
    paths = (ram.a_base != 0).any(axis=0)
    directed = slots.kind == DIRECTED
    paths[slots.row[directed], slots.col[directed]] = True
    joint = (ram.s_base != 0).any(axis=0)
    both = slots.kind == SYMMETRIC
    joint[slots.row[both], slots.col[both]] = joint[slots.col[both], slots.row[both]] = True
    for i in y:
        if paths[:, i].any():
            to = names[int(np.flatnonzero(paths[:, i])[0])]
            raise SpecError(
                f"'{names[i]}' is explained by the model and predicts '{to}': with ordered items "
                f"method='lms' takes answers as outcomes only. {OTHER_WAY}, or leave the path out."
            )
        others = [j for j in np.flatnonzero(joint[i]) if j != i]
        if others:
            raise SpecError(
                f"'{names[i]}' and '{names[others[0]]}' covary beyond their latent variables: with ordered "
                "items method='lms' takes answers as independent given these. Remove the covariance, or add "
                f"a latent variable for it. {OTHER_WAY} to keep it."
            )
    for i in latent:
        if not joint[i, i]:
            raise SpecError(
                f"The variance of '{names[i]}' that its predictors leave is 0: with ordered items "
                "method='lms' integrates over each latent variable, which needs one. Free it, or leave "
                "the variable out."
            )
