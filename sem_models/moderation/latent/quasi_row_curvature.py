"""Second derivatives of a row's part in the quasi-likelihood by what it is computed from.

With ε = t − e, X = v⁻¹, z = X ε and v̄ = ½ (z zᵀ − X), indices denoting derivatives and g_c = ε_c − v_c z,

    ∂²log N(t; e, v)/∂c ∂d = −g_cᵀ X g_d + ½ tr(X v_c X v_d) + Σ_s z_s e_s,cd + Σ_su v̄_su v_su,cd,

and the same with V for v and t for ε of log N(t; 0, V), which is subtracted. e and v are polynomials of
second degree in every coordinate, so that the last two sums are short. Coordinates: a (m), t (r), Γ (r n),
K (r m), Φ and V (upper triangles).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array, IntArray
from sem_models.moderation.latent.quadratic_plan import QuadraticPlan
from sem_models.moderation.latent.quasi_rows import RowInputs, RowTerms, row_terms


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Positions of the coordinates: a (m,), t (r,), gamma (r, n), k_mat (r, m), phi, v_mat (packed)."""

    a: IntArray
    t: IntArray
    gamma: IntArray
    k_mat: IntArray
    phi: IntArray
    v_mat: IntArray

    @property
    def count(self) -> int:
        return sum(part.size for part in (self.a, self.t, self.gamma, self.k_mat, self.phi, self.v_mat))


