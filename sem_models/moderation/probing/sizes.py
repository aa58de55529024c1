"""How much an interaction matters: standardized effect, ΔR² and f², with the product's true variance.

Wen, Z., Marsh, H. W., & Hau, K.-T. (2010). Structural Equation Modeling, 17, 1–22: the standardized
interaction is b sd(x) sd(z) / sd(y). Cohen, J. (1988): f² = ΔR² / (1 − R²). ΔR² is the squared semipartial
correlation of the product with the outcome: b² Var(product | other predictors) / Var(y).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sem_models.model.ram import Array
from sem_models.moderation.probing.critical import Distribution, inference
from sem_models.moderation.probing.product_moments import product_covariances
from sem_models.moderation.probing.terms import EffectTerms

STEP = 1e-5


def sizes(terms: EffectTerms, *, level: float = 0.95, distribution: Distribution = "normal") -> pd.DataFrame:
    """One row a product, outcome and group.

    Columns outcome, product, [group], est, se, z or t, pvalue, ci_lower, ci_upper (the coefficient), std_all
    and se_std (by the delta method; the moments are taken as given where the model cannot say how they
    vary), delta_r_squared, r_squared, f_squared.
    """
    rows = []
    for i, row in enumerate(terms.table.rows):
        if row.op != "~" or row.rhs not in terms.products:
            continue
        g = row.block - 1
        weights = np.zeros((1, len(terms.value)))
        weights[0, i] = 1.0
        est, se = terms.value[[i]], terms.errors_of(weights)
        keys: dict[str, object] = {"outcome": row.lhs, "product": row.rhs}
        if len(terms.groups) > 1:
            keys["group"] = terms.groups[g]
        std, se_std = _standardized(terms, i, g)
        gain, total = _gain(terms, i, g)
        tested = inference(est, se, level, distribution, terms.df)
        keys.update({name: float(column[0]) for name, column in tested.items()})
        share = gain / (1.0 - total) if total < 1 else np.nan
        keys |= {
            "std_all": std,
            "se_std": se_std,
            "delta_r_squared": gain,
            "r_squared": total,
            "f_squared": share,
        }
        rows.append(keys)
    return pd.DataFrame(rows)


def _standardized(terms: EffectTerms, row: int, group: int) -> tuple[float, float]:
    """b Π sd(factors) / sd(y) and its error."""
    entry = terms.table.rows[row]
    factors = [terms.place(f) for f in terms.products[entry.rhs] if f in terms.names]
    if len(factors) < len(terms.products[entry.rhs]) or entry.lhs not in terms.names:
        return float("nan"), float("nan")
    outcome = terms.place(entry.lhs)

    def scale(cov: Array) -> float:
        sd = np.sqrt(np.diagonal(cov[group]))
        return float(sd[factors].prod() / sd[outcome])

    at = scale(terms.cov)
    slope = terms.jacobian[row] * at
    if terms.moments is not None and terms.free is not None:
        for k in np.flatnonzero(np.diagonal(terms.covariance) > 0):
            step = STEP * max(1.0, abs(float(terms.free[k])))
            ends = []
            for sign in (1.0, -1.0):
                moved = terms.free.copy()
                moved[k] += sign * step
                ends.append(scale(terms.moments(moved)[1]))
            slope[k] += terms.value[row] * (ends[0] - ends[1]) / (2 * step)
    variance = float(slope @ terms.covariance @ slope)
    return float(terms.value[row] * at), float(np.sqrt(max(variance, 0.0)))


def _gain(terms: EffectTerms, row: int, group: int) -> tuple[float, float]:
    """ΔR² of one product, and R² of its outcome's equation."""
    entry = terms.table.rows[row]
    equation = {
        r.rhs: terms.value[i]
        for i, r in enumerate(terms.table.rows)
        if r.op == "~" and r.lhs == entry.lhs and r.block == entry.block
    }
    names = list(equation)
    moments = _with_products(terms, group)
    if moments is None or entry.lhs not in terms.names:
        return float("nan"), float("nan")
    labels, cov = moments
    at = [labels.index(n) for n in names]
    spread = cov[np.ix_(at, at)]
    k = names.index(entry.rhs)
    others = [j for j in range(len(names)) if j != k]
    unique = (
        spread[k, k] - spread[k, others] @ np.linalg.pinv(spread[np.ix_(others, others)]) @ spread[others, k]
    )
    b = np.array([equation[n] for n in names])
    residual = next(
        (float(terms.value[i]) for i, r in enumerate(terms.table.rows)
         if r.key == (entry.lhs, "~~", entry.lhs) and r.block == entry.block), np.nan,
    )  # fmt: skip
    total = float(b @ spread @ b) + residual
    return float(b[k] ** 2 * unique / total), 1.0 - residual / total


def _with_products(terms: EffectTerms, group: int) -> tuple[list[str], Array] | None:
    """Covariances of products and variables together, (k + v, k + v) with their labels."""
    products = list(terms.products)
    labels = [*products, *terms.names]
    if terms.joint_cov is not None:
        return labels, terms.joint_cov[group]
    positions = [[terms.names.index(f) for f in terms.products[p] if f in terms.names] for p in products]
    if any(len(at) < len(terms.products[p]) for at, p in zip(positions, products, strict=True)):
        return None
    block = product_covariances(positions, terms.mean[group], terms.cov[group])
    k = len(products)
    cov = np.empty((len(labels),) * 2)
    cov[:k], cov[k:, :k], cov[k:, k:] = block, block[:, k:].T, terms.cov[group]
    return labels, cov
