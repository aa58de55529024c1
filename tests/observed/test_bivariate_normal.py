"""Bivariate normal probabilities against one-dimensional adaptive quadrature."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from sem_models.observed.bivariate_normal import conditional, density, distribution

ABSOLUTE = 1e-13


def by_quadrature(h: float, k: float, rho: float) -> float:
    """∫ φ(x) Φ((k − ρx)/√(1 − ρ²)) dx up to h, cut where the integrand turns."""
    root = np.sqrt((1 - rho) * (1 + rho))

    def inner(x: float) -> float:
        return float(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * ndtr((k - rho * x) / root))

    turn = k / rho
    cuts = sorted({-9.0, *(c for c in (turn + s * root for s in (-9, -3, -1, 0, 1, 3, 9)) if -9 < c < h), h})
    return sum(quad(inner, a, b, epsabs=1e-15, epsrel=1e-13)[0] for a, b in pairwise(cuts))


def test_against_quadrature() -> None:
    rng = np.random.default_rng(8)
    h, k = rng.normal(size=(2, 300)) * rng.choice([0.5, 1.5, 3.0], size=300)
    rho = np.where(
        np.arange(300) % 2,
        rng.uniform(-1, 1, 300),
        np.sign(rng.normal(size=300)) * (1 - 10.0 ** rng.uniform(-6, -1, 300)),
    )
    k[::5] = np.clip(h[::5] + 0.01 * rng.normal(size=60), -8, 8)
    found = distribution(h, k, rho)
    expected = [by_quadrature(*row) for row in zip(h, k, rho, strict=True)]
    assert np.abs(found - expected).max() < ABSOLUTE


def test_limits_and_symmetries() -> None:
    assert distribution(np.inf, np.inf, 0.3) == pytest.approx(1.0, abs=ABSOLUTE)
    assert distribution(-np.inf, 1.0, 0.97) == pytest.approx(0.0, abs=ABSOLUTE)
    x = np.linspace(-3, 3, 13)
    for rho in (-0.99, -0.5, 0.0, 0.2, 0.8, 0.96):
        np.testing.assert_allclose(distribution(x, np.inf, rho), ndtr(x), atol=ABSOLUTE)
        grid = distribution(x[:, None], x[None, :], rho)
        np.testing.assert_allclose(grid, grid.T, atol=ABSOLUTE)
        np.testing.assert_allclose(distribution(x[:, None], x[None, :], -rho), ndtr(x)[:, None] -
        distribution(x[:, None], -x[None, :], rho), atol=ABSOLUTE)  # fmt: skip
    # Sheppard (1899): Φ₂(0, 0; ρ) = ¼ + arcsin ρ / 2π
    assert distribution(0.0, 0.0, 0.6) == pytest.approx(0.25 + np.arcsin(0.6) / (2 * np.pi), abs=ABSOLUTE)


def test_derivatives_against_central_differences() -> None:
    h, k, rho, step = 0.4, -0.9, 0.55, 1e-5
    by_rho = (distribution(h, k, rho + step) - distribution(h, k, rho - step)) / (2 * step)
    by_h = (distribution(h + step, k, rho) - distribution(h - step, k, rho)) / (2 * step)
    assert density(h, k, rho) == pytest.approx(by_rho, abs=1e-9)
    phi = np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi)
    assert phi * conditional(k, h, rho) == pytest.approx(by_h, abs=1e-9)
