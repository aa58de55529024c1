"""The table of modification indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.candidates import candidates
from sem_models.inference.modification import decision, modification_indices, power, standard_units
from sem_models.inference.solved import Solved

OPERATORS = ("=~", "~~", "~", "~1")


def modification_table(
    solved: Solved,
    *,
    sort: bool,
    minimum_value: float,
    maximum_number: int | None,
    op: str | Sequence[str] | None,
    power_of: tuple[float, float, float] | None,
) -> pd.DataFrame:
    """Columns lhs, op, rhs, group, block, mi, epc, standardized changes; power_of is (δ, α, high power)."""
    wanted = OPERATORS if op is None else (op,) if isinstance(op, str) else tuple(op)
    unknown = [o for o in wanted if o not in OPERATORS]
    if unknown:
        raise SpecError(f"op='{unknown[0]}' is not available. Choose from {', '.join(OPERATORS)}.")
    rows = [c for c in candidates(solved.table, solved.ram) if c.op in wanted]
    index = modification_indices(solved, [c.entry for c in rows])
    frame = pd.DataFrame(
        [(c.lhs, c.op, c.rhs, solved.table.groups[c.entry.group], c.entry.group + 1) for c in rows],
        columns=["lhs", "op", "rhs", "group", "block"],
    ).assign(mi=index.statistic, epc=index.change)
    units = standard_units(solved, rows)
    frame = frame.assign(**{name: index.change * unit for name, unit in units.items()})
    if power_of is not None:
        delta, alpha, high = power_of
        noncentrality, chance = power(index, delta, alpha)
        frame = frame.assign(delta=delta, ncp=noncentrality, power=chance)
        frame["decision"] = decision(index, chance, delta, alpha, high)
    frame = frame[np.isfinite(index.statistic) & (index.statistic >= minimum_value)]
    if sort:
        frame = frame.sort_values("mi", ascending=False, kind="stable")
    return frame.head(maximum_number if maximum_number is not None else len(frame)).reset_index(drop=True)
