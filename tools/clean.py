"""Remove what builds, tests and runs leave behind; the environment `.venv` stays."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("build", "dist", "demo_output", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
NESTED = ("__pycache__", ".ipynb_checkpoints")


def main(root: Path = ROOT) -> None:
    """Delete the generated folders below `root`, naming each."""
    doomed = [root / name for name in FOLDERS] + [*root.glob("*.egg-info"), *root.glob("__pycache__")]
    for top in root.iterdir():
        if top.is_dir() and not top.name.startswith("."):
            doomed += [path for name in NESTED for path in top.rglob(name)]
    for path in dict.fromkeys(doomed):
        if path.is_dir():
            shutil.rmtree(path)
            print(f"removed {path.relative_to(root)}")


if __name__ == "__main__":
    main()
