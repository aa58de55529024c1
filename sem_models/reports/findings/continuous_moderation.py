"""Does it depend on a continuous moderator? Local models beside a parameter that follows it as a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sem_models.charts import text
from sem_models.charts.curves import parameter_words
from sem_models.errors import DataError, SpecError, did_you_mean
from sem_models.model.syntax import parse
from sem_models.moderation.covariates.estimate import moderate_by_covariates
from sem_models.moderation.local.estimate import moderate_local
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.moderation.covariates.result import CovariateModeration
    from sem_models.moderation.local.result import LocalModeration
    from sem_models.reports.study import Study

SEED = 1
POINTS = 15
SPAN = (0.05, 0.95)
SCORE = "_score"
"""What the column of a construct's score is called by."""


def section(
    study: Study, *, moderator: str, outcome: str, predictor: str, h: float = 2.0, draws: int = 200
) -> Section:
    """The path of `outcome` on `predictor` along `moderator`, a column or a construct's mean score.

    draws bootstrap samples and as many permutations; h is the kernel's smoothing.
    """
    frame, column, left_out = moderator_values(study, moderator)
    label = path_label(study, outcome, predictor)
    local = moderate_local(
        study.spec, frame, moderator=column, grid=POINTS, grid_range=SPAN, h=h, bootstrap=draws,
        permutations=draws, missing=study.missing, estimator=study.estimator, seed=SEED, progress=False,
    )  # fmt: skip
    line = moderate_by_covariates(
        covariate_text(study, label, outcome, predictor, column), frame, missing=study.missing,
        estimator=study.estimator,
    )  # fmt: skip
    title, unit = title_and_unit(study, moderator)
    names = {**say.as_names(study.names), column: title}
    path = f"{outcome}~{predictor}"
    dropped = (f"{left_out} customers have no value of {title} and are left out.",) if left_out else ()
    found = (
        f"{local.charts.title(path, names=names, unit=unit)}.",
        _line_sentence(line, label, column, names),
        _others(local, path, names, title),
        *local.cautions,
    )
    cautions = (
        *say.status_sentences(local.status, "the local models"),
        *say.status_sentences(line.status, "the model whose path follows the moderator"),
    )
    return Section(
        "continuous_moderation",
        f"Does the {parameter_words(outcome, '~', predictor, say.as_names(study.names))} depend on {title}?",
        f"{local.header.line()} · {POINTS} focal points",
        (*dropped, *found),
        key=found[:1],
        tables=_tables(local, line, path, {**study.names, column: title}),
        charts={
            "local_curve": local.charts.curve(path, names=names, unit=unit),
            "line": line.charts.curve(path, column, names=names, unit=unit),
        },
        cautions=tuple(cautions),
    )


def moderator_values(study: Study, moderator: str) -> tuple[pd.DataFrame, str, int]:
    """The rows that have a value of the moderator, its column, and how many rows have none.

    A construct's value is the mean of the items that a customer answered, at least half of them.
    """
    items = {c.id: tuple(c.ordered_items) for c in study.spec.constructs}
    if moderator in study.frame.columns:
        column, frame = moderator, study.frame
    elif moderator in items and set(items[moderator]) <= set(study.frame.columns):
        if moderator in study.constructs:
            raise SpecError(
                f"moderator='{moderator}' is a construct of the model, which local models hold fixed. Choose "
                "one outside it, or use the notebook of latent moderators."
            )
        answers = study.frame[list(items[moderator])]
        column = moderator + SCORE
        score = answers.mean(axis=1).where(answers.notna().mean(axis=1) >= 0.5)
        frame = study.frame.assign(**{column: score})
    else:
        known = [*study.frame.columns, *items]
        raise DataError(
            f"moderator='{moderator}' is neither a column nor a construct with items in the data. "
            f"{did_you_mean(moderator, known, noun='columns and constructs')}"
        )
    there = pd.to_numeric(frame[column], errors="coerce").notna()
    if frame.loc[~there, column].notna().any():
        raise DataError(f"moderator='{moderator}' holds text. Compare its groups in the notebook of groups.")
    return frame[there], column, int((~there).sum())


def path_label(study: Study, outcome: str, predictor: str) -> str:
    """The label of a path of the model, or one to be given to it. SpecError where it is not there."""
    formulas = parse(study.spec.syntax()).formulas
    paths = [f for f in formulas if f.op == "~"]
    found = next((f for f in paths if (f.lhs, f.rhs) == (outcome, predictor)), None)
    if found is None:
        known = [f"{f.lhs} ~ {f.rhs}" for f in paths]
        near = did_you_mean(f"{outcome} ~ {predictor}", known, noun="paths")
        raise SpecError(f"The model has no path {outcome} ~ {predictor}. {near}")
    labels = [m.values[0] for m in found.modifiers if m.kind == "label"]
    return str(labels[0]) if labels else f"b_{outcome}_{predictor}"


