"""Each row's part in the quasi-likelihood: log N(t; e, v) − log N(t; 0, V), with its derivatives.

Given the contrasts the factors are ξ = a + δ, δ ~ N(0, Φ), and the scaling variables t_s = w_s + ½ ξᵀ T_s ξ,
T_s = Σ_k Γ_sk (e_i e_jᵀ + e_j e_iᵀ) over the products ξ_i ξ_j. Their exact mean and covariance are

    e_s  = ½ aᵀ T_s a + ½ tr(T_s Φ)
    v_su = V_su + (T_s a)ᵀ K_u + (T_u a)ᵀ K_s + (T_s a)ᵀ Φ T_u a + ½ tr(T_s Φ T_u Φ)

(after Klein & Muthén, 2007, who have one outcome). Rows are the last axis; moments that all rows share have
length 1 there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.model.ram import Array
from sem_models.moderation.latent.quadratic_plan import QuadraticPlan


@dataclass(frozen=True, slots=True)
class RowInputs:
    """a (m, N), t (r, N), gamma (r, k, ·), k_mat (r, m, ·), phi (m, m, ·), v_mat (r, r, ·)."""

    a: Array
    t: Array
    gamma: Array
    k_mat: Array
    phi: Array
    v_mat: Array

    def only(self, piece: slice) -> RowInputs:
        """The same of some rows."""
        whole = (self.a, self.t, self.gamma, self.k_mat, self.phi, self.v_mat)
        n = self.a.shape[-1]
        return RowInputs(*(part[..., piece] if part.shape[-1] == n else part for part in whole))


@dataclass(frozen=True, slots=True)
class RowTerms:
    """Values (N,), slopes by every entry of the inputs (symmetric for phi and v_mat), and what led to them.

    t_mat (r, m, m, ·) T; bent (r, m, N) T a; bent_phi Φ T a; phi_t_phi (r, k, ·) entries (i, j) of Φ T Φ;
    inverse (r, r, N) X = v⁻¹, z (r, N) X (t − e), by_cov (r, r, N) ½ (z zᵀ − X); inverse_0, z_0 the same at
    V and t.
    """

    value: Array
    slopes: RowInputs
    t_mat: Array
    bent: Array
    bent_phi: Array
    phi_t_phi: Array
    inverse: Array
    z: Array
    by_cov: Array
    inverse_0: Array
    z_0: Array


def forms(gamma: Array, plan: QuadraticPlan) -> Array:
    """T_s (r, m, m, ·) of the coefficients Γ (r, k, ·)."""
    m = len(plan.factors)
    out = np.zeros((len(gamma), m, m, gamma.shape[-1]))
    for k, (i, j) in enumerate(zip(plan.first.tolist(), plan.second.tolist(), strict=True)):
        out[:, i, j] += gamma[:, k]
        out[:, j, i] += gamma[:, k]
    return out


def row_terms(x: RowInputs, plan: QuadraticPlan) -> RowTerms | None:
    """The rows' terms and their slopes; None where v is not positive definite."""
    t_mat = forms(x.gamma, plan)
    bent = np.einsum("sijn,jn->sin", t_mat, x.a)
    bent_phi = np.einsum("sin,ijn->sjn", bent, x.phi)
    t_phi = np.einsum("sijn,jkn->sikn", t_mat, x.phi)
    t_phi_t = np.einsum("sijn,ujkn->suikn", t_phi, t_mat)
    spread = 0.5 * np.einsum("suikn,kin->sun", t_phi_t, x.phi)
    mean = 0.5 * (np.einsum("sin,in->sn", bent, x.a) + np.einsum("siin->sn", t_phi))
    half = np.einsum("sin,uin->sun", bent, x.k_mat + 0.5 * bent_phi)
    cov = x.v_mat + spread + half + half.swapaxes(0, 1)
    inverted, inverted_0 = _inverse(cov), _inverse(x.v_mat)
    if inverted is None or inverted_0 is None:
        return None
    inverse, log_det = inverted
    inverse_0, log_det_0 = inverted_0
    away = x.t - mean
    z = np.einsum("sun,un->sn", inverse, away)
    z_0 = np.einsum("sun,un->sn", inverse_0, x.t)
    value = 0.5 * (log_det_0 - log_det + (x.t * z_0 - away * z).sum(axis=0))
    by_cov = 0.5 * (z[:, None] * z - inverse)
    by_bent = 0.5 * z[:, None] * x.a + 2.0 * np.einsum("sun,uin->sin", by_cov, x.k_mat + bent_phi)
    by_a = np.einsum("sijn,sjn->in", t_mat, by_bent) + 0.5 * np.einsum("sn,sin->in", z, bent)
    by_k = 2.0 * np.einsum("sun,uin->sin", by_cov, bent)
    by_phi = 0.5 * (np.einsum("sn,sijn->ijn", z, t_mat) + np.einsum("sin,sjn->ijn", bent, by_k))
    by_phi = by_phi + np.einsum("sun,suijn->ijn", by_cov, t_phi_t)
    i, j = plan.first, plan.second
    phi_t_phi = np.einsum("ijn,ujkn->uikn", x.phi, t_phi)[:, i, j]
    by_gamma = by_bent[:, i] * x.a[j] + by_bent[:, j] * x.a[i] + z[:, None] * x.phi[i, j]
    by_gamma = by_gamma + 2.0 * np.einsum("sun,ukn->skn", by_cov, phi_t_phi)
    by_v = by_cov + 0.5 * (inverse_0 - z_0[:, None] * z_0)
    slopes = RowInputs(by_a, z_0 - z, by_gamma, by_k, by_phi, by_v)
    return RowTerms(value, slopes, t_mat, bent, bent_phi, phi_t_phi, inverse, z, by_cov, inverse_0, z_0)


def _inverse(cov: Array) -> tuple[Array, Array] | None:
    """Inverse (r, r, ·) and log determinant (·,); None where one is not positive definite."""
    if len(cov) == 1:
        if not (cov > 0.0).all():
            return None
        return 1.0 / cov, np.log(cov[0, 0])
    last = np.moveaxis(cov, -1, 0)
    try:
        factor = np.linalg.cholesky(last)
    except np.linalg.LinAlgError:
        return None
    log_det = 2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.moveaxis(np.asarray(np.linalg.inv(last)), 0, -1), np.asarray(log_det)
