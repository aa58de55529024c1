"""The calibration table, as a data frame and as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd

from benchmarks.claims.cases import Case
from benchmarks.claims.judge import Found
from sem_models.findings.evidence import CONTRADICTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, VERDICTS
from sem_models.model.spec import load

ALLOWED = 0.05
ORDER = ("true", "boundary", "false")


def calibration_table(found: Sequence[Found], cases: Sequence[Case]) -> pd.DataFrame:
    """One row a claim and case, in the claims' order: true first, then boundary, then false.

    supported, contradicted, undecided and not_testable are rates over `samples`; wrong is the rate of
    supported where the claim is false or on its boundary, and of contradicted where it is true, with its
    binomial standard error; beyond says whether it exceeds 5 % by more than two such errors at 5 %.
    """
    judged = [
        (int(claim[1:]), ORDER.index(truth), place, claim, case)
        for place, case in enumerate(cases)
        for claim, truth in case.truths.items()
    ]
    rows = []
    for _, _, _, claim, case in sorted(judged, key=lambda row: row[:3]):
        own = [f for f in found if f.case == case.name and f.claim == claim]
        if not own:
            continue
        n = len(own)
        rates = {v: sum(f.verdict == v for f in own) / n for v in VERDICTS}
        wrong = rates[CONTRADICTED if case.truths[claim] == "true" else SUPPORTED]
        rows.append(
            {
                "claim": claim, "truth": case.truths[claim], "case": case.name, "samples": n,
                "supported": rates[SUPPORTED], "contradicted": rates[CONTRADICTED],
                "undecided": rates[UNDECIDED], "not_testable": rates[NOT_TESTABLE],
                "wrong": wrong, "wrong_error": sqrt(wrong * (1.0 - wrong) / n),
                "beyond": wrong > ALLOWED + 2.0 * sqrt(ALLOWED * (1.0 - ALLOWED) / n),
                "seconds": float(np.mean([f.seconds for f in own])),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def part_table(found: Sequence[Found], cases: Sequence[Case]) -> pd.DataFrame:
    """One row a part of a claim on its boundary: how often it is supported by itself, and its estimates.

    mean and sd of the estimates and their mean standard error, over the samples in which it is bounded.
    """
    rows = []
    for case in cases:
        for claim in (c for c, truth in case.truths.items() if truth == "boundary"):
            own = [f for f in found if f.case == case.name and f.claim == claim]
            for part in own[0].parts if own else ():
                kept = [f.parts[part] for f in own]
                values = np.array([(estimate, se) for _, estimate, se in kept], dtype=np.float64)
                values = values[np.isfinite(values).all(axis=1)]
                rows.append(
                    {
                        "claim": claim, "case": case.name, "part": part, "samples": len(own),
                        "supported": sum(verdict == SUPPORTED for verdict, _, _ in kept) / len(own),
                        "mean": float(values[:, 0].mean()) if len(values) else np.nan,
                        "sd": float(values[:, 0].std(ddof=1)) if len(values) > 1 else np.nan,
                        "se": float(values[:, 1].mean()) if len(values) else np.nan,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def page(
    table: pd.DataFrame, parts: pd.DataFrame, cases: Sequence[Case], *, n: int, seed: int, notes: str = ""
) -> str:
    """The page in Markdown."""
    most, least = int(table["samples"].max()), int(table["samples"].min())
    asked = f"{most:,}" if most == least else f"{least:,} to {most:,} (each row says how many)"
    version = load("b2b_service").rules.version
    error = sqrt(ALLOWED * (1.0 - ALLOWED) / most)
    sections = [
        "# The scorecard's verdicts, calibrated",
        f"Made by `python -m benchmarks.claims --samples {most} --n {n} --seed {seed}`.",
        f"""How often is a claim of `b2b_service` called *supported* where it is not true? Samples of {n}
customers, {asked} from each population: complete answers on the 7-point scale,
judged by the rules of the specification (version {version}): 95 % intervals, estimator MLR, interactions by
double-mean-centered products. Populations are the shipped one
(`sem_models/examples/b2b_service_population.yaml`) with some lines changed (`benchmarks/claims/`). *Wrong* is
supported where the claim is false or on its boundary, and contradicted where it is true. On a boundary one
part is exactly at the value that decides it and the others are clear, unless the words below say otherwise.
The Monte Carlo error of a rate of .05 is {error:.3f} with {most:,} samples. Only the parts that count for the
verdict are computed; seconds are CPU seconds a sample and claim, with the draw.""",
        _said(table),
        _rates(table),
        EXPLANATION,
        notes,
        "## Parts on the boundary",
        "How often each part is supported by itself, and whether its estimates (mean, sd) are where the "
        "population puts them and its standard errors (mean se) say how much they vary.",
        _parts(parts),
        "## Populations",
        "\n".join(f"- **{case.name}**: {case.words}." for case in cases),
    ]
    return "\n\n".join(section for section in sections if section).rstrip() + "\n"


def _said(table: pd.DataFrame) -> str:
    rows = table.to_dict("records")
    beyond = [f"{r['claim']} in “{r['case']}” ({r['wrong']:.1%})" for r in rows if r["beyond"]]
    if beyond:
        return f"Beyond 5 % by more than two Monte Carlo errors: {'; '.join(beyond)}."
    worst = max(rows, key=lambda row: float(row["wrong"]))
    margin = " by more than two Monte Carlo errors" if worst["wrong"] > ALLOWED else ""
    return (
        f"No wrong-verdict rate exceeds 5 %{margin}; the highest is "
        f"{worst['wrong']:.1%}, of {worst['claim']} in “{worst['case']}”."
    )


def _rates(table: pd.DataFrame) -> str:
    head = [
        "claim", "it is", "population", "samples", "supported", "contradicted", "undecided", "not testable",
        "wrong (± error)", "seconds",
    ]  # fmt: skip
    rows = [
        [str(row[k]) for k in ("claim", "truth", "case", "samples")]
        + [f"{row[k]:.3f}" for k in ("supported", "contradicted", "undecided", "not_testable")]
        + [f"{row['wrong']:.3f} (± {row['wrong_error']:.3f})", f"{row['seconds']:.2f}"]
        for row in table.to_dict("records")
    ]
    return _markdown(head, rows)


def _parts(parts: pd.DataFrame) -> str:
    head = ["claim", "population", "part", "samples", "supported", "mean estimate", "sd", "mean se"]
    rows = [
        [str(row[k]) for k in ("claim", "case", "part", "samples")]
        + [f"{row['supported']:.3f}"]
        + [f"{row[k]:.3f}" if row[k] == row[k] else "–" for k in ("mean", "sd", "se")]
        for row in parts.to_dict("records")
    ]
    return _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


EXPLANATION = """## Reading it

- An interval of 95 % that lies wholly on one side does so by chance in 2.5 % of samples at the boundary of a
  directed claim. A claim of several parts is supported only where all are (an intersection–union test), so
  that with one part on the boundary and the others clear it has that rate too, otherwise a lower one.
- Parts without a claimed direction (C10) are supported on either side: 5 % at the boundary.
- A true claim is often undecided with this many customers: the more parts, and the smaller their effects,
  the less often all of them exclude zero in one sample. *Undecided* is not wrong; it says that the data do
  not tell.
- **C13** asks whether the survey has questions for the constructs: no draw can change its verdict, which is
  supported with them and not testable without (`tests/findings/test_scorecard.py`)."""
