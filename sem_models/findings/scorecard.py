"""`sm.scorecard`: the claims of a specification on the user's own data, each with its verdict and reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from sem_models.errors import SpecError
from sem_models.findings.evidence import NOT_TESTABLE, SUPPORTED, UNDECIDED, VERDICTS, Evidence
from sem_models.findings.fits import ClaimFits
from sem_models.findings.parts import evidence
from sem_models.findings.registry import CLAIMS
from sem_models.findings.verdict import Judgement, judge, summarize
from sem_models.inference.contrasts import adjust_pvalues
from sem_models.inference.header import Header
from sem_models.model.parts import Claim, Rules
from sem_models.model.spec import ModelSpec, load
from sem_models.observed.frame import frame_with_rows
from sem_models.threads import single_threaded

if TYPE_CHECKING:
    from altair.typing import ChartType

COLUMNS = [
    "claim", "part", "title", "estimate", "ci_lower", "ci_upper", "se", "pvalue", "pvalue_adjusted",
    "probability", "scale", "standardized", "verdict", "reason", "definition", "rules", "toward",
    "toward_lower", "toward_upper",
]  # fmt: skip
DEFAULTS: dict[str, Any] = {"estimator": "MLR", "missing": "fiml"}
OF_ITEMS: dict[str, Any] = {"estimator": "WLSMV", "missing": "pairwise"}


def with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the fits, estimator and missing filled in; with ordered items those that go with them."""
    named = options.get("ordered", ())
    items = named is True or (named not in (None, False) and len(tuple(named)) > 0)
    return {**(OF_ITEMS if items else DEFAULTS), **options}


@dataclass(frozen=True)
class Scorecard:
    """Claims judged by the rules of a specification. `table()` has a row a claim and part."""

    spec: ModelSpec
    rules: Rules
    rows: pd.DataFrame
    header: Header
    provenance: Mapping[str, Any]
    options: Mapping[str, Any]
    interactions: Mapping[str, Any]
    fits: ClaimFits = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row a part, after each claim's summary row, whose part is empty.

        Columns claim, part, title, estimate, ci_lower, ci_upper, se, pvalue, pvalue_adjusted (over all parts
        that are tested), probability (posterior, of the claimed direction, flat prior), scale, standardized
        (the size), verdict, reason, definition, rules (their version); toward, toward_lower, toward_upper:
        estimate and limits as distances, in standard errors, from what would decide the part.
        """
        return self.rows.copy()

    def verdicts(self) -> pd.Series:
        """The verdict on each claim."""
        summary = self.rows[self.rows["part"] == ""]
        return pd.Series(summary["verdict"].to_list(), index=summary["claim"].to_list(), name="verdict")

    def chart(self, **options: Any) -> ChartType:
        """All claims with intervals and verdicts at a glance."""
        from sem_models.charts.scorecard import scorecard as draw

        return draw(self.rows, subtitle=self.header.line(), **options)

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        counts = self.verdicts().value_counts()
        said = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts)
        return f"<Scorecard {self.spec.id}: {said}>"

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.rows[["claim", "part", "title", "estimate", "ci_lower", "ci_upper", "verdict", "reason"]]
        table = shown.to_html(index=False, float_format="{:.2f}".format, na_rep="")
        return f"<p>{escape(self.header.line())}</p>{table}"


@single_threaded
def scorecard(
    spec: str | ModelSpec,
    data: Any,
    *,
    rules: Rules | Mapping[str, Any] | None = None,
    interactions: Mapping[str, Any] | None = None,
    **options: Any,
) -> Scorecard:
    """Judge every claim of a specification on the data.

    Parameters
    ----------
    spec : str or ModelSpec
        A catalogue name, a file, or a specification with claims.
    data : DataFrame or Survey
        One row a customer.
    rules : Rules or mapping, optional
        Instead of the specification's own.
    interactions : mapping, optional
        Options of `sm.moderate` for claims about interactions, such as {"method": "lms"}.
    **options
        Of `sm.fit`; estimator="MLR" and missing="fiml" unless given, "WLSMV" and "pairwise" with ordered=.

    Raises
    ------
    SpecError
        For a specification without claims or an unknown rule.
    DataError
        Where the data lack items of the paths.
    """
    spec = load(spec)
    if not spec.claims:
        raise SpecError(
            f"The specification '{spec.id}' states no claims. Add claims: to it, or take one that has, as "
            "b2b_service."
        )
    judged_by = rules_of(spec, rules)
    frame = frame_with_rows(data, "A scorecard needs")
    fits = ClaimFits.of(spec, frame, with_defaults(options), dict(interactions or {}))
    plain = fits.plain()
    found: dict[str, tuple[Evidence, Judgement]] = {}
    parts = [(claim, part) for claim in spec.claims for part in claim.parts if part.effect != "any"]
    for claim, part in tqdm(parts, desc="claims", unit="part", delay=2, leave=False, disable=None):
        seen = evidence(claim.id, part, fits, judged_by)
        found[f"{claim.id}.{part.part}"] = (seen, judge(seen, judged_by))
    for claim in spec.claims:
        for part in claim.parts:
            if part.effect == "any":
                found[f"{claim.id}.{part.part}"] = one_of(part.of, found, judged_by)
    rows = _naming_the_unsupported(_rows(spec, found, judged_by))
    provenance = {**plain.provenance, "rules": judged_by.model_dump(), "claims": spec.hash}
    return Scorecard(
        spec,
        judged_by,
        rows,
        plain.header,
        provenance,
        dict(fits.options),
        dict(fits.interaction_options),
        fits,
    )


def rules_of(spec: ModelSpec, given: Rules | Mapping[str, Any] | None) -> Rules:
    """The rules that judge: the specification's, with what is given instead. SpecError for an unknown one."""
    if given is None:
        return spec.rules
    if isinstance(given, Rules):
        return given
    from pydantic import ValidationError

    try:
        return Rules(**{**spec.rules.model_dump(), **given})
    except ValidationError as problem:
        first = problem.errors()[0]
        raise SpecError(
            f"rules: '{'.'.join(map(str, first['loc']))}': {first['msg']}. Known: "
            f"{', '.join(Rules.model_fields)}."
        ) from None


