"""What each section of a study says: results in, sentences, tables and charts out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.result import Fit
from sem_models.model.expressions import Binary, Name
from sem_models.model.syntax import parse_expression
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

ESTIMATE_COLUMNS = ["est", "se", "pvalue", "ci_lower", "ci_upper"]


def screening(study: Study) -> Section:
    """Missing answers, distributions, normality, near-duplicates, and group differences of scale scores."""
    from sem_models.measurement.screening import screen

    limits = {c.name: (c.constraints.minimum, c.constraints.maximum) for c in study.survey.schema.fields}
    found = screen(
        study.frame,
        {construct: list(items) for construct, items in study.constructs.items()},
        group=study.moderator,
        reference_group=study.reference_group,
        limits={k: (float(a), float(b)) for k, (a, b) in limits.items() if a is not None and b is not None},
    )
    n = len(study.frame)
    complete = int(found.missing["n_complete"].iloc[0])
    most = found.items.loc[found.items["missing_pct"].idxmax()]
    text = [
        f"The file holds {n} customers; {complete} of them answered all {len(found.items)} items the model uses."
        + (
            f" The item with the most missing answers is {most['item']} ({most['missing_pct']:.1f} %)."
            if most["missing_pct"] > 0
            else ""
        ),
        *_issue_sentences(found.issues),
        *_normality_sentences(found.normality),
    ]
    tables = [
        Table(
            "items",
            "Items: answers, missing, distribution",
            found.items.assign(title=found.items["item"].map(study.names).fillna("")),
        ),
        Table("normality", "Multivariate normality", found.normality, note="Complete rows only."),
    ]
    if len(found.duplicates):
        tables.append(Table("near_duplicates", "Item pairs that correlate .95 or more", found.duplicates))
    if len(found.issues):
        tables.append(Table("issues", "What to look at before modeling", found.issues))
    reasons = study.survey.analysis_frame().reasons
    reasons = reasons[reasons["n"] >= 5] if len(reasons) else reasons
    if len(reasons):
        tables.append(
            Table(
                "missing_reasons", "Missing answers by reason", reasons, note="Counts under 5 are not shown."
            )
        )
    if study.moderator is not None:
        tables.append(
            Table("group_differences", f"Scale scores by {study.moderator}", found.differences, names=study.names,
                  note="Means of raw items, not corrected for measurement error; p values Holm-adjusted over the scales.")
        )  # fmt: skip
        text += _difference_of_scores(found.differences, study)
    header = f"N = {n} in the file · all customers, before any are dropped by the model"
    key = tuple(_issue_sentences(found.issues)[:2]) if len(found.issues) else ()
    return Section(
        "screening", "Can the answers carry the analysis?", header, tuple(text), key, tuple(tables)
    )


def _issue_sentences(issues: pd.DataFrame) -> list[str]:
    if not len(issues):
        return ["No constant, collinear or near-duplicate items were found."]
    return [
        f"{say.first_upper(str(row['detail']))} {row['remedy']}".strip()
        for row in issues.head(6).to_dict("records")
    ]


def _normality_sentences(table: pd.DataFrame) -> list[str]:
    rejected = [
        str(r["test"]) for r in table.to_dict("records") if r["pvalue"] == r["pvalue"] and r["pvalue"] < 0.05
    ]
    if not rejected:
        return []
    tests = rejected[0] if len(rejected) == 1 else f"{', '.join(rejected[:-1])} and {rejected[-1]}"
    return [
        f"Multivariate normality is rejected ({tests}), so standard errors and tests should be robust to it (MLR)."
    ]


def _difference_of_scores(table: pd.DataFrame, study: Study) -> list[str]:
    if "hedges_g" not in table.columns:
        return []
    clear = (
        table[(table["ci_lower"] > 0) | (table["ci_upper"] < 0)]
        if {"ci_lower", "ci_upper"} <= set(table.columns)
        else table.head(0)
    )
    if not len(clear):
        return [f"No difference of scale scores by {study.moderator} is detectable."]
    top = clear.loc[clear["hedges_g"].abs().idxmax()]
    return [
        f"Scale scores differ by {study.moderator} on {len(clear)} of {len(table)} scales, most on "
        f"{study.names.get(str(top['scale']), str(top['scale']))} (Hedges g = {say.num(float(top['hedges_g']))}). "
        "Raw scores are compared here; whether they may be compared is tested with the invariance of the measurement."
    ]


def measurement(study: Study) -> Section:
    """Loadings, reliability, convergent and discriminant validity."""
    from sem_models.charts.loadings import loadings
    from sem_models.measurement.reliability import alpha_table, reliability
    from sem_models.measurement.validity import fornell_larcker, htmt_table

    fit = study.fit
    observed = fit.sample_moments()[""]["cov"]
    estimates = fit.estimates()
    quality = reliability(estimates, observed).drop(columns="group")
    alpha = alpha_table(study.frame, {c: list(items) for c, items in study.constructs.items()})
    alpha = alpha[["construct", "n", "ci_lower", "ci_upper"]].rename(
        columns={"n": "alpha_n", "ci_lower": "alpha_from", "ci_upper": "alpha_to"}
    )
    quality = quality.merge(alpha, on="construct", how="left")
    pairs = fornell_larcker(estimates, observed).drop(columns="group")
    multi = {c: list(items) for c, items in study.constructs.items() if len(items) > 1}
    ratios = htmt_table(
        observed.loc[[i for v in multi.values() for i in v], [i for v in multi.values() for i in v]], multi
    )
    text = [
        *say.status_sentences(fit.status, "the model on all customers"),
        say.fit_sentence(fit.measures()),
        _weakest(quality, study),
        *_validity(pairs, ratios, study),
    ]
    scaled = fit.standardized()
    charts = {"loadings": loadings(scaled, names=study.names, subtitle=fit.header.line())}
    tables = (
        Table("reliability", "Reliability and convergent validity", quality, names=study.names,
              note="ω as semTools (observed variance of the sum score), CR from the model-implied variance; AVE after Fornell and Larcker (1981). "
                   "α needs complete rows (its N beside it)."),
        Table("fornell_larcker", "Fornell–Larcker: squared correlation against AVE", pairs, names=study.names),
        Table("htmt", "Heterotrait–monotrait ratios", ratios, names=study.names, note="Below .85 distinct, below .90 borderline."),
        Table("loadings", "Loadings", _parameters(fit, "=~"), names=study.names),
    )  # fmt: skip
    trouble = say.status_sentences(fit.status, "the model on all customers")
    key = (*trouble, say.fit_sentence(fit.measures()))
    return Section(
        "measurement",
        "Do the items measure the constructs?",
        fit.header.line(),
        tuple(text),
        key,
        tables,
        charts,
    )


def _weakest(quality: pd.DataFrame, study: Study) -> str:
    name = {k: v for k, v in say.as_names(study.names).items()}
    low = quality.loc[quality["cr"].idxmin()]
    thin = quality[quality["ave"] < 0.5]["construct"].map(lambda c: name.get(c, c)).tolist()
    text = f"Composite reliability is lowest for {name.get(low['construct'], low['construct'])} (CR {say.num(low['cr'])}, AVE {say.num(low['ave'])})."
    if thin:
        text += f" Less than half of the items' variance is explained by the construct for {', '.join(thin)}."
    return text


def _validity(pairs: pd.DataFrame, ratios: pd.DataFrame, study: Study) -> list[str]:
    name = say.as_names(study.names)
    close = ratios[ratios["verdict"] == "not distinct"]
    failed = pairs[pairs["verdict"] == "not met"]
    if not len(close) and not len(failed):
        return ["All constructs are empirically distinct by HTMT and by the Fornell–Larcker criterion."]
    parts = []
    for label, frame in (("HTMT (.90 or more)", close), ("Fornell–Larcker", failed)):
        if len(frame):
            which = "; ".join(
                f"{name.get(r['construct_1'], r['construct_1'])} and {name.get(r['construct_2'], r['construct_2'])}"
                for r in frame.to_dict("records")
            )
            parts.append(f"{label}: {which}")
    return ["Not distinct by " + ". By ".join(parts) + ". Contrasts between such constructs are undecided."]


def _parameters(fit: Fit, op: str) -> pd.DataFrame:
    raw, scaled = fit.estimates(), fit.standardized()
    keep = (raw["op"] == op).to_numpy()
    out = raw.loc[keep, ["lhs", "rhs", *(["group"] if len(fit.groups) > 1 else []), *ESTIMATE_COLUMNS]].copy()
    out["est_std"] = scaled.loc[keep, "est_std"].to_numpy()
    out["ci_lower_std"], out["ci_upper_std"] = (
        scaled.loc[keep, "ci_lower"].to_numpy(),
        scaled.loc[keep, "ci_upper"].to_numpy(),
    )
    return out.rename(columns={"lhs": "construct", "rhs": "item"}) if op == "=~" else out


def structure(study: Study) -> Section:
    """Paths, indirect and total effects, and the specification's contrasts on all customers."""
    from sem_models.charts.diagram import diagram
    from sem_models.charts.paths import paths

    fit, name = study.fit, say.as_names(study.names)
    scaled = fit.standardized()
    regressions = scaled[scaled["op"] == "~"]
    text = [*say.status_sentences(fit.status, "the model on all customers"), say.fit_sentence(fit.measures())]
    named = [
        {**row, "outcome": name.get(row["lhs"], row["lhs"]), "predictor": name.get(row["rhs"], row["rhs"])}
        for row in regressions.to_dict("records")
    ]
    said = [
        say.association(r["outcome"], r["predictor"], r["est_std"], r["ci_lower"], r["ci_upper"])
        for r in named
    ]
    text += said
    first = named[0]["lhs"] if named else ""
    key = [sentence for row, sentence in zip(named, said, strict=True) if row["lhs"] == first]
    exogenous = set(fit.solved.table.variables.latent_exogenous)
    correlated = scaled[
        (scaled["op"] == "~~")
        & (scaled["lhs"] != scaled["rhs"])
        & scaled["lhs"].isin(exogenous)
        & scaled["rhs"].isin(exogenous)
    ]
    for row in correlated.to_dict("records"):
        first, second = (name.get(row[k], row[k]) for k in ("lhs", "rhs"))
        text.append(
            say.correlation(say.first_upper(first), second, row["est_std"], row["ci_lower"], row["ci_upper"])
        )
    contrasts = claim_contrasts(study)
    claims = [
        say.contrast(
            f"{row['claim']} ({row['title']})", row["contrast"], row["est"], row["ci_lower"], row["ci_upper"],
            row["scale"], row["sign"], reason=row["reason"],
        )
        for row in contrasts.to_dict("records")
    ]  # fmt: skip
    text += claims
    key += [sentence for sentence in claims if sentence.startswith(("C1 ", "C2 "))]
    text.append("Associations, not effects of interventions: service was not assigned at random.")
    header = fit.header.line()
    charts: dict[str, Any] = {
        "paths": paths(scaled, names=study.names, subtitle=header),
        "diagram": diagram(scaled, names=study.names, subtitle=header),
    }
    measures = fit.measures().rename("value").rename_axis("measure").reset_index()
    tables = [
        Table("paths", "Structural paths", _parameters(fit, "~"), names=study.names),
        Table(
            "effects",
            "Direct, indirect and total effects",
            fit.effects().drop(columns=["group", "z"]),
            names=study.names,
        ),
    ]
    if len(contrasts):
        tables.append(
            Table(
                "contrasts",
                "Contrasts of the specification",
                contrasts,
                note="Direct effects unless the expression multiplies paths; 95 % confidence, delta method.",
            )
        )
    tables += [
        Table(
            "r_squared",
            "Explained variance",
            fit.r_squared().rename("r_squared").rename_axis("variable").reset_index(),
            names=study.names,
        ),
        Table("fit_measures", "Fit measures", measures),
    ]
    return Section(
        "structure", "What goes with what?", header, tuple(text), tuple(key), tuple(tables), charts
    )


