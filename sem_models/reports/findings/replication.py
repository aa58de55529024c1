"""Do published figures hold here, and what do several studies or markets say together?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.charts import text
from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.estimation.fit import fit as fit_model
from sem_models.findings.masem import masem, pool_correlations
from sem_models.findings.replication import Studies, replicate, synthesize
from sem_models.findings.synthesis import Test
from sem_models.inference.result import Fit
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

SMALLEST = 30
"""Customers a study needs to be fitted on its own, beside more of them than items."""


def section(study: Study, studies: str, published: str | None = None) -> Section:
    """Published figures (a YAML file, else those of the first study) against the data; all studies pooled.

    studies : column that tells studies or markets apart; each is fitted on its own.
    """
    fits = fit_each(study, studies)
    first, *others = fits
    if published is None:
        source: Any = of_fit(fits[first], f"the study '{first}'")
        target, where = fits[others[0]], f"the study '{others[0]}'"
    else:
        source, target, where = published, study.fit, "all customers"
    compared = replicate(target, source)
    # With one degree of freedom the t interval says next to nothing.
    test: Test = "hksj" if len(fits) > 2 else "z"
    pooled = [synthesize(fits, label, title=title, test=test) for label, title in _paths(study).items()]
    correlations = {name: f.sample_moments()[""]["cov"] for name, f in fits.items()}
    sizes = {name: f.header.n_used for name, f in fits.items()}
    together = masem(study.spec, pool_correlations(correlations, sizes, method="fixed"))
    table = compared.table()
    counts = table["verdict"].value_counts()
    said = [
        f"Of {len(table)} findings of {compared.published.study}, "
        + ", ".join(f"{n} {v}" for v, n in counts.items()) + f" (in {where}).",
        *[_pooled(s) for s in pooled],
    ]  # fmt: skip
    summaries = [{"path": s.title, **s.summary().to_dict()} for s in pooled]
    estimates = together.estimates()
    return Section(
        "replication", "Do the findings hold elsewhere?", study.fit.header.line(),
        (*said, "With few studies the variance between them is known poorly; read its limits."),
        key=tuple(said[:1]),
        tables=(
            Table("comparison", "Findings beside their replication", table, names=study.names,
                  shown=("claim", "title", "original", "replication", "same_sign", "intervals_overlap",
                         "original_in_prediction", "pvalue", "verdict", "reason")),
            Table("synthesis", "Paths pooled over the studies", pd.DataFrame(summaries),
                  shown=("path", "k", "est", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "tau2", "i2",
                         "q_pvalue")),
            Table("masem", "The model on the pooled correlations (two-stage, fixed effects)",
                  estimates[estimates["op"] == "~"], names=study.names,
                  shown=("lhs", "rhs", "est", "se", "pvalue", "ci_lower", "ci_upper"),
                  note=f"χ²({together.df}) = {together.chisq:.1f}; units of the markers."),
        ),
        charts={"comparison": compared.chart(), "forest": pooled[0].chart()},
        cautions=say.status_sentences(study.fit.status, "the model on all customers"),
    )  # fmt: skip


def fit_each(study: Study, column: str) -> dict[str, Fit]:
    """The model on each study by itself, in order of first appearance. Raises DataError, SpecError."""
    if column not in study.frame.columns:
        raise DataError(
            f"studies='{column}' is not a column of the data. "
            + did_you_mean(column, study.frame.columns, noun="columns")
        )
    labels = list(dict.fromkeys(study.frame[column].dropna().astype(str)))
    if len(labels) < 2:
        raise SpecError(f"'{column}' holds one study only; pooling and replication need two.")
    out = {}
    for label in labels:
        rows = study.frame[study.frame[column].astype(str) == label]
        if len(rows) < max(SMALLEST, len(study.spec.items) + 1):
            raise DataError(f"A study of '{column}' has too few customers for the model. Merge studies.")
        out[label] = fit_model(study.spec, rows, **study.options)
    return out


def of_fit(fit: Fit, name: str) -> Mapping[str, Any]:
    """The standardized paths of a fit as published figures."""
    table = fit.standardized()
    rows = table[(table["op"] == "~") & (table["label"] != "")].to_dict("records")
    estimates = [
        {
            "claim": str(r["label"]).removeprefix("b_"), "expression": r["label"],
            "estimate": float(r["est_std"]), "se": float(r["se"]),
            "title": text.path_name(str(r["rhs"]), str(r["lhs"])).replace(text.NBSP, " "),
        }
        for r in rows
    ]  # fmt: skip
    return {"study": name, "citation": "Fitted here, on the customers of that study.", "estimates": estimates}


def _paths(study: Study) -> dict[str, str]:
    return {
        p.label: text.path_name(p.predictor, p.outcome).replace(text.NBSP, " ")
        for p in study.spec.paths
        if p.label
    }


def _pooled(s: Studies) -> str:
    p = s.pooled
    figures = text.estimate(p.estimate, p.ci_lower, p.ci_upper)
    return f"Over {p.k} studies {s.title} is {figures} (I² = {p.i2:.0f} %, {text.pvalue(p.q_pvalue)})."