def coordinates(plan: QuadraticPlan) -> Coordinates:
    m, r, n = len(plan.factors), len(plan.targets), len(plan.products)
    shapes = ((m,), (r,), (r, n), (r, m), (m * (m + 1) // 2,), (r * (r + 1) // 2,))
    sizes = [int(np.prod(shape)) for shape in shapes]
    ends = np.cumsum(sizes)
    return Coordinates(
        *(np.arange(e - s, e).reshape(shape) for e, s, shape in zip(ends, sizes, shapes, strict=True))
    )


def row_curvature(x: RowInputs, plan: QuadraticPlan) -> Array:
    """∂²/∂c² of every row's term, (c, c, N)."""
    terms = row_terms(x, plan)
    assert terms is not None, "the likelihood is only differentiated where it exists"
    at = coordinates(plan)
    n_rows = x.a.shape[-1]
    r = len(plan.targets)
    moved = np.zeros((at.count, r, n_rows))  # ε_c
    bent = np.zeros((at.count, r, r, n_rows))  # v_c
    _first_order(x, terms, plan, at, moved, bent)
    along = moved - np.einsum("csun,un->csn", bent, terms.z)
    out = _form(along, bent, terms.inverse)
    plain_moved, plain_bent = np.zeros_like(moved), np.zeros_like(bent)
    for s in range(r):
        plain_moved[at.t[s], s] = 1.0
    _unit_covariances(plain_bent, at, r)
    own = np.r_[at.t, at.v_mat]
    plain = plain_moved[own] - np.einsum("csun,un->csn", plain_bent[own], terms.z_0)
    out[np.ix_(own, own)] -= _form(plain, plain_bent[own], terms.inverse_0)
    _second_order(x, terms, plan, at, out)
    return out


def _form(along: Array, bent: Array, inverse: Array) -> Array:
    """−g_cᵀ X g_d + ½ tr(X v_c X v_d), (c, c, N)."""
    left = np.einsum("sun,cun->csn", inverse, along)
    product = np.einsum("sun,cuwn->cswn", inverse, bent)
    return np.asarray(
        0.5 * np.einsum("cswn,dwsn->cdn", product, product) - np.einsum("csn,dsn->cdn", left, along)
    )


def _unit_covariances(out: Array, at: Coordinates, r: int) -> None:
    for place, (s, u) in zip(at.v_mat, zip(*np.triu_indices(r), strict=True), strict=True):
        out[place, s, u] = out[place, u, s] = 1.0


def _basis(m: int) -> list[Array]:
    """The symmetric matrices (m, m) that the packed coordinates of Φ stand for."""
    out = []
    for i, j in zip(*np.triu_indices(m), strict=True):
        unit = np.zeros((m, m))
        unit[i, j] = unit[j, i] = 1.0
        out.append(unit)
    return out


def _first_order(
    x: RowInputs, terms: RowTerms, plan: QuadraticPlan, at: Coordinates, moved: Array, bent: Array
) -> None:
    m, r = len(plan.factors), len(plan.targets)
    t_a, t_mat, phi = terms.bent, terms.t_mat, x.phi
    reach = x.k_mat + terms.bent_phi  # K_u + Φ T_u a
    for s in range(r):
        moved[at.t[s], s] = 1.0
        moved[at.a, s] = -t_a[s]
        for f, unit in zip(at.phi, _basis(m), strict=True):
            moved[f, s] = -0.5 * np.einsum("ijn,ij->n", t_mat[s], unit)
    half = np.einsum("sijn,ujn->isun", t_mat, reach)
    bent[at.a] = half + half.swapaxes(1, 2)
    phi_t_phi = terms.phi_t_phi
    for k, (i, j) in enumerate(zip(plan.first.tolist(), plan.second.tolist(), strict=True)):
        effect = x.a[i] * x.a[j] + phi[i, j]
        twisted = x.a[j] * reach[:, i] + x.a[i] * reach[:, j] + phi_t_phi[:, k]  # (D_k a)ᵀ(K_u + Φ T_u a) + …
        for s in range(r):
            place = at.gamma[s, k]
            moved[place, s] = -effect
            bent[place, s] += twisted
            bent[place, :, s] += twisted
    for s in range(r):
        for i in range(m):
            bent[at.k_mat[s, i], s] += t_a[:, i]
            bent[at.k_mat[s, i], :, s] += t_a[:, i]
    for f, unit in zip(at.phi, _basis(m), strict=True):
        through = np.einsum("sijn,jk,ukln,lin->sun", t_mat, unit, t_mat, phi)
        bent[f] = np.einsum("sin,ij,ujn->sun", t_a, unit, t_a) + 0.5 * (through + through.swapaxes(0, 1))
    _unit_covariances(bent, at, r)


def _second_order(x: RowInputs, terms: RowTerms, plan: QuadraticPlan, at: Coordinates, out: Array) -> None:
    """Add Σ z_s e_s,cd + Σ v̄_su v_su,cd: the second derivatives of polynomials."""
    m, r = len(plan.factors), len(plan.targets)
    z, by_cov, t_mat, phi, a = terms.z, terms.by_cov, terms.t_mat, x.phi, x.a
    n = a.shape[-1]
    basis = _basis(m)
    pairs = list(zip(plan.first.tolist(), plan.second.tolist(), strict=True))
    weighted = np.einsum("sun,sijn->uijn", by_cov, t_mat)  # Σ_s v̄_su T_s
    turned = np.einsum("uijn,jkn,ukln->iln", weighted, phi, t_mat)
    out[np.ix_(at.a, at.a)] += np.einsum("sn,sijn->ijn", z, t_mat) + turned + turned.swapaxes(0, 1)

    def both(rows: IntArray | np.intp, cols: IntArray | np.intp, block: Array) -> None:
        out[rows, cols] += block
        out[cols, rows] += block

    reach = np.einsum("sun,uin->sin", by_cov, x.k_mat + terms.bent_phi)
    t_phi = np.einsum("uijn,jkn->uikn", weighted, phi)  # Σ_s v̄_su T_s Φ
    pulled = np.einsum("sun,sin->uin", by_cov, terms.bent)  # Σ_s v̄_su T_s a
    for u in range(r):
        for j in range(m):
            both(at.a, at.k_mat[u, j], 2.0 * weighted[u, :, j])
    for f, unit in zip(at.phi, basis, strict=True):
        both(at.a, f, 2.0 * np.einsum("uijn,jk,ukn->in", weighted, unit, terms.bent))
    for s in range(r):
        for k, (i, j) in enumerate(pairs):
            place = at.gamma[s, k]
            block = np.zeros((m, n))
            block[i] += z[s] * a[j] + 2.0 * reach[s, j]
            block[j] += z[s] * a[i] + 2.0 * reach[s, i]
            block += 2.0 * (t_phi[s, :, i] * a[j] + t_phi[s, :, j] * a[i])
            both(at.a, place, block)
            for u in range(r):
                both(at.k_mat[u, i], place, 2.0 * by_cov[s, u] * a[j])
                both(at.k_mat[u, j], place, 2.0 * by_cov[s, u] * a[i])
            crossed = np.einsum("ijn,jkn->ikn", phi, weighted[s])  # Φ Σ_u v̄_su T_u
            for f, unit in zip(at.phi, basis, strict=True):
                slope = z[s] * unit[i, j]
                slope = slope + 2.0 * (
                    np.einsum("in,i->n", pulled[s], unit[:, i]) * a[j]
                    + np.einsum("in,i->n", pulled[s], unit[:, j]) * a[i]
                )
                mixed = np.einsum("ikn,kl->iln", crossed, unit)
                both(place, f, slope + 2.0 * (mixed[j, i] + mixed[i, j]))
            for u in range(r):
                for h, (p, q) in enumerate(pairs):
                    if (u, h) > (s, k):
                        continue
                    curve = a[j] * a[q] * phi[i, p] + a[j] * a[p] * phi[i, q]
                    curve = curve + a[i] * a[q] * phi[j, p] + a[i] * a[p] * phi[j, q]
                    curve = 2.0 * by_cov[s, u] * (curve + phi[i, p] * phi[j, q] + phi[i, q] * phi[j, p])
                    out[place, at.gamma[u, h]] += curve
                    if (u, h) != (s, k):
                        out[at.gamma[u, h], place] += curve
    for f, unit in zip(at.phi, basis, strict=True):
        for h, other in zip(at.phi, basis, strict=True):
            out[f, h] += np.einsum("uijn,jk,ukln,li->n", weighted, unit, t_mat, other)
