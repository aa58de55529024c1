"""Reliability of scales: alpha with its interval; omega, composite reliability and AVE of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import fdtri

from sem_models.errors import DataError
from sem_models.measurement.implied import Covariances, GroupModel, block, group_models, sample_covariance
from sem_models.measurement.items import complete, numeric_items


def alpha_table(
    frame: pd.DataFrame, constructs: Mapping[str, Sequence[str]], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Cronbach's alpha of each construct from the rows that answered all of its items.

    Columns: construct, n_items, n, alpha, ci_lower, ci_upper. The interval is Feldt's (Feldt, Woodruff &
    Salih 1987), exact for compound-symmetric normal items. NaN for a single item and below 3 rows.
    """
    import pingouin

    if not 0 < confidence < 1:
        raise DataError(f"confidence must lie between 0 and 1, not {confidence}.")
    rows = []
    for construct, items in constructs.items():
        data = complete(numeric_items(frame, items))
        n, k = data.shape
        row = {
            "construct": construct,
            "n_items": k,
            "n": n,
            "alpha": math.nan,
            "ci_lower": math.nan,
            "ci_upper": math.nan,
        }
        if k > 1 and n > 2 and float(data.sum(axis=1).var()) > 0:
            # pingouin rounds its interval to 3 digits and takes n before deletion: rows are complete here,
            # and the interval is computed at full precision.
            alpha = float(pingouin.cronbach_alpha(data=data)[0])
            tail, df1 = (1 - confidence) / 2, n - 1
            limits = [1 - (1 - alpha) * float(fdtri(df1, df1 * (k - 1), q)) for q in (1 - tail, tail)]
            row |= {"alpha": alpha, "ci_lower": limits[0], "ci_upper": limits[1]}
        rows.append(row)
    return pd.DataFrame(rows)


def reliability(estimates: pd.DataFrame, sample_cov: Covariances) -> pd.DataFrame:
    """Omega, composite reliability and AVE of each construct, one row a construct and group.

    `estimates` as `fit.estimates()` (lhs, op, rhs, est, group), `sample_cov` the observed covariance
    matrix by item name, or a dict of them by group label, with the divisor of the fit (n by default, not
    n − 1: ψ scales with it). Columns: group, construct, n_items,

    - alpha: from the observed covariances;
    - omega: (Σλ)²ψ / observed variance of the sum score, as semTools::compRelSEM by default;
    - cr: (Σλ)²ψ / model-implied variance of the sum score (its obs.var = FALSE);
    - ave: Σλ²ψ / Σ observed item variances, as semTools::AVE; Fornell & Larcker (1981) for a CFA;
    - note: what to beware of, else empty.

    ψ is the model-implied variance of the construct. The figures assume that the measurement model fits.
    DataError for ordered items, whose scores need their thresholds: `fit.reliability()` has them.
    """
    if "op" in estimates.columns and (estimates["op"] == "|").any():
        raise DataError(
            "These formulas are for items treated as continuous, and the estimates hold thresholds. Use "
            "fit.reliability(), which gives the reliability of the ordered items' sum score."
        )
    rows = []
    for model in group_models(estimates):
        observed = sample_covariance(sample_cov, model.group)
        rows += [_construct(model, construct, observed) for construct in model.items]
    return pd.DataFrame(rows)


def alpha_of(cov: np.ndarray) -> float:
    """Cronbach's alpha of a (k, k) covariance matrix: k/(k−1) · (1 − tr Σ / 1ᵀΣ1)."""
    k = len(cov)
    return k / (k - 1) * (1 - float(np.trace(cov)) / float(cov.sum())) if k > 1 else math.nan


def _construct(model: GroupModel, construct: str, observed: pd.DataFrame) -> dict[str, object]:
    items = model.items[construct]
    loading = np.array([model.loadings[construct][i] for i in items])
    psi = model.variance(construct)
    seen, implied = block(observed, items), block(model.implied, items)
    common = float(loading.sum()) ** 2 * psi
    single = len(items) == 1
    return {
        "group": model.group,
        "construct": construct,
        "n_items": len(items),
        "alpha": alpha_of(seen),
        "omega": math.nan if single else common / float(seen.sum()),
        "cr": math.nan if single else common / float(implied.sum()),
        "ave": math.nan if single else float((loading**2).sum()) * psi / float(np.trace(seen)),
        "note": beware(model.items, construct, loading, psi),
    }


def beware(constructs: Mapping[str, Sequence[str]], construct: str, loading: np.ndarray, psi: float) -> str:
    """What makes the reliability of a construct doubtful, else empty; constructs with their items."""
    notes = []
    if len(loading) == 1:
        notes.append("a single item: reliability cannot be estimated")
    if (loading > 0).any() and (loading < 0).any():
        notes.append("loadings of both signs: reverse the items first")
    if psi <= 0:
        notes.append("the construct's variance is not positive")
    items = set(constructs[construct])
    shared = sorted(items & {i for c, v in constructs.items() if c != construct for i in v})
    if shared:
        notes.append(f"{', '.join(shared)} also measure{'s' if len(shared) == 1 else ''} another construct")
    return "; ".join(notes)
