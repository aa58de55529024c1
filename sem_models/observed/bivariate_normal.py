"""The standard bivariate normal distribution for many limits and correlations at once.

Φ₂ by Gauss–Legendre quadrature of ∂Φ₂/∂ρ over arcsin ρ (Drezner & Wesolowsky, 1990, Journal of Statistical
Computation and Simulation 35) up to |ρ| = 0.925, and from |ρ| = 1 downwards beyond it (Genz, 2004, Statistics
and Computing 14, section 2.2). Absolute error below 1e-14.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

FAR = 38.0
"""A limit beyond which the normal distribution holds nothing in double precision; infinity is put here."""

STEEP = 0.925
"""|ρ| above which the quadrature starts from perfect correlation."""

STEPS = ((0.3, 6), (0.75, 12), (STEEP, 20))
"""Up to which |ρ| how many quadrature nodes suffice."""


@cache
def _nodes(n: int) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and weights on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(n)
    return 0.5 * (x + 1.0), 0.5 * w


def density(h: Array, k: Array, rho: Array) -> Array:
    """φ₂(h, k; ρ), which is also ∂Φ₂/∂ρ."""
    left = (1.0 - rho) * (1.0 + rho)
    return np.asarray(
        np.exp(-0.5 * (h * h - 2.0 * rho * h * k + k * k) / left) / (2.0 * np.pi * np.sqrt(left))
    )


def distribution(h: Array, k: Array, rho: Array) -> Array:
    """Φ₂(h, k; ρ) = P(X ≤ h, Y ≤ k), broadcast over its arguments; |ρ| < 1, limits may be infinite."""
    h, k, rho = np.broadcast_arrays(np.clip(h, -FAR, FAR), np.clip(k, -FAR, FAR), rho)
    shape = h.shape
    h, k, rho = h.reshape(-1), k.reshape(-1), rho.reshape(-1)
    out = np.empty(h.size)
    size = np.abs(rho)
    below = -1.0
    for upto, n in STEPS:
        chosen = (size > below) & (size <= upto)
        if chosen.all():
            return _moderate(h, k, rho, n).reshape(shape)
        if chosen.any():
            out[chosen] = _moderate(h[chosen], k[chosen], rho[chosen], n)
        below = upto
    chosen = size > STEEP
    if chosen.any():
        out[chosen] = _steep(h[chosen], k[chosen], rho[chosen])
    return out.reshape(shape)


def corners(h: Array, k: Array, rho: Array) -> Array:
    """Φ₂ (r, a, b) at limits h (r, a) and k (r, b) that begin with −∞ and end with ∞, one ρ (r,) a table.

    The same as `distribution`, with less work: the sines are those of ρ alone, and the ends are known.
    """
    first, second = np.clip(h, -FAR, FAR), np.clip(k, -FAR, FAR)
    out = np.zeros((len(rho), h.shape[1], k.shape[1]))
    out[:, -1], out[:, :, -1] = ndtr(second), ndtr(first)
    inner = out[:, 1:-1, 1:-1]
    a, b = first[:, 1:-1, None], second[:, None, 1:-1]
    size, below = np.abs(rho), -1.0
    for upto, n in STEPS:
        chosen = np.flatnonzero((size > below) & (size <= upto))
        if len(chosen):
            inner[chosen] = _moderate(a[chosen], b[chosen], rho[chosen, None, None], n)
        below = upto
    chosen = np.flatnonzero(size > STEEP)
    if len(chosen):
        inner[chosen] = distribution(a[chosen], b[chosen], rho[chosen, None, None])
    return out


def _moderate(h: Array, k: Array, rho: Array, n: int) -> Array:
    """Φ(h) Φ(k) + ∫₀^arcsin ρ exp(−(h² + k² − 2 h k sin t) / (2 cos² t)) dt / 2π."""
    nodes, weights = _nodes(n)
    angle = np.arcsin(rho)
    half, product = 0.5 * (h * h + k * k), h * k
    total = np.zeros_like(half)
    for x, w in zip(nodes.tolist(), weights.tolist(), strict=True):
        sine = np.sin(x * angle)
        total += w * np.exp((product * sine - half) / (1.0 - sine * sine))
    return np.asarray(ndtr(h) * ndtr(k) + angle * total / (2.0 * np.pi))


def _steep(h: Array, k: Array, rho: Array) -> Array:
    """The same near |ρ| = 1: the integral from there to ρ, its leading terms in closed form.

    With s = √(1 − r²), the integrand exp(−(h − k)²/2s² − h k/(1 + √(1 − s²))) / √(1 − s²) is expanded in s²
    at 0, the expansion integrated exactly, and the rest, small and smooth, by quadrature.
    """
    sign = np.where(rho < 0, -1.0, 1.0)
    other = sign * k
    product, square = h * other, (h - other) ** 2
    end = np.sqrt((1.0 - rho) * (1.0 + rho))
    c, d = (4.0 - product) / 8.0, (12.0 - product) / 16.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        near = np.exp(-0.5 * (square / (end * end) + product))
        lead = (
            end
            * near
            * (1.0 - c * (square - end * end) * (1.0 - d * square / 5.0) / 3.0 + c * d * end**4 / 5.0)
        )
        gap = np.sqrt(square)
        tail = np.exp(-0.5 * product) * np.sqrt(2.0 * np.pi) * ndtr(-gap / end) * gap
        lead -= np.where(tail > 0, tail * (1.0 - c * square * (1.0 - d * square / 5.0) / 3.0), 0.0)
        rest = np.zeros_like(h)
        nodes, weights = _nodes(20)
        for x, w in zip(nodes.tolist(), weights.tolist(), strict=True):
            s = (x * end) ** 2
            root = np.sqrt(1.0 - s)
            fixed = np.exp(-0.5 * (square / s + product))
            bent = np.exp(-0.5 * product * (1.0 - root) / (1.0 + root)) / root
            term = fixed * (bent - (1.0 + c * s * (1.0 + d * s)))
            rest += np.where(fixed > 0, w * term, 0.0)
    integral = (np.where(np.isfinite(lead), lead, 0.0) + end * rest) / (2.0 * np.pi)
    perfect = np.where(sign > 0, ndtr(np.minimum(h, k)), np.maximum(ndtr(h) - ndtr(-k), 0.0))
    return np.asarray(perfect - sign * integral)


def conditional(k: Array, h: Array, rho: Array) -> Array:
    """P(Y ≤ k | X = h) = Φ((k − ρ h) / √(1 − ρ²)); ∂Φ₂(h, k)/∂h is φ(h) times it."""
    return np.asarray(ndtr((k - rho * h) / np.sqrt((1.0 - rho) * (1.0 + rho))))
