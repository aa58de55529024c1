"""Are visits and calls worth it, and for whom? Claims C5 to C7 with the region where visits are welcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.charts import text
from sem_models.errors import SpecError
from sem_models.findings.evidence import NOT_TESTABLE
from sem_models.findings.fits import NotTestable
from sem_models.findings.parts import same_moderator
from sem_models.findings.scorecard import Scorecard, scorecard
from sem_models.reports.findings.scorecard import NOTE, SHOWN
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.reports.study import Study

CLAIMS = ("C5", "C6", "C7")


def section(study: Study) -> Section:
    """Visits against calls, and the effect of a visit over activity and prior value."""
    chosen = tuple(c for c in study.spec.claims if c.id in CLAIMS)
    if not chosen:
        raise SpecError(
            f"'{study.spec.id}' states none of the claims {', '.join(CLAIMS)} on visits and calls."
        )
    card = scorecard(
        study.spec.model_copy(update={"claims": chosen}), study.frame, **study.options,
        interactions={"method": study.method},
    )  # fmt: skip
    rows = card.table()
    rows = rows[rows["claim"].isin(CLAIMS)]
    parts = rows[rows["part"] != ""]
    sentences = [
        f"{row['claim']}, “{row['title']}”: {row['verdict']}. {row['reason']}".strip()
        for row in rows[rows["part"] == ""].to_dict("records")
    ]
    figures = [
        f"{row['title']}: {text.estimate(row['estimate'], row['ci_lower'], row['ci_upper'], bounded=False)}, "
        f"{row['verdict']}."
        for row in parts.to_dict("records")
        if row["verdict"] != NOT_TESTABLE
    ]
    return Section(
        "visits",
        "Are visits and calls worth it, and for whom?",
        card.header.line(),
        (*sentences, *figures),
        key=tuple(sentences),
        tables=(
            Table("visits_and_calls", "Visits and calls", parts, shown=SHOWN, note=NOTE,
                  headings={"estimate": "Estimate", "title": "What", "part": "Part", "reason": "Reason"}),
        ),
        charts=_charts(study, card),
    )  # fmt: skip


def _charts(study: Study, card: Scorecard) -> dict[str, ChartType]:
    """Where a visit is welcome, over the two moderators of the three-way claim."""
    threefold = next((m for m in study.spec.moderations if m.second), None)
    if threefold is None:
        return {}
    try:
        result = card.fits.moderated(same_moderator(study.spec, threefold))
    except NotTestable:
        return {}
    chart = result.charts.surface(
        threefold.outcome, threefold.predictor, threefold.ends[1:], names=study.names
    )
    return {"welcome": chart}
