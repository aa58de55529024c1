"""When a level of invariance is retained: the rule on the change of fit, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CFI_DROP, RMSEA_RISE = -0.010, 0.015
"""Change of fit up to which a level is retained. Chen (2007), Structural Equation Modeling 14, p. 501, for
total N > 300; Cheung & Rensvold (2002) for CFI."""


def retained(row: Mapping[Any, Any]) -> bool:
    """Whether a step of the ladder holds by change of fit, the robust one where there is one."""
    cfi, rmsea = changes(row)
    return cfi >= CFI_DROP and rmsea <= RMSEA_RISE


def changes(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Change of CFI and of RMSEA of a row of `comparisons()`, robust versions first."""
    found = []
    for name in ("delta_cfi", "delta_rmsea"):
        value = float(row.get(f"{name}_robust", float("nan")))
        found.append(value if value == value else float(row[name]))
    return found[0], found[1]
