"""Screening of survey items before a model is fitted: what is missing, odd, doubled or redundant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from sem_models.measurement.differences import MIN_CELL, TWO, group_differences
from sem_models.measurement.items import complete, numeric_items
from sem_models.measurement.normality import kurtosis, normality_table, skewness

NEAR_DUPLICATE = 0.95
PAIR_ROWS = 10
STRAIGHT_ITEMS = 5
_NULL = 1e-8


@dataclass(frozen=True, slots=True)
class Screening:
    """Tables of a screening; none holds a row or id of a customer, nor a share of fewer than 5.

    items: item, n, missing_pct, mean, sd, skew, kurtosis, floor_pct, ceiling_pct. missing: n_rows,
    n_complete, n_patterns. normality: test, statistic, df, pvalue, n, note. duplicates: item_1, item_2, r,
    n. collinear: item, smc, determined_by. straight_lining: n, share_pct, note. differences: see
    `group_differences`. issues: kind, items, detail, remedy.
    """

    items: pd.DataFrame
    missing: pd.DataFrame
    normality: pd.DataFrame
    duplicates: pd.DataFrame
    collinear: pd.DataFrame
    straight_lining: pd.DataFrame
    differences: pd.DataFrame
    issues: pd.DataFrame


def screen(
    frame: pd.DataFrame,
    items: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    group: str | None = None,
    reference_group: str | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    confidence: float = 0.95,
) -> Screening:
    """Screen `items`: a list, or a mapping of scales to their items (needed for group differences).

    `limits` gives the lowest and highest possible answer by item, else those observed are taken. With
    `group`, the scales (a plain list counts as single-item scales) are compared between its groups,
    two of them as group minus `reference_group`.
    """
    scales = (
        {i: [i] for i in items} if not isinstance(items, Mapping) else {k: list(v) for k, v in items.items()}
    )
    data = numeric_items(frame, [i for v in scales.values() for i in v])
    described = _describe(data, limits or {})
    constant = [str(i) for i, sd in zip(described["item"], described["sd"], strict=True) if not sd > 0]
    varying = data.drop(columns=constant)
    duplicates = near_duplicates(varying)
    collinear = collinear_items(varying)
    straight = straight_lining(data)
    if group is None:
        differences = pd.DataFrame(columns=TWO)
    else:
        differences = group_differences(
            frame, scales, group, reference_group=reference_group, confidence=confidence
        )
    return Screening(
        items=described,
        missing=_missing(data),
        normality=normality_table(complete(varying)),
        duplicates=duplicates,
        collinear=collinear,
        straight_lining=straight,
        differences=differences,
        issues=_issues(described, constant, duplicates, collinear, straight),
    )


def near_duplicates(data: pd.DataFrame, *, threshold: float = NEAR_DUPLICATE) -> pd.DataFrame:
    """Pairs of items with |r| of at least `threshold`, from rows that answered both (10 or more).

    Columns: item_1, item_2, r, n; the closest first.
    """
    there = data.notna().to_numpy()
    correlations = data.corr(min_periods=PAIR_ROWS).to_numpy()
    rows = []
    for i, j in combinations(range(data.shape[1]), 2):
        r = float(correlations[i, j])
        if abs(r) >= threshold:
            n = int((there[:, i] & there[:, j]).sum())
            rows.append(
                {"item_1": data.columns[i], "item_2": data.columns[j], "r": min(max(r, -1.0), 1.0), "n": n}
            )
    table = pd.DataFrame(rows, columns=["item_1", "item_2", "r", "n"])
    return table.sort_values("r", key=lambda r: -r.abs(), kind="stable", ignore_index=True)


def collinear_items(data: pd.DataFrame) -> pd.DataFrame:
    """Squared multiple correlation of each item with all others, from complete rows.

    Columns: item, smc (NaN where there are too few complete rows), determined_by: the items of the exact
    linear relation it takes part in, empty where there is none.
    """
    rows = complete(data)
    names = [str(c) for c in data.columns]
    n, p = rows.shape
    blank = pd.DataFrame({"item": names, "smc": math.nan, "determined_by": ""})
    if p < 2 or n <= p + 1:
        return blank
    values = rows.to_numpy()
    spread = values.std(axis=0)
    if (spread == 0).any():  # constant among the complete rows only
        return blank
    correlation = np.corrcoef(values, rowvar=False)
    eigenvalues, vectors = np.linalg.eigh(correlation)
    null = vectors[:, eigenvalues < _NULL * p]
    # The projection on the null space has nonzero entries just where items depend on each other.
    relation = np.abs(null @ null.T) > 1e-6
    partners = [[names[j] for j in range(p) if j != i and relation[i, j]] for i in range(p)]
    smc = np.ones(p)
    free = [i for i in range(p) if not partners[i]]
    # An item in no relation is regressed on the others, of which a basis does.
    basis = vectors[:, eigenvalues >= _NULL * p]
    inverse = (basis / eigenvalues[eigenvalues >= _NULL * p]) @ basis.T
    for i in free:
        smc[i] = 1 - 1 / inverse[i, i]
    return pd.DataFrame({"item": names, "smc": smc, "determined_by": [", ".join(v) for v in partners]})


def straight_lining(data: pd.DataFrame) -> pd.DataFrame:
    """Share of respondents who gave one and the same answer to all of their (at least 5) answered items.

    One row: n (respondents judged), share_pct (NaN where it would stand for 1 to 4 people), note.
    """
    values = data.to_numpy()
    judged = values[(~np.isnan(values)).sum(axis=1) >= STRAIGHT_ITEMS]
    if not len(judged):
        note = f"nobody answered {STRAIGHT_ITEMS} of these items"
        return pd.DataFrame([{"n": 0, "share_pct": math.nan, "note": note}])
    count = int((np.nanmax(judged, axis=1) == np.nanmin(judged, axis=1)).sum())
    note = f"fewer than {MIN_CELL} respondents: not shown" if 0 < count < MIN_CELL else ""
    return pd.DataFrame([{"n": len(judged), "share_pct": _share(count, len(judged)), "note": note}])


def _describe(data: pd.DataFrame, limits: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    rows = []
    for item in data.columns:
        values = data[item].dropna().to_numpy()
        n = len(values)
        low, high = limits.get(str(item), (values.min(), values.max()) if n else (math.nan, math.nan))
        rows.append(
            {
                "item": str(item),
                "n": n,
                "missing_pct": 100 * (1 - n / len(data)) if len(data) else math.nan,
                "mean": float(values.mean()) if n else math.nan,
                "sd": float(values.std(ddof=1)) if n > 1 else math.nan,
                "skew": skewness(values),
                "kurtosis": kurtosis(values),
                "floor_pct": _share(int((values == low).sum()), n),
                "ceiling_pct": _share(int((values == high).sum()), n),
            }
        )
    return pd.DataFrame(rows)


def _share(count: int, n: int) -> float:
    """Percentage, NaN where it would stand for 1 to 4 people."""
    return math.nan if n == 0 or 0 < count < MIN_CELL else 100 * count / n


def _missing(data: pd.DataFrame) -> pd.DataFrame:
    absent = data.isna().to_numpy()
    patterns = len(np.unique(absent, axis=0)) if len(absent) else 0
    done = int((~absent.any(axis=1)).sum())
    return pd.DataFrame([{"n_rows": len(data), "n_complete": done, "n_patterns": patterns}])


def _issues(
    described: pd.DataFrame,
    constant: Sequence[str],
    duplicates: pd.DataFrame,
    collinear: pd.DataFrame,
    straight: pd.DataFrame,
) -> pd.DataFrame:
    rows: list[tuple[str, str, str, str]] = []
    empty = {str(i) for i, n in zip(described["item"], described["n"], strict=True) if n == 0}
    for item in constant:
        detail = "no answers" if item in empty else "all answers are the same"
        rows.append(("constant", item, detail, "leave the item out"))
    for r in duplicates.to_dict("records"):
        remedy = "use one of them, and find out how the other was made"
        rows.append(
            ("near duplicate", f"{r['item_1']}, {r['item_2']}", f"r = {r['r']:.3f}, n = {r['n']}", remedy)
        )
    told: set[frozenset[str]] = set()
    for r in collinear.to_dict("records"):
        together = frozenset([r["item"], *str(r["determined_by"]).split(", ")])
        if r["determined_by"] and together not in told:
            told.add(together)
            names = ", ".join(i for i in collinear["item"] if i in together)
            rows.append(
                ("collinear", names, "an exact linear relation holds between them", "leave one of them out")
            )
    for r in described.to_dict("records"):
        if r["missing_pct"] > 20 and r["item"] not in empty:
            detail = f"{r['missing_pct']:.0f} % missing"
            rows.append(
                ("missing", str(r["item"]), detail, 'use missing="fiml", and find out why it was skipped')
            )
    share = float(straight["share_pct"].iloc[0])
    if share > 5:
        detail = f"{share:.0f} % gave one answer to all items"
        rows.append(("straight-lining", "", detail, "compare the results with and without these respondents"))
    return pd.DataFrame(rows, columns=["kind", "items", "detail", "remedy"])
