"""Does it matter that answers are categories? The model with its items as ordered and as continuous."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

WAYS = (
    "As ordered, an answer is a category of a normal response cut at thresholds (WLSMV: thresholds and "
    "polychoric correlations, each pair from the customers who answered both). As continuous, answers are "
    "numbers at equal distances (MLR, FIML: every answer counts, also where others are missing at random). "
    "Both are of all customers; the other sections of this study treat the items as {treat_as}."
)
COLUMNS = (
    "lhs", "op", "rhs", "est_ordered", "se_ordered", "est_continuous", "se_continuous", "difference",
    "conclusion",
)  # fmt: skip


def section(study: Study) -> Section:
    """Both treatments of the rated items, on all customers."""
    found = study.both_ways
    table = found.table()
    measures = found.measures().rename_axis("measure").reset_index()
    converged = found.ordered.status.converged and found.continuous.status.converged
    said = found.sentences()
    return Section(
        "treatment",
        "Does it matter that answers are categories?",
        found.header.line(),
        (WAYS.format(treat_as=study.treat_as), *said) if converged else (say.NOTHING,),
        key=said[-1:] if converged else (),
        tables=(
            Table("treatment", "Standardized estimates both ways", table, names=study.names, shown=COLUMNS,
                  note="Difference: ordered less continuous. Conclusion: sign, and detection at 5 %."),
            Table("treatment_fit", "Fit both ways", measures,
                  note="Cut-off values of fit indices come from studies of continuous items and need not "
                  "hold for ordered ones."),
            Table("treatment_reliability", "Reliability both ways", found.reliability(), names=study.names,
                  note="As ordered, ω of the sum score of the answers (Green and Yang, 2009)."),
        ),
        cautions=(
            *say.status_sentences(found.ordered.status, "the model of ordered items"),
            *say.status_sentences(found.continuous.status, "the model of continuous items"),
        ),
    )  # fmt: skip
