"""Model-implied covariances of all variables, read from a table of estimates.

Measurement figures need the variances of latents and the covariances of residuals, whatever the model
around them; a table of estimates holds all of it, so these functions need no fitted object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sem_models.errors import DataError, did_you_mean

Covariances = pd.DataFrame | Mapping[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class GroupModel:
    """One group's part of the estimates.

    items: constructs and their items, latents of latents left out. loadings: construct → item → λ.
    implied: covariance of all variables, latents included (v, v), labeled.
    """

    group: str
    items: Mapping[str, tuple[str, ...]]
    loadings: Mapping[str, Mapping[str, float]]
    implied: pd.DataFrame

    def variance(self, construct: str) -> float:
        """Model-implied variance of a construct."""
        place = self.implied.index.get_loc(construct)
        return float(self.implied.to_numpy()[place, place])


def group_models(estimates: pd.DataFrame) -> list[GroupModel]:
    """The estimates by group, in order of appearance.

    `estimates` as `fit.estimates()`: lhs, op, rhs, est, optionally group; of ordered items the latent
    responses are meant. DataError where columns are missing or no construct is measured.
    """
    missing = [c for c in ("lhs", "op", "rhs", "est") if c not in estimates.columns]
    if missing:
        hint = did_you_mean(missing[0], estimates.columns, noun="columns")
        raise DataError(f"The table of estimates lacks the column {', '.join(missing)}. {hint}")
    if not (estimates["op"] == "=~").any():
        raise DataError("The table of estimates has no construct: no row has op '=~'.")
    groups = list(dict.fromkeys(estimates["group"].astype(str))) if "group" in estimates.columns else [""]
    parts = {g: estimates[estimates["group"].astype(str) == g] for g in groups} if len(groups) > 1 else {}
    # Defined parameters and constraints may carry no group; they have no loadings and drop out.
    models = [_read(g, parts.get(g, estimates)) for g in groups]
    return [m for m in models if m.items]


def sample_covariance(sample_cov: Covariances, group: str) -> pd.DataFrame:
    """The observed covariance matrix of `group`; one matrix alone serves a model without groups."""
    if isinstance(sample_cov, pd.DataFrame):
        if group:
            raise DataError(
                f"Group '{group}' needs its own sample covariance matrix: give a dict of them by group label."
            )
        return sample_cov
    if group not in sample_cov:
        known = did_you_mean(group, sample_cov, noun="groups")
        raise DataError(f"There is no sample covariance matrix for group '{group}'. {known}")
    return sample_cov[group]


def block(cov: pd.DataFrame, items: tuple[str, ...]) -> np.ndarray:
    """The (k, k) part of a covariance matrix, float64; DataError naming what it lacks."""
    absent = [i for i in items if i not in cov.index or i not in cov.columns]
    if absent:
        hint = did_you_mean(absent[0], cov.index, noun="variables")
        raise DataError(f"The sample covariance matrix lacks {', '.join(absent)}. {hint}")
    return cov.loc[list(items), list(items)].to_numpy(np.float64)


def _read(group: str, rows: pd.DataFrame) -> GroupModel:
    names = zip(rows["lhs"].astype(str), rows["op"].astype(str), rows["rhs"].astype(str), strict=True)
    table = list(zip(names, rows["est"].astype(float), strict=True))
    latent = dict.fromkeys(lhs for (lhs, op, _), _ in table if op == "=~")
    variables = list(
        dict.fromkeys(v for (lhs, op, rhs), _ in table if op in ("=~", "~", "~~") for v in (lhs, rhs) if v)
    )
    index = {v: i for i, v in enumerate(variables)}
    directed = np.zeros((len(variables), len(variables)))
    symmetric = np.zeros_like(directed)
    for (lhs, op, rhs), value in table:
        if op == "=~":
            directed[index[rhs], index[lhs]] = value
        elif op == "~" and rhs:
            directed[index[lhs], index[rhs]] = value
        elif op == "~~":
            symmetric[index[lhs], index[rhs]] = symmetric[index[rhs], index[lhs]] = value
    # Σ of all variables in RAM form, (I − A)⁻¹ S (I − A)⁻ᵀ: McArdle & McDonald (1984), eq. 6 without F.
    effects = np.linalg.inv(np.eye(len(variables)) - directed)
    implied = pd.DataFrame(effects @ symmetric @ effects.T, index=variables, columns=variables)
    loadings = {
        c: {rhs: v for (lhs, op, rhs), v in table if (lhs, op) == (c, "=~") and rhs not in latent}
        for c in latent
    }
    loadings = {c: v for c, v in loadings.items() if v}
    return GroupModel(group, {c: tuple(v) for c, v in loadings.items()}, loadings, implied)
