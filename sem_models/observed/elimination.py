"""Inverses of many small positive definite matrices at once."""

from __future__ import annotations

import numpy as np

from sem_models.model.ram import Array


def inverted(matrices: Array) -> tuple[Array, Array]:
    """Inverses, in place, and log-determinants (b, t) of positive definite (b, m, m, t); NaN for others.

    Gauss–Jordan elimination of all at once, which for m of a few beats a library call by matrix.
    """
    out = matrices
    log_det = np.zeros((len(out), out.shape[-1]))
    with np.errstate(all="ignore"):
        for k in range(out.shape[1]):
            pivot = out[:, k, k].copy()
            log_det += np.log(pivot)
            row = out[:, k] / pivot[:, None]
            column = out[:, :, k].copy()
            out -= column[:, :, None] * row[:, None]
            out[:, k] = row
            out[:, :, k] = -column / pivot[:, None]
            out[:, k, k] = 1.0 / pivot
    return out, log_det
