"""Necessary but not sufficient: which level of a condition an outcome is never reached without.

`necessity(fit, "SAT", "BI")` for factor scores, or with columns or item means of a data frame. Dul (2016),
Organizational Research Methods, 19, 10–52; Dul (2020), Conducting necessary condition analysis, Sage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.findings.bottleneck import Unit, bottleneck_table
from sem_models.findings.ceilings import KINDS, Ceiling, CeilingKind, Scope, ceiling
from sem_models.findings.columns import BINS, SMALLEST, customer_values
from sem_models.findings.permutation import PermutationTest, permutation_test
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from altair.typing import ChartType

    from sem_models.inference.factor_scores import ScoreMethod

LABELS: dict[str, str] = {"ce_fdh": "CE-FDH", "cr_fdh": "CR-FDH"}
COLUMNS = [
    "condition", "outcome", "ceiling", "n", "effect_size", "size", "pvalue", "pvalue_accuracy", "accuracy",
    "above", "slope", "intercept", "zone", "scope", "condition_inefficiency", "outcome_inefficiency",
    "relative_inefficiency", "absolute_inefficiency", "complexity", "fit",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """One condition with the outcome: complete values x, y (n,), their ceilings and tests."""

    condition: str
    x: Array = field(repr=False)
    y: Array = field(repr=False)
    scope: Scope
    ceilings: Mapping[str, Ceiling] = field(repr=False)
    tests: Mapping[str, PermutationTest] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Necessity:
    """Result of `necessity`; printing it shows the table, never a customer."""

    outcome: str
    pairs: tuple[Pair, ...]
    seed: int | None
    outcome_values: Array = field(repr=False)

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(p.condition for p in self.pairs)

    def pair(self, condition: str) -> Pair:
        """The analysis of one condition; SpecError with near matches when there is none."""
        for pair in self.pairs:
            if pair.condition == condition:
                return pair
        hint = did_you_mean(condition, self.conditions, noun="conditions")
        raise SpecError(f"'{condition}' is no condition here. {hint}")

    def table(self) -> pd.DataFrame:
        """One row a condition and ceiling.

        effect_size is d with its usual word (`size`); accuracy the share (%) of customers not above the
        ceiling, `above` their number; inefficiencies in % (absolute_inefficiency in units of the scope);
        complexity counts the corners of the ceiling; fit is d as % of that of CE-FDH. pvalue is NaN without
        permutations.
        """
        rows = [_row(self.outcome, p, kind) for p in self.pairs for kind in p.ceilings]
        return pd.DataFrame(rows, columns=COLUMNS)

    def bottleneck(
        self, ceiling: CeilingKind = "ce_fdh", *, steps: int | Sequence[float] = 10,
        x: Unit = "percentage.range", y: Unit = "percentage.range", text: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """The level of each condition that a level of the outcome needs: one row a level, lowest first.

        Parameters
        ----------
        ceiling : "ce_fdh" or "cr_fdh"
        steps : int or sequence
            Number of equal steps of the outcome, or its levels themselves, in the unit of `y`.
        x, y : "percentage.range", "percentage.max", "actual" or "percentile"
            Percent of the range or of the maximum, own units, or percentiles; of a condition that is the
            share (%) of customers who do not reach the level needed.
        text : bool
            "NN" (not necessary) and "NA" (no level is enough) and one decimal, as the field prints it;
            otherwise NaN and inf.
        """
        for pair in self.pairs:
            _known(pair.ceilings, ceiling, "ceilings")
        lines = {p.condition: (p.ceilings[ceiling], p.x) for p in self.pairs}
        return bottleneck_table(
            self.outcome, self.outcome_values, lines, steps=steps, x_unit=x, y_unit=y, text=text
        )

    def cells(self, condition: str) -> tuple[pd.DataFrame, int]:
        """Customers counted in a grid (columns x, y, x_width, y_width, n) and how many are not shown.

        Cells of fewer than 5 customers are left out.
        """
        pair = self.pair(condition)
        x_edges, y_edges = _edges(pair.x), _edges(pair.y)
        counts = np.histogram2d(pair.x, pair.y, [x_edges, y_edges])[0]
        i, j = np.nonzero(counts >= SMALLEST)
        frame = pd.DataFrame(
            {
                "x": (x_edges[i] + x_edges[i + 1]) / 2, "y": (y_edges[j] + y_edges[j + 1]) / 2,
                "x_width": np.diff(x_edges)[i], "y_width": np.diff(y_edges)[j],
                "n": counts[i, j].astype(int),
            }
        )  # fmt: skip
        return frame, int(len(pair.x) - frame["n"].sum())

    def chart(self, condition: str | None = None, *, names: Mapping[str, str] | None = None) -> ChartType:
        """Counts of customers with the ceilings of one condition (the first by default)."""
        from sem_models.charts.necessity import necessity_chart

        return necessity_chart(self, condition or self.conditions[0], names=names)

    def __str__(self) -> str:
        return f"Necessary conditions for {self.outcome}\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False))


def necessity(
    source: Any,
    conditions: str | Sequence[str],
    outcome: str,
    *,
    ceilings: Sequence[CeilingKind] = KINDS,
    scope: Mapping[str, tuple[float, float]] | None = None,
    permutations: int = 10_000,
    seed: int | None = None,
    items: Mapping[str, Sequence[str]] | None = None,
    scores: ScoreMethod = "regression",
) -> Necessity:
    """Necessary condition analysis of one or several conditions for an outcome.

    Parameters
    ----------
    source : Fit, DataFrame or Survey
        Of a fit, names are latent variables and their factor scores are used; else columns.
    conditions, outcome : str
        Each condition is taken by itself, over the customers who have it and the outcome.
    ceilings : "ce_fdh" (step function, for items) and "cr_fdh" (line, for scores)
    scope : mapping, optional
        Theoretical limits by name, {"SAT": (1, 7)}; otherwise the smallest and largest value seen. Where
        nobody was seen below some X, the ceiling there is the bottom of the scope.
    permutations : int
        Of the test; 0 for none. The same seed gives the same p-values.
    items : mapping, optional
        Names that stand for the mean of several columns, {"SAT": ["sat1", "sat2"]}.
    scores : "regression" or "bartlett"

    Raises
    ------
    DataError
        For absent names, text, constant values, values outside a theoretical scope, or under 5 customers.
    """
    chosen = [conditions] if isinstance(conditions, str) else list(dict.fromkeys(conditions))
    kinds = tuple(dict.fromkeys(ceilings))
    for kind in kinds:
        _known(KINDS, kind, "ceilings")
    if not chosen or not kinds:
        raise SpecError("Name at least one condition and one ceiling.")
    if outcome in chosen:
        raise SpecError(f"'{outcome}' is the outcome and cannot be a condition for itself.")
    for name in scope or {}:
        _known([*chosen, outcome], name, "names")
    if permutations < 0:
        raise SpecError(f"permutations={permutations} must be 0 or more, for example 10000.")
    values = customer_values(source, [*chosen, outcome], items=items, scores=scores)
    rng = np.random.default_rng(seed)
    y = values[outcome].to_numpy()
    prepared = [_prepared(values[c].to_numpy(), y, c, outcome, scope or {}) for c in chosen]
    pairs = []
    for condition, (x_kept, y_kept, box) in zip(_progress(chosen, permutations), prepared, strict=True):
        found: dict[str, Ceiling] = {kind: ceiling(x_kept, y_kept, kind, box) for kind in kinds}
        tests: dict[str, PermutationTest] = {
            kind: permutation_test(x_kept, y_kept, kind, box, found[kind].effect_size, permutations, rng)
            for kind in kinds
            if permutations
        }
        pairs.append(Pair(condition, x_kept, y_kept, box, found, tests))
    return Necessity(outcome, tuple(pairs), seed, y[~np.isnan(y)])


def effect_word(d: float) -> Literal["none", "small", "medium", "large", "very large"]:
    """Dul's (2016, p. 30) benchmarks for d."""
    if d <= 0:
        return "none"
    return "small" if d < 0.1 else "medium" if d < 0.3 else "large" if d < 0.5 else "very large"


