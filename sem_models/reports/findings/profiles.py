"""Does one mix fit all? Segments of customers by what they respond to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.findings.profiles import Profiles
    from sem_models.reports.study import Study

NOTE = (
    "Effects at each customer's own moderators, whose errors count; a suggestion is made where the 95 % "
    "interval excludes 0. Segments of fewer than 5 customers are not shown."
)


def section(study: Study, found: Profiles) -> Section:
    """Segments by suggestion; rows of customers are not in it."""
    segments = found.segments()
    sentences = tuple(
        f"{row['share']:.0%} of the customers ({row['customers']}): {row['segment']}."
        for row in segments.to_dict("records")
    )
    from sem_models.charts.segments import segments as draw

    return Section(
        "profiles",
        f"Does one service mix fit all, for {say.as_names(study.names).get(found.outcome, found.outcome)}?",
        found.header.line(),
        (*sentences, *found.notes),
        key=sentences[:2],
        tables=(Table("segments", "Segments by what customers respond to", segments, note=NOTE),),
        charts={"segments": draw(segments, subtitle=found.header.line())} if len(segments) else {},
    )