def claim_contrasts(study: Study) -> pd.DataFrame:
    """Every claim of the specification that the fitted model can state.

    Columns claim, part, title, contrast, scale, sign, est, se, pvalue, ci_lower, ci_upper, reason: why a
    contrast of two constructs' weights is undecided because the constructs cannot be told apart. A part that
    needs groups, interactions or controls is not in this table.
    """
    close = _too_close(study)
    rows = []
    for claim in study.spec.claims:
        for part in claim.parts:
            if study.spec.needs(part):
                continue
            metric = "std_all" if part.scale == "standardized" else "raw"
            try:
                found = study.fit.contrast(part.expression, metric=metric)  # type: ignore[arg-type]
            except SpecError:
                continue
            rows.append({
                "claim": claim.id, "part": part.part, "title": part.title or claim.title,
                "contrast": _readable(part.expression, study), "scale": part.scale, "sign": part.sign,
                **{k: found[k] for k in ESTIMATE_COLUMNS}, "reason": _compared(part.expression, study, close),
            })  # fmt: skip
    columns = ["claim", "part", "title", "contrast", "scale", "sign", *ESTIMATE_COLUMNS, "reason"]
    return pd.DataFrame(rows, columns=columns)


def _readable(expression: str, study: Study) -> str:
    """Labels as arrows: b_PV_EDS - b_PV_OPS reads (EDS→PV) − (OPS→PV)."""
    text = expression.replace(" - ", " − ")
    for path in sorted(study.spec.paths, key=lambda path: -len(path.label)):
        text = text.replace(path.label, f"({path.predictor}→{path.outcome})")
    return text


