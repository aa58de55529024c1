"""`Multiverse`: the methods' results beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sem_models.charts.text import listing
from sem_models.inference.columns import LEVEL, checked_level
from sem_models.moderation.multiverse.agreement import RULE, agreement_table
from sem_models.moderation.multiverse.facts import Fact
from sem_models.moderation.result import TITLES, Moderation
from sem_models.moderation.statement import Statement

if TYPE_CHECKING:
    from altair.typing import ChartType

COLUMNS = [
    "term", "group", "method", "title", "estimate", "se", "ci_lower", "ci_upper", "std_estimate", "std_se",
    "std_ci_lower", "std_ci_upper", "pvalue", "converged", "admissible", "usable", "seconds", "reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One method: its result, or None and why; seconds of wall-clock time."""

    method: str
    result: Any
    seconds: float
    reason: str


@dataclass(frozen=True, repr=False)
class Multiverse:
    """All applicable methods on one model and one data set.

    results maps a method to its result; attempts hold those that failed or do not apply as well, with the
    reason; facts are what in the data makes methods differ.
    """

    statement: Statement
    attempts: tuple[Attempt, ...]
    facts: tuple[Fact, ...]
    line: str

    @property
    def results(self) -> Mapping[str, Moderation]:
        """The results by method, of those that gave one."""
        return {a.method: a.result for a in self.attempts if a.result is not None}

    @cached_property
    def _table(self) -> pd.DataFrame:
        rows = [row for attempt in self.attempts for row in _rows(attempt, self.statement, LEVEL)]
        return pd.DataFrame(rows, columns=COLUMNS)

    def table(self, *, level: float = LEVEL) -> pd.DataFrame:
        """One row a product's path, group and method; methods without a result have one row with the reason.

        Columns term ("PV ~ EDS:ACT"), group, method, title, estimate, se, ci_lower, ci_upper (in the method's
        own units: those of marker items, of item means for rapi), std_estimate, std_se, std_ci_lower,
        std_ci_upper (b sd(x) sd(z) / sd(y), which all share), pvalue, converged, admissible, usable (both,
        with an error), seconds, reason.
        """
        if level == LEVEL:
            return self._table.copy()
        rows = [row for a in self.attempts for row in _rows(a, self.statement, checked_level(level))]
        return pd.DataFrame(rows, columns=COLUMNS)

    def agreement(self) -> pd.DataFrame:
        """Whether the methods agree, a row a path and group, by the rule `.rule`.

        Columns term, group, methods (usable ones), median, lowest, highest, median_se, spread_in_se,
        positive, negative, undecided (intervals), stand_out, agree.
        """
        return agreement_table(self._table)

    @property
    def rule(self) -> str:
        """The rule of agreement in words."""
        return RULE

    def data_facts(self) -> pd.DataFrame:
        """What in the data makes methods differ: fact, value, matters, methods, sentence."""
        rows = [(f.name, f.value, f.matters, ", ".join(f.methods), f.sentence) for f in self.facts]
        return pd.DataFrame(rows, columns=["fact", "value", "matters", "methods", "sentence"])

    def sentences(self) -> tuple[str, ...]:
        """The verdict on each path, then what the data say on why, then what was left out."""
        out = [_verdict(row) for row in self.agreement().to_dict("records")]
        out += [f.sentence for f in self.facts if f.matters]
        if not any(f.matters for f in self.facts) and not self.agreement()["agree"].all():
            out.append("Nothing that was looked at in the data explains the difference.")
        absent = [a.method for a in self.attempts if a.result is None and not a.reason.startswith("Left out")]
        if absent:
            out.append(f"Without a result: {listing(absent, 9)} (see the column reason).")
        return tuple(out)

    @property
    def charts(self) -> MultiverseCharts:
        """`.forest()`: the methods' intervals on the common metric."""
        return MultiverseCharts(self)

    def __str__(self) -> str:
        shown = self._table[
            ["term", "method", "std_estimate", "std_ci_lower", "std_ci_upper", "pvalue", "seconds"]
        ]
        return "\n".join(
            [self.line, *self.sentences(), "", shown.to_string(index=False, float_format="%.3f")]
        )

    def __repr__(self) -> str:
        names = ", ".join(p.name for p in self.statement.products)
        return f"<Multiverse of {names}: {len(self.results)} of {len(self.attempts)} methods>"

    def _repr_html_(self) -> str:
        words = "".join(f"<p>{escape(s)}</p>" for s in (self.line, *self.sentences()))
        return words + self._table.to_html(index=False, float_format="{:.3f}".format)


