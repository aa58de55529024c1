"""From a model, data and a moderator to what local fits are made from; every refusal happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.estimation.data_options import missing_method
from sem_models.estimation.fit import fit
from sem_models.inference.result import Fit
from sem_models.model.ram import Array
from sem_models.moderation.local.kernel import (
    Window,
    bandwidth_of,
    check_kernel,
    effective_sizes,
    focal_points,
)
from sem_models.moderation.local.moments import smooth_means
from sem_models.observed.frame import frame_with_rows
from sem_models.observed.rows import Rows

RESERVED = frozenset(
    ("lhs", "op", "rhs", "group", "label", "est", "se", "z", "pvalue", "ci_lower", "ci_upper", "std_lv",
     "std_all", "band_lower", "band_upper", "n_effective", "n_kish", "small", "share", "converged",
     "admissible", "chisq", "df", "rmsea", "bootstrap_failed", "note")
)  # fmt: skip
"""Columns of the tables that the moderator's values stand beside."""

FEW_VALUES = 3
"""Distinct values of a moderator below which groups are compared, not a curve drawn."""


@dataclass(frozen=True, eq=False)
class LocalProblem:
    """A model whose parameters are to be followed along a moderator.

    plain is the model on the data as they are, pooled the model on items whose smooth means over the
    moderator are taken out (the same fit where residualize is False). rows are those of `plain`, window the
    kernel. group_equal and group_partial are held equal over the focal points.
    """

    moderator: str
    plain: Fit
    pooled: Fit
    window: Window
    residualize: bool
    group_equal: tuple[str, ...]
    group_partial: tuple[str, ...]
    h: float | None

    @property
    def rows(self) -> Rows:
        return _only_rows(self.plain)

    @property
    def detrended(self) -> Rows:
        return _only_rows(self.pooled)

    @property
    def joint(self) -> bool:
        """Whether focal points are estimated together."""
        return bool(self.group_equal)


def local_problem(
    model: Any,
    data: Any,
    *,
    moderator: str | None,
    grid: int | Sequence[float],
    grid_range: tuple[float, float],
    h: float,
    bandwidth: float | None,
    kernel: str,
    residualize: bool,
    group_equal: str | Sequence[str],
    group_partial: str | Sequence[str],
    estimator: str,
    missing: str,
    options: Mapping[str, Any],
) -> LocalProblem:
    """Read the model, check the data, and fit the model on all customers.

    Raises SpecError or DataError before any local fit.
    """
    _refuse_options(estimator, missing, options)
    check_kernel(kernel)
    if not isinstance(residualize, bool | np.bool_):
        raise SpecError(f"residualize={residualize!r} must be True or False.")
    frame = frame_with_rows(data, "method='lsem' needs")
    if moderator is None:
        raise SpecError("method='lsem' needs moderator= the column that the parameters are followed along.")
    values = moderator_column(frame, moderator)
    equal, partial = _names(group_equal), _names(group_partial)
    equal = tuple(name.replace(".", "_") for name in equal)
    chosen = dict(options)
    if {"intercepts", "means"} & set(equal):
        chosen["meanstructure"] = True
    plain = fit(model, frame, estimator=estimator, missing=missing, **chosen)
    solved = plain.solved
    _refuse_fit(plain, moderator)
    assert solved.sample.rows is not None
    rows = solved.sample.rows[0]
    used = values[rows.position]
    base = np.ones(len(used)) if rows.weight is None else rows.weight
    width = bandwidth_of(used, base, h, bandwidth)
    points = focal_points(used, grid, grid_range, moderator)
    name: Any = kernel
    window = Window(points, width, name, used, base)
    _check_sizes(window, len(solved.sample.variables), moderator)
    pooled = plain
    if residualize:
        pooled = _pooled(model, frame, plain, window, estimator, missing, chosen)
    return LocalProblem(
        moderator, plain, pooled, window, bool(residualize), equal, partial,
        None if bandwidth is not None else float(h),
    )  # fmt: skip


