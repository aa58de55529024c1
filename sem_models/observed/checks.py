"""Checks of the columns and rows of one sample; each problem is one DataError that names what to do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sem_models.errors import DataError
from sem_models.linear_algebra import in_units, positive_inverse
from sem_models.model.ram import Array, IntArray
from sem_models.observed.patterns import BoolArray

LARGEST = 1e30
"""Magnitude beyond which squares of products of answers leave the range of floating-point numbers."""


def quoted(names: Sequence[str], shown: int = 4) -> str:
    text = ", ".join(f"'{n}'" for n in names[:shown])
    return text + (f" and {len(names) - shown} more" if len(names) > shown else "")


def check_group_sizes(
    labels: tuple[str, ...], membership: IntArray, keep: BoolArray, n_variables: int, group: str | None,
    *, dropped: bool = False,
) -> None:  # fmt: skip
    """DataError for groups of no more rows than variables; dropped: incomplete rows were left out."""
    for g, label in enumerate(labels):
        n = int((keep & (membership == g)).sum())
        if n <= n_variables:
            shown = str(n) if n >= 5 or group is None else "fewer than 5"
            merge = ", or merge groups" if group is not None else ""
            keep_them = " missing='fiml' keeps incomplete rows." if dropped else ""
            raise DataError(
                f"There are {shown} usable rows{where_is(label, group)} for {n_variables} variables; "
                "the covariance matrix needs more rows than variables. Use fewer items"
                f"{merge}.{keep_them}"
            )


def check_answered(
    labels: tuple[str, ...],
    membership: IntArray,
    seen: BoolArray,
    variables: Sequence[str],
    group: str | None,
) -> None:
    """Before rows are dropped: a column without answers would drop them all, and the message be of rows."""
    for g, label in enumerate(labels):
        answered = seen[membership == g].any(axis=0)
        if not answered.all():
            empty = [v for v, some in zip(variables, answered, strict=True) if not some]
            verb = "has" if len(empty) == 1 else "have"
            raise DataError(
                f"{quoted(empty)} {verb} no answers{where_is(label, group)}. Leave the variable out of "
                "the model."
            )


def check_columns(values: Array, variables: Sequence[str], label: str, group: str | None) -> None:
    where = where_is(label, group)
    high, low = np.fmax.reduce(values, axis=0), np.fmin.reduce(values, axis=0)
    largest = np.maximum(high, -low)
    unusable = (largest > LARGEST) | ((largest > 0) & (largest < 1 / LARGEST))
    if unusable.any():
        extreme = [v for v, bad in zip(variables, unusable, strict=True) if bad]
        raise DataError(
            f"{quoted(extreme)} {'is' if len(extreme) == 1 else 'are'} too large or too small to compute with"
            f"{where}. Use other units."
        )
    if (high > low).all():
        return  # NaN, of a column without answers, compares as False
    empty = [v for v, column in zip(variables, values.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"{quoted(empty)} has no answers{where}. Leave the variable out of the model.")
    constant = [
        v for v, column in zip(variables, values.T, strict=True) if np.nanmax(column) == np.nanmin(column)
    ]
    if constant:
        raise DataError(
            f"{quoted(constant)} {'is' if len(constant) == 1 else 'are'} constant{where}: "
            "all answers are the same, so nothing can be explained by or with it. Leave it out of the model."
        )


DEPENDENT = 1e-9
"""Eigenvalue of correlations up to which variables are linear combinations of one another."""

TYPING = "Check it for typing errors, or compute it from complete rows."
PAIRWISE = "Moments of different rows contradict one another. Use missing='fiml'."


def check_positive_definite(
    cov: Array, variables: Sequence[str], *, where: str = "", remedy: str = TYPING
) -> None:
    """DataError naming the variables that are linear combinations of one another, if there are any."""
    smallest, positions = _dependency(cov)
    if not len(positions):
        return
    involved = [variables[i] for i in positions.tolist()]
    if smallest < -DEPENDENT:
        raise DataError(
            f"The covariance matrix{where} is not positive definite (smallest eigenvalue of the correlations "
            f"{smallest:.3g}; variables involved: {quoted(involved, 8)}). " + remedy
        )
    raise DataError(
        f"{quoted(involved, 8)} are perfectly collinear{where}: one can be computed exactly from the others. "
        "Leave one of them out of the model."
    )


def check_not_collinear(values: Array, variables: Sequence[str], *, where: str = "") -> None:
    """The same of rows (n, p) with NaN where missing, whose covariances have no estimates.

    Collinear are variables that are so in all the rows that answer every one of them; no verdict where these
    are no more than the variables.
    """
    chosen = np.arange(len(variables))
    while len(chosen) > 1:
        part = values[:, chosen]
        complete = part[~np.isnan(part).any(axis=1)]
        if len(complete) <= len(chosen):
            return
        varying = np.flatnonzero(complete.max(axis=0) > complete.min(axis=0))
        cov = np.cov(complete[:, varying], rowvar=False).reshape(len(varying), len(varying))
        involved = varying[_dependency(cov)[1]]
        if len(involved) == len(chosen):
            check_positive_definite(cov, [variables[i] for i in chosen.tolist()], where=where)
        chosen = chosen[involved]


def _dependency(cov: Array) -> tuple[float, IntArray]:
    """Smallest eigenvalue of the correlations, and the variables in it where it is not clearly positive."""
    nothing = np.zeros(0, dtype=np.intp)
    if not len(cov):
        return 1.0, nothing
    correlation = in_units(cov, np.sqrt(cov.diagonal()))
    if _clearly_positive(correlation):
        return 1.0, nothing
    values, vectors = np.linalg.eigh(correlation)
    smallest = float(values[0])
    return smallest, nothing if smallest > DEPENDENT else np.flatnonzero(np.abs(vectors[:, 0]) > 0.05)


def _clearly_positive(correlation: Array) -> bool:
    """A cheap sufficient test: the sum of the inverse eigenvalues, the trace of the inverse, is small."""
    try:
        return bool(positive_inverse(correlation)[0].trace() < 1e6)
    except np.linalg.LinAlgError:
        return False


def where_is(label: str, group: str | None) -> str:
    return f" in group '{label}' of '{group}'" if group is not None else ""