def _too_close(study: Study) -> dict[frozenset[str], str]:
    """Pairs of constructs whose weights cannot be told apart: correlation above .85, or HTMT of .90 or more."""
    from sem_models.measurement.validity import htmt_table, latent_correlations

    out: dict[frozenset[str], str] = {}
    correlations = latent_correlations(study.fit.estimates())[""]
    multi = {c: list(items) for c, items in study.constructs.items() if len(items) > 1}
    for row in htmt_table(study.fit.sample_moments()[""]["cov"], multi).to_dict("records"):
        if row["verdict"] == "not distinct":
            out[frozenset((row["construct_1"], row["construct_2"]))] = (
                f"their HTMT is {say.num(row['htmt2'])}"
            )
    for a in correlations.index:
        for b in correlations.columns:
            if a < b and correlations.loc[a, b] > say.TOO_CLOSE:
                out[frozenset((a, b))] = f"they correlate {say.num(float(correlations.loc[a, b]))}"
    return out


def _compared(expression: str, study: Study, close: dict[frozenset[str], str]) -> str:
    """For a difference of two paths from constructs that are too close: the sentence part that says so."""
    tree = parse_expression(expression)
    if not (
        isinstance(tree, Binary)
        and tree.op == "-"
        and isinstance(tree.left, Name)
        and isinstance(tree.right, Name)
    ):
        return ""
    predictors = frozenset(p.predictor for p in study.spec.paths if p.label in tree.names)
    why = close.get(predictors)
    return f"{' and '.join(sorted(predictors))} cannot be told apart ({why})" if why else ""