def _prepared(
    x: Array, y: Array, condition: str, outcome: str, scope: Mapping[str, tuple[float, float]]
) -> tuple[Array, Array, Scope]:
    seen = ~(np.isnan(x) | np.isnan(y))
    x, y = x[seen], y[seen]
    if len(x) < SMALLEST:
        raise DataError(
            f"Fewer than {SMALLEST} customers have both '{condition}' and '{outcome}'. Take other columns."
        )
    limits = []
    for name, values in ((condition, x), (outcome, y)):
        if values.min() == values.max():
            raise DataError(f"'{name}' is the same for all {len(values)} customers: no ceiling can be drawn.")
        low, high = scope.get(name, (float(values.min()), float(values.max())))
        if not low < high or values.min() < low or values.max() > high:
            raise DataError(
                f"scope= of '{name}', {low:g} to {high:g}, does not hold all its values. "
                "Widen it or leave it out."
            )
        limits += [float(low), float(high)]
    return x, y, Scope(*limits)


def _row(outcome: str, pair: Pair, kind: str) -> dict[str, Any]:
    line = pair.ceilings[kind]
    n, above = len(pair.x), line.above(pair.x, pair.y)
    test = pair.tests.get(kind)
    full = ceiling(pair.x, pair.y, "ce_fdh", pair.scope).effect_size
    return {
        "condition": pair.condition, "outcome": outcome, "ceiling": kind, "n": n,
        "effect_size": line.effect_size, "size": effect_word(line.effect_size),
        "pvalue": test.pvalue if test else np.nan, "pvalue_accuracy": test.accuracy if test else np.nan,
        "accuracy": 100.0 * (n - above) / n, "above": above, "slope": line.slope,
        "intercept": line.intercept, "zone": line.zone, "scope": pair.scope.area,
        "condition_inefficiency": line.condition_inefficiency,
        "outcome_inefficiency": line.outcome_inefficiency,
        "relative_inefficiency": line.relative_inefficiency,
        "absolute_inefficiency": line.absolute_inefficiency,
        "complexity": len(line.corners) if kind == "ce_fdh" else 1,
        "fit": 100.0 * line.effect_size / full if full > 0 else np.nan,
    }  # fmt: skip


def _edges(values: Array) -> Array:
    """Edges of cells: around each value of an item, else 12 of equal width over the range."""
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        middles = (distinct[1:] + distinct[:-1]) / 2
        first, last = distinct[1] - distinct[0], distinct[-1] - distinct[-2]
        return np.concatenate([[distinct[0] - first / 2], middles, [distinct[-1] + last / 2]])
    return np.linspace(distinct[0], distinct[-1], BINS + 1)


def _progress(conditions: Sequence[str], permutations: int) -> Any:
    """A bar where the tests will take over two seconds."""
    from tqdm import tqdm

    return tqdm(conditions, desc="permutations", disable=len(conditions) * permutations < 60_000)


def _known(choices: Any, name: str, noun: str) -> None:
    if name not in choices:
        raise SpecError(f"'{name}' is unknown here. {did_you_mean(str(name), choices, noun=noun)}")
