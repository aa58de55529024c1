"""Which claims do the data support? Every claim with its verdict, its figures and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.findings.scorecard import scorecard
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

SHOWN = ("claim", "part", "title", "estimate", "ci_lower", "ci_upper", "scale", "pvalue_adjusted",
         "probability", "verdict", "reason")  # fmt: skip
NOTE = (
    "A part is supported, or contradicted, where its interval lies wholly on that side; a claim where all "
    "its primary parts are. p adjusted for the number of parts (Holm). Probability: posterior, of the "
    "claimed direction, under a flat prior. Service records are observed, not assigned: associations."
)


def section(study: Study) -> Section:
    """The scorecard of the specification's claims."""
    card = scorecard(study.spec, study.frame, **study.options,
                     interactions={"method": study.method})  # fmt: skip
    rows = card.table()
    heads = rows[rows["part"] == ""]
    sentences = tuple(_sentence(row) for row in heads.to_dict("records"))
    counts = heads["verdict"].value_counts()
    said = say.listing([f"{counts[v]} {v}" for v in counts.index])
    return Section(
        "scorecard",
        "Which claims do these data support?",
        f"{card.header.line()} · rules {card.rules.version}, {card.rules.confidence:.0%} intervals",
        (f"Of {len(heads)} claims: {said}.", *sentences),
        key=(f"Of {len(heads)} claims: {said}.",),
        tables=(
            Table("scorecard", "Scorecard", rows, view=_view(rows), shown=SHOWN, note=NOTE,
                  headings={"estimate": "Estimate", "title": "What", "part": "Part", "reason": "Reason"}),
        ),
        charts={"scorecard": card.chart()},
    )  # fmt: skip


def _sentence(row: dict[object, object]) -> str:
    reason = f" {row['reason']}" if row["reason"] else ""
    return f"{row['claim']}, “{row['title']}”: {row['verdict']}.{reason}"


def _view(rows: pd.DataFrame) -> pd.DataFrame:
    """Parts only, with the claim's own verdict standing in its sentence above."""
    return rows[rows["part"] != ""]
