"""Do the methods agree? A stated rule on the common metric, for each path of a product."""

from __future__ import annotations

import numpy as np
import pandas as pd

RULE = (
    "A method stands out where its standardized estimate lies more than one (median) standard error from the "
    "median of the converged, admissible methods. Methods disagree where one stands out, or where some "
    "intervals exclude 0 on one side and others cover it or exclude it on the other."
)
"""All methods analyze the same customers, so that they differ by far less than two samples would."""

COLUMNS = [
    "term", "group", "methods", "median", "lowest", "highest", "median_se", "spread_in_se", "positive",
    "negative", "undecided", "stand_out", "agree",
]  # fmt: skip


def agreement_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a term and group, columns `COLUMNS`; table is that of `Multiverse.table`.

    spread_in_se is the distance of the extreme methods in median standard errors; stand_out names methods.
    """
    rows = []
    for (term, group), part in table[table["term"] != ""].groupby(["term", "group"], sort=False):
        usable = part[part["usable"]]
        row = dict.fromkeys(COLUMNS, np.nan) | {"term": term, "group": group, "methods": len(usable)}
        row |= {"stand_out": "", "agree": False, "positive": 0, "negative": 0, "undecided": 0}
        if len(usable):
            value = usable["std_estimate"].to_numpy(float)
            se = float(np.nanmedian(usable["std_se"].to_numpy(float)))
            middle = float(np.median(value))
            positive = int((usable["std_ci_lower"] > 0).sum())
            negative = int((usable["std_ci_upper"] < 0).sum())
            out = usable["method"][np.abs(value - middle) > se].tolist()
            counts = (positive, negative, len(usable) - positive - negative)
            row |= {
                "median": middle, "lowest": value.min(), "highest": value.max(), "median_se": se,
                "spread_in_se": float(np.ptp(value) / se) if se > 0 else np.nan, "positive": positive,
                "negative": negative, "undecided": counts[2], "stand_out": ", ".join(out),
                "agree": not out and sum(c > 0 for c in counts) == 1,
            }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
