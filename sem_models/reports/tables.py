"""Data frames as HTML tables: digits by the kind of figure, names in words, nothing retyped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from sem_models.charts import text

INTERVALS = {
    "est": ("ci_lower", "ci_upper"),
    "estimate": ("ci_lower", "ci_upper"),
    "difference": ("ci_lower", "ci_upper"),
    "est_std": ("ci_lower_std", "ci_upper_std"),
    "hedges_g": ("g_ci_lower", "g_ci_upper"),
    "d": ("d_ci_lower", "d_ci_upper"),
    "eta2": ("eta2_ci_lower", "eta2_ci_upper"),
    "alpha": ("alpha_lower", "alpha_upper"),
    "direct": ("direct_lower", "direct_upper"),
    "indirect": ("indirect_lower", "indirect_upper"),
    "total": ("total_lower", "total_upper"),
}
"""Figures and the limits of their 95 % intervals; on the page the three are one cell."""
LIMITS = {limit for pair in INTERVALS.values() for limit in pair}
HEADINGS = {
    "lhs": "Outcome",
    "rhs": "Predictor",
    "op": "",
    "construct": "Construct",
    "construct_1": "Construct",
    "construct_2": "and",
    "item": "Item",
    "item_1": "Item",
    "item_2": "and",
    "title": "Wording",
    "source": "From",
    "target": "To",
    "kind": "Effect",
    "path": "Path",
    "group": "Group",
    "reference_group": "Reference",
    "est": "Estimate",
    "estimate": "Estimate",
    "est_group": "Group",
    "est_reference": "Reference",
    "est_std": "Standardized",
    "se": "SE",
    "se_std": "SE (std.)",
    "z": "z",
    "t": "t",
    "f": "F",
    "pvalue": "p",
    "pvalue_holm": "p (Holm)",
    "pvalue_adjusted": "p (adjusted)",
    "wald_pvalue_adjusted": "p (Wald, adjusted)",
    "lrt_pvalue_adjusted": "p (LR, adjusted)",
    "score": "Score χ²",
    "variable": "Construct",
    "d": "d",
    "released": "Given up",
    "retained": "Retained",
    "n": "N",
    "n_reference": "N (ref.)",
    "n_items": "Items",
    "alpha_n": "N for α",
    "scale": "Scale",
    "claim": "Claim",
    "reason": "Why undecided",
    "sd": "SD",
    "mean": "Mean",
    "mean_reference": "Mean (ref.)",
    "difference": "Difference",
    "hedges_g": "Hedges g",
    "eta2": "η²",
    "skew": "Skewness",
    "kurtosis": "Kurtosis",
    "missing_pct": "Missing %",
    "floor_pct": "Lowest %",
    "ceiling_pct": "Highest %",
    "test": "Test",
    "statistic": "Statistic",
    "df": "df",
    "df_diff": "Δdf",
    "chisq": "χ²",
    "chisq_scaled": "χ² (scaled)",
    "chisq_diff": "Δχ²",
    "cfi": "CFI",
    "tli": "TLI",
    "rmsea": "RMSEA",
    "srmr": "SRMR",
    "aic": "AIC",
    "bic": "BIC",
    "delta_cfi": "ΔCFI",
    "delta_rmsea": "ΔRMSEA",
    "delta_srmr": "ΔSRMR",
    "ave": "AVE",
    "ave_1": "AVE",
    "ave_2": "AVE of 2nd",
    "cr": "CR",
    "omega": "ω",
    "alpha": "α",
    "htmt": "HTMT",
    "htmt2": "HTMT2",
    "htmt_verdict": "By HTMT2",
    "fornell_larcker": "F–L",
    "correlation": "r",
    "squared": "r²",
    "r": "r",
    "r_squared": "R²",
    "wald": "Wald χ²",
    "wald_pvalue": "p (Wald)",
    "lrt": "LR χ²",
    "lrt_pvalue": "p (LR)",
    "direct": "Direct",
    "indirect": "Indirect",
    "total": "Total",
}
P_VALUES = (
    "pvalue", "pvalue_scaled", "wald_pvalue", "lrt_pvalue", "pvalue_holm", "pvalue_adjusted",
    "wald_pvalue_adjusted", "lrt_pvalue_adjusted",
)  # fmt: skip
COUNTS = ("n", "n_reference", "n_items", "alpha_n", "npar", "ntotal")
UNBOUNDED = (
    "mean", "mean_reference", "sd", "skew", "kurtosis", "difference", "statistic", "t", "f", "z", "wald",
    "lrt", "chisq_scaling_factor", "est", "se", "est_group", "est_reference",
)  # fmt: skip
"""Figures that may well exceed 1, which keep their leading zero."""
ONE_DIGIT = ("chisq", "chisq_scaled", "chisq_diff", "logl", "unrestricted_logl", "aic", "bic", "bic2")
INDICES = ("cfi", "tli", "rmsea", "srmr")
SHORT = 36
"""Letters up to which a cell of words stays on one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """A data frame with its file name, caption and note; `names` puts words in place of ids.

    The file holds all of `frame`; the page holds `view` if it is given, else `frame`, of it the columns
    `shown` if they are named, and folds it behind its caption when `folded`. `headings` goes before the usual
    words.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    note: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    view: pd.DataFrame | None = None
    shown: tuple[str, ...] = ()
    folded: bool = False
    headings: Mapping[str, str] = field(default_factory=dict)

    def html(self, header: str = "") -> str:
        """The table with caption, header line and note; an interval stands beside its estimate."""
        frame = self._display()
        columns = [c for c in frame.columns if c not in LIMITS]
        numeric = {c: self._numeric(frame, c) for c in columns}
        head = "".join(
            f'<th scope="col" class="{"num" if numeric[c] else "txt"}">{escape(self._heading(c, frame))}</th>'
            for c in columns
        )
        body, before, grouped = [], "", False
        for record in frame.to_dict("records"):
            words = [self._cell(c, record) for c in columns]
            again = bool(words) and not numeric[columns[0]] and words[0] == before
            before, grouped = words[0] if words else "", grouped or again
            cells = "".join(
                self._td("" if again and i == 0 else word, numeric=numeric[columns[i]])
                for i, word in enumerate(words)
            )
            body.append(f"<tr{' class=again' if again else ''}>{cells}</tr>")
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        line = f'<span class="note">{escape(header)}</span>' if header else ""
        kind = ' class="grouped"' if grouped else ""
        table = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{note}"
        caption = escape(self.caption)
        if self.folded:
            return (
                f'<details class="table"><summary>{caption} <span class="note">({len(frame)} rows)</span>'
                f'</summary><figure class="table">{line}{table}</figure></details>'
            )
        caption += f"<br>{line}" if line else ""
        return f'<figure class="table"><figcaption>{caption}</figcaption>{table}</figure>'

    def _display(self) -> pd.DataFrame:
        frame = self.view if self.view is not None else self.frame
        columns = [c for c in self.shown if c in frame.columns] if self.shown else list(frame.columns)
        return frame[[c for c in columns if not _empty(frame[c])]]

    def _heading(self, column: str, frame: pd.DataFrame) -> str:
        words = self.headings.get(column, HEADINGS.get(column, column_words(column)))
        return f"{words} [95 %]" if self._limits(column, frame.columns) else words

    @staticmethod
    def _limits(column: str, columns: Iterable[object]) -> tuple[str, str] | None:
        """The columns of the interval of `column` if they are there."""
        limits = INTERVALS.get(column)
        return limits if limits is not None and set(limits) <= set(columns) else None

    @staticmethod
    def _numeric(frame: pd.DataFrame, column: str) -> bool:
        return pd.api.types.is_numeric_dtype(frame[column]) and frame[column].dtype != bool

    @staticmethod
    def _td(word: str, *, numeric: bool) -> str:
        kind = "num" if numeric else ("txt" if len(word) <= SHORT else "txt long")
        return f'<td class="{kind}">{escape(word)}</td>'

    def _cell(self, column: str, record: Mapping[Any, Any]) -> str:
        value = record[column]
        if column == "se" and value == 0:
            return "fixed"
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return ""
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, int | np.integer):
            return str(value).replace("-", text.MINUS)
        if isinstance(value, float | np.floating):
            kind = str(record["measure"]) if column == "value" and "measure" in record else column
            limits = self._limits(column, record)
            bounded = column not in UNBOUNDED or record.get("scale") == "standardized"
            if limits is None or (column == "est" and record.get("se") == 0):
                return figure(kind, float(value))
            lower, upper = (float(record[limit]) for limit in limits)
            return text.estimate(float(value), lower, upper, bounded=bounded)
        return self.names.get(str(value), str(value))


def figure(column: str, value: float) -> str:
    """A number as readers of the field expect it, in the style of the sentences and charts.

    p and fit indices have three digits, percentages and chi-squares one, other figures two. Standardized
    coefficients, correlations and indices lose the leading zero; what may well exceed 1 keeps it.
    """
    if column in P_VALUES:
        return "< .001" if value < 0.001 else text.number(value, 3)
    if column.startswith("df"):
        return text.number(value, 0 if value == round(value) else 1, bounded=False)
    if column in COUNTS:
        return text.number(value, 0, bounded=False)
    if column.endswith("pct") or column in ONE_DIGIT:
        return text.number(value, 1, bounded=False)
    if column.removeprefix("delta_").startswith(INDICES):
        return text.number(value, 3)
    return text.number(value, 2 if abs(value) < 1000 else 0, bounded=column not in UNBOUNDED)


def column_words(column: str) -> str:
    """A column name in words, for columns without a heading of their own."""
    words = column.replace("_", " ")
    return words[:1].upper() + words[1:]


def _empty(column: pd.Series) -> bool:
    return bool(len(column)) and bool((column.isna() | (column.astype(str) == "")).all())
