"""Simulated customers, and data that lie beside the repository and may be absent."""

from __future__ import annotations

from pathlib import Path

from sem_models.threads import one_thread

one_thread()  # before NumPy is loaded: threads that wait for each other make a busy machine six times slower

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pytest  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _present(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{folder.name} is not beside the repository")
    return folder


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Real survey files for checks, read in place; the test is skipped where they are absent."""
    return _present(SHARED / "data")


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Reference figures (cases, data, results); the test is skipped where they are absent."""
    return _present(SHARED / "golden")


@pytest.fixture(scope="session")
def clients() -> pd.DataFrame:
    """300 customers: three constructs, heavy-tailed items, two groups that differ in one path."""
    rng = np.random.default_rng(21)
    n = 300
    active = rng.random(n) < 0.45
    eds = rng.normal(size=n)
    pv = np.where(active, 0.3, 0.8) * eds + 0.7 * rng.normal(size=n)
    bi = 0.5 * pv + 0.2 * eds + 0.6 * rng.normal(size=n)
    frame = pd.DataFrame(
        {
            f"{stem}{i}": 4 + loading * latent + 0.5 * rng.standard_t(5, size=n)
            for stem, latent in (("e", eds), ("p", pv), ("b", bi))
            for i, loading in ((1, 1.0), (2, 0.9), (3, 0.8))
        }
    )
    frame["tenure"] = rng.normal(6, 2, size=n)
    frame["active"] = np.where(active, "active", "inactive")
    return frame
