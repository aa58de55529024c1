"""Each chart compiles, shows all of its numbers as tooltips, and stays within the page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

from sem_models.charts import export, theme
from sem_models.charts.diagram import diagram
from sem_models.charts.invariance import invariance
from sem_models.charts.loadings import loadings
from sem_models.charts.paths import paths
from sem_models.charts.slopes import slopes
from sem_models.errors import DataError

HEAD = "MLR, FIML; N = 387 used of 387; converged, admissible."
Make = Callable[[], Any]


@pytest.fixture
def charts(
    standardized: pd.DataFrame,
    grouped: pd.DataFrame,
    differences: pd.DataFrame,
    slope_lines: pd.DataFrame,
    comparisons: pd.DataFrame,
    levels: pd.DataFrame,
) -> dict[str, Make]:
    return {
        "paths": lambda: paths(standardized, subtitle=HEAD),
        "paths by group": lambda: paths(grouped, differences=differences, subtitle=HEAD),
        "slopes": lambda: slopes(slope_lines, outcome="PV", subtitle=HEAD),
        "loadings": lambda: loadings(standardized, subtitle=HEAD),
        "loadings by group": lambda: loadings(grouped, subtitle=HEAD),
        "invariance": lambda: invariance(levels, comparisons, subtitle=HEAD),
        "diagram": lambda: diagram(standardized, items=True, subtitle=HEAD),
        "diagram by group": lambda: diagram(grouped, subtitle=HEAD),
    }


# A text element's words, after its tooltip if it has one.
_TEXT = r"(?:<title>[^<]*</title>)?([^<]*)</text>"


def _words(svg: str) -> list[str]:
    return re.findall(rf"<text[^>]*>{_TEXT}", svg)


def _titles(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [e.text or "" for e in root.iter("{http://www.w3.org/2000/svg}title")]


@pytest.mark.parametrize(
    "name",
    [
        "paths",
        "paths by group",
        "slopes",
        "loadings",
        "loadings by group",
        "invariance",
        "diagram",
        "diagram by group",
    ],
)
def test_chart_is_a_page_wide_self_contained_picture(charts: dict[str, Make], name: str) -> None:
    svg = export.svg(charts[name]())
    root = ElementTree.fromstring(svg)
    assert 300 < float(root.attrib["width"]) <= theme.WIDTH + 60
    assert HEAD in svg
    assert set(re.findall(r"\w+://[^\"' <]+", svg)) == {"http://www.w3.org/2000/svg"}
    titles = _titles(svg)
    assert titles
    # Vega's own descriptions list fields ("x: 92.6; y: 30"); every data mark has words of ours instead.
    assert not [t for t in titles if re.match(r"\w+: -?[\d.]+;", t)]


def test_every_estimate_can_be_read_from_the_tooltips(charts: dict[str, Make], grouped: pd.DataFrame) -> None:
    titles = "\n".join(_titles(export.svg(charts["paths by group"]()))).replace("\N{NO-BREAK SPACE}", " ")
    assert "EDS → PV\nactive\n.67 [.52, .82]" in titles
    assert "OPS → PV\nactive\n.05 [−.10, .20]\np = .010\ninterval covers 0" in titles
    assert "active − inactive" in titles


def test_groups_differ_in_shape_as_well_as_color(charts: dict[str, Make]) -> None:
    spec = str(export.specification(charts["paths by group"]()))
    assert theme.SHAPES[0] in spec
    assert theme.SHAPES[1] in spec


def test_diagram_holds_every_number_once_a_group(charts: dict[str, Make]) -> None:
    svg = export.svg(charts["diagram by group"]())
    words = _words(svg)
    assert words.count("R² .60") == 6
    assert {"active", "inactive", "EDS", "OPS", "PV", "SAT", "BI"} <= set(words)
    for shown in (".67", ".05", ".61", ".19", ".70", ".41", ".20", ".40", ".30", ".55", ".75"):
        assert shown in words


def test_diagram_items_carry_their_loadings(charts: dict[str, Make]) -> None:
    words = _words(export.svg(charts["diagram"]()))
    assert {"eds1 .60", "sat3 .70"} <= set(words)


def test_diagram_survives_cycles_observed_variables_and_second_order(standardized: pd.DataFrame) -> None:
    def row(lhs: str, op: str, rhs: str) -> dict[str, object]:
        return {
            "lhs": lhs,
            "op": op,
            "rhs": rhs,
            "est_std": -0.2,
            "ci_lower": -0.3,
            "ci_upper": -0.1,
            "group": "",
        }

    more = [row("PV", "~", "BI"), row("EDS", "~", "BI"), row("BI", "~", "tenure"), row("G", "=~", "EDS")]
    more += [row("G", "=~", "OPS"), row("PV", "~~", "SAT")]
    svg = export.svg(diagram(pd.concat([standardized, pd.DataFrame(more)])))
    assert _words(svg).count("−.20") == 2 * 6  # each with its white halo
    assert "tenure" in _words(svg)


def test_diagram_explains_ids_that_stand_for_long_names(grouped: pd.DataFrame) -> None:
    name = "Satisfaction with the representatives of the company"
    svg = export.svg(diagram(grouped, names={"SAT": name}))
    assert f"SAT: {name}" in svg


def test_diagram_of_correlations_alone(standardized: pd.DataFrame) -> None:
    svg = export.svg(diagram(standardized[standardized["op"] != "~"]))
    assert ".75" in _words(svg)


def test_missing_paths_of_a_difference_table_keep_rows_aligned(
    grouped: pd.DataFrame, differences: pd.DataFrame
) -> None:
    svg = export.svg(paths(grouped, differences=differences.iloc[2:3]))
    heights = {w: float(y) for y, w in re.findall(rf"translate\([-\d.]+,([\d.]+)\)[^>]*>{_TEXT}", svg)}
    figures = next(w for w in heights if w.startswith(".21"))
    assert heights[figures] == pytest.approx(heights["EDS\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}SAT"], abs=2)


def test_long_titles_are_wrapped_within_the_page(standardized: pd.DataFrame) -> None:
    svg = export.svg(paths(standardized, title="value " * 60, subtitle="note " * 80))
    assert float(ElementTree.fromstring(svg).attrib["width"]) <= theme.WIDTH + 60
    assert svg.count("value value") >= 4


def test_too_many_groups_are_refused(standardized: pd.DataFrame) -> None:
    many = pd.concat([standardized.assign(group=f"g{i}") for i in range(8)])
    with pytest.raises(DataError, match="8 groups"):
        paths(many)


def test_importing_the_package_loads_no_plotting_library() -> None:
    code = (
        "import sys, sem_models.charts.diagram, sem_models.charts.export, sem_models.charts.slopes;"
        "sys.exit('altair' in sys.modules or 'vl_convert' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
