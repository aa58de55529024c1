"""All claims at a glance: each part's interval by its distance from what decides it, and the verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts import text, theme

if TYPE_CHECKING:
    from altair.typing import ChartType

WORDS = ("supported", "contradicted", "undecided", "not testable")
COLORS = (theme.POSITIVE, theme.NEGATIVE, theme.OPEN, theme.OPEN)
MARKS = ("circle", "square", "diamond", "stroke")
REACH = (-4.0, 9.0)
"""Standard errors the axis shows; what lies beyond is drawn at its edge."""
ROW = 20


def scorecard(frame: pd.DataFrame, *, title: str | None = None, subtitle: str = "") -> ChartType:
    """One row a claim with its verdict, one a part with its interval.

    `frame` is `Scorecard.table()`. The axis counts standard errors from zero (or the threshold, or the room
    that the data leave), the claimed side to the right; figures stand beside it in their own units.
    """
    import altair as alt

    columns = ("claim", "part", "title", "estimate", "ci_lower", "ci_upper", "verdict", "toward",
               "toward_lower", "toward_upper")  # fmt: skip
    theme.require(frame, columns, "scorecard")
    drawn = _drawn(frame)
    order = drawn["row"].tolist()
    height = ROW * len(drawn)
    y = alt.Y("row:O", sort=order, axis=None)
    verdict = alt.Scale(domain=list(WORDS), range=list(COLORS))
    shape = alt.Scale(domain=list(WORDS), range=list(MARKS))
    seen = [w for w in WORDS if w in set(drawn["verdict"])]
    legend = alt.Legend(title=None, values=seen)
    base = alt.Chart(drawn).encode(y=y)
    heads, parts = base.transform_filter("datum.head"), base.transform_filter("!datum.head")
    names = alt.layer(
        heads.mark_text(align="left", fontWeight="bold").encode(
            x=alt.value(0), text="label:N", **theme.tips()
        ),
        parts.mark_text(align="left", color=theme.INK).encode(
            x=alt.value(26), text="label:N", **theme.tips()
        ),
    ).properties(width=310, height=height)
    x = alt.X(
        "at:Q", title="standard errors toward the claim", scale=alt.Scale(domain=list(REACH), nice=False)
    ).axis(values=[-4, -2, 0, 2, 4, 6, 8], labelExpr=theme.PLAIN_TICKS, domain=False)
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(color=theme.MUTED, aria=False).encode(x=x)
    bars = parts.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=alt.Scale(domain=list(REACH), nice=False)), x2="high:Q",
        color=alt.Color("verdict:N", scale=verdict, legend=None),
    )  # fmt: skip
    points = parts.mark_point(filled=True, size=70, opacity=1).encode(
        x=x, color=alt.Color("verdict:N", scale=verdict, legend=legend),
        shape=alt.Shape("verdict:N", scale=shape, legend=legend), **theme.tips(),
    )  # fmt: skip
    panel = alt.layer(zero, bars, points).properties(width=150, height=height)
    figures = alt.layer(
        heads.mark_text(align="left", fontWeight="bold").encode(
            x=alt.value(0), text="verdict:N", color=alt.Color("verdict:N", scale=verdict, legend=None)
        ),
        parts.mark_text(align="left", color=theme.INK).encode(x=alt.value(0), text="figures:N"),
    ).properties(width=110, height=height)
    chart = alt.hconcat(names, panel, figures, spacing=8).resolve_scale(y="shared")
    heading = title if title is not None else scorecard_title(frame)
    return theme.finish(chart, title=heading, subtitle=subtitle)


def scorecard_title(frame: pd.DataFrame) -> str:
    """How many claims have which verdict, and which."""
    heads = frame[frame["part"] == ""]
    parts = []
    for word in WORDS:
        claims = heads.loc[heads["verdict"] == word, "claim"].tolist()
        if claims:
            parts.append(f"{len(claims)} {word} ({text.listing(claims, 13)})")
    return f"Of {len(heads)} claims " + "; ".join(parts)


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for number, r in enumerate(frame.to_dict("records")):
        head = r["part"] == ""
        label = f"{r['claim']}  {r['title']}" if head else str(r["title"] or r["part"])
        width = 310 if head else 284
        figures = ""
        if not head and np.isfinite(r["estimate"]):
            limits = text.interval(r["ci_lower"], r["ci_upper"])
            figures = f"{text.number(r['estimate'])} {limits or _tested(r)}".strip()
        low, at, high = (np.clip(r[k], *REACH) for k in ("toward_lower", "toward", "toward_upper"))
        said = (label, figures, str(r["verdict"]), str(r.get("reason", "")))
        rows.append(
            {
                "row": f"{number:03d}",
                "head": head,
                "label": _fitted(label, width, bold=head),
                "verdict": r["verdict"],
                "figures": figures,
                "low": None if np.isnan(low) else float(low),
                "at": None if np.isnan(at) else float(at),
                "high": None if np.isnan(high) else float(high),
                "tip": "\n".join(s for s in said if s),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _tested(row: dict[Any, Any]) -> str:
    """The p value of an effect size that has no interval."""
    p = row.get("pvalue", np.nan)
    return f"({text.pvalue(p)})" if np.isfinite(p) else ""


def _fitted(label: str, width: float, *, bold: bool) -> str:
    """The label, cut at a word where it is wider than its column."""
    lines = text.wrap(label, width, theme.TEXT, bold=bold)
    return lines[0] if len(lines) == 1 else f"{lines[0]} …"
