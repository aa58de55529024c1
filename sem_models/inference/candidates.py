"""Parameters that a model leaves out and that could be added: the rows modification indices are given for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

from sem_models.inference.extended import Entry, entry_of, free_entries
from sem_models.model.ram import RamModel
from sem_models.model.table import ParameterTable


@dataclass(frozen=True, slots=True)
class Candidate:
    """A parameter that is fixed or absent, and where it would go."""

    lhs: str
    op: str
    rhs: str
    entry: Entry

    @property
    def name(self) -> str:
        return f"{self.lhs}{self.op}{self.rhs}"


def candidates(table: ParameterTable, ram: RamModel) -> list[Candidate]:
    """Every parameter lavaan considers: the table's fixed rows first, then what it does not mention.

    By group: loadings of each latent variable on the other indicators; covariances of all observed variables
    but fixed or random covariates; of covariates; of latent variables; regressions among the variables that
    the model's regressions name, without an indicator on a latent variable (a loading already).
    """
    place = {name: i for i, name in enumerate(ram.variables)}
    taken = free_entries(ram)
    composites = set(table.variables.composites)
    found: list[Candidate] = []

    def add(lhs: str, op: str, rhs: str, group: int) -> None:
        entry = entry_of(op, place[lhs], place.get(rhs, 0), group)
        if ram.ordinal is not None and entry.row in ram.ordinal.x:
            return  # the model conditions on the covariates
        if {lhs, rhs} & table.variables.parts:
            return  # all that a part has to do with others runs through its composite
        of_sum = lhs in composites and op != "<~"  # what a weighted sum has follows from its weights
        if entry not in taken and not of_sum and not (op != "~" and rhs in composites):
            taken.add(entry)
            found.append(Candidate(lhs, op, rhs, entry))

    derived = table.options.parameterization == "delta"
    items = table.options.categories
    for row in table.rows:
        follows = row.op == "~*~" or (derived and row.op == "~~" and row.lhs == row.rhs and row.lhs in items)
        if not row.free and row.op != "|" and not follows:
            add(row.lhs, row.op, row.rhs, row.block - 1)
    absent = [*_measurement(table), *_covariances(table), *_regressions(table)]
    for group in range(len(table.groups)):
        for lhs, op, rhs in absent:
            if not (op == "~~" and lhs == rhs and lhs in items):
                add(lhs, op, rhs, group)
    return found


def _measurement(table: ParameterTable) -> list[tuple[str, str, str]]:
    variables = table.variables
    measuring = [f for f in variables.latent if any(r.op == "=~" and r.lhs == f for r in table.rows)]
    return [
        (factor, "=~", item)
        for factor in measuring
        for item in variables.indicators
        if item not in variables.regressed
    ]


def _covariances(table: ParameterTable) -> list[tuple[str, str, str]]:
    variables = table.variables
    sets = (
        variables.indicators + variables.outcomes + variables.others,
        variables.exogenous,
        variables.latent,
    )
    return [(a, "~~", b) for names in sets for a, b in combinations_with_replacement(names, 2)]


def _regressions(table: ParameterTable) -> list[tuple[str, str, str]]:
    rows = [r for r in table.rows if r.op == "~" and r.block == 1]
    names = list(dict.fromkeys([r.lhs for r in rows] + [r.rhs for r in rows]))
    items, latent = set(table.variables.indicators), set(table.variables.latent)
    return [(a, "~", b) for a in names for b in names if a != b and not (a in items and b in latent)]
