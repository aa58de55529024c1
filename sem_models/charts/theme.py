"""The look of every chart: fonts, sizes, colors with a shape and a dash each, titles that wrap.

Nothing is registered or enabled globally; `finish` puts the configuration into the chart it is given.
Sizes are pixels at 96 dpi: `WIDTH` is 16 cm in print, the 11 px text about 8 pt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.charts.text import unique, wrap
from sem_models.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"
WIDTH = 600
TEXT, TITLE, SUBTITLE = 11, 14, 11
INK, MUTED, RULE, BAND = "#1a1a1a", "#555555", "#d9d9d9", "#f3f3f3"
# Okabe & Ito's palette without its yellow (too faint on white); the order keeps neighbors apart in gray.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "stroke")
DASHES = ((1, 0), (7, 3), (2, 2), (8, 2, 2, 2), (4, 4), (12, 3), (1, 3))
POSITIVE, NEGATIVE, OPEN = PALETTE[0], PALETTE[1], "#777777"

# Ticks as in the text: no leading zero, a true minus sign.
BOUNDED_TICKS = (
    "datum.value == 0 ? '0' : replace(replace(format(datum.value, '.3~f'), '0.', '.'), '-', '\N{MINUS SIGN}')"
)
PLAIN_TICKS = "replace(format(datum.value, '.3~f'), '-', '\N{MINUS SIGN}')"


def require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """DataError naming every column of `columns` that `frame` lacks."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns, noun="columns")
        raise DataError(f"The {what} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. {hint}")
    if frame.empty:
        raise DataError(f"The {what} has no rows: there is nothing to draw.")


def group_labels(frame: pd.DataFrame) -> list[str]:
    """Groups in order of appearance; `[""]` where the frame has one group and no labels."""
    return unique(frame["group"]) if "group" in frame.columns else [""]


def scales(groups: Sequence[str]) -> tuple[alt.Scale, alt.Scale, alt.Scale]:
    """Color, shape and dash scales, so that no group is told by color alone."""
    import altair as alt

    if len(groups) > len(PALETTE):
        raise DataError(
            f"{len(groups)} groups cannot be told apart in one chart. Draw at most {len(PALETTE)}."
        )
    n = len(groups)
    domain = list(groups)
    return (
        alt.Scale(domain=domain, range=list(PALETTE[:n])),
        alt.Scale(domain=domain, range=list(SHAPES[:n])),
        alt.Scale(domain=domain, range=[list(d) for d in DASHES[:n]]),
    )


def offset(groups: Sequence[str]) -> dict[str, Any]:
    """Encoding that sets the marks of several groups apart within a row; nothing for one group."""
    import altair as alt

    if len(groups) < 2:
        return {}
    return {
        "yOffset": alt.YOffset(
            "group:N", sort=list(groups), scale=alt.Scale(domain=list(groups), paddingOuter=0.15)
        )
    }


def tips() -> dict[str, Any]:
    """Encodings that show column `tip` on hovering and as the mark's accessible name."""
    import altair as alt

    return {"tooltip": alt.Tooltip("tip:N"), "description": alt.Description("tip:N")}


def finish(chart: ChartType, *, title: str, subtitle: str = "", width: float = WIDTH) -> ChartType:
    """`chart` with its wrapped title, subtitle and the configuration; the last step of every chart."""
    import altair as alt

    heading = alt.TitleParams(
        text=wrap(title, width, TITLE, bold=True),
        subtitle=wrap(subtitle, width, SUBTITLE) if subtitle else [],
        anchor="start",
        frame="bounds",
        limit=0,
        offset=12,
    )
    finished: ChartType = chart.properties(title=heading, padding=8).configure(**configuration())
    return finished


def configuration() -> dict[str, Any]:
    """The Vega-Lite `config` block."""
    axis = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": RULE,
        "domainColor": MUTED,
        "tickColor": MUTED,
        "labelLimit": 0,
        "titleLimit": 0,
        "titlePadding": 8,
    }
    legend = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelLimit": 0,
        "orient": "top",
        "symbolSize": 80,
        "offset": 6,
    }
    return {
        "font": FONT,
        "background": "white",
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "header": {
            "labelFont": FONT,
            "titleFont": FONT,
            "labelFontSize": TEXT,
            "labelColor": INK,
            "labelLimit": 0,
        },
        "title": {
            "font": FONT,
            "fontSize": TITLE,
            "fontWeight": "bold",
            "color": INK,
            "subtitleFont": FONT,
            "subtitleFontSize": SUBTITLE,
            "subtitleColor": MUTED,
            "subtitlePadding": 5,
            "subtitleLineHeight": 15,
            "lineHeight": 18,
        },
        "text": {"font": FONT, "fontSize": TEXT, "color": INK},
    }
