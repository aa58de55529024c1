"""From the moments (vech Σ, μ) to the parameters by the chain rule.

Coordinates of a group: σ_ij for i ≥ j in row order, then μ; r = p(p+1)/2 + p.
"""

from __future__ import annotations

import numpy as np

from sem_models.estimation.kernels import Implied, mean_slopes
from sem_models.model.ram import Array, Slots


def jacobian(slots: Slots, at: Implied) -> Array:
    """∂(vech Σ, μ)/∂slot, (..., g, r, n)."""
    z = at.z_cols
    i, j = np.tril_indices(z.shape[-2])
    za, zb = z[..., slots.left], z[..., slots.right]
    sigma = slots.weight * (za[..., i, :] * zb[..., j, :] + zb[..., i, :] * za[..., j, :])
    mu = mean_slopes(slots, at.eta)[..., None, :] * z[..., slots.row]
    return np.concatenate([sigma, mu], axis=-2)


def chain(curve: Array, jac: Array) -> Array:
    """Jᵀ H J by group, (..., g, n, n)."""
    return np.asarray(np.swapaxes(jac, -1, -2) @ curve @ jac)
