"""Make `.venv` from `requirements.lock` and install the toolkit into it; standard library only.

`make` calls it, and on a machine without make it is called directly: `python tools/bootstrap.py`.
A second call with an unchanged lock and pyproject.toml returns at once.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
INPUTS = ("requirements.lock", "pyproject.toml")


def main(argv: Sequence[str] | None = None) -> int:
    """Set up the environment; 0 when it is ready, 1 with one message on stderr when it cannot be made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment goes")
    venv = parser.parse_args(argv).venv
    stamp, fingerprint = venv / ".ready", _fingerprint(ROOT)
    if is_ready(venv, fingerprint):
        os.utime(stamp)
        return 0
    try:
        complaint = missing_prerequisite(sys.version_info[:2], has_venv=_has_module("ensurepip", "venv"))
        if complaint:
            raise SetupError(complaint)
        _set_up(venv)
    except SetupError as error:
        print(f"\nSet-up stopped: {error}", file=sys.stderr)
        return 1
    stamp.write_text(fingerprint, encoding="utf-8")
    print(f"Environment ready in {venv.name}.", flush=True)
    return 0


class SetupError(RuntimeError):
    """Why the environment cannot be made, with the remedy."""


def missing_prerequisite(version: tuple[int, int], *, has_venv: bool) -> str:
    """What this Python lacks for the set-up and how to get it; empty when nothing is missing."""
    if version < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return (
            f"this is Python {version[0]}.{version[1]}, the toolkit needs {wanted} or newer.\n"
            f"  Install one and name it: make demo PYTHON=python{wanted}   "
            f"(Windows: py -{wanted} tools\\bootstrap.py)"
        )
    if not has_venv:
        return (
            "this Python cannot make virtual environments (ensurepip or venv is missing; Debian and Ubuntu "
            "ship them apart).\n"
            f"  Install them: sudo apt install python{version[0]}.{version[1]}-venv   "
            "(or use conda: conda env create -f environment.yml)"
        )
    return ""


def is_ready(venv: Path, fingerprint: str) -> bool:
    """Whether `venv` has a Python and was made from the inputs that have this fingerprint."""
    stamp = venv / ".ready"
    return (
        python_of(venv).exists()
        and stamp.is_file()
        and stamp.read_text(encoding="utf-8").strip() == fingerprint
    )


def _set_up(venv: Path) -> None:
    python = python_of(venv)
    if not python.exists():
        title = f"1/3 Making {venv.name} with Python {sys.version.split()[0]}"
        _step(title, [sys.executable, "-m", "venv", str(venv)])
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install"]
    _step(
        "2/3 Installing the locked packages (a few minutes the first time)",
        [*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")],
        remedy="If the lines above speak of the network or a proxy, mend that; if of a package without "
        "a build for this Python or platform, use a Python from 3.11 to 3.14 on Linux, macOS or Windows.",
    )
    title = "3/3 Installing the toolkit itself"
    _step(title, [*pip, "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def _step(title: str, command: list[str], *, remedy: str = "") -> None:
    """Run one command showing a line per package; when it fails, show its last lines and the remedy."""
    print(title, flush=True)
    tail: list[str] = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail = [*tail[-14:], "  " + line.rstrip()]
            if line.startswith(("Collecting ", "Installing ")):
                print("    " + _brief(line), flush=True)
    if process.returncode:
        raise SetupError("\n".join([f"'{title}' failed.", *tail, *([remedy] if remedy else [])]))


def _brief(line: str) -> str:
    """`Collecting numpy==2.4.6 (from …)` shortened to the package; other lines cut to the width."""
    words = line.split()
    return " ".join(words[:2]) if words[0] == "Collecting" else line.strip()[:90]


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _fingerprint(root: Path) -> str:
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in INPUTS)).hexdigest()


def _has_module(*names: str) -> bool:
    import importlib.util

    return all(importlib.util.find_spec(name) is not None for name in names)


if __name__ == "__main__":
    raise SystemExit(main())