def moderator_column(frame: pd.DataFrame, name: str) -> Array:
    """The moderator's values (n,). DataError for what is no continuous column without missing values."""
    if not isinstance(name, str):
        raise SpecError(f"moderator={name!r} must be the name of one column.")
    if name not in frame.columns:
        raise DataError(
            f"moderator='{name}' is not a column of the data. "
            f"{did_you_mean(name, frame.columns, noun='columns')}"
        )
    if name in RESERVED:
        raise SpecError(
            f"moderator='{name}' is also the name of a column of the tables of results. Rename it: "
            f"data.rename(columns={{'{name}': 'my_{name}'}})."
        )
    column = frame[name]
    numeric = pd.to_numeric(column, errors="coerce") if column.dtype != "category" else None
    if numeric is None or (numeric.isna() & column.notna()).any():
        raise DataError(
            f"moderator='{name}' holds text or categories, and method='lsem' follows a continuous moderator. "
            "Compare its groups with method='groups'."
        )
    values = np.asarray(numeric, dtype=np.float64)
    lacking = ~np.isfinite(values)
    if lacking.all():
        raise DataError(f"moderator='{name}' has no value at all.")
    distinct = len(np.unique(values[~lacking]))
    if distinct == 1:
        raise DataError(f"moderator='{name}' has one value only: nothing can vary along it.")
    if distinct < FEW_VALUES:
        raise DataError(
            f"moderator='{name}' has {distinct} distinct values, and method='lsem' follows a continuous "
            "moderator. Compare its groups with method='groups'."
        )
    if lacking.any():
        raise DataError(
            f"moderator='{name}' is missing in {int(lacking.sum())} of {len(values)} rows, and a customer "
            f"without it is near no focal point. Drop them first: data.dropna(subset=['{name}'])."
        )
    return values


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _refuse_options(estimator: str, missing: str, options: Mapping[str, Any]) -> None:
    if str(estimator).upper() not in ("ML", "MLR"):
        raise SpecError(
            f"estimator='{estimator}' does not go with method='lsem', whose local fits are maximum "
            "likelihood with errors robust to non-normality. Use 'ML' or 'MLR'."
        )
    if missing_method(missing) not in ("listwise", "fiml"):
        raise SpecError(
            f"missing='{missing}' does not go with method='lsem'. Use 'fiml', which weighs the incomplete "
            "rows' likelihoods by the kernel, or 'listwise'."
        )
    if options.get("group") is not None or options.get("group_label") is not None:
        raise SpecError(
            "method='lsem' follows one sample along its moderator. For groups run it on each group's rows; "
            "group_equal= holds parameters equal over the focal points."
        )
    ordered = options.get("ordered")
    if ordered is not None and (ordered is True or (ordered is not False and len(tuple(ordered)))):
        raise SpecError(
            "method='lsem' cannot treat ordered items yet. Leave out ordered= to treat items with five or "
            "more categories as continuous."
        )
    for name in ("sample_cov", "sample_mean", "sample_nobs", "aux", "se", "test", "information"):
        if options.get(name):
            raise SpecError(f"method='lsem' takes no {name}=. Leave it out.")
    for name, neutral in (
        ("bounds", ("none", None, False)),
        ("likelihood", ("normal", None, "default")),
    ):  # fmt: skip
        if options.get(name, neutral[0]) not in neutral:
            raise SpecError(f"method='lsem' cannot honor {name}={options[name]!r}. Leave it out.")


def _refuse_fit(found: Fit, moderator: str) -> None:
    solved = found.solved
    if solved.sample.ordinal is not None:
        raise SpecError(
            "method='lsem' cannot treat ordered items yet, and the data have items of an ordered type. Turn "
            "them into numbers to treat them as continuous."
        )
    if solved.table.variables.emergent:
        raise SpecError(
            f"method='lsem' cannot take the composite '{solved.table.variables.emergent[0]}' as an outcome "
            "yet. Measure it by =~, or let it predict only."
        )
    if solved.ram.unheld is not None or solved.table.inequalities:
        raise SpecError(
            "method='lsem' cannot hold inequalities and nonlinear equalities yet. Remove them from the model."
        )
    if moderator in solved.sample.variables:
        raise SpecError(
            f"moderator='{moderator}' is a variable of the model, and hardly varies near a focal point. Take "
            "it out of the model: its effect on the means is taken out by residualize=True."
        )


def _check_sizes(window: Window, p: int, moderator: str) -> None:
    """DataError where too few customers are near a focal point for a covariance matrix of the items."""
    size = np.minimum(*effective_sizes(window.weights()))
    small = np.flatnonzero(size <= p + 1)
    if len(small):
        worst = small[np.argmin(size[small])]
        raise DataError(
            f"{len(small)} of {len(window.grid)} focal points have no more effective customers than the "
            f"model has observed variables ({p}); the fewest, {size[worst]:.1f}, are near {moderator} = "
            f"{window.grid[worst]:g}. Use a larger h= (or bandwidth=), or a narrower grid_range=."
        )


def _only_rows(fit: Fit) -> Rows:
    """The rows of a fit to one group."""
    (rows,) = fit.solved.sample.rows or ()
    return rows


def _pooled(
    model: Any, frame: pd.DataFrame, plain: Fit, window: Window, estimator: str, missing: str,
    options: Mapping[str, Any],
) -> Fit:  # fmt: skip
    """The model on items less their smooth mean over the moderator, their overall mean put back."""
    sample = plain.solved.sample
    rows = _only_rows(plain)
    trend = smooth_means(rows.values, window.moderator, window.base, window.bandwidth)
    level = np.average(trend, axis=0, weights=window.base)
    flat = frame.iloc[rows.position].copy()
    for k, name in enumerate(sample.variables):
        flat[name] = rows.values[:, k] - trend[:, k] + level[k]
    return fit(model, flat, estimator=estimator, missing=missing, **options)
