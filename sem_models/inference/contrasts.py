"""Named contrasts: a quantity of a model, defined once and evaluated on any fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from sem_models.errors import SpecError, did_you_mean
from sem_models.inference.definitions import evaluate, label_values
from sem_models.inference.effect_values import Kind, Scale, effect_value
from sem_models.inference.fieller import fieller_set
from sem_models.model.expressions import Binary, Expression
from sem_models.model.ram import Array
from sem_models.model.syntax import parse_expression

if TYPE_CHECKING:
    from sem_models.inference.solved import Solved
    from sem_models.model.parts import ClaimPart
    from sem_models.model.spec import ModelSpec

Interval = Literal["delta", "fieller"]
Adjust = Literal["none", "holm", "bonferroni", "bh"]
SCALES = {
    "raw": "in the units of the items", "std_all": "standardized (std_all)",
    "std_lv": "in standard deviations of the constructs (std_lv)",
    "std_nox": "standardized except fixed covariates (std_nox)",
}  # fmt: skip
Known = dict[str, tuple[float, Array]]


@dataclass(frozen=True, slots=True)
class Contrast:
    """What to compute: an expression over labels, or an effect of one variable on another.

    Parameters
    ----------
    id : str
        Its name in tables, for example "C1.PV".
    expression : str
        Over labels and defined parameters. With effect "total" or "indirect" the label of a path stands for
        that effect of the path's source on its target. Left empty where source and target are given.
    title : str
        What it says, in words.
    scale : "raw", "std_lv", "std_all" or "std_nox"
    effect : "direct", "total" or "indirect"
    source, target, via : str
        The effect of source on target; an indirect one may be restricted to paths through a mediator.
    group, reference_group : str
        By label. With both, the value in `group` less that in `reference_group`. A label `b` stands for
        `b.active` in group "active" where the model has no parameter `b` there.
    level : float
        Confidence of the interval.
    interval : "delta" or "fieller"
        Fieller's set for a ratio, which may be unbounded.
    sign : -1, 0 or 1
        The sign that a claim expects (0: none).
    """

    id: str
    expression: str = ""
    title: str = ""
    scale: Scale = "raw"
    effect: Kind = "direct"
    source: str = ""
    target: str = ""
    via: str = ""
    group: str = ""
    reference_group: str = ""
    level: float = 0.95
    interval: Interval = "delta"
    sign: Literal[-1, 0, 1] = 0

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise SpecError(f"Contrast '{self.id}': {problem}")

    @classmethod
    def from_claim(cls, claim: str, part: ClaimPart, *, level: float = 0.95) -> Contrast:
        """A part of a specification's claim; its id is "C1.PV"."""
        effect: Kind = "total" if part.effect == "total" else "direct"  # other kinds are spelled out
        return cls(
            f"{claim}.{part.part}", part.expression, part.title,
            "std_all" if part.scale == "standardized" else "raw", effect, level=level,
            interval="fieller" if part.effect == "ratio" else "delta", sign=part.sign,
        )  # fmt: skip

    @classmethod
    def of_spec(
        cls, spec: ModelSpec, *, needs: Iterable[str] = (), level: float = 0.95
    ) -> tuple[Contrast, ...]:
        """All claims of a specification that need nothing but its paths, and what is named in `needs`.

        needs : of "groups", "interactions", "controls".
        """
        allowed = set(needs)
        return tuple(
            cls.from_claim(claim.id, part, level=level)
            for claim in spec.claims
            for part in claim.parts
            if part.expression and spec.needs(part) <= allowed
        )

    @property
    def definition(self) -> str:
        """What is computed, in words."""
        if self.expression:
            what = self.expression
            if self.effect != "direct":
                what += f", labels as {self.effect} effects"
        else:
            through = f" through {self.via}" if self.via else ""
            what = f"{self.effect} effect of {self.source} on {self.target}{through}"
        where = f", in group {self.group}" if self.group else ""
        where += f" less in group {self.reference_group}" if self.reference_group else ""
        return f"{what}, {SCALES[self.scale]}{where}"


