"""Discriminant validity: Fornell–Larcker, and the heterotrait–monotrait ratio (HTMT and HTMT2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
import pandas as pd

from sem_models.errors import DataError
from sem_models.measurement.implied import Covariances, block, group_models
from sem_models.measurement.items import complete, numeric_items
from sem_models.measurement.reliability import reliability

Kind = Literal["htmt2", "htmt"]
STRICT, LENIENT = 0.85, 0.90  # Henseler, Ringle & Sarstedt (2015), p. 121


def latent_correlations(estimates: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Model-implied correlations of the constructs by group label ("" without groups)."""
    found = {}
    for model in group_models(estimates):
        names = list(model.items)
        cov = model.implied.loc[names, names].to_numpy(np.float64)
        sd = np.sqrt(np.where(np.diag(cov) > 0, np.diag(cov), np.nan))
        found[model.group] = pd.DataFrame(cov / np.outer(sd, sd), index=names, columns=names)
    return found


def fornell_larcker(
    estimates: pd.DataFrame, sample_cov: Covariances, *, quality: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Whether each pair of constructs shares less variance than each shares with its items.

    Columns: group, construct_1, construct_2, correlation, squared, ave_1, ave_2, verdict ("met", "not met",
    or "undetermined" with a single item). Fornell & Larcker (1981), Journal of Marketing Research 18, p. 46.
    quality is `fit.reliability()`, which has the AVE of ordered items too; without it items are continuous.
    """
    known = reliability(estimates, sample_cov) if quality is None else quality
    ave = {(str(r["group"]), str(r["construct"])): float(r["ave"]) for r in known.to_dict("records")}
    rows = []
    for group, correlation in latent_correlations(estimates).items():
        for a, b in combinations(correlation.columns, 2):
            r = float(correlation[b].loc[a])
            first, second = ave[group, a], ave[group, b]
            met = r**2 < min(first, second)
            verdict = "undetermined" if np.isnan(first + second + r) else ("met" if met else "not met")
            rows.append(
                {
                    "group": group,
                    "construct_1": a,
                    "construct_2": b,
                    "correlation": r,
                    "squared": r**2,
                    "ave_1": first,
                    "ave_2": second,
                    "verdict": verdict,
                }
            )
    columns = ["group", "construct_1", "construct_2", "correlation", "squared", "ave_1", "ave_2", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def fornell_larcker_matrix(
    estimates: pd.DataFrame, sample_cov: Covariances, *, group: str = ""
) -> pd.DataFrame:
    """The customary square: √AVE on the diagonal, correlations of the constructs below it."""
    correlations = latent_correlations(estimates)
    if group not in correlations:
        raise DataError(f"There is no group '{group}'. Groups: {', '.join(map(repr, correlations))}.")
    square = correlations[group].mask(np.triu(np.ones(correlations[group].shape, dtype=bool)))
    table = reliability(estimates, sample_cov)
    for row in table[table["group"] == group].to_dict("records"):
        square.loc[row["construct"], row["construct"]] = np.sqrt(float(row["ave"]))
    return square


def htmt(
    sample_cov: pd.DataFrame, constructs: Mapping[str, Sequence[str]], *, kind: Kind = "htmt2"
) -> pd.DataFrame:
    """Heterotrait–monotrait ratio of all pairs, a labeled symmetric matrix with 1 on the diagonal.

    `sample_cov` is a covariance or correlation matrix of the items. `kind="htmt2"` takes geometric means
    (Roemer, Schuberth & Henseler 2021; semTools::htmt by default), `"htmt"` arithmetic ones (Henseler,
    Ringle & Sarstedt 2015); both of absolute correlations. The monotrait mean of a single item is 1.
    """
    names = list(constructs)
    items = [i for c in names for i in constructs[c]]
    twice = sorted({i for i in items if items.count(i) > 1})
    if twice:
        raise DataError(f"HTMT needs each item under one construct; under two: {', '.join(twice)}.")
    cov = block(sample_cov, tuple(items))
    spans = np.cumsum([0, *(len(constructs[c]) for c in names)])
    places = [np.arange(a, b) for a, b in pairwise(spans)]
    return pd.DataFrame(_htmt(cov, places, kind), index=names, columns=names)


def htmt_table(
    sample_cov: pd.DataFrame, constructs: Mapping[str, Sequence[str]], *, kind: Kind = "htmt2"
) -> pd.DataFrame:
    """One row a pair: construct_1, construct_2, htmt, htmt2, verdict by `kind`.

    verdict: "distinct" below .85, "borderline" below .90, else "not distinct".
    """
    names = list(constructs)
    first, second = (htmt(sample_cov, constructs, kind=k).to_numpy() for k in ("htmt", "htmt2"))
    pairs = list(combinations(range(len(names)), 2))
    return pd.DataFrame(
        {
            "construct_1": [names[a] for a, _ in pairs],
            "construct_2": [names[b] for _, b in pairs],
            "htmt": [float(first[p]) for p in pairs],
            "htmt2": [float(second[p]) for p in pairs],
            "verdict": [htmt_verdict(float((second if kind == "htmt2" else first)[p])) for p in pairs],
        }
    )


def htmt_verdict(value: float) -> str:
    """Where the ratio stands against .85 and .90; "undetermined" without a value."""
    if np.isnan(value):
        return "undetermined"
    return "distinct" if value < STRICT else ("borderline" if value < LENIENT else "not distinct")


def htmt_intervals(
    frame: pd.DataFrame,
    constructs: Mapping[str, Sequence[str]],
    *,
    rng: np.random.Generator,
    kind: Kind = "htmt2",
    n_boot: int = 1000,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Percentile bootstrap of the ratios from complete rows.

    Columns: construct_1, construct_2, n, est, ci_lower, ci_upper.
    """
    items = [i for c in constructs for i in constructs[c]]
    data = complete(numeric_items(frame, items)).to_numpy()
    if len(data) < 10:
        raise DataError(f"Only {len(data)} rows have answers to all {len(items)} items: too few to resample.")
    spans = np.cumsum([0, *(len(v) for v in constructs.values())])
    places = [np.arange(a, b) for a, b in pairwise(spans)]
    pairs = list(combinations(range(len(places)), 2))
    draws = np.empty((n_boot, len(pairs)))
    for k in range(n_boot):
        sample = data[rng.integers(0, len(data), len(data))]
        ratios = _htmt(np.cov(sample, rowvar=False), places, kind)
        draws[k] = [ratios[p] for p in pairs]
    tail = (1 - confidence) / 2
    lower, upper = np.nanquantile(draws, [tail, 1 - tail], axis=0)
    point = _htmt(np.cov(data, rowvar=False), places, kind)
    names = list(constructs)
    return pd.DataFrame(
        {
            "construct_1": [names[a] for a, _ in pairs],
            "construct_2": [names[b] for _, b in pairs],
            "n": len(data),
            "est": [point[p] for p in pairs],
            "ci_lower": lower,
            "ci_upper": upper,
        }
    )


def _htmt(cov: np.ndarray, places: Sequence[np.ndarray], kind: Kind) -> np.ndarray:
    """(c, c) ratios from a (k, k) covariance matrix; `places` are the columns of each construct."""
    with np.errstate(divide="ignore", invalid="ignore"):  # constant items: NaN, which the verdict names
        sd = np.sqrt(np.diag(cov))
        size = np.abs(cov / np.outer(sd, sd))
        within = [_average(size[np.ix_(p, p)][np.tril_indices(len(p), -1)], kind) for p in places]
        ratios = np.eye(len(places))
        for a, b in combinations(range(len(places)), 2):
            between = _average(size[np.ix_(places[a], places[b])].ravel(), kind)
            ratios[a, b] = ratios[b, a] = np.divide(between, np.sqrt(within[a] * within[b]))
    return ratios


def _average(sizes: np.ndarray, kind: Kind) -> float:
    """Geometric or arithmetic mean; 1 for the empty monotrait set of a single item."""
    if not sizes.size:
        return 1.0
    return float(np.exp(np.log(sizes).mean()) if kind == "htmt2" else sizes.mean())
