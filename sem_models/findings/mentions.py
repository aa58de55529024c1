"""What customers name when they describe a service freely: process or outcome, seen by the provider or not.

The table is coded: one row a mention, with the respondent, the element it was coded as, and the element's
kind. Nothing named by fewer than 5 respondents leaves this module, so that a verbatim answer cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import DataError, did_you_mean
from sem_models.findings.columns import SMALLEST
from sem_models.findings.shares import Share, clustered_share, independent_share
from sem_models.findings.survey_facts import Element
from sem_models.model.ram import Array

if TYPE_CHECKING:
    from altair.typing import ChartType

KINDS = get_args(Element)
REST = "fewer than 5 respondents each"


@dataclass(frozen=True, slots=True)
class Mentions:
    """Result of `mentions`: `shares()`, `elements()`, `test()`, `unseen()`, `unnamed()`, `chart()`."""

    n_mentions: int
    n_respondents: int
    n_naming: int
    dropped: int
    level: float
    _coded: pd.DataFrame = field(repr=False)
    _provider: Mapping[str, str] = field(repr=False)

    def shares(self) -> pd.DataFrame:
        """Process and outcome: share of the mentions and of the respondents who name at least one.

        Columns kind, mentions, share, se, ci_lower, ci_upper (clustered by respondent), effective_n,
        respondents, respondent_share, respondent_ci_lower, respondent_ci_upper (Wilson). Figures of a kind
        that 1 to 4 respondents name are NaN, and so are the shares that would give them away.
        """
        rows = []
        naming = {
            kind: int(self._per_respondent(self._coded["kind"] == kind).astype(bool).sum()) for kind in KINDS
        }
        hidden = any(0 < n < SMALLEST for n in naming.values())
        for kind in KINDS:
            of = self._share(self._coded["kind"] == kind)
            by = independent_share(naming[kind], self.n_respondents, self.level)
            row: dict[str, Any] = {
                "kind": kind, "mentions": round(of.share * of.n), "share": of.share, "se": of.se,
                "ci_lower": of.ci_lower, "ci_upper": of.ci_upper, "effective_n": of.effective_n,
                "respondents": naming[kind], "respondent_share": by.share,
                "respondent_ci_lower": by.ci_lower, "respondent_ci_upper": by.ci_upper,
            }  # fmt: skip
            if hidden:
                own = 0 < naming[kind] < SMALLEST
                row |= {c: np.nan for c in row if c != "kind" and (own or not c.startswith("respondent"))}
            rows.append(row)
        return pd.DataFrame(rows)

    def elements(self) -> pd.DataFrame:
        """Elements by the share of respondents who name them, most named first.

        Columns element, kind, respondents, share, ci_lower, ci_upper (Wilson), provider (on the provider's
        list; None without a list). Elements of fewer than 5 respondents are one last row with their number
        and the respondents who name any of them.
        """
        named = self._coded.groupby("element")["respondent"].nunique()
        kinds = self._coded.drop_duplicates("element").set_index("element")["kind"]
        order = sorted(named.index, key=lambda e: (-int(named[e]), str(e)))
        shown = [e for e in order if named[e] >= SMALLEST]
        rows = [self._row(str(e), str(kinds[e]), int(named[e]), self._known(str(e))) for e in shown]
        few = self._coded[~self._coded["element"].isin(shown)]
        together = few["respondent"].nunique()
        if together >= SMALLEST:
            rows.append(self._row(f"{few['element'].nunique()} others, {REST}", "", together, None))
        columns = ["element", "kind", "respondents", "share", "ci_lower", "ci_upper", "provider"]
        return pd.DataFrame(rows, columns=columns)

    def test(self, against: float | None = None) -> pd.Series:
        """Is the share of process mentions another than `against`, by default that of the provider's list?

        Returns share, against, difference, se, z, pvalue (two-sided, clustered by respondent), ci_lower and
        ci_upper of the difference. Without a list the comparison is with one half.
        """
        if against is None:
            kinds = list(self._provider.values())
            against = kinds.count("process") / len(kinds) if kinds else 0.5
        if not 0.0 <= against <= 1.0:
            raise DataError(f"against={against} must be a share between 0 and 1.")
        of = self._share(self._coded["kind"] == "process")
        difference = of.share - against
        z = difference / of.se if of.se > 0 else float("nan")
        half = float(ndtri((1 + self.level) / 2)) * of.se
        values = {
            "share": of.share, "against": against, "difference": difference, "se": of.se, "z": z,
            "pvalue": 2 * float(ndtr(-abs(z))), "ci_lower": difference - half, "ci_upper": difference + half,
        }  # fmt: skip
        return pd.Series(values, name="process", dtype=float)

    def unseen(self) -> pd.DataFrame:
        """What the provider's list lacks.

        First row: all mentions of elements off the list (share of mentions, clustered); second: respondents
        who name at least one (Wilson); then each such element that 5 or more respondents name. Columns what,
        kind, n, share, ci_lower, ci_upper. Counts of 1 to 4 respondents are NaN. DataError without a list.
        """
        if not self._provider:
            raise DataError("No provider= list was given, so nothing can be off it.")
        off = ~self._coded["element"].isin(list(self._provider))
        naming = int(self._per_respondent(off).astype(bool).sum())
        of = self._share(off)
        by = independent_share(naming, self.n_respondents, self.level)
        rows = [
            {
                "what": what,
                "kind": "",
                "n": n,
                "share": s.share,
                "ci_lower": s.ci_lower,
                "ci_upper": s.ci_upper,
            }
            for what, n, s in (
                ("mentions off the list", round(of.share * of.n), of),
                ("respondents who name any", naming, by),
            )
        ]
        if 0 < naming < SMALLEST:
            rows = [
                {**row, "n": np.nan, "share": np.nan, "ci_lower": np.nan, "ci_upper": np.nan} for row in rows
            ]
        elements = self.elements()
        for row in elements[elements["provider"].eq(False)].to_dict("records"):
            kept = {str(k): row[k] for k in ("kind", "share", "ci_lower", "ci_upper")}
            rows.append({"what": row["element"], "n": row["respondents"], **kept})
        return pd.DataFrame(rows, columns=["what", "kind", "n", "share", "ci_lower", "ci_upper"])

    def unnamed(self) -> tuple[str, ...]:
        """Elements of the provider's list that fewer than 5 respondents name."""
        shown = set(self.elements()["element"])
        return tuple(e for e in self._provider if e not in shown)

    def chart(self) -> ChartType:
        """Elements by the share of respondents who name them, process and outcome, on the list or not."""
        from sem_models.charts.mentions import mentions_chart

        return mentions_chart(self)

    def __str__(self) -> str:
        head = f"{self.n_mentions} mentions of {self.n_naming} respondents"
        return f"{head}\n{self.shares().to_string(index=False)}"

    def _known(self, element: str) -> bool | None:
        return element in self._provider if self._provider else None

    def _row(self, element: str, kind: str, count: int, provider: bool | None) -> dict[str, Any]:
        s = independent_share(count, self.n_respondents, self.level)
        return {
            "element": element, "kind": kind, "respondents": count, "share": s.share,
            "ci_lower": s.ci_lower, "ci_upper": s.ci_upper, "provider": provider,
        }  # fmt: skip

    def _per_respondent(self, chosen: Any) -> Array:
        """Number of chosen mentions of each respondent who names anything, (k,)."""
        return np.asarray(chosen.groupby(self._coded["respondent"]).sum(), dtype=np.float64)

    def _share(self, chosen: Any) -> Share:
        sizes = self._per_respondent(pd.Series(True, index=self._coded.index))
        return clustered_share(self._per_respondent(chosen), sizes, self.level)