def _problem(c: Contrast) -> str:
    if bool(c.expression) == bool(c.source or c.target) or bool(c.source) != bool(c.target):
        return "give an expression over labels, or source and target of an effect."
    if c.reference_group and not c.group:
        return "reference_group= needs group=, the group that is compared with it."
    if not 0.0 < c.level < 1.0:
        return f"level={c.level} must lie between 0 and 1, for example 0.95."
    for name, value, known in (
        ("scale", c.scale, tuple(SCALES)),
        ("effect", c.effect, ("direct", "total", "indirect")),
        ("interval", c.interval, ("delta", "fieller")),
        ("sign", c.sign, (-1, 0, 1)),
    ):
        if value not in known:
            return f"{name}={value!r} is unknown. {did_you_mean(str(value), known, noun='choices')}"
    if c.via and c.expression:
        return "via= belongs to source and target, not to an expression."
    if c.interval == "fieller" and (c.reference_group or not (c.expression and _ratio(c.expression))):
        return "interval='fieller' needs an expression that is a ratio, a/b, in one group."
    return ""


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """A contrast on one fit. `note` says what an interval that is not a plain one means."""

    contrast: Contrast
    estimate: float
    se: float
    z: float
    pvalue: float
    ci_lower: float
    ci_upper: float
    definition: str
    note: str = ""

    def as_row(self) -> dict[str, Any]:
        c = self.contrast
        return {
            "id": c.id, "title": c.title, "definition": self.definition, "scale": c.scale,
            "group": c.group, "level": c.level, "sign": c.sign, "est": self.estimate, "se": self.se,
            "z": self.z, "pvalue": self.pvalue, "ci_lower": self.ci_lower, "ci_upper": self.ci_upper,
            "note": self.note,
        }  # fmt: skip


COLUMNS = [
    "id", "title", "definition", "scale", "group", "level", "sign", "est", "se", "z", "pvalue",
    "pvalue_adjusted", "ci_lower", "ci_upper", "note",
]  # fmt: skip


def evaluate_contrast(solved: Solved, contrast: Contrast) -> ContrastResult:
    """Estimate, delta-method error, two-sided normal p and interval (Fieller's set where asked for)."""
    half = float(ndtri((1.0 + contrast.level) / 2.0))
    value, slope = _value(solved, contrast, contrast.group)
    if contrast.reference_group:
        other, other_slope = _value(solved, contrast, contrast.reference_group)
        value, slope = value - other, slope - other_slope
    se = float(solved.errors_of(slope[None])[0])
    z = value / se if se > 0 else float("nan")
    lower, upper, note = value - half * se, value + half * se, ""
    if contrast.interval == "fieller":
        tree = parse_expression(contrast.expression)
        assert isinstance(tree, Binary)
        known = _known(solved, contrast, contrast.group, tree)
        (top, top_slope), (bottom, bottom_slope) = evaluate(tree.left, known), evaluate(tree.right, known)
        slopes = np.stack([top_slope, bottom_slope])
        found = fieller_set(float(top), float(bottom), slopes @ solved.covariance.free @ slopes.T, half)
        lower, upper, note = found.lower, found.upper, found.note
    pvalue = 2.0 * float(ndtr(-abs(z))) if z == z else float("nan")
    return ContrastResult(
        contrast, float(value), se, float(z), pvalue, float(lower), float(upper),
        _defined(solved, contrast), note,
    )  # fmt: skip


def contrast_table(solved: Solved, contrasts: Iterable[Contrast], *, adjust: Adjust = "none") -> pd.DataFrame:
    """One row a contrast; `adjust` fills pvalue_adjusted, the intervals stay those of single contrasts."""
    rows = [evaluate_contrast(solved, c).as_row() for c in contrasts]
    frame = pd.DataFrame(rows, columns=[c for c in COLUMNS if c != "pvalue_adjusted"])
    adjusted = adjust_pvalues(frame["pvalue"].to_numpy(np.float64), adjust)
    return frame.assign(pvalue_adjusted=adjusted)[COLUMNS]


def adjust_pvalues(pvalues: Array, method: Adjust) -> Array:
    """p-values (m,) adjusted for their number; undefined ones are left out of the count.

    Holm (1979); Bonferroni; Benjamini & Hochberg (1995), the false discovery rate.
    """
    if method not in ("none", "holm", "bonferroni", "bh"):
        hint = did_you_mean(str(method), ("none", "holm", "bonferroni", "bh"), noun="methods")
        raise SpecError(f"adjust='{method}' is unknown. {hint}")
    out = np.array(pvalues, dtype=np.float64)
    there = np.flatnonzero(~np.isnan(out))
    m = len(there)
    if method == "none" or not m:
        return out
    order = there[np.argsort(out[there], kind="stable")]
    p = out[order]
    rank = np.arange(1, m + 1)
    if method == "bonferroni":
        p = p * m
    elif method == "holm":
        p = np.maximum.accumulate(p * (m - rank + 1))
    else:
        p = np.minimum.accumulate((p * m / rank)[::-1])[::-1]
    out[order] = np.minimum(p, 1.0)
    return out


