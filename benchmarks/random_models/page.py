"""The results as a page: docs/random-models.md."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmarks.random_models.draw import Drawn
from benchmarks.random_models.judge import Verdict

OUTCOMES = ("proper", "improper", "not converged", "refused", "crash")
NOT_ABOVE = 1e-8
"""Objective per row by which ours may lie above lavaan's."""


def verdict_frame(models: Sequence[Drawn], verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """One row a model."""
    return pd.DataFrame(
        [
            {
                "number": v.number, "outcome": v.outcome, "logl": v.logl, "seconds": v.seconds,
                "trouble": v.trouble, "note": v.note, "local": v.local, "n": len(d.data), "items": d.items,
                "constructs": d.constructs, "features": d.features,
            }
            for d, v in zip(models, verdicts, strict=True)
        ]
    )  # fmt: skip


def comparison(frame: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Ours beside lavaan's, with the gap of the objectives per row where both converged."""
    both = theirs.merge(frame, on="number", suffixes=("_lavaan", ""))
    ours = both["outcome"].isin(("proper", "improper"))
    gap = (both["logl_lavaan"] - both["logl"]) / both["n"]
    return both.assign(converged_ours=ours, gap=gap.where(ours & both["converged"]))


def page(frame: pd.DataFrame, seed: int, compared: pd.DataFrame | None) -> str:
    """Markdown: what was drawn, how it ended by feature, and the comparison with lavaan."""
    n = len(frame)
    lines = [
        "# Random simulated models",
        "",
        f"Made by `python -m benchmarks.random_models --n {n} --seed {seed}"
        + (f" --lavaan {len(compared)}" if compared is not None else "")
        + "`.",
        "",
        f"{n:,} models with data: {frame['constructs'].min()}–{frame['constructs'].max()} constructs, "
        f"{frame['items'].min()}–{frame['items'].max()} items, N from {frame['n'].min()} to "
        f"{frame['n'].max():,}, up to",
        "30 % of the answers missing (then by full information), ML and MLR. Each is fitted, tabled,",
        "summarized, diagnosed and written as JSON; a warning counts as a crash. *Proper* is converged and",
        "admissible, *improper* converged with a negative variance or an indefinite covariance matrix, which",
        "the status names. *Trouble* is a crash, a refusal, a converged status where slope or curvature say",
        "otherwise, an improper solution called admissible, or an undefined figure without a reason. *Lower*",
        "counts optima that plain starting values undercut, tried on every fourth model.",
        "",
        "| models | " + " | ".join(OUTCOMES) + " | trouble | lower from another start |",
        "|---|" + "---|" * (len(OUTCOMES) + 2),
    ]
    names = ["all", *sorted({f for features in frame["features"] for f in features})]
    for name in names:
        part = frame if name == "all" else frame[[name in f for f in frame["features"]]]
        lines.append(_row(f"{name} ({len(part):,})", part))
    for low, high in ((60, 120), (121, 300), (301, 800), (801, 2000)):
        part = frame[frame["n"].between(low, high)]
        lines.append(_row(f"N {low}–{high:,} ({len(part):,})", part))
    lines += ["", f"Median {frame['seconds'].median():.2f} s a model with all tables, on one thread.", ""]
    if (frame["trouble"] != "").any():
        lines += ["Trouble:", ""]
        doubtful = frame[frame["trouble"] != ""]
        lines += [f"- model {r.number}: {r.trouble[:200]}" for r in doubtful.itertuples()]
        lines.append("")
    if compared is not None:
        lines += _against(compared)
    return "\n".join(lines)


def _row(name: str, part: pd.DataFrame) -> str:
    counts = [int((part["outcome"] == o).sum()) for o in OUTCOMES]
    counts += [int((part["trouble"] != "").sum()), int(part["local"].sum())]
    return f"| {name} | " + " | ".join(map(str, counts)) + " |"


def _against(c: pd.DataFrame) -> list[str]:
    proper = c["outcome"] == "proper"
    gap = c["gap"].dropna()
    return [
        "## Against lavaan 0.6-14",
        "",
        f"The first {len(c)} models: estimates by `sem()`, and lavaan's own check of them.",
        "",
        "| | ours | lavaan |",
        "|---|---|---|",
        f"| converged | {int(c['converged_ours'].sum())} | {int(c['converged'].sum())} |",
        f"| proper | {int(proper.sum())} | {int(c['proper'].sum())} |",
        f"| proper here alone | {int((proper & ~c['proper']).sum())} | "
        f"{int((~proper & c['proper']).sum())} |",
        f"| refused or stopped with an error | {int(c['outcome'].isin(('refused', 'crash')).sum())} | "
        f"{int(c['message'].fillna('').ne('').sum())} |",
        "",
        f"Objective per row, ours less lavaan's, over the {len(gap)} that both converged on: from "
        f"{gap.min():.1e} to {gap.max():.1e}, median {gap.median():.1e}; above by more than "
        f"{NOT_ABOVE:g}: {int((gap > NOT_ABOVE).sum())}; below by more: {int((gap < -NOT_ABOVE).sum())}.",
        "",
    ]


def breaches(c: pd.DataFrame) -> list[str]:
    """Models where lavaan is ahead: a proper solution that we lack, or a lower objective."""
    lacking = c[c["proper"] & (c["outcome"] != "proper")]
    above = c[c["gap"] > NOT_ABOVE]
    out = [f"model {r.number}: lavaan's solution is proper, ours {r.outcome}" for r in lacking.itertuples()]
    return out + [f"model {r.number}: objective {r.gap:.2g} above lavaan's" for r in above.itertuples()]
