"""Both stages as the parameters of one model: every value, and the sandwich of both influences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sem_models.model.build_table import build_table
from sem_models.model.ram import Array
from sem_models.model.syntax import parse, to_text
from sem_models.model.table import ParameterTable, Row, TableOptions
from sem_models.moderation.statement import Statement
from sem_models.moderation.two_stage.blocks import Stages, plain
from sem_models.moderation.two_stage.corrected import STEP
from sem_models.moderation.two_stage.measurement import Key, Measurement


def whole_table(
    statement: Statement, stages: Stages, structure: ParameterTable, options: TableOptions
) -> ParameterTable:
    """The table of the whole model: products are latent variables without items."""
    text = to_text(statement.syntax).rstrip()
    named = {plain(name): name for name in stages.products}
    known = {(f.lhs, f.rhs) for f in statement.syntax.formulas if f.op == "~~"}
    lines = []
    for row in structure.rows:
        lhs, rhs = named.get(row.lhs, row.lhs), named.get(row.rhs, row.rhs)
        if row.op == "~~" and not {(lhs, rhs), (rhs, lhs)} & known:
            lines.append(f"{lhs} ~~ {rhs}")
    anchor = stages.items[0]
    products = [f"{name} =~ 0*{anchor}" for name in stages.products]
    table = build_table(parse("\n".join([text, *products, *lines])), options)
    kept = tuple(row for row in table.rows if not (row.op == "=~" and row.lhs in stages.products))
    return ParameterTable(
        kept, table.variables, table.groups, table.definitions, table.equalities, table.inequalities,
        table.options,
    )  # fmt: skip


@dataclass(frozen=True)
class Assembly:
    """Maps stage one's free rows, stage two's and the columns' means to the free rows of the whole model."""

    table: ParameterTable
    measurement: Measurement
    structure: ParameterTable
    stages: Stages

    def values(self, first: Any, second: Any, means: Any) -> Any:
        """Values (q,) of the whole model's free rows; complex arguments give complex values.

        Item intercepts of stage one hold at a construct's mean of 0; the structure's intercepts follow from
        the means of its columns, and where they move a construct's mean, its items' intercepts follow.
        """
        of_items = dict(zip(self.measurement.keys, first, strict=True))
        free = [self.structure.rows[n] for n in self.structure.free_rows]
        paths = {self._key(row): value for row, value in zip(free, second, strict=True)}
        everything = {**self.measurement.fixed, **of_items}
        level = self._levels({**self._fixed_paths(), **paths}, means)
        out = []
        for n in self.table.free_rows:
            key = self.table.rows[n].key
            out.append(self._value(key, paths, everything, level))
        return np.array(out)

    def _fixed_paths(self) -> dict[Key, float]:
        rows = self.structure.rows
        return {self._key(r): r.fixed for r in rows if r.fixed is not None and r.op == "~"}

    def _key(self, row: Row) -> Key:
        """The row's key with products by their own names."""
        named = {plain(name): name for name in self.stages.products}
        return named.get(row.lhs, row.lhs), row.op, named.get(row.rhs, row.rhs)

    def _levels(self, paths: dict[Key, Any], means: Any) -> dict[str, Any]:
        """Mean of every variable of the structure, and intercepts of its explained columns ("~1 name")."""
        names = (*self.stages.latents, *self.stages.columns, *self.stages.products)
        place = {name: i for i, name in enumerate(names)}
        slopes = np.zeros((len(names),) * 2, dtype=np.result_type(*paths.values(), means, np.float64))
        for (lhs, op, rhs), value in paths.items():
            if op == "~":
                slopes[place[lhs], place[rhs]] = value
        known = np.zeros(len(names), dtype=slopes.dtype)
        left = np.eye(len(names)) - slopes
        for name, mean in zip(self.stages.columns, means, strict=True):
            left[place[name]] = np.eye(len(names))[place[name]]
            known[place[name]] = mean
        level = np.linalg.solve(left, known)
        intercept = level - slopes @ level
        out = {name: level[i] for name, i in place.items()}
        return {**out, **{f"~1 {name}": intercept[i] for name, i in place.items()}}

    def _value(
        self, key: Key, paths: dict[Key, Any], items: dict[Key, Any], level: dict[str, Any]
    ) -> Any:  # fmt: skip
        lhs, op, rhs = key
        if op == "~1" and key in items:
            moved = [
                v * level[f] for (f, o, item), v in items.items() if o == "=~" and item == lhs and f in level
            ]
            return items[key] - sum(moved)
        if op == "~1":
            return level[f"~1 {lhs}"]
        for found in (paths, items):
            for name in (key, (rhs, op, lhs)) if op == "~~" else (key,):
                if name in found and not (found is items and op == "~~" and lhs in self.stages.latents):
                    return found[name]
        raise KeyError(key)

    def jacobian(self, first: Array, second: Array, means: Array) -> Array:
        """Derivatives (q, q₁ + q₂ + m) of `values`, by complex steps."""
        whole = np.concatenate([first, second, means])
        ends = np.cumsum([len(first), len(second)])
        columns = [
            self.values(*np.split(whole + 1j * STEP * unit, ends)).imag / STEP for unit in np.eye(len(whole))
        ]
        return np.array(columns).T


def joint_covariance(jacobian: Array, influences: Sequence[Array]) -> Array:
    """Covariance of the whole model's free rows: Σ over the rows of the data of influence × influenceᵀ."""
    moved = np.concatenate(influences, axis=1) @ jacobian.T
    return np.asarray(moved.T @ moved)
