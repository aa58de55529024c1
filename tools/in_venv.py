"""Run the Python of `.venv` with the arguments given, so one pre-commit line serves every platform."""

from __future__ import annotations

import subprocess
import sys

from bootstrap import ROOT, python_of

if __name__ == "__main__":
    raise SystemExit(subprocess.call([str(python_of(ROOT / ".venv")), *sys.argv[1:]]))
