"""Measurement invariance across groups: a ladder of models, each more equal than the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.errors import SpecError, did_you_mean
from sem_models.estimation.fit import fit
from sem_models.inference.header import Header
from sem_models.inference.nested import difference_test
from sem_models.inference.result import Fit
from sem_models.moderation.partial import Released, following, largest
from sem_models.moderation.retention import retained
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from sem_models.model.spec import ModelSpec
    from sem_models.moderation.alignment.result import Alignment

LADDER: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
"""What is held equal at each level (Meredith, 1993; Vandenberg & Lance, 2000)."""

USUAL = tuple(LADDER)

LADDER_OF_ITEMS: dict[str, tuple[str, ...]] = {
    "configural": (),
    "thresholds": ("thresholds",),
    "metric": ("thresholds", "loadings"),
    "scalar": ("thresholds", "loadings", "intercepts"),
    "strict": ("thresholds", "loadings", "intercepts", "residuals"),
}
"""The same with ordered items, whose responses have a common unit only where their thresholds are equal (Wu &
Estabrook, 2016, Psychometrika 81): loadings come after thresholds."""


@dataclass(frozen=True)
class Level:
    """One rung: its fit, the level it is held against ("" for the first), and the equalities given up."""

    fit: Fit
    against: str = ""
    released: tuple[Released, ...] = ()


@dataclass(frozen=True)
class Invariance:
    """The ladder by level name, least restricted first; "partial metric" follows a "metric" that failed."""

    rungs: Mapping[str, Level]
    group: str

    @property
    def fits(self) -> dict[str, Fit]:
        """The fit of each level."""
        return {name: rung.fit for name, rung in self.rungs.items()}

    @property
    def header(self) -> Header:
        """Data and status of the first level."""
        return next(iter(self.rungs.values())).fit.header

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

    def released(self) -> pd.DataFrame:
        """Equalities given up, in the order of their release.

        Columns level, lhs, op, rhs, score, df, pvalue: the score test of releasing it while all other
        equalities hold (Bentler & Chou, 1992); p values of a search are not those of planned tests.
        """
        columns = ["level", "lhs", "op", "rhs", "score", "df", "pvalue"]
        rows = [
            (name, r.lhs, r.op, r.rhs, r.statistic, r.df, r.pvalue)
            for name, rung in self.rungs.items()
            for r in rung.released
        ]
        return pd.DataFrame(rows, columns=columns)

    def holding(self, level: str) -> Fit | None:
        """The fit that stands for a level: the partial one where the full one failed; None if not fitted."""
        rung = self.rungs.get(f"partial {level}") or self.rungs.get(level)
        return rung.fit if rung is not None else None

    @cached_property
    def _comparisons(self) -> pd.DataFrame:
        rows = []
        for level, rung in self.rungs.items():
            if rung.against:
                names = " and ".join(r.name for r in rung.released)
                step = ladder_step(level, rung.fit, rung.against, self.rungs[rung.against].fit)
                rows.append({**step, "retained": retained(step), "released": names})
        return pd.DataFrame(rows)

    def comparisons(self) -> pd.DataFrame:
        """Each level against the one before, or against the partial level that stands for it.

        Columns level, against, chisq_diff, df_diff, pvalue, delta_cfi, delta_rmsea, delta_srmr, retained
        (by change of fit: CFI falls by at most .010, RMSEA rises by at most .015; Chen, 2007) and released.
        Satorra–Bentler (2001) differences when the estimator is robust, Satorra (2000) with ordered items;
        then, and with incomplete data, also delta_cfi_robust and delta_rmsea_robust.
        """
        return self._comparisons.copy()

    def permutation_tests(
        self, n: int = 999, *, seed: int | None = None, progress: bool = True
    ) -> pd.DataFrame:
        """Tests of each level by dealing the group labels out anew, for small groups.

        Columns level, against, statistic (chisq of the first level; chisq_diff, delta_cfi and delta_rmsea of
        the steps, the indices against uncorrelated items), observed, median (of the permutations), pvalue,
        accuracy (half-width of its 95 % Monte Carlo interval), permutations (refits that converged).
        Likelihood ratios are unscaled: the permutations know the data's distribution. Up to the metric level
        rows are first centered in their groups, so that means, which these levels leave free, play no part.
        Levels with released equalities are left out. The null hypothesis is that rows are exchangeable.
        """
        from sem_models.moderation.permutation import level_tests

        return level_tests(self, n, seed, progress=progress)

    def alignment(self, **options: Any) -> Alignment:
        """The constructs aligned from the configural level, for where the scalar one fails.

        Options of `sm.alignment`: method, epsilon, reference_group, constructs, seed.
        """
        from sem_models.moderation.alignment.estimate import align_fit

        if "configural" not in self.rungs:
            raise SpecError("Alignment starts from the configural level: keep it among levels=.")
        return align_fit(self.rungs["configural"].fit, **options)

    def _repr_html_(self) -> str:
        return f"<p>{self.header.line()}</p>" + self.comparisons().to_html(
            index=False, float_format="{:.3f}".format
        )


@single_threaded
def invariance(
    model: str | ModelSpec,
    data: Any = None,
    *,
    group: str | None = None,
    levels: Sequence[str | Mapping[str, Any]] = USUAL,
    partial: bool = False,
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
        Level names, or dicts {"name", "group_equal", "group_partial"} for partial invariance. With ordered
        items the usual ones are configural, thresholds, metric (thresholds and loadings), scalar, and under
        parameterization="theta" strict.
    partial : bool
        Where a named level is not retained, give up equalities one after another, the largest score test
        first, until it is; two items of a construct stay equal. What follows builds on the partial level.

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
    by_items = _seem_ordered(data, options)
    given = levels
    ladder = _ladder(given, options, items=by_items)
    names = [name for name, _ in ladder]
    if len(set(names)) != len(names):
        raise SpecError(f"Two levels have the same name: {', '.join(names)}. Give each its own.")
    if not ladder:
        raise SpecError(f"invariance() needs at least one level: {', '.join(LADDER)}.")

    def fitted(more: Mapping[str, Any]) -> Fit:
        return fit(model, data, group=group, **{**options, **more})

    rungs: dict[str, Level] = {}
    last = ""
    given_up: tuple[Released, ...] = ()
    start = fitted(ladder[0][1])
    items = start.solved.sample.ordinal is not None
    if items != by_items:  # the model says it, by thresholds, or names others than are in it
        ladder = _ladder(given, options, items=items)
        start = fitted(ladder[0][1])
    known = LADDER_OF_ITEMS if items else LADDER
    for name, more in ladder:
        searched = partial and bool(last) and more == {"group_equal": known.get(name)}
        kept = following(known[name], given_up) if searched else ()
        settings = {**more, "group_partial": kept} if kept else more
        rungs[name] = Level(fitted(settings) if last else start, last)
        if searched and not retained(ladder_step(name, rungs[name].fit, last, rungs[last].fit)):
            found = _search(fitted, settings, rungs[name].fit, (last, rungs[last].fit))
            if found is not None:
                given_up = (*given_up, *found.released)
                name = f"partial {name}"
                rungs[name] = found
        last = name
    return Invariance(rungs, group or "group")


def _search(
    fitted: Callable[[Mapping[str, Any]], Fit], settings: Mapping[str, Any], full: Fit,
    against: tuple[str, Fit],
) -> Level | None:  # fmt: skip
    """The level with as few equalities given up as it takes to be retained; None if that is not reached."""
    current, family = full, settings["group_equal"][-1]
    released: tuple[Released, ...] = ()
    while (chosen := largest(current, family)) is not None and current.status.converged:
        released = (*released, chosen)
        freed = (*settings.get("group_partial", ()), *(r.name for r in released))
        current = fitted({**settings, "group_partial": freed})
        if retained(ladder_step("", current, *against)):
            return Level(current, against[0], released)
    return None


def ladder_step(level: str, restricted: Fit, against: str, general: Fit) -> dict[str, Any]:
    """The difference test and the changes of fit of one level against another."""
    out = difference_test(restricted.solved, general.solved)
    mine, theirs = restricted.measures(), general.measures()
    row: dict[str, Any] = {
        "level": level, "against": against, "chisq_diff": out.chisq_diff, "df_diff": out.df_diff,
        "pvalue": out.pvalue,
    }  # fmt: skip
    for index in ("cfi", "rmsea", "srmr", "cfi_robust", "rmsea_robust"):
        change = mine.get(index, np.nan) - theirs.get(index, np.nan)
        if not index.endswith("_robust") or pd.notna(mine.get(index, np.nan)):
            row[f"delta_{index}"] = change
    return row


def _seem_ordered(data: Any, options: Mapping[str, Any]) -> bool:
    """Whether the options or the columns' types name ordered items; the first fit tells for sure."""
    named = options.get("ordered", ())
    if named is not None and not isinstance(named, bool | str) and not len(named):
        named = False
    columns = getattr(data, "dtypes", ())
    return bool(named) or any(isinstance(c, pd.CategoricalDtype) and c.ordered for c in columns)


def _ladder(
    levels: Sequence[str | Mapping[str, Any]], options: Mapping[str, Any], *, items: bool
) -> list[tuple[str, dict[str, Any]]]:
    """The levels asked for with what they hold equal, or the usual ones."""
    known = LADDER_OF_ITEMS if items else LADDER
    if tuple(levels) == USUAL and items:
        theta = str(options.get("parameterization", "")).lower() == "theta"
        levels = [name for name in known if name != "strict" or theta]
    return [_level(entry, known) for entry in levels]


def _level(
    entry: str | Mapping[str, Any], known: Mapping[str, tuple[str, ...]]
) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        if entry == "thresholds" and entry not in known:
            raise SpecError(
                "The level 'thresholds' is for ordered items, and this model has none: name them in ordered=."
            )
        if entry not in known:
            raise SpecError(
                f"'{entry}' is no level of invariance. {did_you_mean(entry, known, noun='levels')}"
            )
        return entry, {"group_equal": known[entry]}
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
    if "group_equal" not in more and name in known:
        more["group_equal"] = known[name]
    return str(name), more
