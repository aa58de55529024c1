"""What do customers name when they describe the service freely, and what of it does the provider not see?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sem_models.charts import text
from sem_models.errors import DataError
from sem_models.findings.mentions import Mentions, mentions
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    import pandas as pd

TITLE = "What do customers name?"
NOTHING = (
    "There is no table of mentions for these data. It is a CSV file with the columns respondent, element and "
    "kind (process or outcome), a row a mention."
)
NOTE = "Shares of respondents with Wilson intervals; elements of fewer than 5 respondents are put together."


def section(table: str | Path | None, provider: str | Path | None, *, simulated: bool) -> Section:
    """Process against outcome, against the provider's list, and elements that the list lacks.

    table, provider: CSV files as `sm.mentions` takes them. For the bundled example they are its own.
    """
    if table is None and simulated:
        from sem_models import examples

        table, provider = examples.path("servuction", "mentions"), examples.path("servuction", "provider")
    if table is None:
        return Section("mentions", TITLE, "No mentions were given", (NOTHING,))
    found = mentions(_read(table), provider=None if provider is None else _read(provider))
    said = [*_sentences(found), *(_unseen(found) if provider is not None else [])]
    tables = [
        Table("kinds", "Process and outcome", found.shares(), note="Shares of mentions, by respondent."),
        Table("elements", "Elements", found.elements(), note=NOTE),
    ]
    if provider is not None:
        tables.append(Table("unseen", "Off the provider's list", found.unseen(), note=NOTE))
    header = f"{found.n_mentions} mentions of {found.n_naming} respondents"
    return Section(
        "mentions", TITLE, f"Simulated: {header}" if simulated else header, tuple(said), key=tuple(said[:1]),
        tables=tuple(tables), charts={"mentions": found.chart()},
    )  # fmt: skip


def _sentences(found: Mentions) -> list[str]:
    share = found.shares().set_index("kind").loc["process", ["share", "ci_lower", "ci_upper"]].to_numpy(float)
    test = found.test()
    if not np.isfinite(share).all():
        return ["Too few respondents name one of the two kinds for shares to be shown."]
    figures = text.estimate(share[0], share[1], share[2])
    gap = text.estimate(float(test["difference"]), float(test["ci_lower"]), float(test["ci_upper"]))
    against = text.number(float(test["against"]))
    if text.covers_zero(test["ci_lower"], test["ci_upper"]):
        word = "which cannot be told from"
    else:
        word = "more than" if test["difference"] > 0 else "less than"
    return [
        f"A share of {figures} of the mentions is of the process, {word} the {against} that it is compared "
        f"with (difference {gap}, {text.pvalue(float(test['pvalue']))})."
    ]


def _unseen(found: Mentions) -> list[str]:
    rows: list[dict[Any, Any]] = found.unseen().to_dict("records")
    share = text.estimate(rows[0]["share"], rows[0]["ci_lower"], rows[0]["ci_upper"])
    names = [f"“{r['what']}”" for r in rows[2:]]
    out = [f"A share of {share} of the mentions is of elements that the provider's list lacks."]
    if names:
        out.append(f"Named by 5 or more respondents and not on the list: {text.listing(names)}.")
    alone = found.unnamed()
    if alone:
        out.append(f"On the list, named by fewer than 5: {text.listing([f'“{e}”' for e in alone])}.")
    return out


def _read(path: str | Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no table of comma-separated values"
        raise DataError(f"'{Path(path).name}' cannot be read: {reason}.") from None
