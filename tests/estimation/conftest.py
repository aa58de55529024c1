"""Simulated customers for the engine's tests: three constructs in two groups, some answers missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def customers() -> pd.DataFrame:
    """240 customers, nine items, one covariate, groups "b" and "a" in this order of appearance."""
    rng = np.random.default_rng(11)
    n = 240
    eds, x = rng.normal(size=n), rng.normal(3.0, 1.5, size=n)
    pv = 0.6 * eds + 0.2 * x + 0.8 * rng.normal(size=n)
    bi = 0.5 * pv + 0.2 * eds + 0.7 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i}": 4 + loading * latent + 0.6 * rng.standard_t(6, size=n)
            for stem, latent in (("e", eds), ("p", pv), ("b", bi))
            for i, loading in ((1, 1.0), (2, 0.9), (3, 0.7))
        }
    )
    frame["x"] = x
    frame["g"] = np.where(rng.random(n) < 0.5, "a", "b")
    frame.loc[0, "g"] = "b"
    return frame


@pytest.fixture(scope="session")
def incomplete(customers: pd.DataFrame) -> pd.DataFrame:
    """The same with about a tenth of the answers to six items missing at random."""
    rng = np.random.default_rng(12)
    frame = customers.copy()
    for item in ("e1", "e2", "p1", "p3", "b2", "b3"):
        frame.loc[rng.random(len(frame)) < 0.1, item] = np.nan
    return frame
