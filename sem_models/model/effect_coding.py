"""Effect coding: the scale and origin of a construct as the average of its indicators.

Little, T. D., Slegers, D. W., & Card, N. A. (2006). A non-arbitrary method of identifying and scaling latent
variables in SEM and MACS models. Structural Equation Modeling, 13, 59–72.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from sem_models.model.ast import Constraint
from sem_models.model.expressions import Binary, Expression, Name, Number
from sem_models.model.source import Span

if TYPE_CHECKING:
    from sem_models.model.table import Row

EFFECT_CODED = ("loadings", "intercepts")


def sum_constraints(rows: Sequence[Row], families: Sequence[str]) -> list[Constraint]:
    """Loadings of each construct and group sum to their number, intercepts of its indicators to zero.

    A construct with a loading (or intercept) that the model fixes keeps that one as its scale (or origin). A
    latent product ("X:Z") has the scale of its factors, and mean zero unless the model says otherwise.
    """
    out = []
    items: dict[tuple[str, int], list[int]] = {}
    intercepts = {(row.lhs, row.block): i for i, row in enumerate(rows) if row.op == "~1"}
    for i, row in enumerate(rows):
        if row.op == "=~" and ":" not in row.lhs:
            items.setdefault((row.lhs, row.block), []).append(i)
    for (_, block), loadings in items.items():
        if "loadings" in families and all(rows[i].free for i in loadings):
            out.append(_sum_to(loadings, float(len(loadings))))
        origins = [intercepts[rows[i].rhs, block] for i in loadings if (rows[i].rhs, block) in intercepts]
        if "intercepts" in families and origins and all(rows[i].free for i in origins):
            out.append(_sum_to(origins, 0.0))
    return out


def _sum_to(rows: list[int], total: float) -> Constraint:
    names: list[Expression] = [Name(f".p{i + 1}.") for i in rows]
    added = reduce(lambda a, b: Binary("+", a, b), names)
    return Constraint("==", added, Number(total), Span(0, 0, 1, 1), 0)
