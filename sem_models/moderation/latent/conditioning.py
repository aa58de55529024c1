"""Given the moderators, a model with products is linear: which variables to hold, and what then remains.

With M = the conditioned latent variables at a node, every product c·ζ has a known coefficient c and one
normal factor ζ, so y | M is normal (Klein & Moosbrugger, 2000, Psychometrika 65, eq. 15–17). M may be any
latent variables whose equations are free of products, exogenous or endogenous; observed factors are known
for every row and need no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sem_models.errors import SpecError
from sem_models.estimation.kernels import Implied
from sem_models.model.ram import DIRECTED, Array, IntArray, RamModel
from sem_models.moderation.latent.problem import PRODUCT_INDICATORS
from sem_models.moderation.statement import Product

MOST = 3
"""Dimensions of quadrature beyond which the number of nodes explodes."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What is conditioned on. r moderators, z factors in all, k products, positions in the RAM's variables.

    moderators (r names); factors (z,) positions, the moderators first, then the factors that stay normal;
    products (k,) positions of the phantoms; other (k,) the index in `factors` of the factor that stays;
    powers (k, r) how often a product holds each moderator; observed: for every product the columns of the
    data that are factors of it; fed: whether a product leads to a factor that stays. Products that are known
    at a node, their factors all being moderators or columns, come first: `still` of them.
    """

    moderators: tuple[str, ...]
    factors: IntArray
    products: IntArray
    other: IntArray
    powers: IntArray
    observed: tuple[tuple[int, ...], ...]
    fed: bool

    @property
    def r(self) -> int:
        return len(self.moderators)

    @property
    def still(self) -> int:
        return int((self.other < self.r).sum())


def make_plan(ram: RamModel, products: Sequence[Product], method: str = "lms") -> Plan:
    """The smallest set of moderators that leaves every product one normal factor.

    Of equal ones, exogenous before endogenous and, with one product, its first factor. Raises SpecError where
    products feed one another so that no such set exists, or where it has more than MOST members.
    """
    place = {name: i for i, name in enumerate(ram.variables)}
    position = np.array([place[p.name] for p in products], dtype=np.intp)
    reached = _reached(ram)
    for product, at in zip(products, position, strict=True):
        if any(reached[place[f], at] for f in product.factors):
            raise SpecError(
                f"'{product.name}' leads back to one of its own factors, so the model has no conditional "
                "normal form. Remove the loop."
            )
    factors = list(dict.fromkeys(f for p in products for f in p.factors if f in p.latent))
    free = [f for f in factors if not reached[place[f], position].any()]
    endogenous = _endogenous(ram)
    free.sort(key=lambda f: bool(endogenous[place[f]]))
    chosen = _smallest(products, free)
    if chosen is None:
        fed = [f for f in factors if f not in free]
        raise SpecError(
            f"{' and '.join(fed)} {'is' if len(fed) == 1 else 'are'} predicted by a product and multiplied "
            f"again, which method='{method}' cannot integrate yet. Use {PRODUCT_INDICATORS}."
        )
    if len(chosen) > MOST:
        raise SpecError(
            f"These products need numerical integration over {len(chosen)} moderators "
            f"({', '.join(chosen)}), which takes too many nodes: {MOST} are the limit. Use method='qml', "
            f"{PRODUCT_INDICATORS}, or drop some products."
        )
    products = sorted(products, key=lambda p: _stays(p, chosen) not in chosen)
    position = np.array([place[p.name] for p in products], dtype=np.intp)
    others = [_stays(p, chosen) for p in products]
    known = [*chosen, *dict.fromkeys(o for o in others if o not in chosen)]
    powers = np.zeros((len(products), len(chosen)), dtype=np.intp)
    columns = []
    for k, (product, other) in enumerate(zip(products, others, strict=True)):
        rest = list(product.factors)
        rest.remove(other)
        for j, name in enumerate(chosen):
            powers[k, j] = rest.count(name)
        columns.append(tuple(place[f] for f in rest if f not in product.latent))
    other_at = np.array([known.index(o) for o in others], dtype=np.intp)
    at = np.array([place[n] for n in known], dtype=np.intp)
    fed_any = bool(reached[at[other_at][:, None], position].any())
    return Plan(tuple(chosen), at, position, other_at, powers, tuple(columns), fed_any)


def _reached(ram: RamModel) -> np.ndarray:
    """(v, v) whether column's variable leads to row's, over any path that is free or not zero."""
    paths = np.asarray((ram.a_base != 0).any(axis=0))
    directed = ram.slots.kind == DIRECTED
    paths[ram.slots.row[directed], ram.slots.col[directed]] = True
    for _ in ram.variables:
        longer = paths | ((paths.astype(np.intp) @ paths.astype(np.intp)) > 0)
        if (longer == paths).all():
            break
        paths = longer
    return paths


def _endogenous(ram: RamModel) -> np.ndarray:
    """(v,) whether a variable has incoming paths."""
    paths = np.asarray((ram.a_base != 0).any(axis=(0, 2)))
    paths[ram.slots.row[ram.slots.kind == DIRECTED]] = True
    return paths


def _smallest(products: Sequence[Product], free: list[str]) -> list[str] | None:
    for size in range(len(free) + 1):
        for chosen in combinations(free, size):
            if all(sum(f in p.latent and f not in chosen for f in p.factors) <= 1 for p in products):
                return list(chosen)
    return None


def _stays(product: Product, chosen: list[str]) -> str:
    """The factor that is not conditioned on; the last latent one where all are."""
    latent = [f for f in product.factors if f in product.latent]
    return next((f for f in latent if f not in chosen), latent[-1])


@dataclass(frozen=True, slots=True)
class Split:
    """Moments of the linear part, by group: what the moderators explain in y, and what they leave.

    base (..., g, p, p) Cov(y | M) without products; mean (..., g, p) E y without them; basis (..., g, p, d)
    [Cov(y, M) Q | effects of the products on y | Cov(y, ζ | M)] with d = r + k + (z − r); root (..., g, r, r)
    Q = chol(Cov M)⁻ᵀ; slopes (..., g, z, r) of the factors on standardized moderators; left
    (..., g, z − r, z − r) Cov(ζ | M); level (..., g, z) means of the factors; feed (..., g, k, k) effects of
    products on the factors that stay.
    """

    base: Array
    mean: Array
    basis: Array
    root: Array
    slopes: Array
    left: Array
    level: Array
    feed: Array


def _t(matrix: Array) -> Array:
    return np.swapaxes(matrix, -1, -2)


def split(at: Implied, plan: Plan, p: int) -> Split:
    """Condition the linear model on the moderators. LinAlgError where their covariance is not positive."""
    r, f = plan.r, plan.factors
    own = at.cov_all[..., :p, :p]
    cross = at.cov_all[..., :p, f]
    omega = at.cov_all[..., f[:, None], f]
    root = _t(np.linalg.inv(np.linalg.cholesky(omega[..., :r, :r])))
    explained = cross[..., :r] @ root
    slopes = omega[..., :, :r] @ root
    rest = slopes[..., r:, :]
    basis = np.concatenate(
        [explained, at.total[..., :p, plan.products], cross[..., r:] - explained @ _t(rest)], axis=-1
    )
    feed = at.total[..., f[plan.other][:, None], plan.products]
    return Split(
        own - explained @ _t(explained), at.eta[..., :p], basis, root, slopes,
        omega[..., r:, r:] - rest @ _t(rest), at.eta[..., f], feed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives of a function of a Split by each of its parts, the same shapes."""

    base: Array
    mean: Array
    basis: Array
    slopes: Array
    left: Array
    level: Array
    feed: Array


