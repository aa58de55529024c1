"""Read pytest's JUnit files; fail when the run proves nothing (no test ran, no reference case was used)."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def ran(report: Path) -> list[str]:
    """Names (`class::name[id]`) of the tests in a JUnit file that ran, that is, were not skipped."""
    cases = ET.parse(report).iter("testcase")
    return [f"{c.get('classname', '')}::{c.get('name', '')}" for c in cases if c.find("skipped") is None]


def golden_used(names: Iterable[str], cases: Iterable[str]) -> set[str]:
    """The reference cases (file stems such as v01_hs_cfa_ml) that some test name mentions as a whole word."""
    words = {word for name in names for word in re.findall(r"\w+", name)}
    return {case for case in cases if case in words}


def main(argv: Sequence[str]) -> int:
    """0 when every report holds tests that ran and the reference figures, where present, were used."""
    names: list[str] = []
    for report in map(Path, argv):
        found = ran(report)
        print(f"{report.name}: {len(found)} tests ran")
        if not found:
            print(f"error: no test ran in {report.name}", file=sys.stderr)
            return 1
        names += found
    cases = sorted(p.stem for p in (ROOT.parent / "shared" / "golden" / "cases").glob("*.json"))
    if not cases:
        print("reference figures: not beside the repository, not checked")
        return 0
    used = golden_used(names, cases)
    print(f"reference figures: {len(used)} of {len(cases)} cases used")
    if not used:
        print("error: the reference figures are there, but no test used one", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
