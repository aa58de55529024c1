"""Each row's part in the quasi-likelihood: log N(t; e, v) − log N(t; 0, V), with its derivatives.

Given the contrasts the factors are ξ = a + δ, δ ~ N(0, Φ), and the scaling variables t_s = w_s + ½ ξᵀ T_s ξ,
T_s = Σ_k Γ_sk (e_i e_jᵀ + e_j e_iᵀ) over the products ξ_i ξ_j. Their exact mean and covariance are

    e_s  = ½ aᵀ T_s a + ½ tr(T_s Φ)
    v_su = V_su + (T_s a)ᵀ K_u + (T_u a)ᵀ K_s + (T_s a)ᵀ Φ T_u a + ½ tr(T_s Φ T_u Φ)

(after Klein & Muthén, 2007, who have one outcome). Rows are the last axis; moments that all rows share have
length 1 there. Any batch axes come first, and arrays may be complex (a derivative along a direction).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sem_models.moderation.latent.quadratic_plan import QuadraticPlan
from sem_models.moderation.latent.quasi_moments import Numbers


@dataclass(frozen=True, slots=True)
class RowInputs:
    """a (..., m, N), t (..., r, N), gamma (..., r, k, ·), k_mat (..., r, m, ·), phi (..., m, m, ·), v_mat."""

    a: Numbers
    t: Numbers
    gamma: Numbers
    k_mat: Numbers
    phi: Numbers
    v_mat: Numbers


def forms(gamma: Numbers, plan: QuadraticPlan) -> Numbers:
    """T_s (..., r, m, m, ·) of the coefficients Γ (..., r, k, ·)."""
    m = len(plan.factors)
    out = np.zeros((*gamma.shape[:-2], m, m, gamma.shape[-1]), dtype=gamma.dtype)
    for k, (i, j) in enumerate(zip(plan.first.tolist(), plan.second.tolist(), strict=True)):
        out[..., i, j, :] += gamma[..., k, :]
        out[..., j, i, :] += gamma[..., k, :]
    return out


def row_terms(x: RowInputs, plan: QuadraticPlan) -> tuple[Numbers, RowInputs] | None:
    """Values (..., N) and derivatives by every entry, symmetric for phi and v_mat; None if v is not PD."""
    t_mat = forms(x.gamma, plan)
    bent = np.einsum("...sijn,...jn->...sin", t_mat, x.a)  # T_s a
    bent_phi = np.einsum("...sin,...ijn->...sjn", bent, x.phi)
    t_phi = np.einsum("...sijn,...jkn->...sikn", t_mat, x.phi)
    t_phi_t = np.einsum("...sijn,...ujkn->...suikn", t_phi, t_mat)
    spread = 0.5 * np.einsum("...suikn,...kin->...sun", t_phi_t, x.phi)
    mean = 0.5 * (np.einsum("...sin,...in->...sn", bent, x.a) + np.einsum("...siin->...sn", t_phi))
    half = np.einsum("...sin,...uin->...sun", bent, x.k_mat + 0.5 * bent_phi)
    cov = x.v_mat + spread + half + half.swapaxes(-2, -3)
    inverted, inverted_0 = _inverse(cov), _inverse(x.v_mat)
    if inverted is None or inverted_0 is None:
        return None
    inverse, log_det = inverted
    inverse_0, log_det_0 = inverted_0
    away = x.t - mean
    z = np.einsum("...sun,...un->...sn", inverse, away)
    z_0 = np.einsum("...sun,...un->...sn", inverse_0, x.t)
    value = 0.5 * (log_det_0 - log_det + (x.t * z_0 - away * z).sum(axis=-2))
    by_cov = 0.5 * (z[..., :, None, :] * z[..., None, :, :] - inverse)
    by_bent = 0.5 * z[..., :, None, :] * x.a[..., None, :, :]
    by_bent = by_bent + 2.0 * np.einsum("...sun,...uin->...sin", by_cov, x.k_mat + bent_phi)
    by_a = np.einsum("...sijn,...sjn->...in", t_mat, by_bent)
    by_a = by_a + 0.5 * np.einsum("...sn,...sin->...in", z, bent)
    by_k = 2.0 * np.einsum("...sun,...uin->...sin", by_cov, bent)
    by_phi = 0.5 * np.einsum("...sn,...sijn->...ijn", z, t_mat)
    by_phi = by_phi + 0.5 * np.einsum("...sin,...sjn->...ijn", bent, by_k)
    by_phi = by_phi + np.einsum("...sun,...suijn->...ijn", by_cov, t_phi_t)
    i, j = plan.first, plan.second
    phi_t_phi = np.einsum("...ijn,...ujkn->...uikn", x.phi, t_phi)[..., i, j, :]
    by_gamma = by_bent[..., i, :] * x.a[..., None, j, :] + by_bent[..., j, :] * x.a[..., None, i, :]
    by_gamma = by_gamma + z[..., :, None, :] * x.phi[..., None, i, j, :]
    by_gamma = by_gamma + 2.0 * np.einsum("...sun,...ukn->...skn", by_cov, phi_t_phi)
    by_v = by_cov + 0.5 * (inverse_0 - z_0[..., :, None, :] * z_0[..., None, :, :])
    return value, RowInputs(by_a, z_0 - z, by_gamma, by_k, by_phi, by_v)


def _inverse(cov: Numbers) -> tuple[Numbers, Numbers] | None:
    """Inverse (..., r, r, ·) and log determinant (..., ·); None where one is not positive definite."""
    if cov.shape[-2] == 1:
        if not (cov.real > 0.0).all():
            return None
        return 1.0 / cov, np.log(cov[..., 0, 0, :])
    last = np.moveaxis(cov, -1, -3)
    try:
        factor = np.linalg.cholesky(last.real)
    except np.linalg.LinAlgError:
        return None
    if np.iscomplexobj(cov):  # only derivatives are asked of complex arrays
        log_det = np.log(np.linalg.det(last))
    else:
        log_det = 2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(axis=-1)
    return np.moveaxis(np.linalg.inv(last), -3, -1), log_det
