"""Group differences of scale scores with effect sizes, intervals and p-values adjusted for their number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ncfdtr, stdtrit

from sem_models.errors import DataError, did_you_mean
from sem_models.measurement.items import numeric_items

MIN_CELL = 5
TWO = [
    "scale", "group", "reference_group", "n", "n_reference", "mean", "mean_reference", "difference",
    "ci_lower", "ci_upper", "t", "df", "pvalue", "pvalue_holm", "hedges_g", "g_ci_lower",
    "g_ci_upper", "note",
]  # fmt: skip
MANY = [
    "scale", "groups", "n", "f", "df1", "df2", "pvalue", "pvalue_holm", "eta2", "eta2_ci_lower",
    "eta2_ci_upper", "note",
]  # fmt: skip


def scale_scores(frame: pd.DataFrame, scales: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Mean of each scale's items for every row that answered at least half of them, else NaN."""
    scores = {}
    for scale, items in scales.items():
        data = numeric_items(frame, items)
        answered = data.notna().sum(axis=1)
        scores[scale] = data.mean(axis=1).where(answered * 2 >= data.shape[1])
    return pd.DataFrame(scores, index=frame.index)


def group_differences(
    frame: pd.DataFrame,
    scales: Mapping[str, Sequence[str]],
    group: str,
    *,
    reference_group: str | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Scale means compared between the groups, one row a scale.

    Two groups: Welch's t, difference of means (group minus reference, scale points), Hedges' g. More:
    Welch's F and η². Holm-adjusted over the scales. Groups with fewer than 5 scores are left out and not
    named. Columns: `TWO` or `MANY`. The reference is `reference_group`, else the second group to appear.
    """
    if group not in frame.columns:
        raise DataError(
            f"'{group}' is not a column of the data. {did_you_mean(group, frame.columns, noun='columns')}"
        )
    scores = scale_scores(frame, scales)
    labels = frame[group]
    known = labels.notna().to_numpy()
    names = labels[known].astype(str)
    sizes = names.value_counts()
    kept = [g for g in dict.fromkeys(names) if sizes[g] >= MIN_CELL]
    if len(kept) < 2:
        raise DataError(
            f"'{group}' has fewer than two groups with at least {MIN_CELL} rows: nothing to compare."
        )
    dropped = f"groups under {MIN_CELL} left out" if len(kept) < len(sizes) else ""
    if reference_group is not None:
        if reference_group not in kept:
            raise DataError(f"'{reference_group}' is no group of '{group}'. Groups: {', '.join(kept)}.")
        kept = [*(g for g in kept if g != reference_group), reference_group]
    rows = []
    for scale in scales:
        column = scores.loc[known, scale]
        parts = {g: column[(names == g).to_numpy()].dropna().to_numpy() for g in kept}
        rows.append({"scale": scale, "note": dropped, **_compare(parts, confidence)})
    table = pd.DataFrame(rows).reindex(columns=TWO if len(kept) == 2 else MANY)
    return table.assign(pvalue_holm=_holm(table["pvalue"].to_numpy(np.float64)))


def eta_squared_interval(f: float, df1: int, df2: int, confidence: float) -> tuple[float, float]:
    """Interval of η² by inverting the noncentral F: λ/(λ + N), Steiger (2004), Psychological Methods 9."""
    from scipy.optimize import brentq

    n = df1 + df2 + 1
    tail = (1 - confidence) / 2

    def limit(probability: float) -> float:
        def gap(nc: float) -> float:
            return float(ncfdtr(df1, df2, nc, f)) - probability

        if gap(0.0) <= 0:
            return 0.0
        high = 10.0
        while gap(high) > 0:
            high *= 2
        nc = float(brentq(gap, 0.0, high, xtol=1e-10))
        return nc / (nc + n)

    return limit(1 - tail), limit(tail)


def _compare(parts: Mapping[str, np.ndarray], confidence: float) -> dict[str, object]:
    small = [g for g, v in parts.items() if len(v) < MIN_CELL]
    two = len(parts) == 2
    first, second, *_ = parts
    named: dict[str, object] = {"group": first, "reference_group": second} if two else {"groups": len(parts)}
    if small:
        return {**named, "note": f"a group has fewer than {MIN_CELL} scores: not shown"}
    if all(float(np.ptp(v)) == 0 for v in parts.values()):
        return {**named, "note": "the scores do not vary within the groups"}
    return {**named, **(_two(parts[first], parts[second], confidence) if two else _many(parts, confidence))}


def _two(x: np.ndarray, y: np.ndarray, confidence: float) -> dict[str, object]:
    import pingouin

    test = pingouin.ttest(x, y, correction=True).iloc[0]
    df, gap = float(test["dof"]), float(x.mean() - y.mean())
    # pingouin rounds its interval to 2 digits: this is the same one in full.
    half = float(stdtrit(df, (1 + confidence) / 2)) * math.sqrt(
        x.var(ddof=1) / len(x) + y.var(ddof=1) / len(y)
    )
    g = float(pingouin.compute_effsize(x, y, eftype="hedges"))
    low, high = pingouin.compute_esci(
        stat=g, nx=len(x), ny=len(y), eftype="hedges", confidence=confidence, decimals=12
    )
    return {
        "n": len(x),
        "n_reference": len(y),
        "mean": float(x.mean()),
        "mean_reference": float(y.mean()),
        "difference": gap,
        "ci_lower": gap - half,
        "ci_upper": gap + half,
        "t": float(test["T"]),
        "df": df,
        "pvalue": float(test["p_val"]),
        "hedges_g": g,
        "g_ci_lower": float(low),
        "g_ci_upper": float(high),
    }


def _many(parts: Mapping[str, np.ndarray], confidence: float) -> dict[str, object]:
    import pingouin

    values = np.concatenate(list(parts.values()))
    names = np.repeat(list(parts), [len(v) for v in parts.values()])
    test = pingouin.welch_anova(data=pd.DataFrame({"y": values, "g": names}), dv="y", between="g").iloc[0]
    within = sum(float(((v - v.mean()) ** 2).sum()) for v in parts.values())
    between = float(((values - values.mean()) ** 2).sum()) - within
    df1, df2 = len(parts) - 1, len(values) - len(parts)
    low, high = eta_squared_interval(between / df1 / (within / df2), df1, df2, confidence)
    return {
        "n": len(values),
        "f": float(test["F"]),
        "df1": float(test["ddof1"]),
        "df2": float(test["ddof2"]),
        "pvalue": float(test["p_unc"]),
        "eta2": between / (between + within),
        "eta2_ci_lower": low,
        "eta2_ci_upper": high,
    }


def _holm(pvalues: np.ndarray) -> np.ndarray:
    import pingouin

    adjusted = np.full(len(pvalues), np.nan)
    there = np.isfinite(pvalues)
    if there.any():
        adjusted[there] = pingouin.multicomp(pvalues[there], method="holm")[1]
    return adjusted
