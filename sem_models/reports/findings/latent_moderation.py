"""Does it depend on a latent moderator? The interaction, simple slopes, regions, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isinf
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.charts import text
from sem_models.charts.conditional_indirect import conditional_indirect_title
from sem_models.charts.simple_slopes import simple_slopes_title
from sem_models.errors import SpecError
from sem_models.moderation.probing.indirect import ConditionalIndirect
from sem_models.moderation.probing.probe import Moderation as Names
from sem_models.moderation.probing.probe import moderations
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.moderation.result import Moderation
    from sem_models.reports.study import Study

LATENT = "Values are on the moderator's latent scale, whose mean is 0"


def section(study: Study) -> Section:
    """The interactions of the study's model with their simple slopes and Johnson–Neyman regions."""
    found = study.latent_result
    names = say.as_names(study.names)
    chosen = [m for m in moderations(found.terms) if len(m[2]) == 1]
    by = say.listing(dict.fromkeys(names.get(m[0], m[0]) for _, _, m in chosen))
    cautions = say.status_sentences(found.status, f"the model with {say.listing(study.interactions)}")
    indirect = [i for m in chosen for i in _indirect(found, m)]
    tests = _tests(found)
    clear = [_change(found, m, names) for m in chosen]
    regions = [f"{found.johnson_neyman(*_args(m)).sentence(names)}." for m in chosen]
    further = [f"{_index(i, names)}." for i in indirect]
    compared = "Likelihood-ratio test" if _by_likelihood(found) else "χ² difference test"
    tested = [_tested(row, compared, names) for row in tests.to_dict("records")]
    sentences = [_spaced(s) for s in (*clear, *regions, *tested, *further, *_treated(study, found))]
    return Section(
        "latent_moderation",
        f"Does it depend on {by}?",
        f"{found.title} · {found.header.line()}",
        tuple(sentences) if found.status.converged else (say.NOTHING,),
        key=tuple(sentences[: len(clear)]) if found.status.converged else (),
        tables=_tables(study, found, chosen, tests, indirect),
        charts=_charts(study, found, chosen, indirect) if found.status.converged else {},
        cautions=cautions,
    )


def _treated(study: Study, found: Moderation) -> tuple[str, ...]:
    """How ordered items entered, in words; nothing where they are continuous."""
    if study.treat_as != "ordered":
        return ()
    if "parcels" in found.options:
        names = say.as_names(study.names)
        factors = dict.fromkeys(name.rsplit(".", 1)[0] for name in found.options["parcels"])
        gathered = [names.get(factor, factor) for factor in factors]
        return (
            f"Items are treated as ordered, but for those of {say.listing(gathered)}: products have no "
            "thresholds, so means of these items stand for them, as numbers.",
        )
    return (
        "Items are treated as ordered: slopes are those of the constructs behind the answers, in units of "
        "the first item's unexplained spread.",
    )


def _args(names: Names) -> tuple[str, str, str]:
    return names[0], names[1], names[2][0]


def _change(found: Moderation, names: Names, words: Mapping[str, str]) -> str:
    """Whether and how the slope changes between the moderator's low and high values."""
    slopes = found.simple_slopes(*_args(names))
    difference = found.contrast(slopes["value"].iloc[0], slopes["value"].iloc[-1], *_args(names))
    return f"{simple_slopes_title(slopes, difference, names=words)}."


def _indirect(found: Moderation, names: Names) -> list[ConditionalIndirect]:
    """What the moderated path carries on to the last variables of the model."""
    outcome, predictor, by = _args(names)
    paths = [(r.lhs, r.rhs) for r in found.terms.table.rows if r.op == "~" and r.block == 1]
    last = dict.fromkeys(lhs for lhs, _ in paths if lhs not in {rhs for _, rhs in paths} and lhs != outcome)
    out = []
    for end in last:
        try:
            out.append(found.conditional_indirect(end, predictor, by, through=outcome))
        except SpecError:  # the outcome leads nowhere near this variable
            continue
    return out


def _index(found: ConditionalIndirect, words: Mapping[str, str]) -> str:
    index = found.index()
    ends = found.contrast(found.points[0][0], found.points[-1][0])
    return conditional_indirect_title(index, path=str(index["path"].iloc[-1]), difference=ends, names=words)


def _tests(found: Moderation) -> pd.DataFrame:
    """Size and tests of each interaction: columns of `sizes()` and those of `interaction_test()`."""
    sizes = found.sizes()
    keyed = sizes.assign(outcome_product=sizes["outcome"] + " ~ " + sizes["product"])
    tested = found.interaction_test().rename(columns={"term": "outcome_product", "pvalue": "lrt_pvalue"})
    columns = ["outcome_product", "df", "chisq_diff", "lrt_pvalue", "wald", "wald_pvalue"]
    return keyed.merge(tested[[c for c in columns if c in tested]], on="outcome_product", how="left")


def _by_likelihood(found: Moderation) -> bool:
    """Whether models are compared by their likelihoods, not by least squares of moments."""
    return found.options["discrepancy"] in ("ML", "MML")