def covariate_text(study: Study, label: str, outcome: str, predictor: str, column: str) -> str:
    """The model with this path, and the means of all constructs, as lines in the moderator."""
    text_of_model = study.spec.syntax()
    lines = [text_of_model.rstrip(), f"{outcome} ~ {label}*{predictor}"]
    if f"{label}*{predictor}" in text_of_model:
        lines.pop()
    lines.append(f"{label} :~ {column}")
    for construct in study.constructs:
        lines += [f"{construct} ~ 0*1 + mean_{construct}*1", f"mean_{construct} :~ {column}"]
    return "\n".join(lines)


def title_and_unit(study: Study, moderator: str) -> tuple[str, str]:
    """The moderator as it stands within a sentence, and its unit, which a survey's title has in brackets."""
    for construct in study.spec.constructs:
        if construct.id == moderator and construct.title:
            return say.first_lower(construct.title), ""
    book = study.survey.codebook()
    titles = book.loc[book["name"] == moderator, "title"].tolist()
    title = say.first_lower(titles[0]).rstrip(". ") if titles and titles[0] else moderator
    found = re.fullmatch(r"(.+) \((\w+)\)", title)
    return (found[1], found[2]) if found else (title, "")


def _line_sentence(line: CovariateModeration, label: str, column: str, names: dict[str, str]) -> str:
    """How the path changes with a point of the moderator, if it follows it as a line."""
    if not line.status.converged:
        return "As a line in the moderator: no estimate, because the estimation did not converge."
    table = line.estimates()
    row = table[(table["lhs"] == label) & (table["op"] == ":~") & (table["rhs"] == column)].iloc[0]
    test = line.tests(label).iloc[0]
    change = text.estimate(row["est"], row["ci_lower"], row["ci_upper"], 3, bounded=False)
    return (
        f"If it follows {names[column]} as a line, it changes by {change} with each point (likelihood-ratio "
        f"test {say.p_text(test['pvalue'])})."
    )


def _others(local: LocalModeration, path: str, names: dict[str, str], title: str) -> str:
    """Which of the other paths are shown to vary, looked at together."""
    tests = local.constancy()
    paths = tests[tests["op"] == "~"]
    mine = paths["lhs"] + "~" + paths["rhs"] == path
    others = paths[~mine]
    clear = others[others["p_adjusted"] < 0.05]
    overall = say.p_text(float(tests["pvalue"].iloc[-1]))
    if not len(clear):
        what = f"None of the other {len(others)} paths is shown to vary with {title}"
    else:
        listed = [parameter_words(r["lhs"], "~", r["rhs"], names) for r in clear.to_dict("records")]
        what = f"Shown to vary with {title} too: the {say.listing(listed)}"
    return (
        f"{what}, looked at together with all parameters (permutation test of all, the items' "
        f"means among them: {overall})."
    )


def _tables(
    local: LocalModeration, line: CovariateModeration, path: str, names: dict[str, str]
) -> tuple[Table, ...]:
    by = local.moderator
    keys = ["lhs", "op", "rhs", "label"]
    both = local.indices().merge(local.constancy().drop(columns=["sd"]), on=keys, how="left")
    words = {
        "pooled": "All customers", "sd": "SD over customers", "slope": "Change per point",
        "p_adjusted": "p (adjusted)", by: names[by],
    }  # fmt: skip
    ends = {"n_effective": "Effective customers", "band_lower": "Band from", "band_upper": "to"}
    curve = local.curve(path)
    curve = curve.assign(n_effective=np.round(curve["n_effective"]).astype(int))
    lines = line.estimates()
    follow = lines[lines["op"] == ":~"].drop(columns=["std_lv", "std_all"])
    paths = Table(
        "paths_along", "The paths along the moderator", both[both["op"] == "~"], headings=words, names=names,
        shown=("lhs", "rhs", "pooled", "mean", "sd", "slope", "pvalue", "p_adjusted"),
        note="Local models; mean and SD over the customers; p of permutation tests that a path is the same "
        "at all values.",
    )  # fmt: skip
    points = Table(
        "curve", "The path at the focal points", curve, headings={**words, **ends}, names=names,
        shown=(by, "est", "ci_lower", "ci_upper", "band_lower", "band_upper", "n_effective"),
        note="Interval: each value by itself; band: all values at once; both 95 %, bootstrap.",
    )  # fmt: skip
    followers = Table(
        "follows", "Parameters that follow the moderator as a line", follow, names=names,
        shown=("lhs", "rhs", "est", "se", "ci_lower", "ci_upper", "pvalue"),
        headings={"lhs": "Parameter", "rhs": "Follows"}, note=line.header.line(),
    )  # fmt: skip
    every = Table(
        "all_parameters", "All parameters along the moderator", both, headings=words, names=names, folded=True
    )
    return paths, points, followers, every


def options_of(h: Any, draws: Any) -> tuple[float, int]:
    """Smoothing and number of draws from a notebook's settings. SpecError for what are no numbers."""
    try:
        return float(h), int(str(draws))
    except ValueError:
        raise SpecError(f"h='{h}' and draws='{draws}' must be numbers, such as '2' and '200'.") from None
