"""Measurement invariance across groups: a ladder of models, each more equal than the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.fit import fit
from sem_models.inference.header import Header
from sem_models.inference.nested import difference_test
from sem_models.inference.result import Fit

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec

LADDER: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
"""What is held equal at each level (Meredith, 1993; Vandenberg & Lance, 2000)."""


@dataclass(frozen=True)
class Invariance:
    """Fits of the ladder by level name, least restricted first."""

    fits: Mapping[str, Fit]
    group: str

    @property
    def header(self) -> Header:
        """Data and status of the first level."""
        return next(iter(self.fits.values())).header

    def table(self) -> pd.DataFrame:
        """One row a level: column `level`, whether it converged and is admissible, and all fit measures."""
        rows = [
            {
                "level": name,
                "converged": f.status.converged,
                "admissible": f.status.admissible,
                **f.measures().to_dict(),
            }
            for name, f in self.fits.items()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def _comparisons(self) -> pd.DataFrame:
        names = list(self.fits)
        rows = []
        for against, level in pairwise(names):
            general, restricted = self.fits[against], self.fits[level]
            out = difference_test(restricted.solved, general.solved)
            mine, theirs = restricted.measures(), general.measures()
            row: dict[str, Any] = {
                "level": level, "against": against, "chisq_diff": out.chisq_diff, "df_diff": out.df_diff,
                "pvalue": out.pvalue,
            }  # fmt: skip
            for index in ("cfi", "rmsea", "srmr", "cfi_robust", "rmsea_robust"):
                if not index.endswith("_robust") or pd.notna(mine[index]):
                    row[f"delta_{index}"] = mine[index] - theirs[index]
            rows.append(row)
        return pd.DataFrame(rows)

    def comparisons(self) -> pd.DataFrame:
        """Each level against the one before.

        Columns level, against, chisq_diff, df_diff, pvalue, delta_cfi, delta_rmsea, delta_srmr.
        Satorra–Bentler (2001) differences when the estimator is robust; then, and with incomplete data,
        also delta_cfi_robust and delta_rmsea_robust.
        """
        return self._comparisons.copy()

    def _repr_html_(self) -> str:
        return f"<p>{self.header.line()}</p>" + self.comparisons().to_html(
            index=False, float_format="{:.3f}".format
        )


def invariance(
    model: str | ModelSpec,
    data: Any = None,
    *,
    group: str | None = None,
    levels: Sequence[str | Mapping[str, Any]] = ("configural", "metric", "scalar", "strict"),
    **options: Any,
) -> Invariance:
    """Fit the ladder of invariance models.

    Parameters
    ----------
    model, data, **options
        As in `sm.fit`.
    group : str
        Column with the groups (or covariance matrices by group in `sample_cov=`).
    levels : sequence
        Level names, or dicts {"name", "group_equal", "group_partial"} for partial invariance.

    Raises
    ------
    SpecError
        For an unknown level, two levels of one name, or a missing group.
    """
    if group is None and not isinstance(options.get("sample_cov"), Mapping):
        raise SpecError("invariance() compares groups: give group= the column that tells them apart.")
    for reserved in ("group_equal", "group_partial"):
        if reserved in options:
            raise SpecError(
                f"invariance() sets {reserved} itself, level by level. Use "
                f"levels=({{'name': …, '{reserved}': …}}, …)."
            )
    ladder = [_level(entry) for entry in levels]
    names = [name for name, _ in ladder]
    if len(set(names)) != len(names):
        raise SpecError(f"Two levels have the same name: {', '.join(names)}. Give each its own.")
    if not ladder:
        raise SpecError(f"invariance() needs at least one level: {', '.join(LADDER)}.")
    return Invariance(
        {name: fit(model, data, group=group, **{**options, **more}) for name, more in ladder},
        group or "group",
    )


def _level(entry: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        if entry not in LADDER:
            raise SpecError(
                f"'{entry}' is no level of invariance. {did_you_mean(entry, LADDER, noun='levels')}"
            )
        return entry, {"group_equal": LADDER[entry]}
    more = dict(entry)
    name = more.pop("name", None)
    if not name:
        raise SpecError("A level given as a dict needs a 'name'.")
    unknown = set(more) - {"group_equal", "group_partial"}
    if unknown:
        key = sorted(unknown)[0]
        raise SpecError(
            f"Level '{name}' has an unknown entry '{key}'. "
            f"{did_you_mean(key, ('group_equal', 'group_partial'), noun='entries')}"
        )
    if "group_equal" not in more and name in LADDER:
        more["group_equal"] = LADDER[name]
    return str(name), more
