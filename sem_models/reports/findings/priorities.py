"""What weighs for the customer, how well is it done, and what is the target never reached without?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sem_models.charts import text
from sem_models.findings.necessity import Necessity, necessity
from sem_models.findings.priorities import Priorities, priorities
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.reports.study import Study

PERMUTATIONS, SEED = 2000, 1


def section(study: Study, target: str = "BI", investment: dict[str, float] | None = None) -> Section:
    """Importance and performance of all that leads to the target, what it needs, and what is spent on it."""
    fit = study.fit
    if not fit.status.converged:
        return Section(
            "priorities", "What weighs, and how well is it done?", fit.header.line(), (say.NOTHING,),
            cautions=say.status_sentences(fit.status, "the model on all customers"),
        )  # fmt: skip
    found = priorities(fit, target, schema=study.survey)
    needed = necessity(fit, list(found.constructs), target, permutations=PERMUTATIONS, seed=SEED)
    names = say.as_names(study.names)
    said = [*_importance(found, names), *_elements(found, names), *_needs(needed, names)]
    charts: dict[str, Any] = {
        "map": found.chart(names=study.construct_names),
        "items": found.chart(items=True),
        "combined": found.combined_chart(needed, ceiling="cr_fdh", names=study.construct_names),
        "necessity": needed.chart(_first(needed), names=study.construct_names),
    }
    tables = _tables(study, found, needed)
    if investment is not None:
        spent = found.investment(investment)
        said += _investment(spent, names)
        charts["investment"] = found.investment_chart(investment, names=study.construct_names)
        tables += (
            Table("investment", "Importance and investment", spent, names=study.names,
                  note="Shares (%) among the constructs that are spent on; gap: importance less investment."),
        )  # fmt: skip
    return Section(
        "priorities", "What weighs, and how well is it done?", fit.header.line(),
        (
            *said,
            "Importance is a total effect and as such an association; a necessary level is one that nobody "
            "among these customers did without, and is not sufficient.",
        ),
        key=tuple(said[:1]), tables=tables, charts=charts,
        cautions=say.status_sentences(fit.status, "the model on all customers"),
    )  # fmt: skip


def _importance(found: Priorities, names: dict[str, str]) -> list[str]:
    table = found.table().sort_values("importance", ascending=False)
    first = table.iloc[0]
    to = names.get(found.target, found.target)
    name = names.get(str(first["construct"]), str(first["construct"]))
    out = [
        f"{_upper(name)} weighs most for {to}: a point more on its 0–100 score goes with "
        f"{text.estimate(float(first['importance']), float(first['ci_lower']), float(first['ci_upper']))} "
        f"points; its mean is {float(first['performance']):.0f}."
    ]
    urgent = [names.get(str(c), str(c)) for c in table[table["quadrant"] == "concentrate here"]["construct"]]
    if urgent:
        verb = (
            "weighs more than average but scores" if len(urgent) == 1 else "weigh more than average but score"
        )
        out.append(f"{_upper(text.listing(urgent))} {verb} below average.")
    return out


def _elements(found: Priorities, names: dict[str, str]) -> list[str]:
    if not {"process", "outcome"} <= set(found.element.values()):
        return []
    rows = {str(r["element"]): r for r in found.elements().to_dict("records")}
    gap = rows["process less outcome"]
    figures = text.estimate(float(gap["importance"]), float(gap["ci_lower"]), float(gap["ci_upper"]))
    count = f"{rows['process']['n_items']} process and {rows['outcome']['n_items']} outcome items"
    word = (
        "cannot be told apart in weight"
        if text.covers_zero(gap["ci_lower"], gap["ci_upper"])
        else ("weigh more by their process" if gap["importance"] > 0 else "weigh more by their outcome")
    )
    return [f"Of the service, {count} {word} (process less outcome, summed: {figures})."]


def _needs(needed: Necessity, names: dict[str, str]) -> list[str]:
    out = []
    to = names.get(needed.outcome, needed.outcome)
    table = needed.table()
    for row in table[table["ceiling"] == "cr_fdh"].to_dict("records"):
        name = names.get(str(row["condition"]), str(row["condition"]))
        d, p = float(row["effect_size"]), float(row["pvalue"])
        held = "is necessary" if p < 0.05 and d >= 0.1 else "is not shown to be necessary"
        out.append(
            f"{_upper(name)} {held} for high {to} (d = {text.number(d)}, {text.pvalue(p)}; CR-FDH ceiling)."
        )
    return out


def _investment(spent: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """Where the share of what customers weigh and of what is spent can be told apart."""
    out = []
    for row in spent.to_dict("records"):
        if text.covers_zero(row["ci_lower"], row["ci_upper"]):
            continue
        name = _upper(names.get(str(row["construct"]), str(row["construct"])))
        figures = text.estimate(
            float(row["gap"]), float(row["ci_lower"]), float(row["ci_upper"]), 0, bounded=False
        )
        word = "weighs more than is spent on it" if row["gap"] > 0 else "gets more than it weighs"
        out.append(f"{name} {word} (a gap of {figures} percentage points).")
    return out or ["What is spent and what weighs cannot be told apart for any of these constructs."]


def _first(needed: Necessity) -> str:
    """The condition with the largest effect."""
    table = needed.table()
    lines = table[table["ceiling"] == "cr_fdh"]
    return str(lines.sort_values("effect_size", ascending=False)["condition"].iloc[0])


def _tables(study: Study, found: Priorities, needed: Necessity) -> tuple[Table, ...]:
    ceilings = {"ce_fdh": "CE-FDH", "cr_fdh": "CR-FDH"}
    out = [
        Table("constructs", "Importance and performance of the constructs", found.table(), names=study.names,
              note="Importance: points of the target's score per point, both 0–100."),
        Table("items", "Importance and performance of the items", found.items(), names=study.names,
              folded=True),
        Table("necessity", "Necessary conditions", needed.table(), names={**study.names, **ceilings},
              shown=("condition", "ceiling", "n", "effect_size", "size", "pvalue", "accuracy",
                     "condition_inefficiency", "outcome_inefficiency"),
              note=f"p of {PERMUTATIONS} permutations, seed {SEED}; accuracy and inefficiencies in %."),
        Table("bottleneck", "Level of each condition (% of its range) that a level of the target needs",
              _bottleneck(needed), names=study.construct_names, headings=study.construct_names,
              note="CR-FDH ceiling. NN: not necessary; NA: no level is enough."),
        Table("combined", "Importance, performance and necessity", found.combined(needed, ceiling="cr_fdh"),
              names=study.names, note="Required and below (% of customers): for 80 % of the target's range."),
    ]  # fmt: skip
    if {"process", "outcome"} <= set(found.element.values()):
        out.insert(2, Table("elements", "Process against outcome", found.elements()))
    return tuple(out)


def _bottleneck(needed: Necessity) -> pd.DataFrame:
    return needed.bottleneck("cr_fdh", text=True)


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]