def mentions(
    table: pd.DataFrame, *, respondent: str = "respondent", element: str = "element", kind: str = "kind",
    provider: Mapping[str, Element] | pd.DataFrame | None = None, n_respondents: int | None = None,
    level: float = 0.95,
) -> Mentions:  # fmt: skip
    """Freely mentioned elements of a service, coded, as shares with intervals.

    Parameters
    ----------
    table : DataFrame
        One row a mention. An element that a respondent names twice counts once; other columns (verbatim text)
        are not read.
    respondent, element, kind : str
        Columns: who, the code of the element, and "process" or "outcome".
    provider : mapping or DataFrame, optional
        The provider's own list: kind by element, or a frame with the columns `element` and `kind`.
    n_respondents : int, optional
        Number of persons asked, those who named nothing included; by default those who named something.
    level : float

    Raises
    ------
    DataError
        For absent columns, other kinds, an element coded both ways (rows are named, never what they hold), or
        fewer than 5 respondents.
    """
    _need_columns(table, (respondent, element, kind), "coding table")
    chosen = table[[respondent, element, kind]].set_axis(["respondent", "element", "kind"], axis=1)
    complete = chosen.notna().all(axis=1)
    coded = chosen[complete].astype({"element": str, "kind": str})
    _need_kinds(coded)
    coded = coded.drop_duplicates(["respondent", "element"]).reset_index(drop=True)
    naming = coded["respondent"].nunique()
    asked = naming if n_respondents is None else int(n_respondents)
    if naming < SMALLEST:
        raise DataError(f"Fewer than {SMALLEST} respondents name anything: no share can be shown.")
    if asked < naming:
        raise DataError(f"n_respondents={asked} is fewer than the {naming} who name something.")
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, as 0.95.")
    return Mentions(len(coded), asked, naming, int((~complete).sum()), level, coded, _provider_list(provider))


def _provider_list(provider: Mapping[str, Element] | pd.DataFrame | None) -> dict[str, str]:
    if provider is None:
        return {}
    if isinstance(provider, pd.DataFrame):
        _need_columns(provider, ("element", "kind"), "provider's list")
        pairs = dict(zip(provider["element"].astype(str), provider["kind"].astype(str), strict=True))
    else:
        pairs = {str(e): str(k) for e, k in provider.items()}
    wrong = [e for e, k in pairs.items() if k not in KINDS]
    if wrong or not pairs:
        raise DataError(
            f"The provider's list has {len(wrong)} elements that are neither process nor outcome."
            if wrong
            else "The provider's list is empty. Leave provider= out, or name its elements."
        )
    return pairs


def _need_columns(frame: pd.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [n for n in names if n not in frame.columns]
    if missing:
        hint = did_you_mean(missing[0], frame.columns, noun="columns")
        raise DataError(f"The {what} has no column {', '.join(repr(n) for n in missing)}. {hint}")


def _need_kinds(coded: pd.DataFrame) -> None:
    wrong = coded.index[~coded["kind"].isin(KINDS)]
    if len(wrong):
        raise DataError(
            f"{len(wrong)} mentions are neither 'process' nor 'outcome': {_places(wrong)}. Recode the column."
        )
    both = coded.groupby("element")["kind"].nunique()
    twice = coded.index[coded["element"].isin(both.index[both > 1])]
    if len(twice):
        raise DataError(
            f"{int((both > 1).sum())} elements are coded both as process and as outcome: {_places(twice)}. "
            "Give each element one kind, or split it in two."
        )


def _places(rows: pd.Index) -> str:
    shown = ", ".join(str(r) for r in rows[:5])
    return f"rows {shown}" + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