def one_of(
    of: tuple[str, ...], found: Mapping[str, tuple[Evidence, Judgement]], rules: Rules
) -> tuple[Evidence, Judgement]:
    """Whether one of several parts holds, each with its p value adjusted for their number.

    An effect of either sign supports it, so each side gets half of what the interval leaves out: at 95 % such
    a claim, too, is wrongly supported in at most 2.5 %, as one with a claimed direction is.
    """
    names = [name for name in of if name in found]
    testable = [name for name in names if found[name][1][0] != NOT_TESTABLE]
    if not testable:
        reason = found[names[0]][1][1] if names else "None of its parts is in the specification."
        return Evidence(sign=0, obstacle=reason), (NOT_TESTABLE, reason)
    adjusted = adjust_pvalues(np.array([found[n][0].pvalue for n in testable]), rules.adjust)
    level = (1 - rules.confidence) / 2
    held = [n for n, p in zip(testable, adjusted, strict=True) if p < level and found[n][1][0] != UNDECIDED]
    least = float(np.nanmin(adjusted)) if np.isfinite(adjusted).any() else nan
    seen = Evidence(sign=0, pvalue=least, definition=f"one of {', '.join(testable)}")
    n = len(testable)
    if held:
        return seen, (SUPPORTED, f"It holds for {', '.join(held)}: p, adjusted for {n} parts, < {level:g}.")
    return seen, (UNDECIDED, f"None of {n} parts holds: no p, adjusted for their number, < {level:g}.")


