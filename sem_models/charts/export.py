"""Charts out of Altair: SVG that keeps its tooltips, PNG, HTML that needs no network, notebook output.

Everything takes a chart or its Vega-Lite dictionary. Vega writes a mark's `description` into `aria-label`;
here each such mark also gets a `<title>`, which browsers show on hovering without any script.
"""

from __future__ import annotations

import hashlib
import html as html_text
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

from sem_models.charts.text import text_width
from sem_models.errors import DataError

if TYPE_CHECKING:
    from altair.typing import ChartType

Format = Literal["html", "svg", "png"]
FORMATS: tuple[Format, ...] = ("html", "svg", "png")
PNG_SCALE = 300 / 96
_SVG = "http://www.w3.org/2000/svg"
# Vega names axes, legends and titles too; those are no data and would only get in the way of the pointer.
_NO_TIP = {"axis", "legend", "title", "subtitle", "header"}


@dataclass(frozen=True, slots=True)
class Saved:
    """Where the files of one chart are; None for a format that was not asked for."""

    html: Path | None
    svg: Path | None
    png: Path | None


def specification(chart: ChartType | Mapping[str, Any]) -> dict[str, Any]:
    """The chart as a Vega-Lite dictionary that names no web address (`$schema` dropped)."""
    spec = dict(chart) if isinstance(chart, Mapping) else chart.to_dict()
    spec.pop("$schema", None)
    return spec


def svg(chart: ChartType | Mapping[str, Any]) -> str:
    """Vector graphic with a `<title>` on each data mark; several may stand in one page.

    Ids are prefixed by a hash of the graphic, since clip paths of inlined graphics would else collide.
    The only address inside is the SVG namespace.
    """
    import vl_convert

    return _annotate(vl_convert.vegalite_to_svg(specification(chart), vl_version=_vl_version()))


def png(chart: ChartType | Mapping[str, Any], *, scale: float = PNG_SCALE) -> bytes:
    """Bitmap; the default scale gives 300 dpi at 16 cm."""
    import vl_convert

    return _repacked(vl_convert.vegalite_to_png(specification(chart), vl_version=_vl_version(), scale=scale))


def html(charts: ChartType | Mapping[str, Any] | Mapping[str, ChartType], *, title: str = "Chart") -> str:
    """One page with one chart, or with several under their headings, and the script embedded once."""
    several = isinstance(charts, Mapping) and not _is_spec(charts)
    named: dict[str, Any] = dict(charts) if several else {"": charts}
    specs = [specification(c) for c in named.values()]
    blocks = []
    for i, (heading, spec) in enumerate(zip(named, specs, strict=True)):
        shown = f"<h2>{html_text.escape(heading)}</h2>" if heading else ""
        blocks.append(f'{shown}<div class="chart" id="chart{i}">{svg(spec)}</div>')
    data = json.dumps(specs, ensure_ascii=False).replace("</", "<\\/")
    return _PAGE.format(
        title=html_text.escape(title), blocks="\n".join(blocks), script=_bundle(_vl_version()), specs=data
    )


def save(
    chart: ChartType | Mapping[str, Any],
    folder: str | Path,
    name: str,
    *,
    formats: tuple[Format, ...] = FORMATS,
) -> Saved:
    """Write `folder/name.html`, `.svg` and `.png`; the folder is made. DataError if it cannot be written."""
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise DataError(f"Charts are not written as {', '.join(unknown)}. Formats: {', '.join(FORMATS)}.")
    if not re.fullmatch(r"[\w.\- ]+", name):
        raise DataError(f"'{name}' is no file name: use letters, digits, '-', '_' and '.'.")
    target = Path(folder)
    spec = specification(chart)
    paths = {f: target / f"{name}.{f}" for f in formats}
    try:
        target.mkdir(parents=True, exist_ok=True)
        if "html" in paths:
            paths["html"].write_text(html(spec, title=name), encoding="utf-8")
        if "svg" in paths:
            paths["svg"].write_text(svg(spec), encoding="utf-8")
        if "png" in paths:
            paths["png"].write_bytes(png(spec))
    except OSError as error:
        raise DataError(
            f"The chart '{name}' cannot be written to {target}: {error.strerror}. Choose another folder."
        ) from error
    return Saved(html=paths.get("html"), svg=paths.get("svg"), png=paths.get("png"))