def _group_number(solved: Solved, contrast: Contrast, group: str) -> int:
    groups = solved.table.groups
    if not group:
        if len(groups) > 1 and (contrast.source or contrast.effect != "direct"):
            raise SpecError(
                f"Contrast '{contrast.id}' needs group=, as the fit has several: {', '.join(groups)}."
            )
        return 0
    if group not in groups:
        hint = did_you_mean(group, [g for g in groups if g], noun="groups")
        raise SpecError(f"Contrast '{contrast.id}': '{group}' is no group of the fit. {hint}".strip())
    return groups.index(group)


def _value(solved: Solved, contrast: Contrast, group: str) -> tuple[float, Array]:
    if contrast.expression:
        tree = parse_expression(contrast.expression)
        return evaluate(tree, _known(solved, contrast, group, tree))
    g = _group_number(solved, contrast, group)
    return effect_value(
        solved, contrast.effect, contrast.source, contrast.target, g, contrast.scale, contrast.via
    )


def _known(solved: Solved, contrast: Contrast, group: str, tree: Expression) -> Known:
    """Values by name for the names of an expression, as its group and kind of effect read them."""
    g = _group_number(solved, contrast, group)
    rows = solved.rows if contrast.scale == "raw" else solved.standardized(contrast.scale)
    known = label_values(solved.table, rows)
    if group:
        for name in tree.names:
            found = _in_group(solved, name, group, g)
            if found is not None:
                known[name] = (float(rows.value[found]), rows.jacobian[found])
            elif not name.startswith("."):
                known.pop(name, None)  # a label of another group
    for name, definition in solved.table.definitions:
        known[name] = evaluate(definition, known)
    if contrast.effect != "direct":
        defined = dict(solved.table.definitions)
        for name in tree.names:
            number = _in_group(solved, name, group, g)
            row = None if number is None else solved.table.rows[number]
            if name in defined or row is None:
                continue
            if row.op != "~":
                raise SpecError(
                    f"Contrast '{contrast.id}': '{name}' is no path, so it has no {contrast.effect} effect."
                )
            known[name] = effect_value(solved, contrast.effect, row.rhs, row.lhs, g, contrast.scale)
    unknown = [name for name in tree.names if name not in known]
    if unknown:
        labels = sorted(k for k in known if not k.startswith("."))
        where = f" in group {group}" if group else ""
        raise SpecError(
            f"Contrast '{contrast.id}': '{unknown[0]}' in '{contrast.expression}' is neither a label nor a "
            f"defined parameter of the model{where}. {did_you_mean(unknown[0], labels, noun='labels')}"
        )
    return known


def _in_group(solved: Solved, name: str, group: str, g: int) -> int | None:
    """The row a label means in a group: its own, or that of the label with the group's ending."""
    rows = solved.table.rows
    wanted = [name]
    if group:
        from sem_models.model.parts import group_suffix

        wanted.append(f"{name}.{group_suffix(group)}")
    for label in wanted:
        for i, row in enumerate(rows):
            if row.label == label and (not group or row.block == g + 1):
                return i
    return None


def _defined(solved: Solved, contrast: Contrast) -> str:
    """The definition with each label of a path spelled out."""
    if not contrast.expression:
        return contrast.definition
    tree = parse_expression(contrast.expression)
    g = _group_number(solved, contrast, contrast.group)
    meant = []
    for name in tree.names:
        number = _in_group(solved, name, contrast.group, g)
        row = None if number is None else solved.table.rows[number]
        if row is not None and row.op == "~":
            meant.append(f"{name}: {row.rhs} → {row.lhs}")
        elif row is not None:
            meant.append(f"{name}: {row.lhs} {row.op} {row.rhs}")
    return contrast.definition + (f" ({'; '.join(meant)})" if meant else "")


def _ratio(text: str) -> bool:
    tree = parse_expression(text)
    return isinstance(tree, Binary) and tree.op == "/"


def as_contrasts(
    given: str | Contrast | ModelSpec | Iterable[Any] | Mapping[str, str],
) -> tuple[Contrast, ...]:
    """Contrasts from one or many of them, a specification (its claims), texts, or texts by name."""
    if isinstance(given, Contrast):
        return (given,)
    if isinstance(given, str):
        return (Contrast(given, given),)
    if isinstance(given, Mapping):
        return tuple(Contrast(str(name), text) for name, text in given.items())
    if hasattr(given, "claims"):
        spec: Any = given
        return Contrast.of_spec(spec)
    return tuple(c for one in given for c in as_contrasts(one))


def as_dict(contrast: Contrast) -> dict[str, Any]:
    """Plain values, from which `Contrast(**values)` makes the same contrast."""
    return asdict(contrast)
