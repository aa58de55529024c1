"""Defined parameters (`:=`) and hypotheses: values and derivatives by the chain rule."""

from __future__ import annotations

import numpy as np

from sem_models.errors import SpecError
from sem_models.inference.standardized import Values
from sem_models.model.expressions import Expression
from sem_models.model.ram import Array
from sem_models.model.table import ParameterTable


def label_values(table: ParameterTable, rows: Values) -> dict[str, tuple[float, Array]]:
    """Value and derivative (q,) of each label and `.p1.`-style name; the first row wins a shared label."""
    known: dict[str, tuple[float, Array]] = {}
    for i, row in enumerate(table.rows):
        entry = (float(rows.value[i]), rows.jacobian[i])
        known[table.plabel(i)] = entry
        if row.label:
            known.setdefault(row.label, entry)
    return known


def evaluate(expression: Expression, known: dict[str, tuple[float, Array]]) -> tuple[float, Array]:
    """Value of an expression over labels and its derivative in the free rows (q,)."""
    missing = [name for name in expression.names if name not in known]
    if missing:
        raise SpecError(
            f"'{missing[0]}' in '{expression}' is neither a label nor a defined parameter of the model."
        )
    env = {name: known[name][0] for name in expression.names}
    with np.errstate(all="ignore"):
        value = float(expression.evaluate(env))
        slopes = expression.gradient(env)
    size = len(next(iter(known.values()))[1])
    jacobian = sum((float(slope) * known[name][1] for name, slope in slopes.items()), np.zeros(size))
    return value, np.asarray(jacobian)


def defined_values(table: ParameterTable, rows: Values) -> Values:
    """All `:=` parameters in order; a later one may use an earlier one. (d,) and (d, q)."""
    q = rows.jacobian.shape[1]
    if not table.definitions:
        return Values(np.zeros(0), np.zeros((0, q)))
    known = label_values(table, rows)
    values, jacobians = [], []
    for name, expression in table.definitions:
        known[name] = evaluate(expression, known)
        values.append(known[name][0])
        jacobians.append(known[name][1])
    return Values(np.array(values), np.array(jacobians).reshape(len(values), q))


def defined_numbers(table: ParameterTable, value: Array) -> Array:
    """The values of all `:=` parameters (d,) from those of the rows, without derivatives."""
    env: dict[str, float] = {}
    for i, row in enumerate(table.rows if table.definitions else ()):
        env[table.plabel(i)] = float(value[i])
        if row.label:
            env.setdefault(row.label, float(value[i]))
    for name, expression in table.definitions:
        with np.errstate(all="ignore"):
            env[name] = float(expression.evaluate(env))
    return np.array([env[name] for name, _ in table.definitions])