def pull_back(at: Implied, plan: Plan, p: int, parts: Split, d: Slopes) -> tuple[Array, Array, Array]:
    """The chain rule back to the linear model's moments of J = (y, factors).

    Returns ∂/∂Cov(J) (..., g, p + z, p + z) symmetric, so that the differential is its trace with dCov;
    ∂/∂E(J) (..., g, p + z); and ∂/∂(effects of the products on J) (..., g, p + z, k).
    """
    r, f, n_products = plan.r, plan.factors, len(plan.products)
    cross = at.cov_all[..., :p, f[:r]]
    omega = at.cov_all[..., f[:, None], f[:r]]
    explained = parts.basis[..., :r]
    rest = parts.slopes[..., r:, :]
    d_kept = d.basis[..., r + n_products :]
    d_base = 0.5 * (d.base + _t(d.base))
    d_left = 0.5 * (d.left + _t(d.left))
    d_explained = d.basis[..., :r] - 2.0 * d_base @ explained - d_kept @ rest
    d_slopes = d.slopes.copy()
    d_slopes[..., r:, :] -= _t(d_kept) @ explained + 2.0 * d_left @ rest
    root_t = _t(parts.root)
    d_root = _t(cross) @ d_explained + _t(omega) @ d_slopes
    size = p + len(f)
    d_cov = np.zeros((*d.base.shape[:-2], size, size))
    d_cov[..., :p, :p] = d_base
    half = np.concatenate([d_explained @ root_t, d_kept], axis=-1)
    d_omega = np.zeros((*d.base.shape[:-2], len(f), len(f)))
    d_omega[..., :, :r] = d_slopes @ root_t
    d_omega[..., r:, r:] += d_left
    d_omega[..., :r, :r] += _cholesky_back(parts.root, -parts.root @ _t(d_root) @ parts.root)
    d_cov[..., p:, p:] = 0.5 * (d_omega + _t(d_omega))
    d_cov[..., :p, p:] = 0.5 * half
    d_cov[..., p:, :p] = _t(d_cov[..., :p, p:])
    d_mean = np.concatenate([d.mean, d.level], axis=-1)
    d_effects = np.zeros((*d.base.shape[:-2], size, n_products))
    d_effects[..., :p, :] = d.basis[..., r : r + n_products]
    for k, other in enumerate(plan.other):  # two products may share a factor
        d_effects[..., p + other, :] += d.feed[..., k, :]
    return d_cov, d_mean, d_effects


