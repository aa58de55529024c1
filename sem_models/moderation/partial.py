"""Partial invariance: which equalities between groups to give up, found by score tests.

Sequential release of the equality with the largest score test: Byrne, Shavelson & Muthén (1989),
Psychological Bulletin 105; Yoon & Kim (2014), Structural Equation Modeling 21. An item whose loading differs
keeps no equal intercept, and one whose intercept differs no equal residual variance. At least two items of a
construct stay equal (Steenkamp & Baumgartner, 1998, Journal of Consumer Research 25).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sem_models.inference.result import Fit
from sem_models.inference.score_tests import release_each, restrictions
from sem_models.inference.test_statistics import upper_tail
from sem_models.model.table import ParameterTable, Row

LEAST_EQUAL = 2
"""Items of a construct that must stay equal."""


@dataclass(frozen=True, slots=True)
class Released:
    """An equality given up: its parameter, and the score test of giving it up with the others in force."""

    lhs: str
    op: str
    rhs: str
    statistic: float
    df: int
    pvalue: float

    @property
    def name(self) -> str:
        """As `group_partial` names it."""
        return f"{self.lhs}{self.op}{self.rhs}"

    @property
    def item(self) -> str:
        """The item whose parameter it is."""
        return self.rhs if self.op == "=~" else self.lhs


def following(families: Sequence[str], released: Sequence[Released]) -> tuple[str, ...]:
    """What a level that holds `families` equal gives up: the released, and the items' next parameters."""
    names = [r.name for r in released]
    for r in released:
        if r.op == "|":  # the item's other thresholds still tell its level and unit
            continue
        if "intercepts" in families:
            names.append(f"{r.item}~1")
        if "residuals" in families:
            names.append(f"{r.item}~~{r.item}")
    return tuple(dict.fromkeys(names))


def largest(fit: Fit, family: str) -> Released | None:
    """The equality of a family whose release improves the fit most; None where none may be given up."""
    solved, table = fit.solved, fit.solved.table
    number = {table.plabel(i): i for i in range(len(table.rows))}
    sets: dict[tuple[str, str, str], list[int]] = {}
    for position, pair in enumerate(restrictions(solved)):
        one, other = number.get(pair.lhs), number.get(pair.rhs)
        if one is None or other is None:
            continue
        row = table.rows[one]
        if row.key == table.rows[other].key and _family(row, table) == family:
            sets.setdefault(row.key, []).append(position)
    open_keys = [key for key in sets if _may_go(key, family, sets, table)]
    if not open_keys:
        return None
    tests = release_each(solved, [sets[key] for key in open_keys])
    best = max(range(len(open_keys)), key=lambda i: tests[i])
    df = len(sets[open_keys[best]])
    return Released(*open_keys[best], tests[best], df, upper_tail(tests[best], df))


def _family(row: Row, table: ParameterTable) -> str:
    latent = row.lhs in table.variables.latent
    if row.op == "=~":
        return "loadings"
    if row.op == "|":
        return "thresholds"
    if row.op == "~1" and not latent:
        return "intercepts"
    if row.op == "~~" and row.lhs == row.rhs and not latent:
        return "residuals"
    return ""


def _may_go(
    key: tuple[str, str, str], family: str, sets: dict[tuple[str, str, str], list[int]], table: ParameterTable
) -> bool:
    """Whether two items of each of its constructs would still be equal without it."""
    if family == "residuals":
        return True
    if family == "thresholds":  # two of an item's thresholds set its origin and unit
        return sum(other[0] == key[0] for other in sets) - 1 >= LEAST_EQUAL
    item = key[2] if family == "loadings" else key[0]
    loadings = [r for r in table.rows if r.op == "=~" and r.block == 1]
    for construct in {r.lhs for r in loadings if r.rhs == item}:
        items = [r for r in loadings if r.lhs == construct]
        if family == "loadings":
            equal = sum(r.fixed is not None or r.key in sets for r in items)
        else:
            equal = sum((r.rhs, "~1", "") in sets for r in items)
        if equal - 1 < LEAST_EQUAL:
            return False
    return True
