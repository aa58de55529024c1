"""Do the items measure the constructs? Loadings, reliability, convergent and discriminant validity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sem_models.inference.result import Fit
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

ESTIMATE_COLUMNS = ["est", "se", "pvalue", "ci_lower", "ci_upper"]
QUALITY_COLUMNS = (
    "construct", "n_items", "alpha", "alpha_lower", "alpha_upper", "alpha_n", "omega", "cr", "ave", "note",
)  # fmt: skip
PAIR_COLUMNS = (
    "construct_1", "construct_2", "correlation", "ave_1", "ave_2", "fornell_larcker", "htmt", "htmt2",
    "htmt_verdict",
)  # fmt: skip
QUALITY = (
    "ω from the observed variance of the sum score (as semTools), CR from the implied one; AVE: Fornell and "
    "Larcker (1981). α is computed from complete rows."
)
QUALITY_OF_ITEMS = (
    "Items are ordered: ω and CR are of the sum score of the answers (Green and Yang, 2009), by observed and "
    "implied correlations of the latent responses; α from the same; AVE is of the responses."
)
STD_COLUMNS = ["est_std", "ci_lower_std", "ci_upper_std"]


def section(study: Study) -> Section:
    """The measurement of the model on all customers."""
    from sem_models.charts.loadings import loadings

    fit = study.fit
    quality, pairs = _quality(study), distinct(study)
    measures = say.fit_sentence(fit.measures())
    text = (measures, *_weakest(quality, study), *_validity(pairs, study))
    tables = (
        Table(
            "reliability", "Reliability and convergent validity", quality, names=study.names,
            shown=QUALITY_COLUMNS,
            note=QUALITY_OF_ITEMS if study.treat_as == "ordered" else QUALITY,
        ),
        Table(
            "discriminant_validity", "Are the constructs distinct?", pairs, names=study.names,
            shown=PAIR_COLUMNS,
            note="F–L (Fornell–Larcker): met where the squared r is below both AVE. HTMT2: below .85 "
            "distinct, below .90 borderline.",
        ),
        Table(
            "loadings", "Loadings", parameters(fit, "=~"), names=study.construct_names,
            note="Unstandardized (the first item of a construct is fixed to 1), then standardized.",
        ),
    )  # fmt: skip
    return Section(
        "measurement",
        "Do the items measure the constructs?",
        fit.header.line(),
        text if fit.status.converged else (say.NOTHING,),
        key=(measures,) if fit.status.converged else (),
        tables=tuple(t for t in tables if len(t.frame)),
        charts={"loadings": loadings(fit.standardized(), names=study.names, subtitle=fit.header.line())},
        cautions=say.status_sentences(fit.status, "the model on all customers"),
    )


def distinct(study: Study) -> pd.DataFrame:
    """Each pair of constructs by both criteria.

    Columns construct_1, construct_2, correlation, squared, ave_1, ave_2, fornell_larcker, htmt, htmt2,
    htmt_verdict; the last three are empty for single items.
    """
    from sem_models.measurement.validity import fornell_larcker, htmt_table

    observed = study.fit.sample_moments()[""]["cov"]
    quality = study.fit.reliability()
    pairs = fornell_larcker(study.fit.estimates(), observed, quality=quality).drop(columns="group")
    pairs = pairs.rename(columns={"verdict": "fornell_larcker"})
    multi = {c: list(items) for c, items in study.constructs.items() if len(items) > 1}
    if len(multi) < 2:
        return pairs.assign(htmt=np.nan, htmt2=np.nan, htmt_verdict="")
    items = [i for v in multi.values() for i in v]
    ratios = htmt_table(observed.loc[items, items], multi)
    return pairs.merge(
        ratios.rename(columns={"verdict": "htmt_verdict"}), on=["construct_1", "construct_2"], how="left"
    )


def parameters(fit: Fit, op: str) -> pd.DataFrame:
    """Estimates of one kind of parameter, unstandardized and standardized, each with its interval."""
    raw, scaled = fit.estimates(), fit.standardized()
    keep = (raw["op"] == op).to_numpy()
    out = raw.loc[keep, ["lhs", "rhs", *(["group"] if len(fit.groups) > 1 else []), *ESTIMATE_COLUMNS]].copy()
    for name, column in zip(STD_COLUMNS, ("est_std", "ci_lower", "ci_upper"), strict=True):
        out[name] = scaled.loc[keep, column].to_numpy()
    return out.rename(columns={"lhs": "construct", "rhs": "item"}) if op == "=~" else out


def _quality(study: Study) -> pd.DataFrame:
    from sem_models.measurement.reliability import alpha_table

    quality = study.fit.reliability().drop(columns="group")
    alpha = alpha_table(study.frame, {c: list(items) for c, items in study.constructs.items()})
    alpha = alpha[["construct", "n", "ci_lower", "ci_upper"]].rename(
        columns={"n": "alpha_n", "ci_lower": "alpha_lower", "ci_upper": "alpha_upper"}
    )
    return quality.merge(alpha, on="construct", how="left")


def _weakest(quality: pd.DataFrame, study: Study) -> list[str]:
    name = say.as_names(study.names)
    known = quality[quality["cr"].notna()]
    if not len(known):
        return []
    low = known.iloc[int(known["cr"].to_numpy().argmin())]
    which = name.get(str(low["construct"]), str(low["construct"]))
    text = (
        f"Composite reliability is lowest for {which} (CR {say.num(low['cr'])}, AVE {say.num(low['ave'])})."
    )
    thin = [name.get(str(c), str(c)) for c in quality.loc[quality["ave"] < 0.5, "construct"]]
    if thin:
        text += (
            f" Less than half of the items' variance is explained by the construct for {say.listing(thin)}."
        )
    return [text]


def _validity(pairs: pd.DataFrame, study: Study) -> list[str]:
    if not len(pairs):
        return []
    name = say.as_names(study.names)
    same = pairs[(pairs["htmt_verdict"] == "not distinct") | (pairs["correlation"] > say.TOO_CLOSE)]
    failed = pairs[(pairs["fornell_larcker"] == "not met") & ~pairs.index.isin(same.index)]
    if not len(same) and not len(failed):
        return ["All constructs are empirically distinct by HTMT2 and by the Fornell–Larcker criterion."]
    out = []
    if len(same):
        shown = [
            f"{_pair(r, name)} (r {say.num(r['correlation'])}, HTMT2 {say.num(r['htmt2'])})"
            for r in same.to_dict("records")
        ]
        out.append(
            f"Not distinct (HTMT2 of .90 or more, or a correlation above {say.num(say.TOO_CLOSE)}): "
            f"{'; '.join(shown)}. Contrasts between such constructs are undecided."
        )
    if len(failed):
        shown = [_pair(r, name) for r in failed.to_dict("records")]
        out.append(
            "By Fornell–Larcker alone, these share more variance with each other than with their items: "
            f"{'; '.join(shown)}."
        )
    return out


def _pair(row: dict[object, object], name: dict[str, str]) -> str:
    first, second = str(row["construct_1"]), str(row["construct_2"])
    return f"{name.get(first, first)} and {name.get(second, second)}"