def mimebundle(chart: ChartType | Mapping[str, Any], *, bitmap: bool = True) -> dict[str, str]:
    """Notebook output that needs no script, no network and no trust.

    JupyterLab shows SVG only in trusted notebooks; the bitmap (50 to 100 kB) is what others see.
    nbconvert takes the SVG, tooltips included.
    """
    import base64

    spec = specification(chart)
    bundle = {"image/svg+xml": svg(spec), "text/plain": description(spec)}
    if bitmap:
        bundle["image/png"] = base64.b64encode(png(spec, scale=1.5)).decode("ascii")
    return bundle


def show(chart: ChartType | Mapping[str, Any]) -> None:
    """Display a chart in a notebook as `mimebundle`."""
    from IPython.display import display

    display(mimebundle(chart), raw=True)  # type: ignore[no-untyped-call]


def use_in_notebook() -> None:
    """Make Altair show every chart of this kernel as `mimebundle` (a chart as a cell's last line will do)."""
    import altair as alt

    alt.renderers.register("sem_models", mimebundle)
    alt.renderers.enable("sem_models")


def description(chart: ChartType | Mapping[str, Any]) -> str:
    """The title and subtitle as one text, for places that show no picture."""
    heading = specification(chart).get("title", "")
    if isinstance(heading, Mapping):
        parts = [heading.get("text", ""), heading.get("subtitle", "")]
        return "\n".join(" ".join(p) if isinstance(p, list) else str(p) for p in parts if p)
    return " ".join(heading) if isinstance(heading, list) else str(heading)


def _is_spec(mapping: Mapping[str, Any]) -> bool:
    return any(
        key in mapping for key in ("mark", "layer", "hconcat", "vconcat", "concat", "facet", "repeat", "spec")
    )


def _vl_version() -> str:
    """The Vega-Lite release Altair writes, as vl-convert names it (`6.4`)."""
    import altair as alt

    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


@lru_cache(maxsize=1)
def _bundle(version: str) -> str:
    import vl_convert

    script = vl_convert.javascript_bundle(vl_version=version)  # type: ignore[call-arg]
    return script.replace("</script", "<\\/script")


def _repacked(image: bytes) -> bytes:
    """The same PNG with its pixels compressed well: vl-convert compresses for speed, to 4 times the size."""
    head, chunks, at = image[:8], [], 8
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        chunks.append((image[at + 4 : at + 8], image[at + 8 : at + 8 + size]))
        at += 12 + size
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    rest = [c for c in chunks if c[0] not in (b"IDAT", b"IEND")]
    packed = [*rest, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return head + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
        for kind, data in packed
    )


def _annotate(source: str) -> str:
    """Fix the widths of texts, add `<title>` to data marks, make ids unique, drop unused xlink."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(source)
    for element in root.iter(f"{{{_SVG}}}text"):
        _fix_widths(element)
    for element in list(root.iter()):
        tip = element.get("aria-label")
        if tip and element.get("aria-roledescription") not in _NO_TIP:
            child = ElementTree.Element(f"{{{_SVG}}}title")
            child.text = tip
            child.tail, element.text = element.text, None  # the title comes before the words of a text
            element.insert(0, child)
            element.attrib.pop("pointer-events", None)
    text = ElementTree.tostring(root, encoding="unicode")
    prefix = "g" + hashlib.sha256(source.encode()).hexdigest()[:8]
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}_\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}_\1)", text)


def _fix_widths(element: ElementTree.Element) -> None:
    """State how wide each line was laid out, so that another font of a viewer neither cuts nor overlaps."""
    size = float(element.get("font-size", "11px").removesuffix("px"))
    bold = element.get("font-weight") == "bold"
    for line in list(element) or [element]:
        width = text_width(line.text or "", size, bold=bold)
        if width:
            line.set("textLength", f"{width:.1f}")
            line.set("lengthAdjust", "spacingAndGlyphs")


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1.5rem; font-family: Arial, 'Liberation Sans', Helvetica, sans-serif; color: #1a1a1a; }}
.chart {{ margin-bottom: 2rem; overflow-x: auto; }}
.chart svg {{ max-width: 100%; height: auto; }}
#vg-tooltip-element {{ white-space: pre-line; font-family: inherit; }}
@media print {{ details {{ display: none; }} }}
</style>
</head>
<body>
{blocks}
<script>{script}</script>
<script>
const specs = {specs};
const options = {{renderer: "svg", actions: {{export: true, source: false, compiled: false, editor: false}}}};
specs.forEach((spec, i) => {{
  const place = document.getElementById("chart" + i);
  const still = place.innerHTML;
  vegaEmbed(place, spec, options).catch(error => {{ console.error(error); place.innerHTML = still; }});
}});
</script>
</body>
</html>
"""
