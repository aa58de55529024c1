"""Can the answers carry the analysis? Missing answers, distributions, near-duplicates, group differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.measurement.screening import Screening
    from sem_models.reports.study import Study

SMALLEST_CELL = 5
SHOWN_ISSUES = 6


def section(study: Study) -> Section:
    """The answers as they are in the file, before any model."""
    found = _screened(study)
    n, complete = len(study.frame), int(found.missing["n_complete"].iloc[0])
    pairs = _duplicates(study)
    issues = [*_pair_sentences(pairs), *_issue_sentences(found.issues)]
    text = [
        f"The file holds {n} customers; {complete} of them answered all {len(found.items)} items the model "
        "uses." + _most_missing(found.items),
        *(issues[:SHOWN_ISSUES] or ["No constant, collinear or near-duplicate items were found."]),
        *_normality_sentences(found.normality),
        *_difference_sentences(found.differences, study),
    ]
    header = (
        f"Answers as collected, before the model · N = {n} of {n}, 0 dropped · "
        f"{complete} complete, {n - complete} with missing answers"
    )
    return Section(
        "screening",
        "Can the answers carry the analysis?",
        header,
        tuple(text),
        key=tuple(issues[:2]),
        tables=tuple(_tables(study, found, pairs)),
    )


def _screened(study: Study) -> Screening:
    from sem_models.measurement.screening import screen

    limits = {c.name: (c.constraints.minimum, c.constraints.maximum) for c in study.survey.schema.fields}
    found = screen(
        study.frame,
        {construct: list(items) for construct, items in study.constructs.items()},
        group=study.moderator,
        reference_group=study.reference_group,
        limits={k: (float(a), float(b)) for k, (a, b) in limits.items() if a is not None and b is not None},
    )
    few = 100 * (SMALLEST_CELL - 1) / len(study.frame) + 1e-9
    share = found.items["missing_pct"]
    found.items["missing_pct"] = share.mask((share > 0) & (share <= few))
    return found


def _duplicates(study: Study) -> pd.DataFrame:
    """Pairs of survey items that nearly repeat each other, whether the model uses both, one or none."""
    from sem_models.measurement.items import numeric_items
    from sem_models.measurement.screening import near_duplicates

    asked = [c.name for c in study.survey.schema.fields if c.role == "item" and c.name in study.frame.columns]
    items = list(dict.fromkeys([*study.spec.items, *asked]))
    data = numeric_items(study.frame, items)
    pairs = near_duplicates(data.loc[:, data.std() > 0])
    pairs = pairs[pairs["n"] >= SMALLEST_CELL]
    used = set(study.spec.items)
    pairs["in_model"] = [
        {2: "both", 1: "one", 0: "none"}[len(used & {str(a), str(b)})]
        for a, b in zip(pairs["item_1"], pairs["item_2"], strict=True)
    ]
    return pairs


def _pair_sentences(pairs: pd.DataFrame) -> list[str]:
    """Near-duplicates, first those that would enter the model together."""
    out = []
    for kind, consequence in (
        ("both", "The model uses both of each pair: leave one out, and find out how the other was made."),
        ("one", "They look made from one another; the model uses one of each pair."),
        ("none", "They look made from one another; the model uses neither."),
    ):
        rows = pairs[pairs["in_model"] == kind].to_dict("records")
        if rows:
            shown = [f"{r['item_1']} and {r['item_2']} ({say.num(float(r['r']))})" for r in rows]
            named = "; ".join(shown[:6]) + (f"; and {len(shown) - 6} more" if len(shown) > 6 else "")
            out.append(f"Near-duplicate items (correlations of .95 or more): {named}. {consequence}")
    return out


def _issue_sentences(issues: pd.DataFrame) -> list[str]:
    """The other issues, with the items they concern and what to do."""
    out = []
    for row in issues.to_dict("records"):
        if row["kind"] == "near duplicate":
            continue
        items = f" ({row['items']})" if row["items"] else ""
        remedy = say.first_upper(str(row["remedy"]))
        out.append(f"{say.first_upper(str(row['kind']))}{items}: {row['detail']}. {remedy}.")
    return out


def _most_missing(items: pd.DataFrame) -> str:
    share = items["missing_pct"].fillna(0)
    if not share.max() > 0:
        return ""
    most = items.iloc[int(share.to_numpy().argmax())]
    return f" The item with the most missing answers is {most['item']} ({most['missing_pct']:.1f} %)."


def _normality_sentences(table: pd.DataFrame) -> list[str]:
    rejected = [str(r["test"]) for r in table.to_dict("records") if r["pvalue"] < 0.05]
    if not rejected:
        return []
    return [
        f"Multivariate normality is rejected ({say.listing(rejected)}), so standard errors and tests should "
        "be robust to it (MLR)."
    ]


def _difference_sentences(table: pd.DataFrame, study: Study) -> list[str]:
    size, word = ("hedges_g", "Hedges g") if "hedges_g" in table.columns else ("eta2", "η²")
    if study.moderator is None or not len(table):
        return []
    by = study.moderator_title
    clear = table[table["pvalue_holm"] < 0.05]
    if not len(clear):
        return [f"No difference of scale scores by {by} is detectable."]
    top = clear.iloc[int(clear[size].abs().to_numpy().argmax())]
    scale = say.as_names(study.names).get(str(top["scale"]), str(top["scale"]))
    return [
        f"Scale scores differ by {by} on {len(clear)} of {len(table)} scales (Holm-adjusted p < .05), most "
        f"on {scale} ({word} = {say.num(float(top[size]))}). Raw scores are compared here; whether they may "
        "be compared is tested with the invariance of the measurement."
    ]


def _tables(study: Study, found: Screening, pairs: pd.DataFrame) -> list[Table]:
    items = found.items.assign(title=[study.names.get(str(i), "") for i in found.items["item"]])
    order = (
        "item",
        "title",
        "n",
        "missing_pct",
        "mean",
        "sd",
        "skew",
        "kurtosis",
        "floor_pct",
        "ceiling_pct",
    )
    tables = [
        Table(
            "items",
            "Items: answers, missing, distribution",
            items,
            shown=order,
            note="Lowest and highest: share of the end points of the scale. Shares of fewer than 5 customers "
            "are left out.",
        ),
        Table("normality", "Multivariate normality", found.normality, note="Complete rows only."),
    ]
    if len(pairs):
        tables.append(Table("near_duplicates", "Item pairs that correlate .95 or more", pairs))
    if len(found.issues):
        tables.append(Table("issues", "What to look at before modeling", found.issues))
    reasons = study.survey.analysis_frame().reasons
    reasons = reasons[reasons["n"] >= SMALLEST_CELL]
    if len(reasons):
        tables.append(
            Table(
                "missing_reasons",
                "Missing answers by reason, all columns",
                reasons,
                note="Counts under 5 are not shown.",
                folded=True,
            )
        )
    if study.moderator is not None:
        tables.append(_differences_table(study, found.differences))
    return tables


def _differences_table(study: Study, table: pd.DataFrame) -> Table:
    two = "reference_group" in table.columns
    caption = f"Scale scores by {study.moderator_title}"
    if two and len(table):
        caption += f": {table['group'].iloc[0]} minus {table['reference_group'].iloc[0]}"
    shown = (
        ("scale", "n", "n_reference", "mean", "mean_reference", "difference", "ci_lower", "ci_upper",
         "pvalue_holm", "hedges_g", "g_ci_lower", "g_ci_upper", "note")
        if two
        else ("scale", "groups", "n", "f", "df1", "df2", "pvalue_holm", "eta2", "eta2_ci_lower",
              "eta2_ci_upper", "note")
    )  # fmt: skip
    return Table(
        "group_differences",
        caption,
        table,
        shown=shown,
        names=study.names,
        note="Means of raw items in scale points, not corrected for measurement error; p values "
        "Holm-adjusted over the scales (Welch).",
    )
