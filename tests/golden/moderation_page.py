"""The part of docs/parity.md on moderation: modsem's reference cases, one row each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sem_models as sm

from .reference import load_case
from .test_moderation_cases import BY_ITSELF, compare, gaps_of, run, unexplained

COLUMNS = ("est", "se", "std_est", "std_se", "chisq", "logl")


def moderation_lines(folder: Path) -> Iterator[str]:
    """Markdown lines; DISAGREES stands where a figure misses its tolerance."""
    yield from ("", "## Moderation: modsem 1.0.22", "")
    yield "Worst gaps: estimates (with simple slopes, expected outcomes and Johnson–Neyman points) and"
    yield "standardized estimates in standard errors, errors and χ² relative; log-likelihoods relative, but"
    yield f"absolute for LMS and QML, whose estimates and errors are allowed {BY_ITSELF['est']:g}."
    yield ""
    yield "| Case | Method | Verdict | Estimates | Errors | Standardized | Errors | χ² | Log-likelihood |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for path in sorted((folder / "cases").glob("*.json")):
        case, result = load_case(folder, path.stem)
        if case["kind"] != "modsem":
            continue
        try:
            ours = run(case, folder)
        except sm.SpecError:
            yield f"| {case['id']} | {case['method']} | refused by name |" + " – |" * len(COLUMNS)
            continue
        gaps = gaps_of(case)
        compare(ours, case, result, gaps)
        cells = [f"{gaps.worst[c]:.1e}" if c in gaps.worst else "–" for c in COLUMNS]
        verdict = "DISAGREES" if unexplained(path.stem, gaps) else "agrees"
        verdict += " but for differenced errors (docs/latent-interactions.md)" if gaps.failures else ""
        yield f"| {case['id']} | {case['method']} | {verdict} | {' | '.join(cells)} |"
