"""Do the claims hold, group by group, and do two waves of the same customers measure the same?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.charts import text
from sem_models.errors import SpecError
from sem_models.estimation.fit import fit as fit_model
from sem_models.findings.by_groups import group_column
from sem_models.inference.contrasts import Contrast
from sem_models.moderation.waves import Waves, waves
from sem_models.reports import sentences as say
from sem_models.reports.section import Section
from sem_models.reports.tables import Table

if TYPE_CHECKING:
    from sem_models.reports.study import Study

PRIOR = "_PRIOR"


def section(study: Study) -> Section:
    """The contrasts of all claims, each on the groups it names, and the ladder over the waves."""
    from sem_models.charts.invariance import invariance
    from sem_models.charts.paths import paths

    if not study.spec.claims:
        raise SpecError(f"The specification '{study.spec.id}' states no claims.")
    header = study.fit.header.line()
    claims = contrasts(study)
    ladder = over_waves(study)
    charts: dict[str, Any] = {
        "paths": paths(study.fit.standardized(), names=study.names, subtitle=header),
    }
    tables = [
        Table(
            "claims", "The claims as contrasts", claims, names=study.names,
            shown=("id", "title", "groups", "scale", "est", "ci_lower", "ci_upper", "pvalue", "verdict"),
            note="Groups: the column whose groups are compared, with equal loadings. Intervals are 95 %.",
        )
    ]  # fmt: skip
    said = _sentences(claims)
    if ladder is not None:
        said += _wave_sentences(ladder, study)
        charts["waves"] = invariance(
            ladder.table(), ladder.comparisons(), subtitle="Two waves, same customers"
        )
        tables += [
            Table("waves", "Two waves: levels of invariance", ladder.comparisons()),
            Table(
                "stability",
                "Correlation of a construct over the waves",
                ladder.stability(),
                names=study.names,
            ),
            Table("changes", "Change of the means (first-wave SD)", ladder.changes(), names=study.names),
        ]
    return Section(
        "servuction", "Do the claims hold?", header,
        (*said, "These are associations, not effects of interventions: nothing was assigned at random."),
        key=tuple(said[:2]), tables=tuple(tables), charts=charts,
        cautions=say.status_sentences(study.fit.status, "the model on all customers"),
    )  # fmt: skip


def contrasts(study: Study) -> pd.DataFrame:
    """One row a part that is a contrast of paths: id, title, groups, scale, est, …, verdict.

    Supported or contradicted where the interval lies wholly on that side of 0; interactions are left out.
    """
    spec = study.spec
    plain: list[Contrast] = []
    by_column: dict[str, list[Contrast]] = {}
    for claim in spec.claims:
        for part in claim.parts:
            if not part.expression or spec.needs(part) - {"groups"}:
                continue
            contrast = Contrast.from_claim(claim.id, part)
            column = group_column(part, spec.groups)
            if column:
                by_column.setdefault(column, []).append(contrast)
            elif not spec.needs(part):
                plain.append(contrast)
    frames = [study.fit.contrasts(plain).assign(groups="")] if plain else []
    for column, chosen in by_column.items():
        if column not in study.frame.columns:
            continue
        grouped = fit_model(
            spec, study.frame, **study.options, group=column,
            group_equal=("loadings",),
        )  # fmt: skip
        frames.append(grouped.contrasts(chosen).assign(groups=column))
    if not frames:
        raise SpecError(f"No claim of '{spec.id}' is a contrast of paths that these data can show.")
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(verdict=[_verdict(r) for r in frame.to_dict("records")])


def over_waves(study: Study) -> Waves | None:
    """The ladder for every construct that was asked before, as `PV` and `PV_PRIOR`; None without one."""
    items = {c.id: tuple(i.id for i in c.items) for c in study.spec.constructs}
    pairs = {
        name: (items[name + PRIOR], of)
        for name, of in items.items()
        if len(items.get(name + PRIOR, ())) == len(of) > 1
        and {*of, *items[name + PRIOR]} <= set(study.frame.columns)
    }
    return waves(study.frame, pairs, **study.options) if pairs else None


def _verdict(row: dict[Any, Any]) -> str:
    low, high, sign = float(row["ci_lower"]), float(row["ci_upper"]), int(row["sign"])
    if low <= 0 <= high:
        return "undecided"
    return "supported" if sign == 0 or (low > 0) == (sign > 0) else "contradicted"


def _sentences(claims: pd.DataFrame) -> list[str]:
    out = []
    for claim, part in claims.groupby(claims["id"].str.partition(".")[0], sort=False):
        counts = part["verdict"].value_counts()
        held = [f"{n} {v}" for v, n in counts.items()]
        rows = [
            f"{r['title']} {text.estimate(float(r['est']), float(r['ci_lower']), float(r['ci_upper']))}"
            for r in part.to_dict("records")
        ]
        out.append(f"{claim}: {', '.join(held)} ({'; '.join(rows)}).")
    return out


def _wave_sentences(ladder: Waves, study: Study) -> list[str]:
    steps = ladder.comparisons()
    broken = [str(r["level"]) for r in steps.to_dict("records") if not r["retained"]]
    first = (
        f"Over the two waves {broken[0]} invariance is not retained."
        if broken
        else "The questions measure alike in both waves (strict invariance is retained)."
    )
    out = [first]
    names = say.as_names(study.names)
    for row, change in zip(
        ladder.stability().to_dict("records"), ladder.changes().to_dict("records"), strict=True
    ):
        name = names.get(row["construct"], row["construct"])
        out.append(
            f"{name[:1].upper() + name[1:]} correlates over the waves by "
            f"{text.estimate(row['est'], row['ci_lower'], row['ci_upper'])}; its mean has moved by "
            f"{text.estimate(change['est'], change['ci_lower'], change['ci_upper'])} standard deviations."
        )
    return out
