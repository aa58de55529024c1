"""Methods that follow an observed moderator, put on the metric of products: `mnlfa` and `lsem`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.errors import SpecError
from sem_models.inference.result import Fit
from sem_models.model.ast import Formula, Modifier, Syntax
from sem_models.model.ram import Array
from sem_models.model.syntax import to_text
from sem_models.moderation.covariates.estimate import moderate_by_covariates
from sem_models.moderation.local.curves import two_sided
from sem_models.moderation.local.estimate import moderate_local
from sem_models.moderation.statement import Product, Statement

DRAWS, SEED, POINTS = 200, 1, 15
"""Bootstrap samples of local models, what they are drawn by, and the focal points."""


@dataclass(frozen=True)
class Followed:
    """How the slopes of products' predictors change with one point of an observed moderator.

    found is the result of the method itself, linear the model without the moderation, whose standard
    deviations make the common metric; slopes has a row a product's path: lhs, rhs (the product), est, se.
    """

    method: str
    found: Any
    linear: Fit
    slopes: pd.DataFrame
    units: Array

    @property
    def title(self) -> str:
        """The method in words."""
        return str(self.found.title)

    @property
    def status(self) -> Any:
        """That of the method's result."""
        return self.found.status

    @property
    def header(self) -> Any:
        """That of the method's result."""
        return self.found.header

    def estimates(self, *, level: float = 0.95) -> pd.DataFrame:
        """The products' paths: lhs, op, rhs, est, se, pvalue, ci_lower, ci_upper."""
        return self._table("est", np.ones(len(self.slopes)), level)

    def standardized(self, *, level: float = 0.95) -> pd.DataFrame:
        """The same on the metric b sd(x) sd(z) / sd(y): est_std, with the errors rescaled alike."""
        return self._table("est_std", self.units, level)

    def _table(self, name: str, unit: Array, level: float) -> pd.DataFrame:
        est, se = self.slopes["est"].to_numpy() * unit, self.slopes["se"].to_numpy() * unit
        half = ndtri(0.5 + level / 2) * se
        with np.errstate(all="ignore"):
            p = two_sided(np.where(se > 0, est / se, np.nan))
        return self.slopes[["lhs", "rhs"]].assign(
            **{"op": "~", name: est, "se": se, "pvalue": p, "ci_lower": est - half, "ci_upper": est + half}
        )


def by_covariates(statement: Statement, data: pd.DataFrame, options: Mapping[str, Any]) -> Followed:
    """Paths of latent predictors that follow their observed moderators as lines (`mnlfa`)."""
    labels, text = _followed_text(statement, _pairs(statement))
    found = moderate_by_covariates(text, data, **options)
    table = found.estimates()
    rows = table[table["op"] == ":~"].set_index(["lhs", "rhs"])
    slopes = [
        (outcome, product, *rows.loc[(labels[(outcome, x)], z), ["est", "se"]])
        for outcome, product, x, z in _pairs(statement)
    ]
    return _followed("mnlfa", found, found.constant, slopes, statement, data)


def locally(statement: Statement, data: pd.DataFrame, options: Mapping[str, Any]) -> Followed:
    """The linear trend of local models' paths along the one observed moderator (`lsem`), bootstrap errors."""
    pairs = _pairs(statement)
    moderators = list(dict.fromkeys(z for *_, z in pairs))
    if len(moderators) > 1:
        raise SpecError(f"Local models follow one moderator, not {' and '.join(moderators)}.")
    z = moderators[0]
    given = {"seed": SEED, "grid": POINTS, **options}
    found = moderate_local(
        to_text(_without(statement, (z,))), data, moderator=z, bootstrap=DRAWS, progress=False, **given
    )
    rows = found.indices().query("op == '~'").set_index(["lhs", "rhs"])
    slopes = [(y, product, *rows.loc[(y, x), ["slope", "slope_se"]]) for y, product, x, _ in pairs]
    return _followed("lsem", found, found.pooled, slopes, statement, data)


def _pairs(statement: Statement) -> list[tuple[str, str, str, str]]:
    """(outcome, product, latent predictor, observed moderator) of each path; SpecError for other products."""
    rows = statement.syntax.formulas
    explained = {row.lhs for row in rows if row.op == "~"}
    out = []
    for product in statement.products:
        x, z = _split(product)
        if z in explained:
            raise SpecError(f"'{z}' is explained by the model: no path can follow it as a given column.")
        out += [(outcome, product.name, x, z) for outcome in product.outcomes]
    return out


def _split(product: Product) -> tuple[str, str]:
    observed = [f for f in product.factors if f not in product.latent]
    if len(product.factors) != 2 or len(observed) != 1:
        raise SpecError(
            f"Left out: for a latent predictor and an observed moderator, and the product is {product.name}."
        )
    return product.latent[0], observed[0]


def _without(statement: Statement, columns: tuple[str, ...] = ()) -> Syntax:
    """The model without its products, and without what names one of the columns."""
    kept = [
        f for f in statement.syntax.formulas
        if ":" not in f.lhs + f.rhs and f.lhs not in columns and f.rhs not in columns
    ]  # fmt: skip
    return replace(statement.syntax, formulas=tuple(kept))


def _followed_text(
    statement: Statement, pairs: list[tuple[str, str, str, str]]
) -> tuple[dict[tuple[str, str], str], str]:
    """Labels of the paths (outcome, predictor), and the text in which these follow their moderators."""
    syntax, labels = _without(statement), {}
    formulas = list(syntax.formulas)
    for outcome, _, x, _ in pairs:
        where = next((k for k, f in enumerate(formulas) if (f.lhs, f.op, f.rhs) == (outcome, "~", x)), None)
        if where is None:
            raise SpecError(f"The model lacks the path {outcome} ~ {x}, which would follow the moderator.")
        labels[(outcome, x)], formulas[where] = _labelled(formulas[where])
    follows: dict[str, list[str]] = {}
    for outcome, _, x, z in pairs:
        follows.setdefault(labels[(outcome, x)], []).append(z)
    lines = [f"{label} :~ {' + '.join(dict.fromkeys(z))}" for label, z in follows.items()]
    return labels, to_text(replace(syntax, formulas=tuple(formulas))) + "\n".join(lines) + "\n"


def _labelled(formula: Formula) -> tuple[str, Formula]:
    for modifier in formula.modifiers:
        if modifier.kind == "label" and modifier.values[0]:
            return str(modifier.values[0]), formula
    label = f"slope_{formula.lhs}_{formula.rhs}"
    span = formula.rhs_span
    given = (*formula.modifiers, Modifier("label", (label,), span))
    return label, replace(formula, modifiers=given)


def _followed(
    method: str, found: Any, linear: Fit, slopes: list[tuple[Any, ...]], statement: Statement,
    data: pd.DataFrame,
) -> Followed:  # fmt: skip
    size = _deviations(linear, data)
    factors = {p.name: _split(p) for p in statement.products}
    units = np.array(
        [size(factors[name][0]) * size(factors[name][1]) / size(outcome) for outcome, name, *_ in slopes]
    )
    frame = pd.DataFrame(slopes, columns=["lhs", "rhs", "est", "se"]).astype({"est": float, "se": float})
    return Followed(method, found, linear, frame, units)


def _deviations(linear: Fit, data: pd.DataFrame) -> Any:
    """A variable's standard deviation: the model's of a latent one, the data's of a column."""
    moments = next(iter(linear.latent_moments().values()))["cov"]

    def of(name: str) -> float:
        if name in moments.index:
            return float(np.sqrt(moments.loc[name, name]))
        return float(pd.to_numeric(data[name]).std(ddof=0))

    return of
