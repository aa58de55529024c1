"""Invariance steps: what each added restriction does to CFI and RMSEA, with the likelihood-ratio test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme
from sem_models.moderation.retention import CFI_DROP, RMSEA_RISE

if TYPE_CHECKING:
    from altair.typing import ChartType


def invariance(
    table: pd.DataFrame,
    comparisons: pd.DataFrame,
    *,
    title: str | None = None,
    subtitle: str = "",
) -> ChartType:
    """One row a step: change in CFI, change in RMSEA, likelihood-ratio test.

    `table` (`invariance.table()`): level, cfi, rmsea. `comparisons` (`.comparisons()`): level, against,
    chisq_diff, df_diff, pvalue, delta_cfi, delta_rmsea.
    """
    import altair as alt

    theme.require(table, ("level", "cfi", "rmsea"), "table of invariance levels")
    steps = _steps(comparisons)
    heading = title if title is not None else _sentence(steps, 0.05)
    data = _drawn(table, steps)
    height = 36 * len(data)
    cfi = _panel(data, "cfi", "change in CFI", CFI_DROP, height, labels=True)
    rmsea = _panel(data, "rmsea", "change in RMSEA", RMSEA_RISE, height, labels=False)
    y = alt.Y("step:N", sort=None, axis=None)
    column = (
        alt.Chart(data)
        .mark_text(align="left")
        .encode(y=y, x=alt.value(0), text="test:N", color=alt.value(theme.INK), **theme.tips())
    )
    head = alt.TitleParams(
        "Likelihood-ratio test", anchor="start", fontSize=theme.TEXT, fontWeight="normal", offset=6
    )
    column = column.properties(width=125, height=height, title=head)
    chart = alt.hconcat(cfi, rmsea, column, spacing=12)
    note = (
        f"Shaded: within the usual limits (CFI falls by at most {text.number(-CFI_DROP, 3)}, "
        f"RMSEA rises by at most {text.number(RMSEA_RISE, 3)}; Chen 2007)."
    )
    return theme.finish(chart, title=heading, subtitle=f"{subtitle}\n{note}" if subtitle else note)


def invariance_title(comparisons: pd.DataFrame, *, alpha: float = 0.05) -> str:
    """The highest level that keeps within the limits, and where the test says otherwise."""
    return _sentence(_steps(comparisons), alpha)


@dataclass(frozen=True, slots=True)
class _Step:
    level: str
    against: str
    chisq_diff: float
    df_diff: float
    pvalue: float
    delta_cfi: float
    delta_rmsea: float

    @property
    def within(self) -> bool:
        return self.delta_cfi >= CFI_DROP and self.delta_rmsea <= RMSEA_RISE

    @property
    def changes(self) -> str:
        cfi, rmsea = text.number(self.delta_cfi, 3), text.number(self.delta_rmsea, 3)
        return f"ΔCFI{text.NBSP}{cfi}, ΔRMSEA{text.NBSP}{rmsea}"

    @property
    def test(self) -> str:
        chisq = text.number(self.chisq_diff, 1, bounded=False)
        return f"Δχ²({text.number(self.df_diff, 0)}) = {chisq}, {text.pvalue(self.pvalue)}"


def _steps(comparisons: pd.DataFrame) -> list[_Step]:
    columns = ("level", "against", "chisq_diff", "df_diff", "pvalue", "delta_cfi", "delta_rmsea")
    theme.require(comparisons, columns, "table of invariance comparisons")
    return [
        _Step(
            level=str(r["level"]),
            against=str(r["against"]),
            chisq_diff=float(r["chisq_diff"]),
            df_diff=float(r["df_diff"]),
            pvalue=float(r["pvalue"]),
            delta_cfi=float(r["delta_cfi"]),
            delta_rmsea=float(r["delta_rmsea"]),
        )
        for r in comparisons.to_dict("records")
    ]


def _sentence(steps: Sequence[_Step], alpha: float) -> str:
    mended = {s.level.removeprefix("partial ") for s in steps if s.within and s.level.startswith("partial ")}
    steps = [s for s in steps if s.level not in mended]
    broken = next((s for s in steps if not s.within), None)
    held = steps[: steps.index(broken)] if broken else steps
    parts = []
    if held:
        top = held[-1]
        level = top.level[:1].upper() + top.level[1:]
        parts.append(f"{level} invariance is tenable by the changes in fit ({top.changes})")
        rejected = [s for s in held if s.pvalue < alpha]
        if rejected:
            listed = text.listing([f"{s.level}, {text.pvalue(s.pvalue)}" for s in rejected])
            parts.append(f"the likelihood-ratio test rejects it ({listed})")
    if broken:
        by = "" if parts else " by the changes in fit"
        level = broken.level if parts else broken.level[:1].upper() + broken.level[1:]
        parts.append(f"{level} invariance is not{'' if parts else ' tenable'}{by} ({broken.changes})")
    return "; ".join(parts)


def _drawn(table: pd.DataFrame, steps: Sequence[_Step]) -> pd.DataFrame:
    fits = {str(r["level"]): (float(r["cfi"]), float(r["rmsea"])) for r in table.to_dict("records")}
    marks = []
    for s in steps:
        cfi, rmsea = fits.get(s.level, (math.nan, math.nan))
        fit = f"CFI {text.number(cfi, 3)}, RMSEA {text.number(rmsea, 3)}"
        within = "within the limits" if s.within else "beyond a limit"
        marks.append(
            {
                "step": f"{s.level}\nagainst {s.against}",
                "cfi": s.delta_cfi,
                "rmsea": s.delta_rmsea,
                "cfi_text": text.number(s.delta_cfi, 3),
                "rmsea_text": text.number(s.delta_rmsea, 3),
                "test": s.test,
                "within": within,
                "tip": f"{s.level} against {s.against}\n{fit}\nchange: {s.changes}\n{s.test}\n{within}",
            }
        )
    return pd.DataFrame(marks)


def _ticks(domain: Sequence[float], step: float) -> list[float]:
    """Multiples of `step` (the limit) within `domain`, thinned out where they would be many."""
    first, last = math.ceil(domain[0] / step), math.floor(domain[1] / step)
    every = 1 + (last - first) // 4
    return [round(k * step, 6) for k in range(first, last + 1) if k % every == 0]


def _panel(
    data: pd.DataFrame,
    name: str,
    axis_title: str,
    limit: float,
    height: float,
    *,
    labels: bool,
    width: float = 120,
) -> ChartType:
    import altair as alt

    values = np.append(data[name].to_numpy(float), [0.0, limit * 1.5, -limit * 0.5])
    values = values[np.isfinite(values)]
    span = float(values.max() - values.min())
    domain = [float(values.min()) - 0.1 * span, float(values.max()) + 0.1 * span]
    shaded = pd.DataFrame(
        {
            "from": [max(limit, domain[0]) if limit < 0 else domain[0]],
            "to": [domain[1] if limit < 0 else limit],
        }
    )
    x = alt.X(f"{name}:Q", title=axis_title, scale=alt.Scale(domain=domain, nice=False)).axis(
        labelExpr=theme.BOUNDED_TICKS,
        values=_ticks(domain, abs(limit)),
        domain=False,
        grid=False,
    )
    y = alt.Y("step:N", sort=None, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labels=labels, labelPadding=8
    )
    band = alt.Chart(shaded).mark_rect(color=theme.BAND, aria=False).encode(x=alt.X("from:Q"), x2="to:Q")
    zero = (
        alt.Chart(pd.DataFrame({name: [0.0]})).mark_rule(color=theme.MUTED, aria=False).encode(x=f"{name}:Q")
    )
    at = (
        alt.Chart(pd.DataFrame({name: [limit]}))
        .mark_rule(color=theme.MUTED, strokeDash=[4, 3], aria=False)
        .encode(x=f"{name}:Q")
    )
    states = ["within the limits", "beyond a limit"]
    base = alt.Chart(data)
    points = base.mark_point(filled=True, size=85, opacity=1).encode(
        x=x,
        y=y,
        color=alt.Color(
            "within:N", scale=alt.Scale(domain=states, range=list(theme.PALETTE[:2])), legend=None
        ),
        shape=alt.Shape(
            "within:N", scale=alt.Scale(domain=states, range=list(theme.SHAPES[:2])), legend=None
        ),
        **theme.tips(),
    )
    words = base.mark_text(align="left", dx=8).encode(
        x=alt.value(width), y=y, text=f"{name}_text:N", **theme.tips()
    )
    return alt.layer(band, zero, at, points, words).properties(width=width, height=height)