def _tested(row: Mapping[Any, Any], compared: str, words: Mapping[str, str]) -> str:
    """The test against the model without the product, or the Wald test where that has no solution, and the
    share explained."""
    product = " × ".join(words.get(f, f) for f in str(row["product"]).split(":"))
    if row["chisq_diff"] == row["chisq_diff"]:
        chisq = f"Δχ²({row['df']:.0f}) = {row['chisq_diff']:.1f}"
        kind, p = compared, row["lrt_pvalue"]
    else:
        chisq = f"χ²({row['df']:.0f}) = {row['wald']:.1f}"
        kind, p = "Wald test", row["wald_pvalue"]
    outcome = words.get(str(row["outcome"]), str(row["outcome"]))
    return (
        f"{kind} of {product}: {chisq}, {say.p_text(p)}; the product explains "
        f"{100 * row['delta_r_squared']:.1f} % of the variance of {outcome} beyond the other predictors."
    )


def _spaced(sentence: str) -> str:
    """Percent signs as the report sets them."""
    return re.sub(r"(?<=\d)%", " %", sentence)


def _charts(
    study: Study, found: Moderation, chosen: list[Names], indirect: list[ConditionalIndirect]
) -> dict[str, Any]:
    charts: dict[str, Any] = {}
    for k, names in enumerate(chosen):
        suffix = "" if k == 0 else f"_{k + 1}"
        charts[f"simple_slopes{suffix}"] = found.charts.simple_slopes(*_args(names), names=study.names)
        charts[f"johnson_neyman{suffix}"] = found.charts.johnson_neyman(*_args(names), names=study.names)
    for k, i in enumerate(indirect):
        suffix = "" if k == 0 else f"_{k + 1}"
        charts[f"indirect{suffix}"] = found.charts.conditional_indirect(
            i.outcome, i.predictor, i.moderator, through=_through(chosen, i), names=study.names
        )
    return charts


def _through(chosen: list[Names], found: ConditionalIndirect) -> str:
    """The moderated outcome that an indirect effect passes."""
    return next(o for o, p, m in chosen if p == found.predictor and m == (found.moderator,)
                and all(o in path.variables for path in found.paths))  # fmt: skip


def _in_words(regions: pd.DataFrame) -> pd.DataFrame:
    """Regions for the page: open ends and shares in words."""
    out = regions.copy()
    for name in ("lower", "upper"):
        out[name] = ["open" if isinf(v) else text.number(v, bounded=False) for v in regions[name]]
    out["share"] = [f"{100 * v:.0f} %" for v in regions["share"]]
    return out


def _tables(
    study: Study, found: Moderation, chosen: list[Names], tests: pd.DataFrame,
    indirect: list[ConditionalIndirect],
) -> tuple[Table, ...]:  # fmt: skip
    slopes = pd.concat([found.simple_slopes(*_args(m)) for m in chosen], ignore_index=True)
    regions = pd.concat([found.johnson_neyman(*_args(m)).table() for m in chosen], ignore_index=True)
    names = study.names
    headings = {
        "outcome": "Outcome", "predictor": "Predictor", "moderator": "Moderator", "position": "At",
        "product": "Interaction", "est": "Slope", "delta_r_squared": "ΔR²", "f_squared": "f²",
        "std_all": "Standardized", "effect": "Slope", "lower": "From", "upper": "To",
        "share": "Share of customers", "extrapolated": "Beyond the data",
        "lrt_pvalue": "p (LR)" if _by_likelihood(found) else "p (Δχ²)",
    }  # fmt: skip
    tables = [
        Table("interactions", "The interactions", tests.drop(columns="outcome_product"),
              shown=("outcome", "product", "est", "ci_lower", "ci_upper", "pvalue", "std_all", "chisq_diff",
                     "lrt_pvalue", "delta_r_squared", "f_squared"),
              headings={**headings, "est": "Estimate"}, names=names,
              note="Standardized with the true variance of the product: b sd(x) sd(z) / sd(y)."),
        Table("simple_slopes", "Slopes at values of the moderator", slopes,
              shown=("outcome", "predictor", "moderator", "position", "value", "est", "ci_lower", "ci_upper",
                     "pvalue", "extrapolated"),
              headings=headings, names=names, note=f"{LATENT}. Unstandardized."),
        Table("johnson_neyman", "Where the slope differs from zero (Johnson–Neyman)", regions,
              view=_in_words(regions), shown=("outcome", "predictor", "moderator", "lower",
                     "upper", "effect", "share", "extrapolated"),
              headings=headings, names=names,
              note=f"{LATENT}. Pointwise at 95 %; shares from the "
              f"{regions['basis'].iloc[0]}."),
    ]  # fmt: skip
    if indirect:
        frame = pd.concat([i.table() for i in indirect], ignore_index=True)
        index = pd.concat([i.index() for i in indirect], ignore_index=True)
        shown = ("outcome", "path", "moderator", "position", "est", "ci_lower", "ci_upper", "pvalue")
        words = {**headings, "est": "Indirect effect"}
        tables += [
            Table("conditional_indirect", "Indirect effects at values of the moderator", frame, shown=shown,
                  headings=words, names=names),
            Table("moderated_mediation", "Index of moderated mediation", index,
                  shown=("outcome", "path", "moderator", "est", "ci_lower", "ci_upper", "pvalue", "note"),
                  headings={**headings, "est": "Index"}, names=names,
                  note="Change of the indirect effect with one point of the moderator."),
        ]  # fmt: skip
    estimates = found.estimates()
    tables.append(
        Table("estimates", "All parameters of the model with interactions",
              estimates[estimates["op"].isin(["=~", "~", "~~"])], names=names, folded=True)
    )  # fmt: skip
    return tuple(tables)
