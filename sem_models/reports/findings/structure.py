"""What goes with what? Paths, indirect and total effects, and the claims, on all customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from sem_models.inference.result import Fit
from sem_models.reports import sentences as say
from sem_models.reports.findings.claims import claim_contrasts, claim_sentences
from sem_models.reports.findings.measurement import parameters
from sem_models.reports.section import Section
from sem_models.reports.summary import MEASURES
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

FEW_PATHS = 4
"""Up to so many paths, all are in the summary; of more, those of the first outcome."""


def section(study: Study) -> Section:
    """The structural model on all customers."""
    from sem_models.charts.diagram import diagram
    from sem_models.charts.paths import paths

    fit = study.fit
    scaled = fit.standardized()
    header = fit.header.line()
    said, first = _associations(scaled, study)
    contrasts = claim_contrasts(study)
    claims, key_claims = claim_sentences(contrasts, study)
    text = (
        say.fit_sentence(fit.measures()),
        *said,
        *_correlations(fit, scaled, study),
        *claims,
        "These are associations, not effects of interventions: service was not assigned at random.",
    )
    return Section(
        "structure",
        "What goes with what?",
        header,
        text if fit.status.converged else (say.NOTHING,),
        key=(*first, *key_claims) if fit.status.converged else (),
        tables=tuple(_tables(study, contrasts)),
        charts={
            "paths": paths(scaled, names=study.names, subtitle=header),
            "diagram": diagram(scaled, names=study.names, subtitle=header),
        },
        cautions=say.status_sentences(fit.status, "the model on all customers"),
    )


def _associations(scaled: pd.DataFrame, study: Study) -> tuple[list[str], list[str]]:
    """A sentence for each path, and those for the summary."""
    name = say.as_names(study.names)
    rows = scaled[scaled["op"] == "~"].to_dict("records")
    said = [
        say.association(
            name.get(r["lhs"], r["lhs"]),
            name.get(r["rhs"], r["rhs"]),
            r["est_std"],
            r["ci_lower"],
            r["ci_upper"],
        )
        for r in rows
    ]
    if len(rows) <= FEW_PATHS:
        return said, said
    return said, [sentence for row, sentence in zip(rows, said, strict=True) if row["lhs"] == rows[0]["lhs"]]


def _correlations(fit: Fit, scaled: pd.DataFrame, study: Study) -> list[str]:
    """Correlations of the exogenous constructs."""
    name = say.as_names(study.names)
    exogenous = set(fit.solved.table.variables.latent_exogenous)
    keep = (
        (scaled["op"] == "~~")
        & (scaled["lhs"] != scaled["rhs"])
        & scaled["lhs"].isin(exogenous)
        & scaled["rhs"].isin(exogenous)
    )
    return [
        say.correlation(
            name.get(r["lhs"], r["lhs"]),
            name.get(r["rhs"], r["rhs"]),
            r["est_std"],
            r["ci_lower"],
            r["ci_upper"],
        )
        for r in scaled[keep].to_dict("records")
    ]


def _tables(study: Study, contrasts: pd.DataFrame) -> list[Table]:
    fit = study.fit
    effects = fit.effects().drop(columns=["group", "z"])
    specific = effects[effects["kind"] == "indirect"]
    measures = fit.measures().rename("value").rename_axis("measure").reset_index()
    explained = fit.r_squared().rename("r_squared").rename_axis("variable").reset_index()
    tables = [
        Table("paths", "Structural paths", parameters(fit, "~"), names=study.names),
        Table(
            "effects", "Direct, indirect and total effects, standardized", effects, names=study.names,
            view=_wide(effects), note="Indirect: over all paths through mediators; delta-method intervals.",
        ),
    ]  # fmt: skip
    if len(specific):
        shown = (
            "path",
            "est_std",
            "ci_lower_std",
            "ci_upper_std",
            "est",
            "se",
            "pvalue",
            "ci_lower",
            "ci_upper",
        )
        tables.append(
            Table("specific_effects", "Each indirect effect by its path", specific, shown=shown, folded=True,
                  note=study.legend)
        )  # fmt: skip
    if len(contrasts):
        shown = ("claim", "title", "contrast", "scale", "est", "ci_lower", "ci_upper", "pvalue", "reason")
        view = contrasts.assign(
            scale=contrasts["scale"].replace("raw", "unstandardized"),
            contrast=contrasts["contrast"].where(contrasts["contrast"].str.len() <= 48, "see the file"),
        )
        tables.append(
            Table("contrasts", "Contrasts of the specification", contrasts, view=view, shown=shown,
                  headings={"title": "Part"},
                  note="Direct effects unless the expression multiplies paths; delta-method intervals, "
                       "for ratios Fieller's. "
                  + study.legend)
        )  # fmt: skip
    there = set(measures["measure"])
    known = explained["variable"].isin(list(study.constructs))
    tables += [
        Table("r_squared", "Explained variance", explained, view=explained[known], names=study.names,
              headings={"variable": "Construct"}),
        Table("fit_measures", "Fit measures", measures, names=MEASURES,
              view=measures.set_index("measure").reindex([m for m in MEASURES if m in there]).reset_index()),
    ]  # fmt: skip
    return tables


def _wide(effects: pd.DataFrame) -> pd.DataFrame:
    """One row a source and target: direct, indirect and total effect, standardized, with their intervals."""
    rows: dict[tuple[str, str], dict[str, object]] = {}
    columns = {"direct": "direct", "total indirect": "indirect", "total": "total"}
    single = effects[effects["kind"] == "indirect"].groupby(["source", "target"]).size()
    for r in effects.to_dict("records"):
        pair = (str(r["source"]), str(r["target"]))
        alone = r["kind"] == "indirect" and single.get(pair, 0) == 1
        column = "indirect" if alone else columns.get(str(r["kind"]))
        if column is None:
            continue
        row = rows.setdefault(pair, {"source": pair[0], "target": pair[1]})
        row[column] = r["est_std"]
        row[f"{column}_lower"], row[f"{column}_upper"] = r["ci_lower_std"], r["ci_upper_std"]
    order = [f"{kind}{end}" for kind in columns.values() for end in ("", "_lower", "_upper")]
    return pd.DataFrame(rows.values()).reindex(columns=["source", "target", *order])
