"""Data frames as HTML tables: digits by the kind of figure, names in words, nothing retyped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd

HEADINGS = {
    "lhs": "Outcome", "rhs": "Predictor", "op": "", "est": "Estimate", "est_std": "Standardized", "se": "SE", "z": "z",
    "pvalue": "p", "ci_lower": "95 % from", "ci_upper": "to", "ci_lower_std": "std. from", "ci_upper_std": "to (std.)",
    "chisq": "χ²", "df": "df", "chisq_diff": "Δχ²", "df_diff": "Δdf", "cfi": "CFI", "tli": "TLI", "rmsea": "RMSEA", "srmr": "SRMR",
    "delta_cfi": "ΔCFI", "delta_rmsea": "ΔRMSEA", "delta_srmr": "ΔSRMR", "n": "N", "sd": "SD", "missing_pct": "missing %",
    "floor_pct": "lowest %", "ceiling_pct": "highest %", "ave": "AVE", "cr": "CR", "omega": "ω", "alpha": "α", "htmt": "HTMT",
    "htmt2": "HTMT2", "r": "r", "wald": "Wald χ²", "wald_pvalue": "p (Wald)", "lrt": "LR χ²", "lrt_pvalue": "p (LR)",
    "group": "Group", "reference_group": "Reference", "source": "From", "target": "To", "kind": "Effect", "path": "Path",
}  # fmt: skip
P_VALUES = ("pvalue", "wald_pvalue", "lrt_pvalue", "pvalue_holm", "p_unc", "p_val")


@dataclass(frozen=True, slots=True)
class Table:
    """A data frame with its file name, caption and note; `names` puts words in place of ids."""

    name: str
    caption: str
    frame: pd.DataFrame
    note: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def html(self, header: str = "") -> str:
        """The table with caption, header line and note; numbers right-aligned, missing cells empty."""
        frame = self.frame[[c for c in self.frame.columns if not self._empty(self.frame[c])]]
        numeric = {
            c: pd.api.types.is_numeric_dtype(frame[c]) and frame[c].dtype != bool for c in frame.columns
        }
        head = "".join(
            f'<th class="{"num" if numeric[c] else "txt"}">{escape(HEADINGS.get(str(c), str(c).replace("_", " ")))}</th>'
            for c in frame.columns
        )
        body = []
        for record in frame.itertuples(index=False, name=None):
            cells = "".join(
                f'<td class="{"num" if numeric[c] else "txt"}">{escape(self._cell(str(c), value))}</td>'
                for c, value in zip(frame.columns, record, strict=True)
            )
            body.append(f"<tr>{cells}</tr>")
        note = f'<p class="note">{escape(self.note)}</p>' if self.note else ""
        head_line = f'<br><span class="note">{escape(header)}</span>' if header else ""
        return (
            f'<figure class="table"><figcaption>{escape(self.caption)}{head_line}</figcaption>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{note}</figure>"
        )

    @staticmethod
    def _empty(column: pd.Series) -> bool:
        return bool(len(column)) and bool((column.isna() | (column.astype(str) == "")).all())

    def _cell(self, column: str, value: object) -> str:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return ""
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, int | np.integer):
            return str(value)
        if isinstance(value, float | np.floating):
            return figure(column, float(value))
        return self.names.get(str(value), str(value))


def figure(column: str, value: float) -> str:
    """A number as readers of the field expect it: p to three digits, percentages to one, the rest to two or three."""
    if column in P_VALUES:
        return "< .001" if value < 0.0005 else f"{value:.3f}".removeprefix("0")
    if column.startswith("df") or column in ("n", "n_items"):
        return f"{value:.0f}"
    if column.endswith("pct"):
        return f"{value:.1f}"
    if column.startswith(("delta_", "cfi", "tli", "rmsea", "srmr")):
        return f"{value:.3f}"
    return (f"{value:.2f}" if abs(value) < 1000 else f"{value:.0f}").replace("-0.00", "0.00")
