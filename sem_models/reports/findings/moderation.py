"""Does it depend on the group? Invariance of the measurement, equality of each path, simple slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.moderation.retention import retained
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.moderation.group_comparison import GroupModeration
    from sem_models.reports.study import Study

LEVEL_COLUMNS = (
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


def section(study: Study) -> Section:
    """The paths compared between the groups, on top of the ladder of invariance."""
    found = study.group_moderation
    steps = found.invariance.comparisons()
    cautions = [
        sentence
        for level, fit in found.invariance.fits.items()
        for sentence in say.status_sentences(fit.status, f"the {level} model by {study.moderator_title}")
    ]
    clear, silent = say.difference_sentences(found.differences(), found.tests(), say.as_names(study.names))
    warned, tested = _measured_alike(steps), len(found.differences())
    kept = int((found.differences()["pvalue_adjusted"] < 0.05).sum())
    number = (
        f"Each of the {tested} paths is tested on its own at 5 %; adjusted for their number (Holm), {kept} "
        f"of the differences {'is' if kept == 1 else 'are'} significant."
    )
    short = [f"{_rest(len(clear), tested)}; {kept} of {tested} differ with p adjusted for their number."]
    means = _mean_sentences(study, found)
    converged = all(fit.status.converged for fit in found.invariance.fits.values())
    return Section(
        "moderation",
        f"Does it depend on {study.moderator_title}?",
        found.header.line(),
        (*_merged(study), *say.invariance_sentences(steps), *warned, *clear, *silent, number, *means)
        if converged
        else (say.NOTHING,),
        key=(*warned, *clear, *short) if converged else (),
        tables=_tables(study, found),
        charts=_charts(study, found),
        cautions=tuple(cautions),
    )


def _merged(study: Study) -> tuple[str, ...]:
    """Which categories of ordered items were merged because a group never chose them."""
    notes = study.by_group.notes
    if not notes:
        return ()
    return (
        "Answers that one of the groups never gave are merged with their neighbors in all groups: "
        f"{'; '.join(notes)}.",
    )


def _rest(clear: int, tested: int) -> str:
    """How many paths differ detectably."""
    if not clear:
        return f"No difference between the groups is detectable for any of the {tested} paths"
    return f"No difference between the groups is detectable for the other {tested - clear} of {tested} paths"


def _measured_alike(steps: pd.DataFrame) -> tuple[str, ...]:
    """A warning where the loadings differ, on which the comparison of paths rests."""
    rows = {str(row["level"]): row for row in steps.to_dict("records")}
    if "metric" not in rows or retained(rows["metric"]):
        return ()
    if "partial metric" in rows:
        return (
            f"The loadings of {rows['partial metric']['released']} differ between the groups; the paths are "
            "compared with the others equal (partial metric invariance, found by score tests).",
        )
    return (
        "The loadings differ between the groups (metric invariance is not retained), so differences of paths "
        "may come from the measurement.",
    )


def _mean_sentences(study: Study, found: GroupModeration) -> tuple[str, ...]:
    """Constructs whose latent means differ, if the intercepts may be taken as equal."""
    rungs, steps = found.invariance.rungs, found.invariance.comparisons()
    held = {str(r["level"]): bool(r["retained"]) for r in steps.to_dict("records")}
    if not (held.get("scalar") or "partial scalar" in rungs):
        return ("Levels are not compared: the intercepts of the items differ between the groups.",)
    out = []
    for row in found.latent_means().to_dict("records"):
        if row["ci_lower"] <= 0 <= row["ci_upper"] or not say.has_interval(row["ci_lower"], row["ci_upper"]):
            continue
        higher = "higher" if row["est"] > 0 else "lower"
        name = say.as_names(study.names).get(row["variable"], row["variable"])
        out.append(
            f"The mean of {name} is {higher} for {row['group']} than for {row['reference_group']}: "
            f"{say.num(abs(row['d']))} pooled standard deviations "
            f"({say.interval(*sorted((abs(row['d_ci_lower']), abs(row['d_ci_upper']))))})."
        )
    return tuple(out)


def _charts(study: Study, found: GroupModeration) -> dict[str, Any]:
    from sem_models.charts.invariance import invariance
    from sem_models.charts.paths import paths
    from sem_models.charts.slopes import slopes

    header, by_group, differences = found.header.line(), found.paths(), found.differences()
    charts: dict[str, Any] = {
        "paths": paths(
            by_group.drop(columns="est_std"),
            differences=differences,
            names=study.names,
            unit="unstandardized coefficient (metric of the marker items)",
            subtitle=header,
        ),
        "invariance": invariance(
            _robust(found.invariance.table()), _robust(found.invariance.comparisons()), subtitle=header
        ),
    }
    outcome, predictors = _first_outcome(study)
    if outcome is not None:

        def mine(frame: pd.DataFrame) -> pd.DataFrame:
            keep = (frame["lhs"] == outcome) & frame["rhs"].isin(predictors)
            return frame[keep].rename(columns={"rhs": "predictor"})

        charts["slopes"] = slopes(
            found.slope_lines(outcome, predictors),
            outcome=outcome,
            slopes=mine(by_group),
            differences=mine(differences),
            names=study.names,
            subtitle=header,
        )
    return charts


def _tables(study: Study, found: GroupModeration) -> tuple[Table, ...]:
    levels, differences, tests = _robust(found.invariance.table()), found.differences(), found.tests()
    labels = list(dict.fromkeys(differences["group"]))
    two = len(labels) == 1
    against = f"{labels[0]} minus {found.reference_group}" if two else f"each minus {found.reference_group}"
    joined = differences.merge(tests.drop(columns=["op", "lrt_converged"]), on=["lhs", "rhs"], how="left")
    shown = (
        "lhs", "rhs", *(() if two else ("group",)), "est_group", "est_reference", "est", "ci_lower",
        "ci_upper", "est_std", "wald_pvalue" if two else "pvalue", "pvalue_adjusted", "lrt_pvalue",
    )  # fmt: skip
    headings = {"est": "Difference", "est_reference": say.first_upper(found.reference_group)}
    if two:
        headings["est_group"] = say.first_upper(labels[0])
    by_group = (
        "lhs", "rhs", "group", "est", "se", "pvalue", "ci_lower", "ci_upper", "est_std", "ci_lower_std",
        "ci_upper_std",
    )  # fmt: skip
    return (
        Table("path_differences", f"Paths by group and their differences ({against}), unstandardized",
              differences.drop(columns=["op", "z"]), view=joined, shown=shown, headings=headings,
              names=study.names,
              note="Under equal loadings. Size of the difference in pooled within-group standard deviations. "
              "Wald test from one fit, p adjusted for the number of differences by Holm's method; "
              "likelihood-ratio test from a second fit with that path equal."),
        *_mean_tables(study, found),
        Table("invariance_levels", "Invariance: fit of each level",
              levels[[c for c in LEVEL_COLUMNS if c in levels]],
              note="CFI and RMSEA in the robust version where there is one."),
        Table("invariance_steps", "Invariance: each level against the one before",
              _robust(found.invariance.comparisons()),
              note="Retained: CFI falls by at most .010 and RMSEA rises by at most .015 (Chen 2007)."),
        Table("paths_by_group", "Paths by group, with standardized ones", found.paths(), shown=by_group,
              names=study.names, folded=True,
              note="Equal loadings; standardized in each group's own standard deviations."),
        Table("path_tests", "Equality of each path", tests.drop(columns="op"), names=study.names,
              folded=True),
    )  # fmt: skip


def _mean_tables(study: Study, found: GroupModeration) -> tuple[Table, ...]:
    """Latent means of the groups, and the equalities that were given up."""
    out = []
    if found.invariance.holding("scalar") is not None:
        out.append(
            Table("latent_means", f"Latent means, each minus {found.reference_group}", found.latent_means(),
                  shown=("variable", "group", "est", "ci_lower", "ci_upper", "pvalue_adjusted", "d",
                         "d_ci_lower", "d_ci_upper"), names=study.names,
                  note="Under equal loadings and intercepts; d in pooled within-group standard deviations of "
                  "the construct. The mean of an outcome holds what its predictors bring.")
        )  # fmt: skip
    given_up = found.invariance.released()
    if len(given_up):
        out.append(
            Table("invariance_released", "Equalities given up for partial invariance", given_up,
                  note="Released one after another, the largest score test first; p values of such a search "
                  "are too small.", names=study.names)
        )  # fmt: skip
    return tuple(out)


def _robust(frame: pd.DataFrame) -> pd.DataFrame:
    """CFI, TLI and RMSEA (and their changes) in the robust version where there is one."""
    out = frame.copy()
    for name in ("cfi", "tli", "rmsea", "delta_cfi", "delta_rmsea"):
        robust = f"{name}_robust"
        if robust in out and name in out:
            out[name] = out[robust].where(out[robust].notna(), out[name])
    return out.drop(columns=[c for c in ("delta_cfi_robust", "delta_rmsea_robust") if c in out])


def _first_outcome(study: Study) -> tuple[str | None, list[str]]:
    """Value if the model has it, else its first outcome, with the exogenous predictors it has."""
    outcomes = {path.outcome for path in study.spec.paths}
    by_outcome: dict[str, list[str]] = {}
    for path in study.spec.paths:
        if path.predictor not in outcomes:
            by_outcome.setdefault(path.outcome, []).append(path.predictor)
    if not by_outcome:
        return None, []
    outcome = "PV" if "PV" in by_outcome else next(iter(by_outcome))
    return outcome, by_outcome[outcome]
