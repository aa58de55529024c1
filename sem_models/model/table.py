"""The parameter table: one row per model parameter and group, with every default already applied.

The switches carry lavaan's names; build_table.py makes the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from sem_models.model.expressions import Expression
from sem_models.model.syntax import Constraint
from sem_models.model.variables import Variables


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The switches that decide which rows the table holds; names and defaults are lavaan's for `sem()`.

    ordered holds the ordered items with their numbers of categories, in the model's order.
    """

    meanstructure: bool = False
    int_ov_free: bool = True
    int_lv_free: bool = False
    fixed_x: bool = True
    orthogonal: bool = False
    orthogonal_x: bool = False
    orthogonal_y: bool = False
    std_lv: bool = False
    auto_fix_first: bool = True
    auto_fix_single: bool = True
    auto_var: bool = True
    auto_cov_lv_x: bool = True
    auto_cov_y: bool = True
    group_equal: tuple[str, ...] = ()
    group_partial: tuple[str, ...] = ()
    effect_coding: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    """Products of latent variables ("X:Z") that stand as variables without items, mean and variance."""
    auto_th: bool = True
    auto_delta: bool = True
    ordered: tuple[tuple[str, int], ...] = ()
    parameterization: str = "delta"

    @property
    def categories(self) -> dict[str, int]:
        """Number of categories of each ordered item."""
        return dict(self.ordered)


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter of one group. `fixed` is None where the parameter is free."""

    lhs: str
    op: str
    rhs: str
    block: int
    fixed: float | None = None
    label: str = ""
    start: float | None = None
    user: bool = False
    exogenous: bool = False
    lower: float | None = None
    upper: float | None = None
    hidden: bool = False
    """What a composite is made of, and no parameter of the model's text: not shown."""

    @property
    def free(self) -> bool:
        return self.fixed is None and not self.exogenous

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.lhs, self.op, self.rhs)

    @property
    def name(self) -> str:
        return f"{self.lhs}{self.op}{self.rhs}"


@dataclass(frozen=True, eq=False)
class ParameterTable:
    """Rows of all groups, the definitions and the equality constraints; built once, never changed.

    Tables are compared by identity, so that what follows from one can be remembered by it.
    """

    rows: tuple[Row, ...]
    variables: Variables
    groups: tuple[str, ...]
    definitions: tuple[tuple[str, Expression], ...] = ()
    equalities: tuple[Constraint, ...] = ()
    inequalities: tuple[Constraint, ...] = ()
    options: TableOptions = field(default_factory=TableOptions)

    @cached_property
    def free_rows(self) -> tuple[int, ...]:
        return tuple(i for i, row in enumerate(self.rows) if row.free)

    def plabel(self, index: int) -> str:
        return f".p{index + 1}."

    def names(self) -> list[str]:
        """Row names that tell groups apart: `PV~EDS`, and `PV~EDS.g2` from the second group on."""
        return [
            row.label or (row.name if row.block == 1 else f"{row.name}.g{row.block}") for row in self.rows
        ]
