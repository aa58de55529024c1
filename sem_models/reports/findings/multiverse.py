"""Does the answer depend on the method? One moderation under every method that applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.moderation.multiverse.run import multiverse
from sem_models.reports import sentences as say
from sem_models.reports.findings.continuous_moderation import moderator_values, path_label, title_and_unit
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    import pandas as pd

    from sem_models.reports.study import Study


def section(study: Study, *, moderator: str, outcome: str, predictor: str, h: float = 2.0) -> Section:
    """The product of `predictor` and `moderator` on `outcome`: latent where the specification declares it.

    h is the smoothing of local models.
    """
    path_label(study, outcome, predictor)
    model, frame, factor = _stated(study, moderator, outcome, predictor)
    found = multiverse(model, frame, h=h, **study.options)
    title = title_and_unit(study, moderator)[0]
    names = {**say.as_names(study.names), factor: title}
    what = f"{names.get(predictor, predictor)} × {title} on {names.get(outcome, outcome)}"
    term = f"{outcome} ~ {predictor}:{factor}"
    sentences = tuple(
        say.first_upper(s.replace(term, what)) for s in found.sentences() if not s.startswith("Without")
    )
    table = found.table()
    shown = Table(
        "methods", "The interaction by every method", table,
        shown=("title", "estimate", "std_estimate", "std_ci_lower", "std_ci_upper", "pvalue", "reason"),
        headings={"title": "Method", "estimate": "Own units", "std_estimate": "Standardized",
                  "std_ci_lower": "From", "std_ci_upper": "To", "reason": "Remark"},
        note="Standardized: b sd(x) sd(z) / sd(y). Own units are those of the marker items, of item means "
        f"for rapi. {found.rule}",
    )  # fmt: skip
    facts = Table("data_facts", "What in the data makes methods differ", found.data_facts(), folded=True)
    has_result = bool(found.results)
    return Section(
        "multiverse",
        f"Does it depend on the method whether {title} moderates?",
        found.line.replace(term, what),
        sentences,
        key=sentences[:1],
        tables=(shown, facts),
        charts={"multiverse": found.charts.forest(term)} if has_result else {},
    )


def _stated(study: Study, moderator: str, outcome: str, predictor: str) -> tuple[str, pd.DataFrame, str]:
    """The model text with the product, its data, and the moderator's name in it."""
    declared = {(m.outcome, m.predictor, m.moderator) for m in study.spec.moderations}
    if (outcome, predictor, moderator) in declared:
        return study.spec.syntax(interactions=(f"{predictor}:{moderator}",)), study.frame, moderator
    frame, column, _ = moderator_values(study, moderator)
    line = f"{outcome} ~ {column} + {predictor}:{column}"
    return f"{study.spec.syntax().rstrip()}\n{line}\n", frame, column
