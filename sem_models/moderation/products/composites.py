"""Composites of the items and what measurement error does to their products.

Bohrnstedt, G. W., & Marwell, G. (1978), The reliability of products of two random variables, Sociological
Methodology, 9, 254–273; Hsiao, Y.-Y., Kwok, O.-M., & Lai, M. H. C. (2018), Evaluation of two methods for
modeling measurement errors when testing interaction effects with observed composite scores, Educational and
Psychological Measurement, 78, 181–202.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.estimation.fit import fit
from sem_models.measurement.reliability import alpha_of
from sem_models.model.ram import Array
from sem_models.observed.sample import numeric_columns

if TYPE_CHECKING:
    import pandas as pd

Coefficient = Literal["omega", "alpha"]
COEFFICIENTS = ("omega", "alpha")


@dataclass(frozen=True, slots=True)
class Composites:
    """Factors of products as single columns: constructs as the mean of their items, columns as they are.

    names (k,); values (n, k), centered, NaN where an item is missing; means (k,); reliability (k,); true
    (k, k) covariances of the factors and observed (k, k) ones, which differ by the error variances.
    """

    names: tuple[str, ...]
    values: Array
    means: Array
    reliability: Array
    observed: Array
    true: Array

    def error_covariances(self, products: Sequence[tuple[int, int]]) -> Array:
        """Error (co)variances (m, m) of products of two factors each, by place.

        Cov(f_a f_b, f_c f_d) − Cov(η_a η_b, η_c η_d) for errors independent of the factors and of each other;
        for one product T_aa θ_b + T_bb θ_a + θ_a θ_b (Bohrnstedt & Marwell, 1978), for a square of a normal
        factor with a normal error 4 T_aa θ_a + 2 θ_a².
        """
        a, b = np.array(products).T
        return np.asarray(_spread(self.observed, a, b) - _spread(self.true, a, b))


def _spread(cov: Array, a: Array, b: Array) -> Array:
    return np.asarray(cov[np.ix_(a, a)] * cov[np.ix_(b, b)] + cov[np.ix_(a, b)] * cov[np.ix_(b, a)])


def composites(
    frame: pd.DataFrame, items: Mapping[str, tuple[str, ...]], *,
    reliability: Coefficient | Mapping[str, float], missing: str,
) -> Composites:  # fmt: skip
    """Composites of the factors; items lists each factor's items, a column being its own only item.

    reliability "omega" takes the share of the composite's variance that a one-factor model explains, "alpha"
    Cronbach's, which constructs of two items have in any case; a mapping states figures by construct.
    """
    stated = _stated(reliability, items)
    columns = [numeric_columns(frame, own).mean(axis=1) for own in items.values()]
    raw = np.column_stack(columns)
    complete = np.isfinite(raw).all(axis=1)
    if int(complete.sum()) <= len(items) + 1:
        raise DataError(
            f"Only {int(complete.sum())} rows have all items of {', '.join(items)}, too few for their "
            "composites. Use method='sam' with missing='fiml'."
        )
    means = np.nanmean(raw, axis=0)
    centered = raw - means
    observed = np.atleast_2d(np.cov(centered[complete], rowvar=False, ddof=0))
    shares = []
    for name, own in items.items():
        known = stated.get(name)
        shares.append(
            known if known is not None else _estimated(frame, name, own, reliability, missing=missing)
        )
    rho = np.array(shares)
    true = observed - np.diag((1.0 - rho) * np.diagonal(observed))
    return Composites(tuple(items), centered, means, rho, observed, true)


def _stated(
    reliability: Coefficient | Mapping[str, float], items: Mapping[str, tuple[str, ...]]
) -> dict[str, float]:
    """Reliabilities that are known: those that were given, and 1 for columns of the data."""
    out = {name: 1.0 for name, own in items.items() if own == (name,)}
    if isinstance(reliability, str):
        if reliability not in COEFFICIENTS:
            raise SpecError(
                f"reliability={reliability!r} is unknown. "
                f"{did_you_mean(reliability, COEFFICIENTS, noun='coefficients')}"
            )
        return out
    if not isinstance(reliability, Mapping):
        raise SpecError("reliability= must be 'omega', 'alpha', or figures by construct as {'EDS': .9}.")
    for name, value in reliability.items():
        if name not in items:
            raise SpecError(
                f"reliability=: '{name}' is no factor of a product. "
                f"{did_you_mean(name, items, noun='factors')}"
            )
        if not 0.0 < float(value) <= 1.0:
            raise SpecError(f"reliability=: {value!r} for '{name}' is not between 0 and 1.")
        out[name] = float(value)
    return out


def _estimated(
    frame: pd.DataFrame, name: str, items: tuple[str, ...], how: Coefficient | Mapping[str, float], *,
    missing: str,
) -> float:  # fmt: skip
    if len(items) == 1:
        raise SpecError(
            f"'{name}' has one item, so its reliability cannot be estimated. State it: "
            f"reliability={{'{name}': .8}} (1 for an item without error)."
        )
    values = numeric_columns(frame, items)
    rows = values[np.isfinite(values).all(axis=1)]
    cov = np.cov(rows, rowvar=False, ddof=0)
    if how == "alpha" or len(items) < 3:
        found = alpha_of(cov)
    else:
        fitted = fit(f"{name} =~ {' + '.join(items)}", frame, missing=missing)
        loadings = fitted.estimates().query("op == '=~'")["est"].to_numpy()
        odd = [i for i, value in zip(items, loadings, strict=True) if value < 0]
        if odd:
            raise SpecError(
                f"'{odd[0]}' loads on '{name}' against its other items, which a composite cannot use. "
                "Reverse it first, or use method='sam'."
            )
        variance = float(fitted.latent_moments()[""]["cov"].iloc[0, 0])
        found = float(loadings.sum()) ** 2 * variance / float(cov.sum())
    if not 0.0 < found <= 1.0:
        raise DataError(
            f"The reliability of the composite of '{name}' comes out as {found:.2f}. Check the items' "
            "directions, or state it with reliability=."
        )
    return float(found)