def moderation(study: Study) -> Section:
    """Invariance of the measurement between groups, equality of each path, simple slopes."""
    from sem_models.charts.invariance import invariance
    from sem_models.charts.paths import paths
    from sem_models.charts.slopes import slopes

    found = study.group_moderation
    header = found.header.line()
    differences, tests, by_group = found.differences(), found.tests(), found.paths()
    steps, levels = found.invariance.comparisons(), found.invariance.table()
    text = []
    for level, fit in found.invariance.fits.items():
        text += say.status_sentences(fit.status, f"the {level} model by {study.moderator}")
    text += say.invariance_sentences(steps)
    compared = say.difference_sentences(differences, tests, say.as_names(study.names))
    text += compared
    shown_steps, shown_levels = _robust_columns(steps), _robust_columns(levels)
    charts: dict[str, Any] = {
        "paths": paths(
            by_group.rename(columns={"est_std": "standardized"}).assign(op="~"), differences=differences, names=study.names,
            unit="unstandardized coefficient (metric of the marker items)", subtitle=header,
        ),
        "invariance": invariance(shown_levels, shown_steps, subtitle=header),
    }  # fmt: skip
    outcome, predictors = _first_outcome(study)
    if outcome is not None:
        lines = found.slope_lines(outcome, predictors)
        mine = by_group[(by_group["lhs"] == outcome) & by_group["rhs"].isin(predictors)].rename(
            columns={"rhs": "predictor"}
        )
        gaps = differences[(differences["lhs"] == outcome) & differences["rhs"].isin(predictors)].rename(
            columns={"rhs": "predictor"}
        )
        charts["slopes"] = slopes(
            lines, outcome=outcome, slopes=mine, differences=gaps, names=study.names, subtitle=header
        )
    tables = (
        Table(
            "invariance_levels",
            "Invariance: fit of each level",
            shown_levels[
                [
                    c
                    for c in (
                        "level",
                        "converged",
                        "admissible",
                        "chisq_scaled",
                        "chisq",
                        "df",
                        "cfi",
                        "rmsea",
                        "srmr",
                        "aic",
                        "bic",
                    )
                    if c in shown_levels
                ]
            ],
        ),
        Table("invariance_steps", "Invariance: each level against the one before", shown_steps),
        Table(
            "paths_by_group",
            "Paths by group",
            by_group,
            names=study.names,
            note="Equal loadings; standardized in each group's own standard deviations.",
        ),
        Table(
            "path_differences",
            "Differences of paths, unstandardized",
            differences.drop(columns=["op", "z"]),
            names=study.names,
        ),
        Table("path_tests", "Equality of each path", tests.drop(columns="op"), names=study.names),
    )
    title = f"Does it depend on {study.moderator}?"
    return Section("moderation", title, header, tuple(text), tuple(compared), tables, charts)


def _robust_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """CFI, TLI and RMSEA (and their changes) in the robust version where there is one."""
    out = frame.copy()
    for name in ("cfi", "tli", "rmsea", "delta_cfi", "delta_rmsea"):
        robust = f"{name}_robust"
        if robust in out and name in out:
            out[name] = out[robust].where(out[robust].notna(), out[name])
    return out.drop(columns=[c for c in ("delta_cfi_robust", "delta_rmsea_robust") if c in out])


def _first_outcome(study: Study) -> tuple[str | None, list[str]]:
    """Value if the model has it, else its first outcome, with the exogenous predictors it has."""
    exogenous = {c.id for c in study.spec.constructs if c.role == "exogenous"}
    by_outcome: dict[str, list[str]] = {}
    for path in study.spec.paths:
        if path.predictor in exogenous:
            by_outcome.setdefault(path.outcome, []).append(path.predictor)
    if not by_outcome:
        return None, []
    outcome = "PV" if "PV" in by_outcome else next(iter(by_outcome))
    return outcome, by_outcome[outcome]