def _cholesky_back(root: Array, d_chol: Array) -> Array:
    """∂/∂Ω from ∂/∂L of Ω = L Lᵀ, with root = L⁻ᵀ. Murray (2016, arXiv 1602.07527, eq. 10)."""
    lower = np.tril(np.linalg.inv(root) @ d_chol) if root.shape[-1] else d_chol
    diagonal = np.arange(root.shape[-1])
    lower[..., diagonal, diagonal] *= 0.5
    out = root @ lower @ _t(root)
    return np.asarray(0.5 * (out + _t(out)))


def slots_of(at: Implied, plan: Plan, p: int) -> tuple[Implied, IntArray]:
    """The moments of J = (y, factors) as the kernels take them, and J's positions."""
    rows = np.concatenate([np.arange(p, dtype=np.intp), plan.factors])
    total, cov = at.total[..., rows, :], at.cov_all[..., rows, :]
    joint = Implied(
        at.total, at.cov_all, np.concatenate([total, cov], axis=-1), at.eta, cov[..., rows], at.eta[..., rows]
    )
    return joint, rows


def path_slopes(ram: RamModel, joint: Implied, rows: IntArray, plan: Plan, d_effects: Array) -> Array:
    """Σ ∂/∂effect · ∂effect/∂slot (..., g, n): only directed paths move E = (I − A)⁻¹."""
    slots = ram.slots
    lead = _t(joint.total[..., rows, :]) @ d_effects
    by_entry = lead @ _t(joint.total[..., :, plan.products])
    return np.where(slots.kind == DIRECTED, by_entry[..., slots.row, slots.col], 0.0)
