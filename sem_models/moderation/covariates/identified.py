"""Is a model whose parameters follow covariates identified? The rank of its information tells."""

from __future__ import annotations

import numpy as np

from sem_models.errors import IdentificationError
from sem_models.estimation.identification import TOLERANCE
from sem_models.model.ram import Array
from sem_models.moderation.covariates.likelihood import CovariateLikelihood
from sem_models.moderation.covariates.statement import CovariateStatement


def parameter_names(
    likelihood: CovariateLikelihood, statement: CovariateStatement, rows: list[str]
) -> list[str]:
    """Names of the k parameters, for messages: those of the model (rows of its table), then coefficients."""
    ram, along = likelihood.ram, likelihood.along
    names = [rows[row] for row in ram.row_of_free]
    out = [names[int(np.abs(column).argmax())] for column in ram.reduction.T]
    for column in along.spread.T:
        c = statement.coefficients[int(column.argmax())]
        out.append(c.label or f"{c.formula.lhs}:~{c.formula.rhs}")
    return out


def check_identified(
    likelihood: CovariateLikelihood, statement: CovariateStatement, start: Array, covariates: Array,
    rows: list[str],
) -> None:  # fmt: skip
    """IdentificationError where the expected information is singular at the start and at a point near it.

    A direction that is flat where all customers have the same parameters may not be flat elsewhere.
    """
    flat = _flat(likelihood, start)
    if flat is None or not flat.size:
        return
    rng = np.random.default_rng(20031)
    spread = np.maximum(np.abs(start), 0.1) * 0.1
    z = np.abs(covariates).max(axis=0)
    along = likelihood.along
    for j, c in enumerate(statement.coefficients):
        spread[along.k0 :][along.spread[j] > 0] = 0.05 / max(float(z[c.covariate]), 1e-12)
    for _ in range(20):
        near = start + spread * rng.uniform(-1, 1, size=len(start))
        if likelihood.at(near) is not None:
            flat = _flat(likelihood, near)
            break
        spread = 0.5 * spread
    if flat is None or not flat.size:
        return
    size = np.abs(flat).max(axis=1)
    names = [
        n
        for n, s in zip(parameter_names(likelihood, statement, rows), size, strict=True)
        if s > 1e-3 * size.max()
    ]
    shown = ", ".join(names[:12]) + (f", … ({len(names) - 12} more)" if len(names) > 12 else "")
    raise IdentificationError(
        "The model is not identified: its parameters can change with the covariates without changing what it "
        f"implies for the data. Involved: {shown}. Let fewer parameters follow the covariates: of a factor "
        "not all intercepts with its mean, and not all loadings with its variance."
    )


def _flat(likelihood: CovariateLikelihood, params: Array) -> Array | None:
    """Flat directions (k, d) of the expected information."""
    point = likelihood.at(params)
    if point is None:
        return None
    information = likelihood.information(point)
    scale = np.sqrt(np.maximum(np.diagonal(information), 0.0))
    silent = scale < 1e-150
    scale = np.where(silent, 1.0, scale)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    return np.asarray(vectors[:, values < TOLERANCE * max(values[-1], 1.0)] / scale[:, None])
