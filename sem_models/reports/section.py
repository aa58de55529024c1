"""A section of a report: sentences, tables and charts that can be shown, saved or set in a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sem_models.errors import DataError
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from altair.typing import ChartType

STYLE = """
figure.table{margin:1.4em 0;overflow-x:auto}figure.table figcaption{font-weight:600;margin-bottom:.35em}
figure.table table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.86em}
figure.table th,figure.table td{padding:.22em .5em;border-bottom:1px solid #ddd;vertical-align:top}
figure.table th,figure.table td{background:none}
figure.table th{border-bottom:1.5px solid #444;font-weight:600}
figure.table .num{text-align:right;white-space:nowrap}figure.table .txt{text-align:left;white-space:nowrap}
figure.table td.long{white-space:normal;min-width:16em}

figure.table .grouped td:first-child{border-bottom:0}
figure.table .grouped tr:last-child td:first-child{border-bottom:1px solid #ddd}
figure.table .grouped tbody tr:not(.again):not(:first-child) td{border-top:1px solid #999}
p.note,span.note{color:#555;font-size:.82em;font-weight:400}p.note{margin:.35em 0 0}
p.say{margin:.45em 0}
p.caution{border-left:4px solid #b00020;background:#fdecee;color:#8a0018;padding:.6em 1em;font-weight:600}
details.table{margin:1em 0}details.table summary{font-weight:600;cursor:pointer}
"""


@dataclass(frozen=True, repr=False)
class Section:
    """One question answered: `sentences` in reading order, then charts and tables.

    `cautions` come before all else and are also set at the head of a report; `key` are the sentences for its
    summary.
    """

    id: str
    title: str
    header: str
    sentences: tuple[str, ...]
    key: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: Mapping[str, ChartType] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()

    def html(self) -> str:
        """The section as HTML with its charts as vector graphics; needs no script and no network."""
        from sem_models.charts.export import svg

        charts = "".join(f'<div class="chart">{svg(chart)}</div>' for chart in self.charts.values())
        tables = "".join(table.html(self.header) for table in self.tables)
        return (
            f'<section id="{self.id}"><h2>{escape(self.title)}</h2>{self._words()}{charts}{tables}</section>'
        )

    def show(self) -> None:
        """Display the section in a notebook: text, charts, tables."""
        from IPython.display import HTML, display

        from sem_models.charts.export import show

        head = f"<style>{STYLE}</style><h3>{escape(self.title)}</h3>{self._words()}"
        display(HTML(head))  # type: ignore[no-untyped-call]
        for chart in self.charts.values():
            show(chart)
        for table in self.tables:
            display(HTML(table.html(self.header)))  # type: ignore[no-untyped-call]

    def save(self, folder: str | Path) -> list[Path]:
        """Write tables as CSV and charts as HTML, SVG and PNG; returns the files.

        Raises DataError if they cannot be written.
        """
        from sem_models.charts.export import save

        target = Path(folder)
        written: list[Path] = []
        try:
            (target / "tables").mkdir(parents=True, exist_ok=True)
            for table in self.tables:
                path = target / "tables" / f"{self.id}_{table.name}.csv"
                table.frame.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
                written.append(path)
        except OSError as error:
            raise DataError(
                f"Tables cannot be written to {target}: {error.strerror}. Choose another folder."
            ) from error
        for name, chart in self.charts.items():
            saved = save(chart, target / "charts", f"{self.id}_{name}")
            written += [p for p in (saved.html, saved.svg, saved.png) if p is not None]
        return written

    def _words(self) -> str:
        cautions = "".join(f'<p class="caution">{prose(s)}</p>' for s in self.cautions)
        sentences = "".join(f'<p class="say">{prose(s)}</p>' for s in self.sentences)
        return f'<p class="note">{escape(self.header)}</p>{cautions}{sentences}'

    def __str__(self) -> str:
        """Title, header and sentences as text."""
        lines = [self.title, f"  {self.header}", "", *(f"  ! {s}" for s in self.cautions)]
        return "\n".join([*lines, *(f"  {s}" for s in self.sentences)])

    def __repr__(self) -> str:
        names = ", ".join([t.name for t in self.tables] + [f"{c} (chart)" for c in self.charts])
        return f"{self}\n\n  Tables and charts: {names}"

    def _repr_html_(self) -> str:
        return f"<style>{STYLE}</style>{self.html()}"


def prose(sentence: str) -> str:
    """A sentence as HTML, with figures kept on one line with their signs and units."""
    return escape(
        re.sub(
            r"(?<=[\d=<]) (?=[\d%<=.−])|(?<=\bp) (?=[=<])|(?<=%) (?=interval)", "\N{NO-BREAK SPACE}", sentence
        )
    )
