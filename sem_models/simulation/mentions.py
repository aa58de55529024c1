"""SIMULATED mentions: what respondents of the servuction example name when they describe the service freely.

Every probability is an assumption of this file, chosen so that customers name more of the process than of the
outcome and some elements that the provider's own list lacks; none comes from a study.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

ELEMENTS: tuple[tuple[str, str, float, bool], ...] = (
    ("people know our business", "process", 0.34, True),
    ("answers come quickly", "process", 0.31, True),
    ("one person stays responsible", "process", 0.22, False),
    ("plans are made together", "process", 0.19, False),
    ("appointments are kept", "process", 0.17, True),
    ("premises and equipment", "process", 0.12, True),
    ("orders pass between departments", "process", 0.10, False),
    ("the service works", "outcome", 0.24, True),
    ("the price", "outcome", 0.18, True),
    ("faults stay away afterwards", "outcome", 0.11, True),
    ("reports and figures", "outcome", 0.06, True),
    ("awards and certificates", "outcome", 0.004, True),
    ("technical lead", "outcome", 0.015, True),
    ("help beyond the contract", "process", 0.008, False),
)
"""Element, kind, probability that a respondent names it, and whether the provider's list has it."""
SEED, RESPONDENTS = 4, 240


def simulated_mentions() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coded mentions (respondent, element, kind; one row each) and the provider's list (element, kind)."""
    rng = np.random.default_rng(SEED)
    chance = np.array([e[2] for e in ELEMENTS])
    who, what = np.nonzero(rng.random((RESPONDENTS, len(ELEMENTS))) < chance)
    named = [ELEMENTS[k] for k in what]
    table = pd.DataFrame(
        {
            "respondent": [f"R{i + 1:03d}" for i in who],
            "element": [e[0] for e in named],
            "kind": [e[1] for e in named],
        }
    )
    own = [(e[0], e[1]) for e in ELEMENTS if e[3]]
    return table, pd.DataFrame(own, columns=["element", "kind"])


def write_mentions(folder: Path) -> tuple[Path, Path]:
    """Write both tables of the servuction example as CSV into a folder; returns their paths."""
    table, provider = simulated_mentions()
    mentions, own = folder / "servuction_mentions.csv", folder / "servuction_provider.csv"
    table.to_csv(mentions, index=False, lineterminator="\n", encoding="utf-8")
    provider.to_csv(own, index=False, lineterminator="\n", encoding="utf-8")
    return mentions, own
