"""A two-stage moderation in the layout R users know: the measurement blocks, tests, parameters by kind."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from sem_models.reports.summary import fit_tables, number, pair, parameter_lines

if TYPE_CHECKING:
    from sem_models.moderation.two_stage.result import TwoStageModeration


@dataclass(frozen=True, slots=True, repr=False)
class TwoStageSummary:
    """What `summary()` of a two-stage moderation returns: text where text is shown, tables in a notebook."""

    result: TwoStageModeration

    def __str__(self) -> str:
        return "\n".join([*_head(self.result), "", *parameter_lines(self.result.fit)]) + "\n"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from sem_models.reports.section import STYLE

        first, *rest = _head(self.result)
        head = f"<p><b>{escape(first)}</b></p>" + "".join(f"<p>{escape(line.strip())}</p>" for line in rest)
        tables = "".join(table.html() for table in fit_tables(self.result.fit))
        return f"<style>{STYLE}</style><div>{head}{tables}</div>"


def _head(result: TwoStageModeration) -> list[str]:
    """The method, what was measured first, and the Wald tests of the products."""
    head = result.header
    lines = [result.title[:1].upper() + result.title[1:]]
    lines += [f"  ! {note}" for note in head.notes]
    lines += [
        pair("Number of observations", f"used {head.n_used}", f"of {head.n_available}"),
        pair("Measurement blocks", "χ²", "df", "p"),
    ]
    for row in result.blocks().to_dict("records"):
        lines.append(
            pair(f"  {row['block']}", number(row["chisq"]), f"{row['df']:.0f}", number(row["pvalue"]))
        )
    lines.append(pair("Wald tests of the products", "W", "df", "p"))
    for row in result.interaction_test().to_dict("records"):
        lines.append(
            pair(f"  {row['term']}", number(row["wald"]), f"{row['df']:.0f}", number(row["wald_pvalue"]))
        )
    return lines