@dataclass(frozen=True, slots=True)
class MultiverseCharts:
    """Charts of a multiverse."""

    of: Multiverse

    def forest(self, term: str | None = None, *, title: str | None = None) -> ChartType:
        """Estimates with intervals by method on the common metric; term names one path of several."""
        from sem_models.charts.multiverse import multiverse_chart

        return multiverse_chart(self.of.table(), self.of.agreement(), self.of.line, term=term, title=title)


def _rows(attempt: Attempt, statement: Statement, level: float) -> list[dict[str, Any]]:
    """Rows of the table; one row with the reason where there is no result."""
    blank: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
    blank |= {
        "term": "", "group": "", "method": attempt.method,
        "title": TITLES.get(attempt.method, attempt.method),
        "converged": False, "admissible": False, "usable": False, "seconds": attempt.seconds,
        "reason": attempt.reason,
    }  # fmt: skip
    if attempt.result is None:
        return [blank]
    result = attempt.result
    names = {p.name for p in statement.products}
    plain, scaled = result.estimates(level=level), result.standardized(level=level)
    chosen = plain[(plain["op"] == "~") & plain["rhs"].isin(names)]
    half = float(ndtri(0.5 + level / 2))
    out = []
    for row in chosen.to_dict("records"):
        same = scaled[(scaled["lhs"] == row["lhs"]) & (scaled["op"] == "~") & (scaled["rhs"] == row["rhs"])]
        if "group" in scaled.columns:
            same = same[same["group"] == row["group"]]
        std = same.iloc[0]
        status = result.status
        out.append(
            blank | {
                "term": f"{row['lhs']} ~ {row['rhs']}", "group": row.get("group", "") or "",
                "title": result.title, "estimate": row["est"], "se": row["se"], "ci_lower": row["ci_lower"],
                "ci_upper": row["ci_upper"], "std_estimate": std["est_std"], "std_se": std["se"],
                "std_ci_lower": std["est_std"] - half * std["se"],
                "std_ci_upper": std["est_std"] + half * std["se"], "pvalue": row["pvalue"],
                "converged": status.converged, "admissible": status.admissible,
                "usable": bool(status.converged and status.admissible and np.isfinite(std["se"])),
                "reason": " ".join(status.reasons),
            }
        )  # fmt: skip
    return out


def _verdict(row: Mapping[Any, Any]) -> str:
    """One sentence on a path."""
    where = f"{row['term']}{' in ' + str(row['group']) if row['group'] else ''}"
    n = row["methods"]
    if not n:
        return f"{where}: no method has a usable result."
    if n == 1:
        return f"{where}: one method alone has a usable result (standardized {row['median']:.2f})."
    spread = (
        f"standardized {row['lowest']:.2f} to {row['highest']:.2f}, {row['spread_in_se']:.1f} standard errors"
    )
    if row["agree"]:
        what = "positive" if row["positive"] else "negative" if row["negative"] else "undecided"
        return f"{where}: {n} methods agree ({what}; {spread})."
    verdicts = [f"{row[k]} {k}" for k in ("positive", "negative", "undecided") if row[k]]
    tail = (
        f"; {row['stand_out']} stand{'s' if ',' not in row['stand_out'] else ''} out"
        if row["stand_out"]
        else ""
    )
    if len(verdicts) == 1:
        what = verdicts[0].split(" ")[1]
        return f"{where}: {n} methods agree that it is {what}, NOT on its size ({spread}{tail})."
    return f"{where}: {n} methods DISAGREE ({', '.join(verdicts)}; {spread}{tail})."
