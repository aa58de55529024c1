"""The parameters of a model as symbols: loadings, residuals and covariances as polynomials in labels.

Covariances of latent variables follow the structural equations back to what is free (Wright's tracing rules
for recursive models; Bollen, 1989, chapter 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from sem_models.errors import SpecError
from sem_models.model.polynomials import Polynomial
from sem_models.model.table import ParameterTable, Row

ZERO, ONE = Polynomial.of(0.0), Polynomial.of(1.0)

WORDS = {"=~": "by", "~": "on", "~~": "with", "~1": "mean"}


class Labels:
    """Labels of the table's rows, those of the text and new ones, and which new ones were used."""

    def __init__(self, table: ParameterTable) -> None:
        self.table = table
        self.taken = {row.label for row in table.rows if row.label}
        self.place = {(row.block, row.key): i for i, row in enumerate(table.rows)}
        self.shared: dict[str, str] = {}
        self.new: dict[tuple[str, str, str], dict[int, str]] = {}

    def row(self, block: int, lhs: str, op: str, rhs: str) -> Row | None:
        """The row of a parameter, a covariance either way around; None where the model has none."""
        found = self.place.get((block, (lhs, op, rhs)))
        if found is None and op == "~~":
            found = self.place.get((block, (rhs, op, lhs)))
        return None if found is None else self.table.rows[found]

    def symbol(self, row: Row) -> Polynomial:
        """A fixed value, or the label of a free row."""
        if row.exogenous:
            raise SpecError(
                f"The constraints of the product need the parameter {row.name}, which is taken from the "
                "data (fixed_x). Give fixed_x=False, or use method='dblcent'."
            )
        if row.fixed is not None:
            return Polynomial.of(row.fixed)
        return Polynomial.of(self.label(row))

    def label(self, row: Row) -> str:
        """The label of a free row; a row without one gets one, the same where rows are held equal."""
        if row.label and not row.label.startswith(".p"):
            return row.label
        if row.label in self.shared:
            name = self.shared[row.label]
        else:
            parts = (row.lhs, WORDS[row.op], row.rhs) if row.rhs else (row.lhs, WORDS[row.op])
            name = ".".join(parts).replace(":", ".x.")
            if len(self.table.groups) > 1 and not row.label:
                name += f".g{row.block}"
            own = self.new.get(row.key, {}).get(row.block)
            while own is None and name in self.taken:
                name += "."
            name = own or name
        self.taken.add(name)
        if row.label:
            self.shared[row.label] = name
        self.new.setdefault(row.key, {})[row.block] = name
        return name

    def lines(self, used: frozenset[str]) -> list[str]:
        """Statements of the model language that give the new labels which are used."""
        out = []
        for (lhs, op, rhs), by_block in self.new.items():
            if not used.intersection(by_block.values()):
                continue
            known = [
                by_block.get(b, self._old(b, (lhs, op, rhs))) for b in range(1, len(self.table.groups) + 1)
            ]
            label = known[0] if len(set(known)) == 1 else f"c({', '.join(known)})"
            out.append(f"{lhs} {op[:2].replace('~1', '~')} {label}*{rhs or '1'}")
        return out

    def _old(self, block: int, key: tuple[str, str, str]) -> str:
        row = self.table.rows[self.place[block, key]] if (block, key) in self.place else None
        return row.label if row is not None and row.label and not row.label.startswith(".p") else '""'


class Symbols:
    """One group's parameters as polynomials."""

    def __init__(self, labels: Labels, block: int) -> None:
        self.labels, self.block = labels, block
        self.latent = frozenset(labels.table.variables.latent)
        self._total: dict[tuple[str, str], Polynomial] = {}
        self._pull: dict[tuple[str, str], Polynomial] = {}

    def parameter(self, lhs: str, op: str, rhs: str) -> Polynomial:
        """A parameter, 0 where the model has none."""
        row = self.labels.row(self.block, lhs, op, rhs)
        return ZERO if row is None else self.labels.symbol(row)

    def loading(self, factor: str, item: str) -> Polynomial:
        """λ of an item on its factor; 1 for a column that is the factor itself."""
        return ONE if factor == item else self.parameter(factor, "=~", item)

    def residual(self, one: str, two: str) -> Polynomial:
        """θ, the residual variance of an item or the residual covariance of two."""
        return self.parameter(one, "~~", two)

    @cached_property
    def causes(self) -> Mapping[str, Mapping[str, Polynomial]]:
        """The paths to each variable, those from a factor of second order among them."""
        out: dict[str, dict[str, Polynomial]] = {}
        for row in self.labels.table.rows:
            if row.block != self.block:
                continue
            if row.op == "~":
                out.setdefault(row.lhs, {})[row.rhs] = self.labels.symbol(row)
            elif row.op == "=~" and row.rhs in self.latent:
                out.setdefault(row.rhs, {})[row.lhs] = self.labels.symbol(row)
        return out

    @cached_property
    def depth(self) -> Mapping[str, int]:
        """Steps from what nothing causes. SpecError where variables cause one another."""
        out: dict[str, int] = {}

        def of(name: str, above: tuple[str, ...]) -> int:
            if name in above:
                raise SpecError(
                    f"'{name}' is part of a loop of paths, for which the constraints of a latent product "
                    "cannot be written yet. Use method='dblcent'."
                )
            if name not in out:
                causes = self.causes.get(name, {})
                out[name] = 1 + max((of(c, (*above, name)) for c in causes), default=-1)
            return out[name]

        for name in {*self.causes, *self.latent}:
            of(name, ())
        return out

    def covariance(self, one: str, two: str) -> Polynomial:
        """Model-implied covariance of two variables."""
        key = (one, two) if self.depth.get(one, 0) >= self.depth.get(two, 0) else (two, one)
        if key not in self._total:
            later, other = key
            total = self._with_residual(later, other)
            for cause, path in self.causes.get(later, {}).items():
                total = total + path * self.covariance(cause, other)
            self._total[key] = total
        return self._total[key]

    def _with_residual(self, one: str, two: str) -> Polynomial:
        """Covariance of the residual of one with the variable two."""
        if (one, two) not in self._pull:
            total = self.parameter(one, "~~", two)
            for cause, path in self.causes.get(two, {}).items():
                total = total + path * self._with_residual(one, cause)
            self._pull[one, two] = total
        return self._pull[one, two]
