"""The share of customers for whom an effect is negative or positive, with an interval from its estimation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import SpecError
from sem_models.model.ram import Array
from sem_models.moderation.probing.conditional import ConditionalEffects

POINTS = 1000
"""Customers that stand for all along one moderator."""

SEVERAL = 4096
"""Customers that stand for all where there are several moderators."""


def effect_shares(effects: ConditionalEffects, *, draws: int = 4000, seed: int | None = None) -> pd.DataFrame:
    """Shares of the customers at whose moderators the effect is below and above zero.

    The effect is that of their values of the moderators, not of the customers themselves. Limits are
    percentiles over normal draws of the estimates; the moderators' distribution is taken as given. Columns
    outcome, predictor, [group], effect ("negative", "positive"), share, ci_lower, ci_upper, basis.
    """
    if draws < 100:
        raise SpecError(f"{draws} draws are too few for an interval. Ask for 1,000 or more.")
    terms = effects.terms
    weights = effects.weights(customers(effects))
    slopes = weights @ terms.jacobian
    used = np.flatnonzero(np.any(slopes != 0.0, axis=0))
    values, vectors = np.linalg.eigh(terms.covariance[np.ix_(used, used)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    noise = np.random.default_rng(seed).standard_normal((draws, len(used)))
    at = weights @ terms.value
    moved = noise @ (slopes[:, used] @ root).T
    moved += at
    tails = [(1.0 - effects.level) / 2.0, (1.0 + effects.level) / 2.0]
    keys = {"outcome": effects.outcome, "predictor": effects.predictor}
    if effects.label:
        keys["group"] = effects.label
    bases = dict.fromkeys(terms.support_of(m).words for m in effects.moderators)
    group = effects.group if effects.label else None
    signs = {"negative": -1.0, "positive": 1.0}
    shares = np.array([(sign * at > 0).mean() for sign in signs.values()])
    if len(effects.moderators) == 1:
        shares = terms.support_of(effects.moderators[0]).released(shares, group)
    rows = []
    for (name, sign), share in zip(signs.items(), shares, strict=True):
        low, high = np.quantile((sign * moved > 0).mean(axis=1), tails)
        rows.append({**keys, "effect": name, "share": float(share), "ci_lower": low, "ci_upper": high,
                     "basis": "; ".join(bases)})  # fmt: skip
    return pd.DataFrame(rows)


def customers(effects: ConditionalEffects) -> dict[str, Array]:
    """Values of the moderators that stand for all customers of the group.

    Of one moderator its quantiles; of several the quantiles of each, joined as normal variables with the
    model's correlations are (a Gaussian copula; 4,096 quasi-random points).
    """
    terms, names = effects.terms, effects.moderators
    group = effects.group if len(terms.groups) > 1 else None
    if not names:
        raise SpecError(f"The effect of {effects.predictor} on {effects.outcome} has no moderator.")
    if len(names) == 1:
        shares = (np.arange(POINTS) + 0.5) / POINTS
        return {names[0]: terms.support_of(names[0]).quantile(shares, group)}
    from scipy.stats import qmc

    places = [terms.place(n) for n in names]
    cov = terms.cov[effects.group][np.ix_(places, places)]
    unit = np.sqrt(np.diagonal(cov))
    root = np.linalg.cholesky(cov / np.outer(unit, unit))
    even = qmc.Halton(len(names), scramble=False).random(SEVERAL + 1)[1:]
    normal = ndtri(np.clip(even, 1e-6, 1 - 1e-6)) @ root.T
    return {n: terms.support_of(n).quantile(ndtr(normal[:, k]), group) for k, n in enumerate(names)}
