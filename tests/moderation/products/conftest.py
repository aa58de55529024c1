"""Customers whose latent X and Z interact on Y, with a covariate t, two groups and a frame with holes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

MODEL = """
X =~ x1 + x2 + x3
Z =~ z1 + z2 + z3
Y =~ y1 + y2 + y3
Y ~ X + Z + X:Z
"""


def customers(n: int = 400, seed: int = 2010) -> pd.DataFrame:
    """X and Z correlate .3; Y = .4 X + .3 Z + .25 XZ + .2 (t − 6) X + ζ."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    z = 0.3 * x + np.sqrt(1 - 0.09) * rng.normal(size=n)
    t = rng.normal(6.0, 1.0, size=n)
    y = 0.4 * x + 0.3 * z + 0.25 * x * z + 0.2 * (t - 6.0) * x + 0.6 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i + 1}": 4.0 + loading * latent + 0.5 * rng.normal(size=n)
            for stem, latent in (("x", x), ("z", z), ("y", y))
            for i, loading in enumerate((1.0, 0.9, 0.8))
        }
    )
    frame["t"] = t
    frame["kind"] = np.where(rng.random(n) < 0.45, "new", "old")
    return frame


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return customers()


@pytest.fixture(scope="module")
def holes(data: pd.DataFrame) -> pd.DataFrame:
    """The same with 8 % of the answers missing."""
    items = [c for c in data if c not in ("t", "kind")]
    gone = np.random.default_rng(8).random((len(data), len(items))) < 0.08
    return data.assign(**data[items].mask(gone))
