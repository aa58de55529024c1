"""A population as arrays: RAM matrices of the linear part, and the other terms in causal order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

import numpy as np

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.kernels import implied
from sem_models.model.ast import Formula, Syntax
from sem_models.model.build_table import build_table
from sem_models.model.ram import Array, build_ram
from sem_models.model.syntax import parse, point_at
from sem_models.model.table import ParameterTable, Row, TableOptions
from sem_models.simulation.population import Population


@dataclass(frozen=True, slots=True)
class Term:
    """slope (g,) × the product of the factors' deviations, added to `outcome`."""

    outcome: str
    factors: tuple[str, ...]
    slope: Array


@dataclass(frozen=True, slots=True)
class Structure:
    """A population ready to be drawn from; v variables, the p items first, g groups.

    a_mat, s_mat (g, v, v), m_vec (g, v) and the implied means eta (g, v) of the linear part; root (g, v, v)
    with root rootᵀ = S; `order` names latents and records so that causes come before effects.
    """

    variables: tuple[str, ...]
    n_items: int
    a_mat: Array
    s_mat: Array
    m_vec: Array
    eta: Array
    root: Array
    terms: tuple[Term, ...]
    order: tuple[str, ...]

    @property
    def items(self) -> tuple[str, ...]:
        return self.variables[: self.n_items]

    @property
    def latents(self) -> tuple[str, ...]:
        return self.variables[self.n_items :]


Causes = dict[str, tuple[str, ...]]
_NO_DEFAULTS = TableOptions(
    meanstructure=True, int_lv_free=True, fixed_x=False, auto_fix_first=False, auto_fix_single=False
)


@lru_cache(maxsize=32)
def _structure_of(
    text: str, groups: tuple[str, ...], records: tuple[tuple[str, tuple[str, ...]], ...]
) -> Structure:
    syntax = parse(text)
    on = dict(records)
    linear, others = _split(syntax, set(on))
    table = _unsaid_is_zero(build_table(linear, _NO_DEFAULTS, groups))
    _check_given(table)
    p, g = len(table.variables.observed), len(groups)
    ram = build_ram(table, np.zeros((g, p, p)), np.zeros((g, p)))
    eta = implied(ram.a_base, ram.s_base, ram.m_base, p).eta
    terms = tuple(_term(f, syntax, g, ram.variables[p:], on) for f in others)
    order = _causal_order(ram.variables[p:], ram.a_base[:, p:, p:], terms, on)
    return Structure(
        ram.variables, p, ram.a_base, ram.s_base, ram.m_base, eta, _root(ram.s_base, groups), terms, order
    )


def structure(population: Population) -> Structure:
    """The population's model text as arrays.

    Raises SpecError for a parameter without a value, an unknown name, a covariance matrix that is none, and
    latents that cause one another in a circle.
    """
    records = tuple((name, tuple(record.on)) for name, record in population.records.items())
    return _structure_of(population.model, population.labels, records)


def _split(syntax: Syntax, records: set[str]) -> tuple[Syntax, tuple[Formula, ...]]:
    """The linear model, and the regressions on products and records."""
    if syntax.constraints or syntax.blocks:
        raise SpecError("A population's model text takes no constraints or blocks; use c() for groups.")
    others = tuple(f for f in syntax.formulas if f.op == "~" and (":" in f.rhs or f.rhs in records))
    return replace(syntax, formulas=tuple(f for f in syntax.formulas if f not in others)), others


def _unsaid_is_zero(table: ParameterTable) -> ParameterTable:
    """Covariances and latent intercepts that the text does not state are zero; all else must be stated."""
    latent = set(table.variables.latent)

    def is_zero(row: Row) -> bool:
        if row.user or not row.free:
            return False
        return row.lhs in latent if row.op == "~1" else row.op == "~~" and row.lhs != row.rhs

    return replace(table, rows=tuple(replace(r, fixed=0.0) if is_zero(r) else r for r in table.rows))


def _check_given(table: ParameterTable) -> None:
    unsaid = list(dict.fromkeys(row.name for row in table.rows if row.free))
    if unsaid:
        shown = ", ".join(unsaid[:8]) + (f", … ({len(unsaid) - 8} more)" if len(unsaid) > 8 else "")
        how = "Write one in front of the term, as in PV ~ .5*EDS."
        raise SpecError(f"The population gives no value for {shown}.\n  {how}")


def _term(formula: Formula, syntax: Syntax, n_groups: int, latents: tuple[str, ...], records: Causes) -> Term:
    factors = tuple(formula.rhs.split(":"))
    for name in (formula.lhs, *factors):
        if name not in latents and (name not in records or name == formula.lhs):
            span = formula.lhs_span if name == formula.lhs else formula.rhs_span
            near = did_you_mean(name, [*latents, *records], noun="latents and records")
            what = f"'{name}' is not a latent or a record of the population."
            raise SpecError(point_at(syntax.source, span, what, near))
    values = next((m.values for m in formula.modifiers if m.kind == "fixed"), ())
    if len(values) not in (1, n_groups) or not all(isinstance(v, float) for v in values):
        what = f"'{formula.rhs}' needs one value, or one for each of the {n_groups} groups."
        how = "Write it in front of the term, as in .2*EDS:ACT."
        raise SpecError(point_at(syntax.source, formula.rhs_span, what, how))
    slope = np.array(values if len(values) == n_groups else values * n_groups, dtype=np.float64)
    return Term(formula.lhs, factors, slope)


def _causal_order(
    latents: tuple[str, ...], a_mat: Array, terms: tuple[Term, ...], records: Causes
) -> tuple[str, ...]:
    causes: dict[str, set[str]] = {name: set() for name in (*latents, *records)}
    for i, j in np.argwhere((a_mat != 0).any(axis=0)):
        causes[latents[i]].add(latents[j])
    for term in terms:
        causes[term.outcome].update(term.factors)
    for name, on in records.items():
        for cause in on:
            if cause not in causes:
                near = did_you_mean(cause, causes, noun="latents and records")
                what = f"records.{name}: '{cause}' is not a latent or a record of the population."
                raise SpecError(f"{what}\n  {near}")
            causes[name].add(cause)
    place = {name: i for i, name in enumerate(causes)}
    # Causes in the order of their definition: that of a set differs from run to run, and with it the draws.
    ordered = {name: sorted(of, key=place.__getitem__) for name, of in causes.items()}
    try:
        return tuple(TopologicalSorter(ordered).static_order())
    except CycleError as error:
        raise SpecError(f"The population is circular: {' → '.join(reversed(error.args[1]))}.") from None


def _root(s_mat: Array, groups: tuple[str, ...]) -> Array:
    """Symmetric root of S, which may be singular (a variance fixed at zero) but not indefinite."""
    values, vectors = np.linalg.eigh(s_mat)
    for g, label in enumerate(groups):
        if values[g, 0] < -1e-10 * max(values[g, -1], 1.0):
            where = f" in group {label}" if label else ""
            raise SpecError(f"The population's variances and covariances{where} are no covariance matrix.")
    return (vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, -1, -2)
