"""A study of the simulated example, and one written to disk, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sem_models.reports import Study, Written


@pytest.fixture(scope="session")
def study() -> Study:
    """The bundled example under the one-satisfaction model, compared by activity."""
    return Study.open("example", model="b2b_service_core", moderator="active")


@pytest.fixture(scope="session")
def written(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """That study on disk."""
    return study.write(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def heywood_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four items whose exact sample correlations imply a negative residual variance of x1."""
    target = np.array([[1, 0.9, 0.85, 0.3], [0.9, 1, 0.6, 0.3], [0.85, 0.6, 1, 0.3], [0.3, 0.3, 0.3, 1]])
    z = np.random.default_rng(1).standard_normal((200, 4))
    z -= z.mean(axis=0)
    white = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
    frame = pd.DataFrame(white @ np.linalg.cholesky(target).T, columns=["x1", "x2", "x3", "y"]).round(4)
    path = tmp_path_factory.mktemp("heywood") / "heywood.csv"
    frame.to_csv(path, index=False)
    return path
