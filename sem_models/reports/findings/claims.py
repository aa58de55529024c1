"""The claims of a specification as contrasts of the fitted model, and which of them cannot be decided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from sem_models.errors import SpecError
from sem_models.inference.contrasts import Contrast
from sem_models.model.expressions import Binary, Name
from sem_models.model.syntax import parse_expression
from sem_models.reports import sentences as say
from sem_models.reports.findings.measurement import ESTIMATE_COLUMNS, distinct

if TYPE_CHECKING:
    from sem_models.reports.study import Study

COLUMNS = ["claim", "part", "claim_title", "title", "contrast", "scale", "sign", *ESTIMATE_COLUMNS, "reason"]
_ARROW = re.compile(r"(\(?)(\w+)→(\w+)(\)?)")
KEY_CLAIMS = ("C1", "C2")
"""Claims about service that belong in a summary; the others follow in the section."""


def claim_contrasts(study: Study) -> pd.DataFrame:
    """Every claim of the specification that the fitted model can state.

    Columns claim, part, claim_title, title, contrast, scale, sign, est, se, pvalue, ci_lower, ci_upper,
    reason: why a contrast is undecided, because the constructs it compares cannot be told apart. A part
    that needs groups, interactions or controls is not in this table.
    """
    close = too_close(study)
    rows = []
    for claim in study.spec.claims:
        for part in claim.parts:
            if study.spec.needs(part) or not part.expression:
                continue
            try:
                found = study.fit.contrast(Contrast.from_claim(claim.id, part))
            except SpecError:  # the label belongs to a path that the model text leaves out
                continue
            rows.append(
                {
                    "claim": claim.id,
                    "part": part.part,
                    "claim_title": claim.title,
                    "title": part.title or claim.title,
                    "contrast": in_arrows(part.expression, study),
                    "scale": part.scale,
                    "sign": part.sign,
                    **{k: found[k] for k in ESTIMATE_COLUMNS},
                    "reason": _compared(part.expression, study, close),
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def claim_sentences(contrasts: pd.DataFrame, study: Study) -> tuple[list[str], list[str]]:
    """All claims in words, and those for the summary (which say what the claim is)."""
    words = say.as_names(study.names)
    said: list[str] = []
    key: list[str] = []
    told: set[str] = set()
    for row in contrasts.to_dict("records"):
        expression = _in_words(str(row["contrast"]), words)
        for titled, out in ((False, said), (True, key)):
            if titled and row["claim"] not in KEY_CLAIMS:
                continue
            out.append(_sentence(row, expression, titled=titled and row["claim"] not in told))
        told.add(row["claim"])
    return said, key


def _sentence(row: dict[Any, Any], expression: str, *, titled: bool) -> str:
    claim = f" (“{row['claim_title']}”)" if titled and row["claim_title"] != row["title"] else ""
    title = f"Claim {row['claim']}{claim}, {say.first_lower(str(row['title']))}"
    return say.contrast(
        title, expression, row["est"], row["ci_lower"], row["ci_upper"], row["scale"], row["sign"],
        reason=row["reason"],
    )  # fmt: skip


def in_arrows(expression: str, study: Study) -> str:
    """Labels as arrows: b_PV_EDS - b_PV_OPS reads (EDS→PV) − (OPS→PV)."""
    text = expression.replace(" - ", " − ").replace("*", " × ").replace("/", " / ")
    for path in sorted(study.spec.paths, key=lambda path: -len(path.label)):
        text = text.replace(path.label, f"({path.predictor}→{path.outcome})")
    return " ".join(text.split())


def _in_words(contrast: str, words: dict[str, str]) -> str:
    """A contrast of one or two paths with constructs by name; a longer one is left to the table."""
    if contrast.count("→") > 2:
        return ""
    if contrast.count("→") == 1 and _ARROW.fullmatch(contrast):
        contrast = contrast[1:-1]
    return _ARROW.sub(lambda m: _named(m, words), contrast)


def _named(match: re.Match[str], words: dict[str, str]) -> str:
    opening, first, second, closing = match.groups()
    return f"{opening}{words.get(first, first)} → {words.get(second, second)}{closing}"


def too_close(study: Study) -> dict[frozenset[str], str]:
    """Pairs of constructs that cannot be told apart: correlation above .85, or HTMT2 of .90 or more."""
    out: dict[frozenset[str], str] = {}
    for row in distinct(study).to_dict("records"):
        pair = frozenset((str(row["construct_1"]), str(row["construct_2"])))
        if row["correlation"] > say.TOO_CLOSE:
            out[pair] = f"they correlate {say.num(row['correlation'])}"
        elif row["htmt_verdict"] == "not distinct":
            out[pair] = f"their HTMT2 is {say.num(row['htmt2'])}"
    return out


def _compared(expression: str, study: Study, close: dict[frozenset[str], str]) -> str:
    """Why a difference of two paths is undecided: the constructs it compares are too close to tell apart."""
    tree = parse_expression(expression)
    if not (
        isinstance(tree, Binary)
        and tree.op == "-"
        and isinstance(tree.left, Name)
        and isinstance(tree.right, Name)
    ):
        return ""
    paths = [p for p in study.spec.paths if p.label in tree.names]
    words = say.as_names(study.names)
    for ends in (frozenset(p.predictor for p in paths), frozenset(p.outcome for p in paths)):
        if ends in close:
            named = say.listing(words.get(c, c) for c in sorted(ends))
            return f"{named} cannot be told apart ({close[ends]})"
    return ""
