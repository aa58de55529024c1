from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from sem_models.charts import export
from sem_models.charts.paths import paths
from sem_models.charts.slopes import slopes
from sem_models.errors import DataError


def test_save_writes_the_three_formats(standardized: pd.DataFrame, tmp_path: Path) -> None:
    saved = export.save(paths(standardized), tmp_path / "new" / "folder", "paths")
    assert saved.png is not None
    assert saved.png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert saved.svg is not None
    assert ElementTree.fromstring(saved.svg.read_text(encoding="utf-8")).tag.endswith("svg")
    assert saved.html is not None
    page = saved.html.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=\W*(https?:)?//", page)
    assert "vegaEmbed" in page
    assert "<title>EDS" in page  # the still picture shows until the script has run


def test_only_what_was_asked_for_is_written(standardized: pd.DataFrame, tmp_path: Path) -> None:
    saved = export.save(paths(standardized), tmp_path, "p", formats=("svg",))
    assert (saved.html, saved.png) == (None, None)
    assert [f.name for f in tmp_path.iterdir()] == ["p.svg"]


def test_a_file_in_the_way_is_a_clear_error(standardized: pd.DataFrame, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    with pytest.raises(DataError, match=r"cannot be written to .*blocked"):
        export.save(paths(standardized), blocked, "p", formats=("svg",))
    with pytest.raises(DataError, match="no file name"):
        export.save(paths(standardized), tmp_path, "../p")


def test_png_is_unchanged_but_smaller(standardized: pd.DataFrame) -> None:
    import vl_convert

    spec = export.specification(paths(standardized))
    original = vl_convert.vegalite_to_png(spec, vl_version="6.4", scale=1)
    packed = export.png(spec, scale=1)
    assert len(packed) < 0.6 * len(original)
    assert _pixels(packed) == _pixels(original)


def _pixels(image: bytes) -> bytes:
    import zlib

    data, at = b"", 8
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        kind, chunk = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + chunk) == int.from_bytes(image[at + 8 + size : at + 12 + size], "big")
        data += chunk if kind == b"IDAT" else b""
        at += 12 + size
    return zlib.decompress(data)


def test_notebook_output_needs_no_network(slope_lines: pd.DataFrame) -> None:
    bundle = export.mimebundle(slopes(slope_lines, outcome="PV"))
    assert set(bundle) == {"image/svg+xml", "image/png", "text/plain"}
    assert set(re.findall(r"\w+://[^\"' <]+", str(bundle))) == {"http://www.w3.org/2000/svg"}
    assert bundle["text/plain"].startswith("PV at levels of EDS and OPS")
    assert len(base64.b64decode(bundle["image/png"])) < 150_000


def test_altair_shows_charts_as_bundle_only_when_asked(slope_lines: pd.DataFrame) -> None:
    import altair as alt

    active = alt.renderers.active
    chart = slopes(slope_lines, outcome="PV")
    try:
        export.use_in_notebook()
        assert "image/svg+xml" in chart._repr_mimebundle_()
    finally:
        alt.renderers.enable(active)
    assert alt.renderers.active == active


def test_inlined_graphics_do_not_share_ids() -> None:
    import altair as alt

    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0]})
    one = alt.Chart(frame).mark_point(clip=True).encode(x="x:Q", y="y:Q")
    first, second = export.svg(one), export.svg(one.properties(width=111))
    ids = re.findall(r'\bid="([^"]+)"', first)
    assert ids
    assert not set(ids) & set(re.findall(r'\bid="([^"]+)"', second))
    assert set(re.findall(r"url\(#([^)]+)\)", first)) == set(ids)


def test_specification_is_not_changed_by_exporting(standardized: pd.DataFrame) -> None:
    spec = paths(standardized).to_dict()
    export.svg(spec)
    assert spec["$schema"].startswith("https")


def test_texts_cannot_break_out_of_the_page(standardized: pd.DataFrame) -> None:
    chart = paths(standardized, title="a </script><b> & c", subtitle="<i>")
    page = export.html({"<u>": chart}, title="<s>")
    assert "</script><b>" not in page
    assert "<u>" not in page
    assert "<title>&lt;s&gt;</title>" in page
    assert "a &lt;/script&gt;&lt;b&gt; &amp; c" in export.svg(chart)


@pytest.mark.slow
def test_page_runs_in_a_browser_without_network(standardized: pd.DataFrame, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium here")
    saved = export.save(paths(standardized), tmp_path, "p", formats=("html",))
    assert saved.html is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [browser, *flags, "--virtual-time-budget=4000", "--dump-dom", saved.html.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'class="chart-wrapper' in dom
    assert "SAT → BI".replace(" ", "\N{NO-BREAK SPACE}") in dom.replace("&nbsp;", "\N{NO-BREAK SPACE}")


@pytest.mark.parametrize("weight", ["normal", "bold"])
@pytest.mark.parametrize(
    "words",
    [
        "The quick brown fox jumps over the lazy dog, 0123456789 [.52, .80] (active); N = 387 & _-+/%?!",
        "EDS → PV − .05 – ΔCFI Δχ² ↔ × · … — Größe é",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ],
)
def test_text_widths_agree_with_the_renderer(words: str, weight: str) -> None:
    import altair as alt

    from sem_models.charts import text, theme

    frame = pd.DataFrame({"t": [words]})
    mark = alt.Chart(frame).mark_text(align="left", fontSize=20, font=theme.FONT, fontWeight=weight)
    chart = mark.encode(text="t:N", x=alt.value(0), y=alt.value(0)).properties(width=1, height=1, padding=0)
    rendered = float(ElementTree.fromstring(export.svg(chart)).attrib["width"])
    assert text.text_width(words, 20, bold=weight == "bold") == pytest.approx(rendered, rel=0.015)


def test_every_text_states_its_width(standardized: pd.DataFrame) -> None:
    svg = export.svg(paths(standardized, subtitle="first line\nsecond line"))
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    lines = [e for e in root.iter() if e.tag in (f"{space}text", f"{space}tspan")]
    lines = [e for e in lines if not e.findall(f"{space}tspan")]
    assert len(lines) > 10
    assert all(float(e.attrib["textLength"]) > 0 for e in lines)
