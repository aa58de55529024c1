"""One self-contained HTML page: text, tables, vector charts and provenance; no script, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sem_models.reports.section import STYLE, Section, prose

_CSS = """
body{font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:#1b1b1b;
max-width:62em;margin:2em auto;padding:0 1.2em}
h1{font-size:1.7em;line-height:1.2;margin-bottom:.3em}
h2{font-size:1.25em;margin-top:2.2em;border-top:1px solid #ccc;padding-top:1em}
nav{margin:.6em 0}nav a{margin-right:1.2em}a{color:#0b5cad}
.simulated{background:#fff3cd;border-left:4px solid #b58900;padding:.6em 1em;margin:.8em 0}
.chart{margin:1.6em 0;overflow-x:auto}.chart svg{width:100%;max-width:47em;height:auto}
.key{background:#f4f7fa;padding:.7em 1.2em .4em}
.key ul{margin:.3em 0;padding-left:1.2em}.key li{margin:.3em 0}
table.facts{border-collapse:collapse;font-size:.9em}table.facts th{text-align:left;font-weight:400;color:#555}
table.facts th,table.facts td{padding:.15em 1.2em .15em 0;vertical-align:top;overflow-wrap:anywhere}
pre{background:#f6f6f6;padding:1em;overflow-x:auto;font-size:.8em}
@media print{
@page{margin:18mm}
body{max-width:none;margin:0;padding:0;font-size:10.5pt}nav{display:none}a{color:inherit;text-decoration:none}
h2{break-after:avoid}figure.table figcaption{break-after:avoid}tr,.chart,.key{break-inside:avoid}
thead{display:table-header-group}figure.table,.chart,pre{overflow:visible}
figure.table table{font-size:7.5pt}figure.table .txt{white-space:normal}figure.table td.long{min-width:8em}
figure.table th,figure.table td{padding:.15em .35em}pre{white-space:pre-wrap}
details::details-content{content-visibility:visible;block-size:auto}
}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1>{simulated}{cautions}{key}<nav>{nav}</nav>
{sections}
<section id="provenance"><h2>Provenance</h2>
<p>The same data, specification and options give these figures again.</p>
{facts}<details><summary>All options</summary><pre>{provenance}</pre></details></section>
</body></html>
"""
_SIMULATED = (
    '<p class="simulated"><b>Simulated data.</b> These answers and service records were drawn from a '
    "written-down population. They show what the toolkit does and say nothing about real customers.</p>"
)
ORDER = ("moderation", "structure", "measurement", "screening")
"""Sections in the order of the summary: the answer first, then what it rests on."""
FACTS = {
    "data_file": "Data file",
    "data_hash": "Data (sha256)",
    "spec": "Specification",
    "spec_hash": "Specification (sha256)",
    "moderator": "Moderator",
    "reference_group": "Reference group",
    "version": "sem_models",
    "engine": "Engine",
    "numpy": "NumPy",
    "python": "Python",
}


def page(
    title: str, sections: Sequence[Section], provenance: Mapping[str, Any], *, simulated: bool = False
) -> str:
    """The report as text."""
    links = "".join(f'<a href="#{s.id}">{escape(s.title)}</a>' for s in sections)
    cautions = dict.fromkeys(c for s in sections for c in s.cautions)
    return _PAGE.format(
        title=escape(title),
        style=STYLE + _CSS,
        simulated=_SIMULATED if simulated else "",
        cautions="".join(f'<p class="caution">{prose(c)}</p>' for c in cautions),
        key=_key(sections),
        nav=links + '<a href="#provenance">Provenance</a>',
        sections="\n".join(s.html() for s in sections),
        facts=_facts(provenance),
        provenance=escape(json.dumps(provenance, indent=2, default=str, ensure_ascii=False)),
    )


def _key(sections: Sequence[Section]) -> str:
    ranked = sorted(sections, key=lambda s: ORDER.index(s.id) if s.id in ORDER else len(ORDER))
    points = "".join(f"<li>{prose(sentence)}</li>" for s in ranked for sentence in s.key)
    if not points:
        return ""
    header = next((s.header for s in ranked), "")
    return (
        f'<div class="key"><b>In short</b> <span class="note">{escape(header)}</span><ul>{points}</ul></div>'
    )


def _facts(provenance: Mapping[str, Any]) -> str:
    options = provenance.get("options", {})
    shown = {words: provenance.get(key) for key, words in FACTS.items()}
    shown |= {"Estimator": options.get("estimator"), "Missing answers": options.get("missing")}
    rows = "".join(
        f"<tr><th>{escape(words)}</th><td>{escape(str(value))}</td></tr>"
        for words, value in shown.items()
        if value is not None
    )
    return f'<table class="facts">{rows}</table>'
