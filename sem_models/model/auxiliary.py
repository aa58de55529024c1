"""Auxiliary variables as saturated correlates (Graham, 2003, Structural Equation Modeling 10, 80–100).

Each correlates with every other auxiliary variable, every observed covariate and the residual of every
other observed variable, so that it informs the missing answers and leaves χ² and df to the model itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from sem_models.errors import SpecError
from sem_models.model.table import ParameterTable


def with_auxiliaries(text: str, table: ParameterTable, auxiliary: Sequence[str]) -> str:
    """The model text with its auxiliary variables; its covariates become random, as in semTools.

    Raises SpecError for an auxiliary variable that is already part of the model.
    """
    check_outside(table, auxiliary)
    covariates = table.variables.exogenous
    lines = [f"{a} ~~ {' + '.join(covariates[i:])}" for i, a in enumerate(covariates)]
    lines += [f"{a} ~ 1" for a in (*covariates, *auxiliary)]
    lines += [
        f"{a} ~~ {' + '.join((*auxiliary[i:], *table.variables.observed))}" for i, a in enumerate(auxiliary)
    ]
    return "\n".join([text, *lines])


def check_outside(table: ParameterTable, auxiliary: Sequence[str]) -> None:
    """SpecError for an auxiliary variable that is already part of the model."""
    known = (*table.variables.observed, *table.variables.latent)
    inside = [f"'{name}'" for name in auxiliary if name in known]
    if inside:
        raise SpecError(
            f"aux= names {', '.join(inside)}, already in the model. Auxiliary variables are those outside it."
        )
