"""How much of one service makes up for less of another? Rates of substitution, lines of equal value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sem_models.charts import text
from sem_models.findings.trade_off import TradeOff, trade_off
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study


def section(
    study: Study, *, outcome: str, takes: str, gives: str, costs: Mapping[str, float] | None = None,
    target: float | None = None,
) -> Section:  # fmt: skip
    """The trade-off of two services, by group where the study has a moderator."""
    fitted = study.group_moderation.fit if study.moderator is not None else study.fit
    found = trade_off(fitted, outcome=outcome, takes=takes, gives=gives)
    mixes = _mixes(found, costs, target)
    names = say.as_names(study.names)
    words = [names.get(n, n) for n in (takes, gives, outcome)]
    sentences = [_rate(row, *words) for row in found.rates().to_dict("records")]
    points = [s for s, row in zip(sentences, found.rates().to_dict("records"), strict=True)
              if row["scale"] == "points"]  # fmt: skip
    return Section(
        "trade_off",
        f"How much {words[0]} makes up for less {words[1]}?",
        found.fit.header.line(),
        (*points, *mixes),
        key=tuple(points),
        tables=(
            Table("rates_of_substitution", "Rates of substitution", found.rates(), names=study.names,
                  note="Total effects; points of the items' scale and pooled standard deviations; Fieller."),
        ),
        charts={"iso_value": found.chart(names=study.names)},
        cautions=tuple(say.status_sentences(found.fit.status, "the model of the trade-off")),
    )  # fmt: skip


def _rate(row: dict[object, object], takes: str, gives: str, outcome: str) -> str:
    where = f" for {row['group']} customers" if row["group"] else ""
    if row["set"] != "interval":
        return f"How much {takes} makes up for less {gives}{where} cannot be said. {row['note']}"
    low, high = float(str(row["ci_lower"])), float(str(row["ci_upper"]))
    figures = text.estimate(float(str(row["rate"])), low, high, bounded=False)
    held = f"A point less {gives} leaves {outcome} as it is with {figures} points more {takes}{where}."
    return held if low > 0 else f"{held} The set covers 0: there may be nothing to make up for."


def _mixes(found: TradeOff, costs: Mapping[str, float] | None, target: float | None) -> list[str]:
    """The cheapest mix by group, where costs and a target are given."""
    if costs is None or target is None:
        return []
    out = []
    for label in found.fit.groups:
        mix = found.cheapest(costs=costs, target=target, group=label or None)
        where = f"{say.first_upper(label)}: " if label else ""
        out.append(f"{where}{mix.sentence}")
    return out
