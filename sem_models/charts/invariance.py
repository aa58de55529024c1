"""Invariance steps: what each added restriction does to CFI and RMSEA, with the likelihood-ratio test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    import altair as alt
    from altair.typing import ChartType

# Chen (2007), Structural Equation Modeling 14, p. 501, total N > 300; Cheung & Rensvold (2002) for CFI.
CFI_DROP, RMSEA_RISE = -0.010, 0.015


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
    _check(comparisons)
    heading = title if title is not None else invariance_title(comparisons)
    data = _drawn(table, comparisons)
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
    _check(comparisons)
    held: pd.Series | None = None
    broken: pd.Series | None = None
    for _, row in comparisons.iterrows():
        if not _within(row):
            broken = row
            break
        held = row
    sentences = []
    if held is not None:
        sentences.append(
            f"{_capital(held['level'])} invariance is tenable by the changes in fit ({_changes(held)})"
        )
        if float(held["pvalue"]) < alpha:
            sentences.append(f"the likelihood-ratio test rejects it ({text.pvalue(float(held['pvalue']))})")
    if broken is not None:
        level = str(broken["level"])
        start = (
            f"{level} invariance is not"
            if sentences
            else f"{_capital(level)} invariance is not tenable by the changes in fit"
        )
        sentences.append(f"{start} ({_changes(broken)})")
    return "; ".join(sentences)


def _check(comparisons: pd.DataFrame) -> None:
    columns = ("level", "against", "chisq_diff", "df_diff", "pvalue", "delta_cfi", "delta_rmsea")
    theme.require(comparisons, columns, "table of invariance comparisons")


def _within(row: pd.Series) -> bool:
    return bool(float(row["delta_cfi"]) >= CFI_DROP and float(row["delta_rmsea"]) <= RMSEA_RISE)


def _changes(row: pd.Series) -> str:
    cfi, rmsea = (text.number(float(row[c]), 3) for c in ("delta_cfi", "delta_rmsea"))
    return f"ΔCFI{text.NBSP}{cfi}, ΔRMSEA{text.NBSP}{rmsea}"


def _test(chisq: float, df: float, p: float) -> str:
    return f"Δχ²({text.number(df, 0)}) = {text.number(chisq, 1, bounded=False)}, {text.pvalue(p)}"


def _capital(word: object) -> str:
    return str(word)[:1].upper() + str(word)[1:]


def _drawn(table: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    levels = table.assign(level=table["level"].astype(str)).set_index("level")[["cfi", "rmsea"]].astype(float)
    data = pd.DataFrame(
        {
            "step": [f"{r.level}\nagainst {r.against}" for r in comparisons.itertuples()],
            "cfi": comparisons["delta_cfi"].to_numpy(float),
            "rmsea": comparisons["delta_rmsea"].to_numpy(float),
            "test": [
                _test(float(r.chisq_diff), float(r.df_diff), float(r.pvalue))
                for r in comparisons.itertuples()
            ],
            "within": np.where(
                [_within(r) for _, r in comparisons.iterrows()], "within the limits", "beyond a limit"
            ),
        }
    )
    for name in ("cfi", "rmsea"):
        data[f"{name}_text"] = [text.number(v, 3) for v in data[name]]
    tips = []
    for row, drawn in zip(comparisons.itertuples(), data.itertuples(), strict=True):
        fit = ""
        if str(row.level) in levels.index:
            cfi, rmsea = levels.loc[str(row.level), ["cfi", "rmsea"]]
            fit = f"\nCFI {text.number(float(cfi), 3)}, RMSEA {text.number(float(rmsea), 3)}"
        changes = f"change: CFI {drawn.cfi_text}, RMSEA {drawn.rmsea_text}"
        tips.append(f"{row.level} against {row.against}{fit}\n{changes}\n{drawn.test}\n{drawn.within}")
    return data.assign(tip=tips)


def _panel(
    data: pd.DataFrame,
    name: str,
    axis_title: str,
    limit: float,
    height: float,
    *,
    labels: bool,
    width: float = 120,
) -> alt.LayerChart:
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
        labelExpr=theme.BOUNDED_TICKS, tickCount=4, domain=False, grid=False
    )
    y = alt.Y("step:N", sort=None, title=None).axis(
        labelExpr="split(datum.label, '\\n')", domain=False, ticks=False, labels=labels, labelPadding=8
    )
    band = alt.Chart(shaded).mark_rect(color=theme.BAND).encode(x=alt.X("from:Q"), x2="to:Q")
    zero = alt.Chart(pd.DataFrame({name: [0.0]})).mark_rule(color=theme.MUTED).encode(x=f"{name}:Q")
    at = (
        alt.Chart(pd.DataFrame({name: [limit]}))
        .mark_rule(color=theme.MUTED, strokeDash=[4, 3])
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
    words = base.mark_text(align="left", dx=8).encode(x=alt.value(width), y=y, text=f"{name}_text:N")
    return alt.layer(band, zero, at, points, words).properties(width=width, height=height)
