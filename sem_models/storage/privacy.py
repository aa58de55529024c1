"""What leaves with a fit that is saved without its rows: no row, and no moments of fewer than 5 customers.

Moments by missing pattern are those of the few rows that share a pattern; a pattern of one row is that row.
Where any pattern has fewer than 5 rows none of them is kept, since the small ones would follow from the
others and the overall moments. Γ, the fourth moments, is kept only where a group has more rows than it has
moments: the moments of fewer rows up to the fourth order determine the rows.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from sem_models.errors import DataError
from sem_models.estimation.estimators import YUAN_BENTLER
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.inference.solved import Solved
from sem_models.observed.fourth_moments import asymptotic_covariance
from sem_models.observed.sample import Sample
from sem_models.observed.withheld import Withheld, WithheldPatterns, WithheldRows

SMALLEST_CELL = 5
"""Customers below which a cell is never given away."""

SAFE = frozenset(
    {
        "variables", "groups", "patterns", "cov", "mean", "has_means", "rows", "n_available", "dropped",
        "digest", "unbiased", "gamma", "weighted", "clustered", "sizes", "ordinal",
    }
)  # fmt: skip
"""Fields of a sample known to hold no row; another one that is no plain number or text is left out."""

ROWS = "the rows of the data"


def without_rows(solved: Solved) -> Solved:
    """The same fit with rows and small cells left out. Raises DataError where a whole group is too small."""
    sample = solved.sample
    for label, rows in zip(sample.groups, sample.counts, strict=True):
        if rows < SMALLEST_CELL:
            where = f"Group '{label}' has" if label else "There are"
            raise DataError(
                f"{where} fewer than {SMALLEST_CELL} rows, so its moments would give them away. Merge "
                "groups, or save with include_rows=True."
            )
    kept: dict[str, Any] = {"rows": _rows(solved), "digest": sample.fingerprint}
    if sample.gamma is not None and not all(_enough(sample, g) for g in range(len(sample.groups))):
        kept["gamma"] = Withheld(ROWS)
    ordinal = sample.ordinal
    if ordinal is not None and min(sample.counts) <= ordinal.layout.size:
        withheld: Any = Withheld("the asymptotic covariance of the correlations")
        kept["ordinal"] = replace(ordinal, gamma=withheld)
    for f in fields(sample):
        value = getattr(sample, f.name)
        if f.name not in SAFE and not (value is None or isinstance(value, bool | int | float | str)):
            kept[f.name] = Withheld(ROWS)
    patterns: Any = sample.patterns
    if not sample.complete and (sample.weighted or (patterns.size < SMALLEST_CELL).any()):
        patterns = WithheldPatterns(
            np.arange(len(sample.groups), dtype=np.intp), np.asarray(sample.n_by_group)
        )
    smaller = replace(sample, patterns=patterns, **kept)
    objective, solution = solved.objective, solved.solution
    if patterns is not sample.patterns:
        if isinstance(objective, NormalTheory):
            objective = replace(objective, patterns=patterns)
        if isinstance(solution.point, Point):
            parts: Any = Withheld("the moments by missing pattern")
            solution = replace(solution, point=replace(solution.point, parts=parts))
    return replace(solved, sample=smaller, objective=objective, solution=solution)


def _rows(solved: Solved) -> Any:
    """None for covariance input; stand-ins with Γ where the fit's errors or tests are made of it."""
    sample, options = solved.sample, solved.options
    if sample.rows is None:
        return None
    if sample.ordinal is not None:
        return Withheld(ROWS)
    fourth = options.discrepancy == "WLS" or options.se in ("robust.sem", "robust.cluster.sem")
    fourth = fourth or any(t not in ("standard", *YUAN_BENTLER) for t in options.test)
    if not fourth or not sample.complete:
        return Withheld(ROWS)
    return tuple(_group_rows(solved, sample, g) for g in range(len(sample.groups)))


def _group_rows(solved: Solved, sample: Sample, g: int) -> WithheldRows:
    assert sample.rows is not None
    exogenous = solved.ram.exogenous
    gamma = asymptotic_covariance(sample.rows[g], exogenous) if _enough(sample, g) else None
    return WithheldRows(gamma, exogenous)


def _enough(sample: Sample, g: int) -> bool:
    """Whether a group has more rows than moments, so that moments up to the fourth order hide the rows."""
    p = len(sample.variables)
    return sample.counts[g] > p * (p + 1) // 2 + p
