"""Constructs too close to be compared: by their latent correlation, or by HTMT2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sem_models.inference.result import Fit
from sem_models.model.parts import Rules

Pairs = Mapping[frozenset[str], str]


def too_close(fit: Fit, constructs: Mapping[str, Sequence[str]], rules: Rules) -> dict[frozenset[str], str]:
    """Pairs of constructs correlated above `rules.distinct` or with an HTMT2 of `rules.htmt` or more.

    With the reason. Henseler, Ringle & Sarstedt (2015); HTMT2: Roemer, Schuberth & Henseler (2021). Single
    items have no HTMT.
    """
    from sem_models.measurement.validity import htmt, latent_correlations

    correlation = next(iter(latent_correlations(fit.estimates()).values()))
    out: dict[frozenset[str], str] = {}
    names = list(correlation.columns)
    values = correlation.to_numpy(np.float64)
    for a, first in enumerate(names):
        for b in range(a):
            if values[a, b] > rules.distinct:
                out[frozenset((first, names[b]))] = f"they correlate {values[a, b]:.2f}"
    several = {c: list(items) for c, items in constructs.items() if len(items) > 1}
    if len(several) < 2:
        return out
    observed = next(iter(fit.sample_moments().values()))["cov"]
    items = [i for chosen in several.values() for i in chosen]
    ratio = htmt(observed.loc[items, items], several, kind="htmt2")
    ratios = ratio.to_numpy(np.float64)
    for a, first in enumerate(ratio.columns):
        for b in range(a):
            pair = frozenset((str(first), str(ratio.columns[b])))
            if ratios[a, b] >= rules.htmt and pair not in out:
                out[pair] = f"their HTMT2 is {ratios[a, b]:.2f}"
    return out
