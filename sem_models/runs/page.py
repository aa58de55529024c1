"""An executed notebook as one HTML page: text, tables and charts, no code, no script and no web address."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

LAB_ONLY = "lab-only"
"""Tag of cells that speak of the cells around them, and so are left out of a page without code."""
_STYLE = """
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1d1d1d; background: #fff;
       font: 16px/1.5 "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1, h2, h3 { line-height: 1.2; margin: 1.8em 0 .5em; } h1 { margin-top: 0; }
table { border-collapse: collapse; margin: 1em 0; font-size: .9em; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; } caption { text-align: left; font-weight: 600; }
pre { white-space: pre-wrap; } svg, img { max-width: 100%; height: auto; } a.anchor-link { display: none; }
.facts { color: #555; font-size: .9em; border-left: 3px solid #bbb; padding-left: .8em; }
.output_stderr, .output_error { background: #fbeeee; padding: .1em .8em; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } }
"""
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><p class="facts">{facts}</p>
{body}
</body></html>
"""


def page(notebook: Any, title: str, facts: Mapping[str, object]) -> str:
    """HTML of an executed notebook (a NotebookNode), headed by the facts of its run.

    nbconvert's own pages load MathJax and require.js from public hosts; its `basic` template is the body
    alone, which is put in a page of ours.
    """
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import TagRemovePreprocessor

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    without: Any = TagRemovePreprocessor(remove_cell_tags={LAB_ONLY})  # type: ignore[no-untyped-call]
    exporter.register_preprocessor(without, enabled=True)  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(notebook)
    line = " · ".join(f"{escape(name)}: {escape(str(value))}" for name, value in facts.items())
    return _PAGE.format(title=escape(title), style=_STYLE, facts=line, body=body)
