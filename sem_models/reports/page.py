"""One self-contained HTML page: text, tables, vector charts and provenance; no script, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sem_models.reports.section import STYLE, Section

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:#1b1b1b;max-width:60em;margin:2em auto;padding:0 1.2em}}
h1{{font-size:1.7em;line-height:1.2;margin-bottom:.3em}}h2{{font-size:1.25em;margin-top:2.2em;border-top:1px solid #ccc;padding-top:1em}}
nav a{{margin-right:1.2em}}a{{color:#0b5cad}}.simulated{{background:#fff3cd;border-left:4px solid #b58900;padding:.6em 1em}}
.chart{{margin:1.2em 0;overflow-x:auto}}.chart svg{{width:100%;max-width:47em;height:auto}}
.key{{background:#f4f7fa;padding:.8em 1.2em}}.key li{{margin:.3em 0}}
details{{margin-top:2em}}pre{{background:#f6f6f6;padding:1em;overflow-x:auto;font-size:.8em}}
@media print{{body{{max-width:none;margin:0;font-size:10.5pt}}nav{{display:none}}section{{break-before:auto}}.chart,figure.table{{break-inside:avoid}}}}
{style}</style></head><body>
<h1>{title}</h1>{simulated}<nav>{nav}</nav>
{key}
{sections}
<section id="provenance"><h2>Provenance</h2><p>These figures come back from the same data, specification and options.</p>
<pre>{provenance}</pre></section>
</body></html>
"""
_SIMULATED = (
    '<p class="simulated"><b>Simulated data.</b> These answers and service records were drawn from a written-down population. '
    "They show what the toolkit does and say nothing about real customers.</p>"
)


def page(
    title: str, sections: Sequence[Section], provenance: Mapping[str, Any], *, simulated: bool = False
) -> str:
    """The report as text."""
    nav = (
        "".join(f'<a href="#{s.id}">{escape(s.title)}</a>' for s in sections)
        + '<a href="#provenance">Provenance</a>'
    )
    return _PAGE.format(
        title=escape(title),
        style=STYLE,
        key=_key(sections),
        simulated=_SIMULATED if simulated else "",
        nav=nav,
        sections="\n".join(s.html() for s in sections),
        provenance=escape(json.dumps(provenance, indent=2, default=str, ensure_ascii=False)),
    )


def _key(sections: Sequence[Section]) -> str:
    points = "".join(f"<li>{escape(sentence)}</li>" for s in sections for sentence in s.key)
    return f'<div class="key"><b>In short</b><ul>{points}</ul></div>' if points else ""