def _rows(spec: ModelSpec, found: Mapping[str, tuple[Evidence, Judgement]], rules: Rules) -> pd.DataFrame:
    claims = {claim.id: claim for claim in spec.claims}
    order = [c for c in CLAIMS if c in claims or any(k.startswith("C") for k in claims)]
    order += [c for c in claims if c not in order]
    rows: list[dict[str, Any]] = []
    for name in order:
        if name in claims:
            rows += _claim_rows(claims[name], found, rules)
        else:
            title, needs = CLAIMS[name]
            rows.append(
                {"claim": name, "part": "", "title": title, "verdict": NOT_TESTABLE, "rules": rules.version,
                 "reason": f"The specification does not state it; it needs {needs}."}
            )  # fmt: skip
    frame = pd.DataFrame(rows).reindex(columns=COLUMNS)
    tested = (frame["part"] != "").to_numpy()
    pvalues = np.where(tested, frame["pvalue"].to_numpy(np.float64), np.nan)
    frame["pvalue_adjusted"] = adjust_pvalues(pvalues, rules.adjust)
    texts = ["title", "scale", "verdict", "reason", "definition", "part"]
    frame[texts] = frame[texts].fillna("")
    return frame


def _naming_the_unsupported(rows: pd.DataFrame) -> pd.DataFrame:
    """C13 says which claims a survey without the items of some constructs cannot support."""
    heads = rows["part"] == ""
    mine = (rows["claim"] == "C13") & heads & (rows["verdict"] == NOT_TESTABLE)
    others = rows.loc[heads & (rows["verdict"] == NOT_TESTABLE) & (rows["claim"] != "C13"), "claim"]
    if mine.any() and len(others):
        rows.loc[mine, "reason"] += f" It cannot support {', '.join(others)}."
    return rows


def _claim_rows(
    claim: Claim, found: Mapping[str, tuple[Evidence, Judgement]], rules: Rules
) -> list[dict[str, Any]]:
    pairs = [found[f"{claim.id}.{part.part}"] for part in claim.parts]
    primary = [part.primary for part in claim.parts]
    verdict, reason = summarize([j for _, j in pairs], [e.pvalue for e, _ in pairs], primary, rules)
    rows: list[dict[str, Any]] = [
        {"claim": claim.id, "part": "", "title": claim.title, "verdict": verdict, "reason": reason,
         "rules": rules.version}
    ]  # fmt: skip
    for part, (seen, judgement) in zip(claim.parts, pairs, strict=True):
        items = part.effect == "items"
        rows.append(
            {"claim": claim.id, "part": part.part, "title": part.title, "estimate": seen.estimate,
             "ci_lower": nan if items else seen.lower, "ci_upper": nan if items else seen.upper,
             "se": seen.se, "pvalue": seen.pvalue, "probability": seen.probability, "scale": part.scale,
             "standardized": seen.standardized[0], "verdict": judgement[0], "reason": judgement[1],
             "definition": seen.definition, "rules": rules.version,
             **dict(zip(("toward", "toward_lower", "toward_upper"), seen.toward, strict=True))}
        )  # fmt: skip
    return rows


def _lines(card: Scorecard) -> list[str]:
    """The scorecard for a terminal."""
    lines = [card.header.line(), f"Rules {card.rules.version}: {card.rules.confidence:.0%} intervals", ""]
    for row in card.rows.to_dict("records"):
        if not row["part"]:
            lines.append(f"{row['claim']:<4} {str(row['verdict']).upper():<13} {row['title']}")
            if row["reason"]:
                lines.append(f"{'':19}{row['reason']}")
            continue
        figures = ""
        if row["estimate"] == row["estimate"]:
            spread = f"[{row['ci_lower']:.2f}, {row['ci_upper']:.2f}]"
            if not row["se"] > 0:  # an effect size with a test and no interval
                spread = "(p < 0.001)" if row["pvalue"] < 0.001 else f"(p = {row['pvalue']:.3f})"
            figures = f"{row['estimate']:.2f} {spread}  "
        lines.append(f"     {row['verdict']:<13} {figures}{row['title'] or row['part']}")
    return lines
