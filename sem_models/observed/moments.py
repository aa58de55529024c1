"""From labelled covariance matrices, means and sizes to the sample that estimation works on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.ram import Array
from sem_models.observed.checks import check_positive_definite, quoted
from sem_models.observed.patterns import complete_patterns
from sem_models.observed.sample import Sample

Moments = pd.DataFrame | Mapping[Any, pd.DataFrame]


def sample_from_moments(
    sample_cov: Moments,
    sample_nobs: int | Mapping[Any, int] | None,
    variables: Sequence[str],
    *,
    sample_mean: object = None,
    rescale: bool = True,
) -> Sample:
    """A sample from labelled covariance matrices (divisor n − 1 unless `rescale` is False), means and N.

    sample_cov is a DataFrame labelled on both axes, or a dict of them by group label; sample_mean a
    Series (or dict of Series); sample_nobs a number (or dict of numbers). Raises SpecError where N or
    means are missing or their groups differ, DataError for matrices that cannot be used.
    """
    grouped = isinstance(sample_cov, Mapping)
    by_group = (
        {str(k): v for k, v in sample_cov.items()} if isinstance(sample_cov, Mapping) else {"": sample_cov}
    )
    if not by_group:
        raise SpecError("sample_cov= is empty. Give a matrix, or a dict of matrices by group label.")
    if sample_nobs is None:
        raise SpecError("sample_cov= needs sample_nobs=, the number of customers behind the matrix.")
    nobs_of = _by_group("sample_nobs", sample_nobs, by_group, split=isinstance(sample_nobs, Mapping))
    split_means = grouped and isinstance(sample_mean, Mapping)
    mean_of = _by_group("sample_mean", sample_mean, by_group, split=split_means)
    covs, means, sizes = [], [], []
    for label, frame in by_group.items():
        n = _size(nobs_of[label], len(variables))
        covs.append(_ordered_cov(frame, variables, label) * ((n - 1) / n if rescale else 1.0))
        mean = mean_of[label]
        means.append(np.zeros(len(variables)) if mean is None else _ordered_mean(mean, variables))
        sizes.append(float(n))
        check_positive_definite(covs[-1], variables, where=f" of group '{label}'" if label else "")
    cov, mean_array = np.array(covs), np.array(means)
    patterns = complete_patterns(np.array(sizes), mean_array, cov)
    digest = hashlib.sha256(cov.tobytes() + mean_array.tobytes() + np.array(sizes).tobytes()).hexdigest()
    return Sample(
        tuple(variables), tuple(by_group), patterns, cov, mean_array, sample_mean is not None, None,
        int(sum(sizes)), {}, digest,
    )  # fmt: skip


def _by_group(option: str, given: Any, groups: Mapping[str, object], *, split: bool) -> dict[str, Any]:
    """One entry per group; SpecError where a dict does not name the groups of sample_cov."""
    if not split:
        return dict.fromkeys(groups, given)
    entries = {str(k): v for k, v in given.items()}
    if set(entries) != set(groups):
        raise SpecError(
            f"{option}= is for the groups {quoted(list(entries))}, sample_cov= for {quoted(list(groups))}. "
            "Give both for the same groups."
        )
    return entries


def _size(value: Any, n_variables: int) -> int:
    if not isinstance(value, int | float | np.integer | np.floating) or value != int(value):
        raise SpecError(f"sample_nobs={value!r} is not a number of customers. Give a whole number per group.")
    if value <= n_variables:
        raise DataError(f"sample_nobs is {int(value)} for {n_variables} variables; it must be larger.")
    return int(value)


def _ordered_cov(frame: object, variables: Sequence[str], label: str) -> Array:
    of_group = f" of group '{label}'" if label else ""
    if not isinstance(frame, pd.DataFrame):
        raise SpecError("sample_cov= must be a DataFrame with the variables' names on both axes.")
    names = [str(c) for c in frame.columns]
    unknown = [v for v in variables if v not in names]
    if unknown:
        hint = did_you_mean(unknown[0], names, noun="variables")
        raise DataError(
            f"{quoted(unknown)} {'is' if len(unknown) == 1 else 'are'} not in sample_cov{of_group}. {hint}"
        )
    cov = frame.set_axis(names, axis=1).set_axis([str(i) for i in frame.index], axis=0)
    if sorted(cov.index) != sorted(names):
        raise DataError(
            f"sample_cov{of_group} has different names on rows and columns; label both with the variables."
        )
    if len(set(names)) < len(names):
        raise DataError(f"sample_cov{of_group} names a variable twice. Keep one row and column of each.")
    try:
        array = cov.loc[list(variables), list(variables)].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_cov{of_group} holds text where a number is needed.") from error
    scale = np.sqrt(np.abs(np.outer(np.diagonal(array), np.diagonal(array))))
    if not np.isfinite(array).all() or (np.abs(array - array.T) > 1e-6 * scale + 1e-300).any():
        raise DataError(f"sample_cov{of_group} is not a symmetric matrix of numbers.")
    if (np.diagonal(array) <= 0).any():
        bad = [v for v, d in zip(variables, np.diagonal(array), strict=True) if d <= 0]
        raise DataError(
            f"sample_cov{of_group} is not positive definite: the variance of {quoted(bad)} is not positive. "
            "Check the matrix for typing errors, or leave the variable out of the model."
        )
    return (array + array.T) / 2


def _ordered_mean(mean: Any, variables: Sequence[str]) -> Array:
    series = mean if isinstance(mean, pd.Series) else pd.Series(mean)
    unknown = [v for v in variables if v not in series.index]
    if unknown:
        hint = did_you_mean(unknown[0], series.index, noun="variables")
        raise DataError(
            f"{quoted(unknown)} {'is' if len(unknown) == 1 else 'are'} not in sample_mean. {hint}"
        )
    values = series.loc[list(variables)].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        bad = [v for v, x in zip(variables, values, strict=True) if not np.isfinite(x)]
        raise DataError(f"sample_mean of {quoted(bad)} is not a number.")
    return values
