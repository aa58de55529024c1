"""Fixtures for data that lie beside the repository and may be absent."""

from __future__ import annotations

from pathlib import Path

import pytest

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
