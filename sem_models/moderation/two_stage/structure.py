"""Stage two: the paths by maximum likelihood from the corrected covariances, and how they move with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from sem_models.errors import ConvergenceError
from sem_models.estimation.fit import solve
from sem_models.estimation.moment_space import jacobian
from sem_models.estimation.objective import NormalTheory, Point
from sem_models.estimation.options import Options
from sem_models.inference.solved import Solved
from sem_models.model.build_table import build_table
from sem_models.model.ram import Array, IntArray
from sem_models.model.syntax import parse
from sem_models.model.table import ParameterTable
from sem_models.model.variables import classify
from sem_models.observed.moments import sample_from_moments


def structure_table(text: str, latents: Sequence[str], options: Options) -> ParameterTable:
    """The parameter table of the structure.

    All that nothing explains has a variance and covaries freely unless the text says otherwise, constructs
    without a path too: stated by name, as lavaan's defaults stop where the text mentions one of them.
    """
    syntax = parse(text)
    stated = {frozenset((f.lhs, f.rhs)) for f in syntax.formulas if f.op == "~~"}
    variables = classify(syntax)
    explained = variables.regressed
    apart = [n for n in dict.fromkeys((*latents, *variables.observed)) if n not in explained]
    pairs = combinations_with_replacement(apart, 2)
    lines = [f"{one} ~~ {two}" for one, two in pairs if frozenset((one, two)) not in stated]
    return build_table(parse("\n".join([text, *lines])), options.table)


def solve_structure(
    table: ParameterTable, names: Sequence[str], cov: Array, n: int, options: Options
) -> Solved:
    """Fit the structure to covariances (d, d) of `names`. ConvergenceError where it does not converge."""
    frame = pd.DataFrame(cov, index=list(names), columns=list(names))
    sample = sample_from_moments(frame, n, table.variables.observed, rescale=False)
    found = solve(table, sample, options)
    if not found.status.converged:
        raise ConvergenceError(
            f"The structural stage of method='sam' did not converge. {' '.join(found.status.reasons)}"
        )
    return found


def slopes_by_moments(found: Solved) -> Array:
    """∂params/∂vech S (k, r), S in the order of the fit's variables: −H⁻¹ ∂²f/∂params ∂S by the implicit
    function, with ∂²f/∂params ∂σ_ij = −(1 − ½δ_ij) (Σ⁻¹ Σ̇ Σ⁻¹)_ij.
    """
    objective, point = found.objective, found.point
    assert isinstance(objective, NormalTheory)
    assert isinstance(point, Point)
    p = found.ram.n_observed
    i, j = np.tril_indices(p)
    by_slot = jacobian(found.ram.slots, point.at)[0, : len(i)]
    by_param = found.ram.to_parameters(by_slot[:, None, :])
    change = np.zeros((by_param.shape[1], p, p))
    change[:, i, j] = change[:, j, i] = by_param.T
    weight = np.linalg.inv(point.at.sigma[0])
    pulled = (weight @ change @ weight)[:, i, j] * np.where(i == j, 0.5, 1.0)
    return np.asarray(np.linalg.solve(objective.hessian(point), pulled))


def reordered(names: Sequence[str], wanted: Sequence[str]) -> IntArray:
    """Places in vech of `names` of the entries of vech of `wanted`."""
    place: Mapping[str, int] = {name: k for k, name in enumerate(names)}
    i, j = np.tril_indices(len(wanted))
    a = np.array([place[wanted[int(x)]] for x in i])
    b = np.array([place[wanted[int(x)]] for x in j])
    high, low = np.maximum(a, b), np.minimum(a, b)
    return np.asarray(high * (high + 1) // 2 + low)
