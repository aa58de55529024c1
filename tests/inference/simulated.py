"""Data that R and Python can both make: a multiplicative congruential generator and normal quantiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

MODEL = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f"
N = 150


def uniform(n: int, seed: int) -> np.ndarray:
    """Lehmer's generator x ← 16807 x mod (2³¹ − 1)."""
    out, x = np.empty(n), seed
    for i in range(n):
        x = 16807 * x % 2147483647
        out[i] = x / 2147483647
    return out


def clustered_survey() -> pd.DataFrame:
    """Six items of two constructs, 15 clusters of ten, weights between 0.3 and 2.3, two groups."""
    u = uniform(N * 9, 42).reshape(N, 9)
    z = ndtri(u[:, :8])
    f = z[:, 0]
    g = 0.6 * f + 0.8 * z[:, 1]
    cluster = np.repeat(np.arange(1, 16), 10)
    shared = 0.4 * z[cluster * 10 - 1, 1]
    return pd.DataFrame(
        {
            "x1": f + 0.7 * z[:, 2] + shared, "x2": 0.8 * f + 0.6 * z[:, 3],
            "x3": 0.7 * f + 0.7 * z[:, 4] + shared, "y1": g + 0.5 * z[:, 5] ** 2,
            "y2": 0.9 * g + 0.6 * z[:, 6], "y3": 0.8 * g + 0.7 * z[:, 7], "id": cluster,
            "w": 0.3 + 2 * u[:, 8], "grp": np.where(np.arange(1, N + 1) % 3 == 0, "a", "b"),
        }
    )  # fmt: skip


def with_holes() -> pd.DataFrame:
    """The same with answers missing: x2 and y3 by row number, y1 where x1 is high."""
    data = clustered_survey()
    data.loc[::7, "x2"] = np.nan
    data.loc[data["x1"] > 1, "y1"] = np.nan
    data.loc[4::11, "y3"] = np.nan
    return data
