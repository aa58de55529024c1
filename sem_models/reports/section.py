"""A section of a report: sentences, tables and charts that can be shown, saved or set in a page."""

from __future__ import annotations

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
figure.table{margin:1.2em 0;overflow-x:auto}figure.table figcaption{font-weight:600;margin-bottom:.35em}
figure.table table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.86em}
figure.table th,figure.table td{padding:.22em .7em;border-bottom:1px solid #ddd;vertical-align:top}
figure.table th{border-bottom:1.5px solid #444;font-weight:600}
figure.table .num{text-align:right;white-space:nowrap}figure.table .txt{text-align:left}
p.note{color:#555;font-size:.82em;margin:.35em 0 0}span.note{color:#555;font-size:.82em;font-weight:400}
"""


@dataclass(frozen=True)
class Section:
    """One question answered: `sentences` in reading order, then tables and charts; `key` are those for a summary."""

    id: str
    title: str
    header: str
    sentences: tuple[str, ...]
    key: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: Mapping[str, ChartType] = field(default_factory=dict)

    def html(self) -> str:
        """The section as HTML with its charts as vector graphics; needs no script and no network."""
        from sem_models.charts.export import svg

        text = "".join(f"<p>{escape(s)}</p>" for s in self.sentences)
        charts = "".join(f'<div class="chart">{svg(chart)}</div>' for chart in self.charts.values())
        tables = "".join(table.html(self.header) for table in self.tables)
        return (
            f'<section id="{self.id}"><h2>{escape(self.title)}</h2><p class="note">{escape(self.header)}</p>'
            f"{text}{charts}{tables}</section>"
        )

    def show(self) -> None:
        """Display the section in a notebook: text, charts, tables."""
        from IPython.display import HTML, display

        from sem_models.charts.export import show

        text = "".join(f"<p>{escape(s)}</p>" for s in self.sentences)
        display(
            HTML(
                f"<style>{STYLE}</style><h3>{escape(self.title)}</h3><p class='note'>{escape(self.header)}</p>{text}"
            )
        )  # type: ignore[no-untyped-call]
        for chart in self.charts.values():
            show(chart)
        for table in self.tables:
            display(HTML(table.html(self.header)))  # type: ignore[no-untyped-call]

    def save(self, folder: str | Path) -> list[Path]:
        """Write tables as CSV and charts as HTML, SVG and PNG; returns the files. DataError if it cannot be written."""
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
